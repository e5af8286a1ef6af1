/* SPDX-License-Identifier: MIT */
#include "emit.h"

#include <inttypes.h>
#include <string.h>

void gw_emit_quoted(FILE *to, const char *s)
{
	fputc('"', to);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(to, "\\u%04x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

void gw_emit_start(struct gw_emit *e, FILE *to, bool json)
{
	*e = (struct gw_emit){.to = to, .json = json};
}

static void separate(struct gw_emit *e)
{
	if (e->comma)
		fputs(", ", e->to);
	e->comma = true;
}

static void name_of(struct gw_emit *e, const char *name)
{
	if (e->json) {
		separate(e);
		if (name) {
			gw_emit_quoted(e->to, name);
			fputs(": ", e->to);
		}
	} else {
		int width = 26 - (int)e->used;

		fprintf(e->to, "%s%-*s ", e->prefix, width > 0 ? width : 0, name);
	}
}

void gw_emit_open(struct gw_emit *e, const char *name)
{
	if (e->json) {
		name_of(e, name);
		fputc('{', e->to);
		e->comma = false;
		return;
	}
	e->outer[e->depth++] = e->used;
	if (name)
		e->used +=
		    (unsigned int)snprintf(e->prefix + e->used, sizeof(e->prefix) - e->used, "%s.", name);
}

void gw_emit_close(struct gw_emit *e)
{
	if (e->json) {
		fputc('}', e->to);
		e->comma = true;
		return;
	}
	e->used = e->outer[--e->depth];
	e->prefix[e->used] = '\0';
}

void gw_emit_counter(struct gw_emit *e, const char *name, uint64_t v, const char *remark)
{
	name_of(e, name);
	fprintf(e->to, "%" PRIu64, v);
	if (!e->json && remark)
		fprintf(e->to, "  (%s)", remark);
	if (!e->json)
		fputc('\n', e->to);
}

void gw_emit_number(struct gw_emit *e, const char *name, uint64_t v)
{
	gw_emit_counter(e, name, v, NULL);
}

void gw_emit_text(struct gw_emit *e, const char *name, const char *v)
{
	name_of(e, name);
	if (e->json)
		gw_emit_quoted(e->to, v);
	else
		fprintf(e->to, "%s\n", v);
}

void gw_emit_bool(struct gw_emit *e, const char *name, bool v)
{
	name_of(e, name);
	fputs(v ? "true" : "false", e->to);
	if (!e->json)
		fputc('\n', e->to);
}

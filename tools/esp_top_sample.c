/* SPDX-License-Identifier: MIT */
#include "esp_top.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "esp_gateway.h"
#include "esp_tool.h"

/* All of an answer, *text in memory of malloc. */
static int ask(const char *socket, const char *request, char **text)
{
	FILE *answer = esp_gateway_ask(socket, request, NULL, 0);
	size_t room = 0, used = 0;
	char verdict[16];

	*text = NULL;
	if (!answer)
		return -errno;
	if (!fgets(verdict, sizeof(verdict), answer) || strcmp(verdict, "ok\n") != 0) {
		fclose(answer);
		return -EPROTO;
	}
	do {
		if (room - used < 4096) {
			room += 65536;
			*text = esp_memory(realloc(*text, room));
		}
		used += fread(*text + used, 1, room - used - 1, answer);
	} while (!feof(answer) && !ferror(answer));
	(*text)[used] = '\0';
	fclose(answer);
	return 0;
}

/* "name   value  (remark)" */
static void read_value(struct top_value *v, char *line)
{
	char *p = line + strcspn(line, " ");

	v->name = line;
	v->value = p + strspn(p, " ");
	*p = '\0';
	v->remark = strstr(v->value, "  (");
	if (!v->remark) {
		v->remark = v->value + strlen(v->value);
		return;
	}
	*v->remark = '\0';
	v->remark += 3;
	p = strrchr(v->remark, ')');
	if (p)
		*p = '\0';
}

static void read_stats(struct top_sample *s)
{
	char *save, *line = strtok_r(s->text, "\n", &save);

	for (; line; line = strtok_r(NULL, "\n", &save)) {
		s->values = esp_memory(realloc(s->values, (s->value_count + 1) * sizeof(*s->values)));
		read_value(&s->values[s->value_count++], line);
	}
}

static void read_sas(struct top_sample *s, char *text)
{
	char *save, *line = strtok_r(text, "\n", &save);

	while ((line = strtok_r(NULL, "\n", &save))) { /* behind the heading */
		struct top_sa sa;

		if (sscanf(line,
			   "%3s %11s %47s %47s %" SCNu32 " %31s %11s %63s %" SCNu64 " %" SCNu64 " %" SCNu64,
			   sa.dir, sa.spi, sa.src, sa.dst, &sa.reqid, sa.algorithm, sa.state, sa.peer,
			   &sa.packets, &sa.bytes, &sa.drops) != 11)
			continue;
		s->sas = esp_memory(realloc(s->sas, (s->sa_count + 1) * sizeof(sa)));
		s->sas[s->sa_count++] = sa;
	}
}

int top_take(struct top_sample *s, const char *socket)
{
	struct timespec t;
	char *sas = NULL;
	int code;

	*s = (struct top_sample){0};
	code = ask(socket, "stats", &s->text);
	clock_gettime(CLOCK_MONOTONIC, &t);
	s->at = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
	if (!code)
		code = ask(socket, "sa list", &sas);
	if (!code) {
		read_stats(s);
		read_sas(s, sas);
	}
	free(sas);
	if (code)
		top_free(s);
	return code;
}

void top_free(struct top_sample *s)
{
	free(s->text);
	free(s->values);
	free(s->sas);
	*s = (struct top_sample){0};
}

const char *top_text(const struct top_sample *s, const char *name)
{
	for (size_t i = 0; i < s->value_count; i++)
		if (!strcmp(s->values[i].name, name))
			return s->values[i].value;
	return "";
}

uint64_t top_number(const struct top_sample *s, const char *name)
{
	return strtoull(top_text(s, name), NULL, 10);
}

const struct top_sa *top_find_sa(const struct top_sample *s, const struct top_sa *like)
{
	for (size_t i = 0; i < s->sa_count; i++)
		if (!strcmp(s->sas[i].spi, like->spi) && !strcmp(s->sas[i].dst, like->dst))
			return &s->sas[i];
	return NULL;
}

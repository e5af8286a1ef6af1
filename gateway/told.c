/* SPDX-License-Identifier: MIT */
/* What clients that asked for events are told: one line each, in text or JSON. */
#include <inttypes.h>
#include <time.h>

#include "address.h"
#include "emit.h"
#include "gateway.h"

struct told {
	struct timespec at;
	const char *event;
	/* Of an SA; dst of family 0: it is about none. */
	enum gw_dir dir;
	uint32_t spi, reqid;
	struct esp_addr dst;
	const struct gw_endpoint *peer; /* NULL: none */
	uint32_t mtu;			/* 0: none */
	const char *name, *text;	/* NULL: none */
};

static void line_text(FILE *to, const struct told *t)
{
	char text[GW_ENDPOINT_TEXT];
	struct tm tm;

	gmtime_r(&t->at.tv_sec, &tm);
	fprintf(to, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, t->at.tv_nsec / 1000000, t->event);
	if (t->dst.family)
		fprintf(to, " %s spi 0x%08" PRIx32 " dst %s reqid %" PRIu32, t->dir == GW_OUT ? "out" : "in",
			t->spi, gw_address_text(&t->dst, text), t->reqid);
	if (t->peer)
		fprintf(to, " peer %s", gw_endpoint_text(t->peer, text));
	if (t->mtu)
		fprintf(to, " mtu %" PRIu32, t->mtu);
	if (t->name)
		fprintf(to, " %s %s", t->name, t->text);
	fputc('\n', to);
}

static void line_json(FILE *to, const struct told *t)
{
	char text[GW_ENDPOINT_TEXT];
	struct gw_emit e;

	fprintf(to, "{\"time\": %lld.%06ld, ", (long long)t->at.tv_sec, t->at.tv_nsec / 1000);
	gw_emit_start(&e, to, true);
	gw_emit_text(&e, "event", t->event);
	if (t->dst.family) {
		gw_emit_text(&e, "dir", t->dir == GW_OUT ? "out" : "in");
		snprintf(text, sizeof(text), "0x%08" PRIx32, t->spi);
		gw_emit_text(&e, "spi", text);
		gw_emit_text(&e, "dst", gw_address_text(&t->dst, text));
		gw_emit_number(&e, "reqid", t->reqid);
	}
	if (t->peer)
		gw_emit_text(&e, "peer", gw_endpoint_text(t->peer, text));
	if (t->mtu)
		gw_emit_number(&e, "mtu", t->mtu);
	if (t->name)
		gw_emit_text(&e, t->name, t->text);
	fputs("}\n", to);
}

static void line(FILE *to, bool json, const void *what)
{
	(json ? line_json : line_text)(to, what);
}

static void lost(FILE *to, bool json, uint64_t count)
{
	char text[24];
	struct told t = {.event = "lost", .name = "events", .text = text};

	clock_gettime(CLOCK_REALTIME, &t.at);
	snprintf(text, sizeof(text), "%" PRIu64, count);
	line(to, json, &t);
}

static void tell(struct gw_gateway *g, struct told *t)
{
	clock_gettime(CLOCK_REALTIME, &t->at);
	gw_server_tell(&g->control, line, t, lost);
}

void gw_tell_plane(struct gw_gateway *g, const struct gw_event *event)
{
	struct told t = {.event = gw_event_name(event->kind)};
	char text[24];

	switch (event->kind) {
	case GW_EVENT_PEER_MOVED:
		t.peer = &event->peer;
		/* fall through */
	case GW_EVENT_SOFT:
	case GW_EVENT_HARD:
		t.dir = event->dir;
		t.spi = event->spi;
		t.reqid = event->reqid;
		t.dst = event->dst;
		break;
	case GW_EVENT_MTU:
		t.peer = &event->peer;
		t.mtu = event->mtu;
		break;
	case GW_EVENT_LOST:
		snprintf(text, sizeof(text), "%" PRIu64, event->lost);
		t.name = "events";
		t.text = text;
		break;
	}
	tell(g, &t);
}

void gw_tell_sa(struct gw_gateway *g, const char *event, enum gw_dir dir, const struct esp_sa *sa)
{
	struct told t = {.event = event, .dir = dir, .spi = sa->spi, .reqid = sa->reqid, .dst = sa->dst};

	tell(g, &t);
}

void gw_tell_text(struct gw_gateway *g, const char *event, const char *name, const char *text)
{
	struct told t = {.event = event, .name = name, .text = text};

	tell(g, &t);
}

/* SPDX-License-Identifier: MIT */
/* What the gateway is and did, for ctl and top. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "emit.h"
#include "gateway.h"

bool gw_drop_is_inbound(enum gw_drop d)
{
	return d == GW_DROP_POLICY_IN || d == GW_DROP_TUN_WRITE || d == GW_DROP_KERNEL_UDP ||
	       d == GW_DROP_TRUNCATED_READ;
}

/* As lines only what was counted: most reasons never are. */
static void emit_drop(struct gw_emit *e, const char *name, uint64_t count, const char *text)
{
	if (count || e->json)
		gw_emit_counter(e, name, count, text);
}

static void emit_drops(struct gw_emit *e, const uint64_t esp[ESP_DROP_COUNT], const uint64_t *own, bool in)
{
	gw_emit_open(e, "drops");
	for (enum esp_drop d = ESP_OK + 1; d < ESP_DROP_COUNT; d++)
		emit_drop(e, esp_drop_name(d), esp[d], esp_drop_text(d));
	for (enum gw_drop d = 0; own && d < GW_DROP_COUNT; d++)
		if (gw_drop_is_inbound(d) == in)
			emit_drop(e, gw_drop_name(d), own[d], gw_drop_text(d));
	gw_emit_close(e);
}

static void emit_way(struct gw_emit *e, const char *name, const struct esp_stats *s, const uint64_t *own)
{
	gw_emit_open(e, name);
	gw_emit_number(e, "packets", s->out_packets);
	gw_emit_number(e, "bytes", s->out_bytes);
	emit_drops(e, s->drop, own, name[0] == 'i');
	gw_emit_close(e);
}

static void emit_io(struct gw_emit *e, const char *name, uint64_t calls, uint64_t packets, uint64_t bytes)
{
	gw_emit_open(e, name);
	gw_emit_number(e, "calls", calls);
	gw_emit_number(e, "packets", packets);
	gw_emit_number(e, "bytes", bytes);
	gw_emit_close(e);
}

static void emit_cpus(struct gw_emit *e, const struct gw_plane_stats *s)
{
	gw_emit_open(e, "cpu");
	for (unsigned int i = 0; i < s->cpu_count; i++) {
		char number[12];

		snprintf(number, sizeof(number), "%u", s->cpu[i].cpu);
		gw_emit_open(e, number);
		gw_emit_number(e, "bursts", s->cpu[i].bursts);
		gw_emit_number(e, "packets", s->cpu[i].packets);
		gw_emit_number(e, "parallel_ns", s->cpu[i].parallel_ns);
		gw_emit_number(e, "serial_ns", s->cpu[i].serial_ns);
		gw_emit_close(e);
	}
	gw_emit_close(e);
}

static void emit_offloads(struct gw_emit *e, const struct gw_plane_stats *s)
{
	gw_emit_open(e, "offloads");
	gw_emit_bool(e, "tun_checksum", s->tun_offloads.csum);
	gw_emit_bool(e, "tun_tso", s->tun_offloads.tso4 && s->tun_offloads.tso6);
	gw_emit_bool(e, "tun_uso", s->tun_offloads.uso);
	gw_emit_bool(e, "udp_gso", s->udp_offloads.gso);
	gw_emit_bool(e, "udp_gro", s->udp_offloads.gro);
	gw_emit_close(e);
}

static uint64_t uptime(const struct gw_gateway *g)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec - g->started;
}

void gw_report_stats(struct gw_gateway *g, FILE *to, bool json)
{
	struct gw_plane_stats *s = malloc(sizeof(*s));
	char cpus[1024];
	struct gw_emit e;

	if (!s)
		return;
	gw_plane_stats(g->plane, s);
	padata_cpulist_print(cpus, sizeof(cpus), g->cpus);
	gw_emit_start(&e, to, json);
	gw_emit_open(&e, NULL);
	gw_emit_text(&e, "version", PADATA_VERSION);
	gw_emit_number(&e, "uptime", uptime(g));
	gw_emit_text(&e, "backend", s->backend);
	gw_emit_text(&e, "cpus", cpus);
	gw_emit_text(&e, "tun", g->tun.name);
	gw_emit_number(&e, "mtu", g->mtu);
	emit_way(&e, "out", &s->out, s->drop);
	emit_way(&e, "in", &s->in, s->drop);
	gw_emit_counter(&e, "tun_queue_dropped", gw_link_dropped(&g->link),
			"by the kernel in front of the TUN device; segmentation requests count once");
	gw_emit_open(&e, "queue"); /* bursts */
	gw_emit_number(&e, "depth", s->bursts_total - s->bursts_free);
	gw_emit_number(&e, "room", s->bursts_total);
	gw_emit_close(&e);
	gw_emit_open(&e, "sas");
	gw_emit_number(&e, "out", s->sas_out);
	gw_emit_number(&e, "in", s->sas_in);
	gw_emit_close(&e);
	gw_emit_open(&e, "keepalives");
	gw_emit_number(&e, "sent", s->keepalives_sent);
	gw_emit_number(&e, "received", s->keepalives_received);
	gw_emit_close(&e);
	gw_emit_number(&e, "icmp_sent", s->icmp_sent);
	gw_emit_number(&e, "peer_moves", s->peer_moves);
	gw_emit_number(&e, "reopened", s->in.reopened);
	emit_io(&e, "tun_read", s->tun_reads, s->tun_read_packets, s->tun_read_bytes);
	emit_io(&e, "tun_write", s->tun_writes, s->tun_write_packets, s->tun_write_bytes);
	emit_io(&e, "udp_receive", s->udp_receives, s->udp_receive_packets, s->udp_receive_bytes);
	emit_io(&e, "udp_send", s->udp_sends, s->udp_send_packets, s->udp_send_bytes);
	emit_cpus(&e, s);
	emit_offloads(&e, s);
	gw_emit_close(&e);
	if (json)
		fputc('\n', to);
	free(s);
}

static const char *state(const struct gw_sa_info *i)
{
	return i->linger     ? "leaving"
	       : i->use.hard ? "hard"
	       : !i->current ? (i->dir == GW_OUT ? "replaced" : "leaving")
	       : i->use.soft ? "soft"
			     : "active";
}

static uint64_t dropped(const struct esp_stats *s)
{
	uint64_t sum = 0;

	for (enum esp_drop d = ESP_OK + 1; d < ESP_DROP_COUNT; d++)
		sum += s->drop[d];
	return sum;
}

static void sa_json(FILE *to, const struct gw_sa_info *i)
{
	char text[GW_ENDPOINT_TEXT];
	struct gw_emit e;

	gw_emit_start(&e, to, true);
	gw_emit_open(&e, NULL);
	gw_emit_text(&e, "dir", i->dir == GW_OUT ? "out" : "in");
	snprintf(text, sizeof(text), "0x%08" PRIx32, i->spi);
	gw_emit_text(&e, "spi", text);
	gw_emit_text(&e, "src", gw_address_text(&i->src, text));
	gw_emit_text(&e, "dst", gw_address_text(&i->dst, text));
	gw_emit_number(&e, "reqid", i->reqid);
	gw_emit_text(&e, "algorithm", i->algorithm);
	gw_emit_bool(&e, "esn", i->flags & ESP_SA_ESN);
	gw_emit_number(&e, "replay_window", i->replay_window);
	gw_emit_text(&e, "state", state(i));
	gw_emit_text(&e, "peer", gw_endpoint_text(&i->peer, text));
	gw_emit_number(&e, "seq", i->seq);
	gw_emit_number(&e, "packets", i->use.packets);
	gw_emit_number(&e, "bytes", i->use.bytes);
	gw_emit_number(&e, "outstanding", i->outstanding);
	gw_emit_number(&e, "age", i->age);
	gw_emit_number(&e, "idle", i->idle);
	if (i->linger)
		gw_emit_number(&e, "linger", i->linger);
	emit_drops(&e, i->stats.drop, NULL, false);
	gw_emit_close(&e);
}

static void sa_line(FILE *to, const struct gw_sa_info *i)
{
	char src[GW_ADDRESS_TEXT], dst[GW_ADDRESS_TEXT], peer[GW_ENDPOINT_TEXT];

	fprintf(to,
		"%-3s 0x%08" PRIx32 " %-15s %-15s %5" PRIu32 " %-22s %-8s %-21s %12" PRIu64 " %14" PRIu64
		" %8" PRIu64 "\n",
		i->dir == GW_OUT ? "out" : "in", i->spi, gw_address_text(&i->src, src),
		gw_address_text(&i->dst, dst), i->reqid, i->algorithm, state(i),
		gw_endpoint_text(&i->peer, peer), i->use.packets, i->use.bytes, dropped(&i->stats));
}

void gw_report_sas(struct gw_gateway *g, FILE *to, bool json)
{
	size_t count = 0;
	struct gw_sa_info *sas = gw_plane_sas(g->plane, &count);

	if (json)
		fputc('[', to);
	else
		fprintf(to, "%-3s %-10s %-15s %-15s %5s %-22s %-8s %-21s %12s %14s %8s\n", "dir", "spi",
			"src", "dst", "reqid", "algorithm", "state", "peer", "packets", "bytes", "drops");
	for (size_t i = 0; sas && i < count; i++) {
		if (json && i)
			fputs(",\n ", to);
		(json ? sa_json : sa_line)(to, &sas[i]);
	}
	if (json)
		fputs("]\n", to);
	free(sas);
}

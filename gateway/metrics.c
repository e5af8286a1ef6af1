/* SPDX-License-Identifier: MIT */
/* Counters in Prometheus' text format (exposition format 0.0.4): over HTTP on loopback, or in a file. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway.h"

#define REQUEST_MAX 4096u

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP padata_esp_%s %s\n# TYPE padata_esp_%s %s\n", name, help, name, type);
}

static void ways(FILE *to, const char *name, const char *help, uint64_t out, uint64_t in)
{
	head(to, name, "counter", help);
	fprintf(to,
		"padata_esp_%s{direction=\"out\"} %" PRIu64 "\npadata_esp_%s{direction=\"in\"} %" PRIu64 "\n",
		name, out, name, in);
}

static void one(FILE *to, const char *name, const char *type, const char *help, uint64_t v)
{
	head(to, name, type, help);
	fprintf(to, "padata_esp_%s %" PRIu64 "\n", name, v);
}

static void drops(FILE *to, const struct gw_plane_stats *s)
{
	head(to, "dropped_packets_total", "counter", "Packets dropped, by reason.");
	for (enum esp_drop d = ESP_OK + 1; d < ESP_DROP_COUNT; d++)
		fprintf(to,
			"padata_esp_dropped_packets_total{direction=\"out\",reason=\"%s\"} %" PRIu64 "\n"
			"padata_esp_dropped_packets_total{direction=\"in\",reason=\"%s\"} %" PRIu64 "\n",
			esp_drop_name(d), s->out.drop[d], esp_drop_name(d), s->in.drop[d]);
	for (enum gw_drop d = 0; d < GW_DROP_COUNT; d++)
		fprintf(to, "padata_esp_dropped_packets_total{direction=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
			gw_drop_is_inbound(d) ? "in" : "out", gw_drop_name(d), s->drop[d]);
}

static void cpus(FILE *to, const struct gw_plane_stats *s)
{
	head(to, "cpu_seconds_total", "counter", "Time in the parallel and the serial stage, by CPU.");
	for (unsigned int i = 0; i < s->cpu_count; i++)
		fprintf(to,
			"padata_esp_cpu_seconds_total{cpu=\"%u\",stage=\"parallel\"} %.6f\n"
			"padata_esp_cpu_seconds_total{cpu=\"%u\",stage=\"serial\"} %.6f\n",
			s->cpu[i].cpu, (double)s->cpu[i].parallel_ns * 1e-9, s->cpu[i].cpu,
			(double)s->cpu[i].serial_ns * 1e-9);
}

static void sas(FILE *to, struct gw_gateway *g)
{
	static const char *const names[] = {"sa_packets_total", "sa_bytes_total", "sa_sequence_number"};
	static const char *const helps[] = {"Inner packets that an SA carried.", "Their bytes.",
					    "Last number sent, highest received."};
	size_t count = 0;
	struct gw_sa_info *list = gw_plane_sas(g->plane, &count);

	for (int n = 0; n < 3; n++) {
		head(to, names[n], n < 2 ? "counter" : "gauge", helps[n]);
		for (size_t i = 0; list && i < count; i++)
			fprintf(to,
				"padata_esp_%s{direction=\"%s\",spi=\"0x%08" PRIx32 "\",reqid=\"%" PRIu32
				"\"} %" PRIu64 "\n",
				names[n], list[i].dir == GW_OUT ? "out" : "in", list[i].spi, list[i].reqid,
				n == 0	 ? list[i].use.packets
				: n == 1 ? list[i].use.bytes
					 : list[i].seq);
	}
	free(list);
}

void gw_metrics_write(struct gw_gateway *g, FILE *to)
{
	struct gw_plane_stats *s = malloc(sizeof(*s));

	if (!s)
		return;
	gw_plane_stats(g->plane, s);
	ways(to, "packets_total", "Packets passed on.", s->out.out_packets, s->in.out_packets);
	ways(to, "bytes_total", "Their bytes: outer packets out, inner packets in.", s->out.out_bytes,
	     s->in.out_bytes);
	drops(to, s);
	one(to, "queue_bursts", "gauge", "Bursts that are queued or being worked on.",
	    s->bursts_total - s->bursts_free);
	one(to, "queue_room_bursts", "gauge", "Bursts that there can be.", s->bursts_total);
	one(to, "tun_queue_dropped_total", "counter", "Dropped by the kernel in front of the TUN device.",
	    gw_link_dropped(&g->link));
	one(to, "mtu_bytes", "gauge", "MTU of the TUN device.", g->mtu);
	one(to, "keepalives_sent_total", "counter", "NAT keepalives sent.", s->keepalives_sent);
	one(to, "keepalives_received_total", "counter", "NAT keepalives received.", s->keepalives_received);
	one(to, "icmp_sent_total", "counter", "Fragmentation needed and packet too big.", s->icmp_sent);
	one(to, "peer_moves_total", "counter", "Authenticated changes of a peer's address.", s->peer_moves);
	cpus(to, s);
	sas(to, g);
	free(s);
}

static bool is_whole(const char *request, size_t len, bool ended)
{
	return ended || memmem(request, len, "\r\n\r\n", 4) || memmem(request, len, "\n\n", 2);
}

static void handle(void *arg, struct gw_client *client, FILE *to)
{
	char *body = NULL;
	size_t len = 0;
	bool good = !strncmp(client->request, "GET /metrics", 12) && strchr(" ?", client->request[12]);
	FILE *f = open_memstream(&body, &len);

	if (!f)
		return;
	if (good)
		gw_metrics_write(arg, f);
	else
		fputs("GET /metrics\n", f);
	fclose(f);
	fprintf(to,
		"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: "
		"%zu\r\nConnection: close\r\n\r\n",
		good ? "200 OK" : "404 Not Found", len);
	fwrite(body, 1, len, to);
	free(body);
}

int gw_metrics_listen(struct gw_gateway *g, char err[ESP_ERROR_LEN])
{
	g->metrics = (struct gw_server){
	    .listener = -1, .request_max = REQUEST_MAX, .is_whole = is_whole, .handle = handle, .arg = g};
	return g->config->metrics.port ? gw_server_listen_inet(&g->metrics, &g->config->metrics, err) : 0;
}

int gw_metrics_write_file(struct gw_gateway *g)
{
	char fresh[GW_FILE_MAX + 8];
	FILE *f;
	int code = 0;

	if (!g->config->metrics_file[0])
		return 0;
	snprintf(fresh, sizeof(fresh), "%s.new", g->config->metrics_file);
	f = fopen(fresh, "we");
	if (!f)
		return -errno;
	gw_metrics_write(g, f);
	if (ferror(f))
		code = -EIO;
	if (fclose(f) != 0 || (!code && rename(fresh, g->config->metrics_file) != 0))
		code = -errno;
	if (code)
		unlink(fresh);
	return code;
}

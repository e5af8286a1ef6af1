/* SPDX-License-Identifier: MIT */
/* Snapshots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

const char *gw_drop_name(enum gw_drop d)
{
	static const char *const names[] = {
#define X(e, name, text) [GW_DROP_##e] = name,
	    GW_DROPS(X)
#undef X
	};

	return (unsigned int)d < GW_DROP_COUNT ? names[d] : "?";
}

const char *gw_drop_text(enum gw_drop d)
{
	static const char *const texts[] = {
#define X(e, name, text) [GW_DROP_##e] = text,
	    GW_DROPS(X)
#undef X
	};

	return (unsigned int)d < GW_DROP_COUNT ? texts[d] : "?";
}

void gw_stats_add(struct esp_stats *to, const struct esp_stats *s)
{
	to->in_packets += s->in_packets;
	to->in_bytes += s->in_bytes;
	to->out_packets += s->out_packets;
	to->out_bytes += s->out_bytes;
	to->soft_expired += s->soft_expired;
	to->reopened += s->reopened;
	for (int i = 0; i < ESP_DROP_COUNT; i++)
		to->drop[i] += s->drop[i];
}

void gw_io_add(struct gw_io *to, const struct gw_io *io)
{
	to->calls += io->calls;
	to->packets += io->packets;
	to->bytes += io->bytes;
	for (int i = 0; i < GW_DROP_COUNT; i++)
		to->drop[i] += io->drop[i];
}

static void add_sides(struct gw_plane *p, struct gw_plane_stats *s)
{
	struct gw_side *out = &p->side[GW_OUT], *in = &p->side[GW_IN];

	s->tun_reads = gw_counted(&out->calls);
	s->tun_read_packets = gw_counted(&out->packets);
	s->tun_read_bytes = gw_counted(&out->bytes);
	s->icmp_sent = gw_counted(&out->icmp);
	s->udp_receives = gw_counted(&in->calls);
	s->udp_receive_packets = gw_counted(&in->packets);
	s->udp_receive_bytes = gw_counted(&in->bytes);
	s->keepalives_received = gw_counted(&in->keepalives);
	for (int i = 0; i < ESP_DROP_COUNT; i++) {
		s->out.drop[i] += gw_counted(&out->esp_drop[i]);
		s->in.drop[i] += gw_counted(&in->esp_drop[i]);
	}
	for (int i = 0; i < GW_DROP_COUNT; i++)
		s->drop[i] += gw_counted(&out->drop[i]) + gw_counted(&in->drop[i]);
	for (int d = 0; d < 2; d++) {
		s->bursts_total += p->side[d].pool.total;
		s->bursts_free += gw_pool_free(&p->side[d].pool);
	}
}

static void add_cpu(struct gw_plane_stats *s, const struct gw_worker *w)
{
	unsigned int at = 0;

	while (at < s->cpu_count && s->cpu[at].cpu < w->cpu)
		at++;
	if (at == GW_CPUS_MAX ||
	    (s->cpu_count == GW_CPUS_MAX && (at == s->cpu_count || s->cpu[at].cpu != w->cpu)))
		at = GW_CPUS_MAX - 1;
	else if (at == s->cpu_count || s->cpu[at].cpu != w->cpu) {
		memmove(&s->cpu[at + 1], &s->cpu[at], (s->cpu_count - at) * sizeof(s->cpu[0]));
		s->cpu[at] = (struct gw_cpu_stats){.cpu = w->cpu};
		s->cpu_count++;
	}
	s->cpu[at].bursts += gw_counted(&w->bursts);
	s->cpu[at].packets += gw_counted(&w->packets);
	s->cpu[at].parallel_ns += gw_counted(&w->parallel_ns);
	s->cpu[at].serial_ns += gw_counted(&w->serial_ns);
}

static void add_sas(struct gw_plane *p, struct gw_plane_stats *s)
{
	struct gw_io io[2] = {p->past[0].io, p->past[1].io};

	s->out = p->past[GW_OUT].stats;
	s->in = p->past[GW_IN].stats;
	for (struct gw_sa *sa = p->sas; sa; sa = sa->next) {
		pthread_mutex_lock(&sa->lock);
		gw_stats_add(sa->dir == GW_OUT ? &s->out : &s->in, &sa->stats);
		gw_io_add(&io[sa->dir], &sa->io);
		pthread_mutex_unlock(&sa->lock);
		*(sa->dir == GW_OUT ? &s->sas_out : &s->sas_in) += 1;
	}
	s->udp_sends = io[GW_OUT].calls;
	s->udp_send_packets = io[GW_OUT].packets;
	s->udp_send_bytes = io[GW_OUT].bytes;
	s->tun_writes = io[GW_IN].calls;
	s->tun_write_packets = io[GW_IN].packets;
	s->tun_write_bytes = io[GW_IN].bytes;
	for (int i = 0; i < GW_DROP_COUNT; i++)
		s->drop[i] = io[GW_OUT].drop[i] + io[GW_IN].drop[i];
}

void gw_plane_stats(struct gw_plane *p, struct gw_plane_stats *s)
{
	/* Acquire: pairs with the release in gw_worker_self(); without it a worker could be seen before it
	 * was filled in. */
	const struct gw_worker *w = atomic_load_explicit(&p->workers.first, memory_order_acquire);

	memset(s, 0, sizeof(*s));
	pthread_mutex_lock(&p->control);
	add_sas(p, s);
	add_sides(p, s);
	s->keepalives_sent = p->keepalives_sent;
	pthread_mutex_unlock(&p->control);
	s->peer_moves = gw_counted(&p->peer_moves);
	s->tun_offloads = p->tun.offloads;
	s->udp_offloads = p->udp_offloads;
	s->udp_offloads.gso = gw_plane_segments(p);
	s->backend = w ? w->name : "";
	for (; w; w = w->next)
		add_cpu(s, w);
}

struct listing {
	struct gw_plane *plane;
	struct gw_sa_info *info;
	uint64_t now;
};

static void describe(const struct gw_sa *sa, struct gw_sa_info *i, uint64_t now)
{
	const struct esp_sa *esp = sa->esp;
	uint64_t last = gw_counted(&sa->last_at);

	*i = (struct gw_sa_info){
	    .dir = sa->dir,
	    .spi = esp->spi,
	    .reqid = esp->reqid,
	    .src = esp->src,
	    .dst = esp->dst,
	    .peer = gw_peer_at(sa->peer),
	    .algorithm = esp_sa_alg_name(esp),
	    .flags = esp->flags,
	    .replay_window = esp->replay_window,
	    .limits = esp->limits,
	    .age = now - sa->added,
	    .idle = now - (last ? last : sa->added),
	    .linger = sa->ends_at > now ? (uint32_t)(sa->ends_at - now) : 0,
	    .outstanding = atomic_load_explicit(&sa->outstanding, memory_order_relaxed),
	};
}

/* In the TUN reader, whose numbers these are. */
static void list_out(void *arg)
{
	struct listing *l = arg;
	struct gw_sa_info *i = l->info;
	const struct gw_table *t = l->plane->side[GW_OUT].table;

	for (struct gw_sa *sa = l->plane->sas; sa; sa = sa->next, i++) {
		if (sa->dir != GW_OUT)
			continue;
		i->seq = sa->esp->tx.oseq;
		i->most = sa->esp->tx.most;
		i->use = sa->esp->tx.use;
		for (size_t j = 0; j < t->policy_count; j++)
			i->current = i->current || t->resolved[j] == sa;
	}
}

static void reverse(struct gw_sa_info *info, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct gw_sa_info other = info[i];

		info[i] = info[n - 1 - i];
		info[n - 1 - i] = other;
	}
}

struct gw_sa_info *gw_plane_sas(struct gw_plane *p, size_t *count)
{
	struct listing l = {.plane = p, .now = gw_clock_s()};
	size_t n = 0, i = 0;

	pthread_mutex_lock(&p->control);
	for (struct gw_sa *sa = p->sas; sa; sa = sa->next)
		n++;
	l.info = calloc(n + 1, sizeof(*l.info));
	if (!l.info) {
		pthread_mutex_unlock(&p->control);
		errno = ENOMEM;
		return NULL;
	}
	for (struct gw_sa *sa = p->sas; sa; sa = sa->next, i++) {
		describe(sa, &l.info[i], l.now);
		pthread_mutex_lock(&sa->lock);
		l.info[i].stats = sa->stats;
		if (sa->dir == GW_IN) {
			l.info[i].seq = esp_replay_top(&sa->esp->rx.replay);
			l.info[i].use = sa->esp->rx.use;
			l.info[i].current = !sa->out_of_use;
		}
		pthread_mutex_unlock(&sa->lock);
	}
	gw_reader_ask(&p->side[GW_OUT].reader, list_out, &l);
	pthread_mutex_unlock(&p->control);
	reverse(l.info, n);
	*count = n;
	return l.info;
}

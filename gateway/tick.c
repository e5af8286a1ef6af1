/* SPDX-License-Identifier: MIT */
/* What is due by the clock: lifetimes in seconds, the end of lingering SAs, keepalives, paths. */
#include "state.h"

static void expire_out(void *arg)
{
	((struct gw_sa *)arg)->esp->tx.use.expired = true;
}

static void expire(struct gw_sa *sa)
{
	if (sa->dir == GW_OUT) {
		gw_reader_ask(&sa->plane->side[GW_OUT].reader, expire_out, sa);
	} else {
		pthread_mutex_lock(&sa->lock);
		sa->esp->rx.use.expired = true;
		pthread_mutex_unlock(&sa->lock);
	}
	gw_sa_tell(sa, GW_EVENT_HARD);
}

static bool over(uint64_t limit, uint64_t since, uint64_t now)
{
	return limit && since && now - since >= limit;
}

static void check_seconds(struct gw_sa *sa, uint64_t now)
{
	const struct esp_limits *l = &sa->esp->limits;
	uint64_t first = gw_counted(&sa->first_at);

	if (!sa->soft_seconds_told &&
	    (over(l->soft_seconds, sa->added, now) || over(l->soft_use_seconds, first, now))) {
		sa->soft_seconds_told = true;
		gw_sa_tell(sa, GW_EVENT_SOFT);
	}
	if ((over(l->hard_seconds, sa->added, now) || over(l->hard_use_seconds, first, now)) &&
	    !atomic_load_explicit(&sa->hard_told, memory_order_relaxed))
		expire(sa);
}

static void keep_alive(struct gw_plane *p, struct gw_peer *peer, uint64_t now)
{
	struct sockaddr_storage to;
	uint8_t byte = 0xff;
	struct gw_send s = {.to = &to, .data = &byte, .len = 1, .size = 1, .df = true};

	if (!p->keepalive || now - gw_counted(&peer->sent_at) < p->keepalive)
		return;
	s.to_len = gw_peer_address(peer, &to);
	if (gw_line_send(peer->line, &s) == 0)
		p->keepalives_sent++;
	atomic_store_explicit(&peer->sent_at, now, memory_order_relaxed);
}

/* The kernel forgets a path's lower MTU after ten minutes, and a route may change. */
#define LEARN_EVERY 30u

int gw_plane_tick(struct gw_plane *p)
{
	uint64_t now = gw_clock_s();
	struct gw_sa **at;

	pthread_mutex_lock(&p->control);
	for (at = &p->sas; *at;) {
		struct gw_sa *sa = *at;

		check_seconds(sa, now);
		if (sa->ends_at && now >= sa->ends_at)
			gw_remove_sa(p, at);
		if (*at == sa)
			at = &sa->next;
	}
	for (struct gw_peer *peer = p->peers; peer; peer = peer->next) {
		keep_alive(p, peer, now);
		if (now >= p->learn_at)
			gw_learn_mtu(p, peer);
	}
	if (now >= p->learn_at)
		p->learn_at = now + LEARN_EVERY;
	pthread_mutex_unlock(&p->control);
	return 1000;
}

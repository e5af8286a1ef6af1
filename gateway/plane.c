/* SPDX-License-Identifier: MIT */
/* The life of the data plane, and what is changed while it works. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "state.h"

static int say(char err[ESP_ERROR_LEN], int error, const char *what)
{
	snprintf(err, ESP_ERROR_LEN, "%s: %s", what, strerror(-error));
	return error;
}

/* Exchanging the readers' table. */

struct exchange {
	struct gw_plane *plane;
	struct gw_table *table, *old;
};

/* What an outbound SA was given goes out before its successor gets anything. */
static void exchange_out(void *arg)
{
	struct exchange *x = arg;
	struct gw_side *side = &x->plane->side[GW_OUT];
	const struct gw_table *old = side->table, *new = x->table;

	for (size_t i = 0; old && i < old->policy_count; i++)
		if (old->resolved[i] && (i >= new->policy_count || new->resolved[i] != old->resolved[i]))
			padata_flush(old->resolved[i]->instance);
	x->old = side->table;
	side->table = x->table;
}

static void exchange_in(void *arg)
{
	struct exchange *x = arg;

	x->old = x->plane->side[GW_IN].table;
	x->plane->side[GW_IN].table = x->table;
}

/* Each side has a table of its own, so that the old one is free as soon as its bursts are done. */
static int exchange_tables(struct gw_plane *p)
{
	struct exchange x[2];

	for (int d = 0; d < 2; d++) {
		x[d] = (struct exchange){.plane = p,
					 .table = gw_table_new(p->policies, p->policy_count, p->sas)};
		if (!x[d].table) {
			if (d)
				gw_table_free(x[0].table);
			return -ENOMEM;
		}
	}
	gw_reader_ask(&p->side[GW_OUT].reader, exchange_out, &x[GW_OUT]);
	gw_reader_ask(&p->side[GW_IN].reader, exchange_in, &x[GW_IN]);
	for (struct gw_sa *sa = p->sas; sa; sa = sa->next)
		if (sa->dir == GW_IN)
			padata_flush(sa->instance);
	gw_table_free(x[GW_OUT].old);
	gw_table_free(x[GW_IN].old);
	return 0;
}

/* Until packets are read one exchange is enough for all changes. */
static int changed(struct gw_plane *p)
{
	return p->open ? exchange_tables(p) : 0;
}

static struct gw_policy *copy_policies(const struct gw_policy *policies, size_t count)
{
	struct gw_policy *copy = calloc(count + 1, sizeof(*copy));

	if (copy && count)
		memcpy(copy, policies, count * sizeof(*policies));
	return copy;
}

int gw_plane_set_policies(struct gw_plane *p, const struct gw_policy *policies, size_t count)
{
	struct gw_policy *copy = copy_policies(policies, count), *old;
	size_t old_count;
	int error;

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&p->control);
	old = p->policies;
	old_count = p->policy_count;
	p->policies = copy;
	p->policy_count = count;
	error = changed(p);
	if (error) {
		p->policies = old;
		p->policy_count = old_count;
		old = copy;
	}
	pthread_mutex_unlock(&p->control);
	free(old);
	return error;
}

/* SAs and their peers. */

static struct gw_line *line_of(struct gw_plane *p, uint8_t family)
{
	for (size_t i = 0; i < p->line_count; i++)
		if (p->lines[i].family == family)
			return &p->lines[i];
	return NULL;
}

static struct gw_peer *get_peer(struct gw_plane *p, const struct gw_endpoint *name, struct gw_line *line)
{
	struct gw_peer *peer;

	for (peer = p->peers; peer; peer = peer->next)
		if (gw_endpoint_same(&peer->name, name)) {
			peer->users++;
			return peer;
		}
	peer = gw_peer_new(name, line);
	if (!peer)
		return NULL;
	peer->users = 1;
	peer->next = p->peers;
	p->peers = peer;
	return peer;
}

static void put_peer(struct gw_plane *p, struct gw_peer *peer)
{
	struct gw_peer **at = &p->peers;

	if (--peer->users)
		return;
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	gw_peer_free(peer);
}

static struct gw_sa **find_sa(struct gw_plane *p, uint32_t spi, const struct esp_addr *dst)
{
	struct gw_sa **at = &p->sas;

	while (*at && !((*at)->esp->spi == spi && gw_addr_same(&(*at)->esp->dst, dst)))
		at = &(*at)->next;
	return at;
}

/* Of an SA that is in no table any more. */
static void finish_sa(struct gw_plane *p, struct gw_sa *sa)
{
	struct gw_past *past = &p->past[sa->dir];
	struct gw_peer *peer = sa->peer;

	padata_flush(sa->instance);
	gw_stats_add(&past->stats, &sa->stats);
	gw_io_add(&past->io, &sa->io);
	gw_sa_free(sa);
	put_peer(p, peer);
}

static int add_sa(struct gw_plane *p, enum gw_dir dir, struct esp_sa *esp, const struct gw_endpoint *remote,
		  char err[ESP_ERROR_LEN])
{
	struct gw_line *line = line_of(p, esp->dst.family);
	struct gw_endpoint name = {dir == GW_OUT ? esp->dst : esp->src,
				   dir == GW_OUT ? esp->dport : esp->sport};
	struct gw_peer *peer;
	struct gw_sa *sa;
	bool is_new;

	if (!esp->encap || !line) {
		snprintf(err, ESP_ERROR_LEN, "SPI 0x%08x: %s", esp->spi,
			 line ? "only ESP in UDP is carried: it needs 'encap type espinudp'"
			      : "there is no local address of its family");
		return -EINVAL;
	}
	if (*find_sa(p, esp->spi, &esp->dst)) {
		snprintf(err, ESP_ERROR_LEN, "SPI 0x%08x: there is an SA with this SPI and destination",
			 esp->spi);
		return -EEXIST;
	}
	peer = get_peer(p, &name, line);
	if (!peer)
		return say(err, -ENOMEM, "SA");
	is_new = peer->users == 1;
	sa = gw_sa_new(p, dir, esp, peer);
	if (!sa) {
		int error = -errno;

		put_peer(p, peer);
		return say(err, error, "SA");
	}
	if (dir == GW_OUT && remote && remote->addr.family == esp->dst.family && is_new)
		gw_peer_move(peer, remote);
	sa->next = p->sas;
	p->sas = sa;
	if (changed(p)) {
		p->sas = sa->next;
		sa->esp = NULL; /* the caller's again */
		gw_sa_free(sa);
		put_peer(p, peer);
		return say(err, -ENOMEM, "SA");
	}
	return 0;
}

int gw_plane_sa_add(struct gw_plane *p, enum gw_dir dir, struct esp_sa *esp, const struct gw_endpoint *remote,
		    char err[ESP_ERROR_LEN])
{
	int error;

	pthread_mutex_lock(&p->control);
	error = add_sa(p, dir, esp, remote, err);
	pthread_mutex_unlock(&p->control);
	return error;
}

void gw_remove_sa(struct gw_plane *p, struct gw_sa **at)
{
	struct gw_sa *sa = *at;

	*at = sa->next;
	if (changed(p)) {
		*at = sa; /* no memory: once more at the next tick */
		sa->ends_at = gw_clock_s();
		return;
	}
	finish_sa(p, sa);
}

int gw_plane_sa_del(struct gw_plane *p, uint32_t spi, const struct esp_addr *dst, uint32_t linger)
{
	struct gw_sa **at;
	int error = 0;

	pthread_mutex_lock(&p->control);
	at = find_sa(p, spi, dst);
	if (!*at) {
		error = -ENOENT;
	} else if ((*at)->dir == GW_IN && linger) {
		(*at)->out_of_use = true;
		(*at)->ends_at = gw_clock_s() + linger;
	} else {
		gw_remove_sa(p, at);
	}
	pthread_mutex_unlock(&p->control);
	return error;
}

struct allowance {
	struct gw_sa *sa;
	uint64_t most;
};

static void allow(void *arg)
{
	struct allowance *a = arg;

	a->sa->esp->tx.most = a->most;
}

int gw_plane_sa_allow(struct gw_plane *p, uint32_t spi, const struct esp_addr *dst, uint64_t most)
{
	struct allowance a = {.most = most};

	pthread_mutex_lock(&p->control);
	a.sa = *find_sa(p, spi, dst);
	if (a.sa)
		gw_reader_ask(&p->side[GW_OUT].reader, allow, &a);
	pthread_mutex_unlock(&p->control);
	return a.sa ? 0 : -ENOENT;
}

/* CPUs. */

struct move {
	struct gw_plane *plane;
	enum gw_dir dir;
	cpumask_var_t cpus;
	int error;
};

static void move_side(void *arg)
{
	struct move *m = arg;

	for (struct gw_sa *sa = m->plane->sas; sa; sa = sa->next)
		if (sa->dir == m->dir && !m->error)
			m->error = gw_sa_set_cpus(sa, m->cpus);
}

int gw_plane_set_cpus(struct gw_plane *p, const struct cpumask *cpus)
{
	struct move m = {.plane = p};

	if (!alloc_cpumask_var(&m.cpus, GFP_KERNEL))
		return -ENOMEM;
	if (!cpumask_and(m.cpus, cpus, cpu_active_mask)) {
		free_cpumask_var(m.cpus);
		return -EINVAL;
	}
	pthread_mutex_lock(&p->control);
	for (int d = 0; d < 2; d++) {
		m.dir = (enum gw_dir)d;
		gw_reader_ask(&p->side[d].reader, move_side, &m);
	}
	if (!m.error)
		cpumask_copy(p->cpus, m.cpus);
	pthread_mutex_unlock(&p->control);
	free_cpumask_var(m.cpus);
	return m.error;
}

/* Paths. */

void gw_learn_mtu(struct gw_plane *p, struct gw_peer *peer)
{
	struct gw_event e = {.kind = GW_EVENT_MTU};

	if (!gw_peer_learn_mtu(peer))
		return;
	e.peer = gw_peer_at(peer);
	e.mtu = gw_peer_mtu(peer);
	gw_events_put(&p->events, &e);
}

uint32_t gw_plane_mtu(struct gw_plane *p)
{
	uint32_t least = 0;

	pthread_mutex_lock(&p->control);
	for (const struct gw_sa *sa = p->sas; sa; sa = sa->next) {
		uint32_t mtu = sa->dir == GW_OUT ? esp_inner_mtu(sa->esp, gw_peer_mtu(sa->peer)) : 0;

		if (mtu && (least == 0 || mtu < least))
			least = mtu;
	}
	pthread_mutex_unlock(&p->control);
	return least;
}

bool gw_plane_segments(const struct gw_plane *p)
{
	for (size_t i = 0; i < p->line_count; i++)
		if (!atomic_load_explicit(&p->lines[i].gso, memory_order_relaxed))
			return false;
	return true;
}

int gw_plane_event_fd(const struct gw_plane *p)
{
	return p->events.fd;
}

bool gw_plane_event(struct gw_plane *p, struct gw_event *event)
{
	return gw_events_take(&p->events, event);
}

/* Beginning and end. */

static int start_readers(struct gw_plane *p)
{
	int error = gw_reader_start(&p->side[GW_IN].reader, "gw-udp", gw_inbound_run, p);

	return error ? error : gw_reader_start(&p->side[GW_OUT].reader, "gw-tun", gw_outbound_run, p);
}

static void set_up(struct gw_plane *p, const struct gw_config *config, const struct gw_tun *tun,
		   const struct gw_udp *udp)
{
	p->tun = *tun;
	p->udp_offloads = udp->offloads;
	p->keepalive = config->keepalive;
	p->dscp = config->dscp;
	for (size_t i = 0; i < udp->count; i++)
		gw_line_init(&p->lines[p->line_count++], &udp->sockets[i], udp->offloads.gso);
}

static int make(struct gw_plane *p, const struct gw_config *config)
{
	const struct cpumask *cpus = config->has_cpus ? config->cpus : cpu_active_mask;
	int error;

	if (!zalloc_cpumask_var(&p->cpus, GFP_KERNEL))
		return -ENOMEM;
	if (!cpumask_and(p->cpus, cpus, cpu_active_mask))
		return -EINVAL;
	p->policies = copy_policies(config->policies, config->policy_count);
	p->policy_count = config->policy_count;
	p->wq = p->policies ? create_workqueue("gw") : NULL;
	if (!p->wq)
		return -ENOMEM;
	error = gw_pool_init(&p->side[GW_OUT].pool, GW_POOL_BURSTS, gw_outbound_parallel, gw_outbound_serial);
	if (!error)
		error = gw_pool_init(&p->side[GW_IN].pool, GW_POOL_BURSTS, gw_inbound_parallel,
				     gw_inbound_serial);
	return error ? error : exchange_tables(p);
}

struct gw_plane *gw_plane_start(const struct gw_config *config, const struct gw_tun *tun,
				const struct gw_udp *udp, char err[ESP_ERROR_LEN])
{
	struct gw_plane *p = calloc(1, sizeof(*p));
	const char *why;
	int error;

	if (!p || gw_events_init(&p->events) || gw_reader_init(&p->side[0].reader) ||
	    gw_reader_init(&p->side[1].reader) || gw_workers_init(&p->workers, config->backend)) {
		say(err, -ENOMEM, "the data plane");
		return NULL;
	}
	pthread_mutex_init(&p->control, NULL);
	set_up(p, config, tun, udp);
	if (esp_backend_available(config->backend, &why)) {
		snprintf(err, ESP_ERROR_LEN, "this crypto backend cannot be used: %s", why);
		gw_plane_free(p);
		return NULL;
	}
	error = make(p, config);
	if (error) {
		say(err, error, error == -EINVAL ? "none of the CPUs can be used" : "the data plane");
		gw_plane_free(p);
		return NULL;
	}
	return p;
}

int gw_plane_open(struct gw_plane *p, char err[ESP_ERROR_LEN])
{
	int error;

	pthread_mutex_lock(&p->control);
	error = exchange_tables(p);
	if (!error)
		error = start_readers(p);
	p->open = !error;
	pthread_mutex_unlock(&p->control);
	return error ? say(err, error, "the data plane") : 0;
}

static void flush_all(struct gw_plane *p)
{
	for (struct gw_sa *sa = p->sas; sa; sa = sa->next)
		padata_flush(sa->instance);
}

void gw_plane_drain(struct gw_plane *p)
{
	pthread_mutex_lock(&p->control);
	if (!p->drained) {
		gw_reader_stop(&p->side[GW_OUT].reader);
		gw_reader_stop(&p->side[GW_IN].reader);
		flush_all(p);
		p->drained = true;
	}
	pthread_mutex_unlock(&p->control);
}

void gw_plane_free(struct gw_plane *p)
{
	if (!p)
		return;
	gw_plane_drain(p);
	for (struct gw_sa *sa = p->sas, *next; sa; sa = next) {
		next = sa->next;
		finish_sa(p, sa);
	}
	if (p->wq)
		destroy_workqueue(p->wq);
	gw_workers_destroy(&p->workers);
	for (int d = 0; d < 2; d++) {
		gw_pool_destroy(&p->side[d].pool);
		gw_table_free(p->side[d].table);
		gw_reader_destroy(&p->side[d].reader);
	}
	for (size_t i = 0; i < p->line_count; i++)
		gw_line_destroy(&p->lines[i]);
	gw_events_destroy(&p->events);
	pthread_mutex_destroy(&p->control);
	free_cpumask_var(p->cpus);
	free(p->policies);
	free(p);
}

/* SPDX-License-Identifier: MIT */
/* From a peer to the TUN device. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "address.h"
#include "ip.h"
#include "state.h"

/* Receives between two looks at what the reader is asked for. */
#define RECEIVES 64u

static void submit(struct gw_side *side, struct gw_burst *b)
{
	if (gw_sa_submit(b->sa, b))
		return;
	gw_count(&side->drop[GW_DROP_STOPPED], b->count);
	gw_pool_give(&side->pool, b);
}

/*
 * A new SA's first packet: those that the peer sent before it, under an older SA, are passed on before it.
 * Later the two may be used side by side, and have no order among them.
 */
static void meet(const struct gw_table *t, struct gw_sa *sa)
{
	for (uint32_t i = 0; i <= t->hash_mask; i++)
		if (t->hash[i] && t->hash[i] != sa && t->hash[i]->met && t->hash[i]->peer == sa->peer)
			padata_flush(t->hash[i]->instance);
	sa->met = true;
}

/* The SA of a packet; NULL: it goes no further, and was counted. */
static struct gw_sa *find_sa(struct gw_side *side, const uint8_t *p, uint32_t len, uint8_t family)
{
	enum esp_drop bad = ESP_DROP_TRUNCATED;
	struct gw_sa *sa = NULL;

	if (len == 1 && p[0] == 0xff) {
		gw_count(&side->keepalives, 1);
		bad = ESP_DROP_KEEPALIVE;
	} else if (len >= 4 && get32(p) == 0) {
		bad = ESP_DROP_NON_ESP;
	} else if (len >= 8) {
		bad = ESP_DROP_UNKNOWN_SPI;
		sa = gw_table_find(side->table, get32(p), family);
	}
	if (!sa)
		gw_count(&side->esp_drop[bad], 1);
	return sa;
}

/* Lets the burst go, and copies what is left of the receive to another, where it goes on. */
static struct gw_burst *next_burst(struct gw_side *side, struct gw_burst *b, const uint8_t **p, uint32_t left)
{
	struct gw_burst *next = gw_pool_take(&side->pool);

	memcpy(next->in, *p, left);
	*p = next->in;
	next->in_used = left;
	submit(side, b);
	return next;
}

static void add_packet(struct gw_side *side, struct gw_burst *b, struct gw_sa *sa, const uint8_t *p,
		       uint32_t len, uint8_t tclass)
{
	struct esp_pkt *pkt = &b->pkts[b->count];

	*pkt = (struct esp_pkt){
	    .in = p, .in_len = len, .out = b->out + (p - b->in), .out_room = len, .outer_class = tclass};
	esp_open_submit_sa(sa->esp, pkt, 1);
	b->opened[b->count++].looked = false;
	b->sa = sa;
	b->table = side->table;
}

/* What one receive brought, behind what the burst has already. */
static struct gw_burst *place(struct gw_side *side, struct gw_burst *b, const struct gw_receive *r)
{
	const uint8_t *p = b->in + b->in_used;
	uint32_t len;

	b->in_used += r->len;
	for (uint32_t left = r->len; left; left -= len, p += len) {
		struct gw_sa *sa;

		len = left < r->size ? left : r->size;
		gw_count(&side->packets, 1);
		sa = find_sa(side, p, len, r->from.addr.family);
		if (!sa)
			continue;
		if (b->count &&
		    (b->count == GW_BURST_PACKETS || b->sa != sa || !gw_endpoint_same(&b->from, &r->from)))
			b = next_burst(side, b, &p, left);
		if (!sa->met)
			meet(side->table, sa);
		b->from = r->from;
		add_packet(side, b, sa, p, len, r->tclass);
	}
	return b;
}

static void count_overflow(struct gw_side *side, struct gw_line *line, uint32_t overflow)
{
	if (overflow == 0)
		return;
	gw_count(&side->drop[GW_DROP_KERNEL_UDP], overflow - line->overflow);
	line->overflow = overflow;
}

/* What the network has reported about packets that were sent. */
static void read_errors(struct gw_plane *p, struct gw_line *line)
{
	const struct gw_table *t = p->side[GW_IN].table;
	struct gw_endpoint to, at;
	uint32_t mtu;

	while (gw_line_error(line, &to, &mtu)) {
		if (mtu == 0)
			continue;
		for (uint32_t i = 0; i <= t->hash_mask; i++) {
			if (!t->hash[i])
				continue;
			at = gw_peer_at(t->hash[i]->peer);
			if (gw_endpoint_same(&at, &to))
				gw_learn_mtu(p, t->hash[i]->peer);
		}
	}
}

/* Receives until there is no more, or the burst is full. False: no more. */
static bool fill(struct gw_plane *p, struct gw_line *line, struct gw_burst **b)
{
	struct gw_side *side = &p->side[GW_IN];
	struct gw_receive r;

	for (unsigned int i = 0; i < RECEIVES; i++) {
		int error = gw_line_receive(line, (*b)->in + (*b)->in_used, GW_READ_MAX, &r);

		if (error == -EAGAIN)
			return false;
		if (error) { /* of an earlier send; it is told once */
			read_errors(p, line);
			continue;
		}
		gw_count(&side->calls, 1);
		gw_count(&side->bytes, r.len);
		count_overflow(side, line, r.overflow);
		if (r.truncated || r.len == 0) {
			gw_count(&side->packets, 1);
			if (r.truncated)
				gw_count(&side->drop[GW_DROP_TRUNCATED_READ], 1);
			else
				gw_count(&side->esp_drop[ESP_DROP_TRUNCATED], 1);
			continue;
		}
		*b = place(side, *b, &r);
		if ((*b)->in_used >= GW_BURST_FULL || (*b)->count >= GW_BURST_ENOUGH)
			break;
	}
	return true;
}

static bool receive(struct gw_plane *p, struct gw_line *line)
{
	struct gw_side *side = &p->side[GW_IN];
	struct gw_burst *b = gw_pool_take(&side->pool);
	bool more = fill(p, line, &b);

	if (b->count)
		submit(side, b);
	else
		gw_pool_give(&side->pool, b);
	return more;
}

void *gw_inbound_run(void *arg)
{
	struct gw_plane *p = arg;
	struct gw_side *side = &p->side[GW_IN];
	struct pollfd fds[GW_LOCALS_MAX];

	for (size_t i = 0; i < p->line_count; i++)
		fds[i] = (struct pollfd){.fd = p->lines[i].fd, .events = POLLIN};
	while (gw_reader_serve(&side->reader)) {
		bool more = false;

		for (size_t i = 0; i < p->line_count; i++)
			more = receive(p, &p->lines[i]) || more;
		if (more)
			continue;
		gw_reader_wait(&side->reader, fds, (unsigned int)p->line_count);
		for (size_t i = 0; i < p->line_count; i++)
			if (fds[i].revents & POLLERR)
				read_errors(p, &p->lines[i]);
	}
	return NULL;
}

static void look(const struct gw_burst *b, const struct esp_pkt *pkt, struct gw_opened *o)
{
	const struct gw_tun_offloads *offloads = &b->sa->plane->tun.offloads;
	struct esp_flow flow;
	uint32_t total;

	o->looked = true;
	o->allowed = esp_flow_read(pkt->data, pkt->len, &flow, &total) == ESP_OK &&
		     gw_table_allows(b->table, b->sa, &flow);
	o->inner.proto = 0;
	if (o->allowed && offloads->tso4)
		gw_inner_read(&o->inner, pkt->data, pkt->len, offloads->uso);
}

void gw_inbound_parallel(struct padata_priv *padata)
{
	struct gw_burst *b = container_of(padata, struct gw_burst, padata);
	struct gw_worker *w = gw_worker_self(&b->sa->plane->workers);
	uint64_t begin = gw_clock_ns();

	if (w) {
		esp_open_burst(w->crypto, b->pkts, b->count);
		for (uint32_t i = 0; i < b->count; i++)
			if (b->pkts[i].drop == ESP_OK && b->pkts[i].found == ESP_OK)
				look(b, &b->pkts[i], &b->opened[i]);
		gw_count(&w->bursts, 1);
		gw_count(&w->packets, b->count);
		gw_count(&w->parallel_ns, gw_clock_ns() - begin);
	}
	padata_do_serial(padata);
}

static void write_merged(struct gw_sa *sa, struct gw_merge *m)
{
	const struct gw_tun *tun = &sa->plane->tun;
	int skip = !tun->offloads.vnet_hdr;
	ssize_t n;

	if (m->count == 0)
		return;
	gw_merge_finish(m);
	n = writev(tun->fd, m->iov + skip, (int)m->count + 1 - skip);
	if (n < 0) {
		sa->io.drop[GW_DROP_TUN_WRITE] += m->count;
	} else {
		sa->io.calls++;
		sa->io.packets += m->count;
		sa->io.bytes += m->len;
	}
	gw_merge_begin(m);
}

static void write_burst(struct gw_burst *b, struct gw_merge *m)
{
	gw_merge_begin(m);
	for (uint32_t i = 0; i < b->count; i++) {
		struct esp_pkt *pkt = &b->pkts[i];
		struct gw_opened *o = &b->opened[i];

		if (pkt->drop != ESP_OK)
			continue;
		if (!o->looked) /* it was opened again in its turn */
			look(b, pkt, o);
		if (!o->allowed) {
			b->sa->io.drop[GW_DROP_POLICY_IN]++;
			continue;
		}
		if (!gw_merge_add(m, pkt->data, pkt->len, &o->inner)) {
			write_merged(b->sa, m);
			gw_merge_add(m, pkt->data, pkt->len, &o->inner);
		}
	}
	write_merged(b->sa, m);
}

/* Follows the peer to where a verified packet came from, if none with a higher number came before it: an old
 * one, on its way for long or replayed from elsewhere, moves nothing. */
static void follow(struct gw_burst *b)
{
	struct gw_sa *sa = b->sa;
	uint64_t top = esp_replay_top(&sa->esp->rx.replay);

	for (uint32_t i = 0; i < b->count; i++) {
		if (b->pkts[i].drop != ESP_OK || b->pkts[i].seq != top)
			continue;
		if (gw_peer_move(sa->peer, &b->from)) {
			atomic_fetch_add_explicit(&sa->plane->peer_moves, 1, memory_order_relaxed);
			gw_sa_tell(sa, GW_EVENT_PEER_MOVED);
		}
		return;
	}
}

static void note(struct gw_burst *b)
{
	struct gw_sa *sa = b->sa;
	uint64_t now = gw_clock_s();
	bool ok = false;

	for (uint32_t i = 0; i < b->count; i++) {
		enum esp_drop drop = b->pkts[i].drop;

		ok = ok || drop == ESP_OK;
		if (b->pkts[i].soft)
			gw_sa_tell(sa, GW_EVENT_SOFT);
		if (drop == ESP_DROP_HARD_BYTES || drop == ESP_DROP_HARD_PACKETS)
			gw_sa_tell(sa, GW_EVENT_HARD);
	}
	if (!ok)
		return;
	if (!gw_counted(&sa->first_at))
		atomic_store_explicit(&sa->first_at, now, memory_order_relaxed);
	atomic_store_explicit(&sa->last_at, now, memory_order_relaxed);
}

void gw_inbound_serial(struct padata_priv *padata)
{
	struct gw_burst *b = container_of(padata, struct gw_burst, padata);
	struct gw_sa *sa = b->sa;
	struct gw_worker *w = gw_worker_self(&sa->plane->workers);
	uint64_t begin = gw_clock_ns();

	pthread_mutex_lock(&sa->lock);
	if (w) {
		esp_open_done(w->crypto, &sa->stats, b->pkts, b->count);
		write_burst(b, &w->merge);
		follow(b);
		note(b);
	} else {
		sa->io.drop[GW_DROP_STOPPED] += b->count;
	}
	pthread_mutex_unlock(&sa->lock);
	atomic_fetch_sub_explicit(&sa->outstanding, 1, memory_order_relaxed);
	gw_pool_give(&sa->plane->side[GW_IN].pool, b);
	if (w)
		gw_count(&w->serial_ns, gw_clock_ns() - begin);
}

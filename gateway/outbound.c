/* SPDX-License-Identifier: MIT */
/* From the TUN device to a peer. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "icmp.h"
#include "ip.h"
#include "state.h"

/* Reads between two looks at what the reader is asked for. */
#define READS 64u

/* A super packet on its way into bursts. */
struct arrival {
	struct gw_super super;
	uint32_t room; /* bytes of the burst's input that it takes */
	struct gw_sa *sa;
	uint8_t family, tclass; /* tclass: of the outer header */
	bool df;
};

static void submit(struct gw_side *side, struct gw_burst *b)
{
	if (gw_sa_submit(b->sa, b))
		return;
	gw_count(&side->drop[GW_DROP_STOPPED], b->count);
	gw_pool_give(&side->pool, b);
}

/* Lets the burst go, and copies the super packet to another, where it goes on. Only the pool can make this
 * wait: the other bursts are being worked on, and come back. */
static struct gw_burst *next_burst(struct gw_side *side, struct gw_burst *b, struct arrival *a)
{
	struct gw_burst *next = gw_pool_take(&side->pool);

	memcpy(next->in, a->super.packet, a->super.len);
	a->super.packet = next->in;
	next->in_used = a->room;
	submit(side, b);
	return next;
}

static void add_piece(struct gw_burst *b, struct arrival *a, uint32_t i)
{
	struct esp_pkt *pkt = &b->pkts[b->count];

	*pkt = (struct esp_pkt){.in_len = gw_super_len(&a->super, i),
				.next = a->family == 4 ? IP_PROTO_V4 : IP_PROTO_V6};
	esp_seal_submit_sa(a->sa->esp, pkt, 1);
	pkt->out_room = pkt->esp_len;
	b->piece[b->count] = (struct gw_piece){.super = (uint16_t)(b->supers - 1),
					       .index = (uint16_t)i,
					       .tclass = a->tclass,
					       .df = a->df,
					       .out_at = b->out_used};
	if (pkt->drop == ESP_OK)
		b->out_used += pkt->esp_len;
	else if (pkt->drop == ESP_DROP_HARD_BYTES || pkt->drop == ESP_DROP_HARD_PACKETS ||
		 pkt->drop == ESP_DROP_SEQ_EXHAUSTED)
		gw_sa_tell(a->sa, GW_EVENT_HARD);
	b->count++;
}

/* Numbers are given here, in the order of the reads. */
static struct gw_burst *place(struct gw_side *side, struct gw_burst *b, struct arrival *a)
{
	uint64_t now = gw_clock_s();
	bool begun = false;

	if (b->count && b->sa != a->sa)
		b = next_burst(side, b, a);
	else
		b->in_used += a->room;
	if (!gw_counted(&a->sa->first_at))
		atomic_store_explicit(&a->sa->first_at, now, memory_order_relaxed);
	atomic_store_explicit(&a->sa->last_at, now, memory_order_relaxed);
	for (uint32_t i = 0; i < a->super.count; i++) {
		if (b->count == GW_BURST_PACKETS ||
		    b->out_used + gw_super_len(&a->super, i) + GW_SEAL_MORE > GW_OUT_ROOM) {
			b = next_burst(side, b, a);
			begun = false;
		}
		if (!begun) {
			b->super[b->supers++] = a->super;
			begun = true;
		}
		b->sa = a->sa;
		add_piece(b, a, i);
	}
	return b;
}

static void answer_too_big(struct gw_plane *p, const uint8_t *packet, uint32_t len, uint32_t mtu)
{
	static const uint8_t no_offload[sizeof(struct virtio_net_hdr)];
	uint8_t answer[sizeof(no_offload) + GW_ICMP_MAX];
	uint32_t front = p->tun.offloads.vnet_hdr ? sizeof(no_offload) : 0;
	uint32_t n = gw_icmp_too_big(packet, len, mtu, answer + front);

	memcpy(answer, no_offload, front);
	if (n && write(p->tun.fd, answer, front + n) > 0)
		gw_count(&p->side[GW_OUT].icmp, 1);
}

/*
 * Whether the path carries it. What must not be fragmented is answered, so that the sender sends less: for
 * IPv6 down to the 1,280 bytes that every link has to carry; below that the outer packet is fragmented (RFC
 * 2473 7.1).
 */
static bool fits_path(struct gw_plane *p, struct arrival *a, bool inner_df)
{
	const struct esp_sa *esp = a->sa->esp;
	uint32_t mtu = esp_inner_mtu(esp, gw_peer_mtu(a->sa->peer)), longest = gw_super_len(&a->super, 0);

	a->df = !(esp->flags & ESP_SA_NO_PMTU_DISC) && (inner_df || a->family == 6);
	if (longest <= mtu)
		return true;
	if (a->family == 6 && longest <= GW_MTU_MIN6)
		a->df = false;
	if (!a->df)
		return true;
	gw_count(&p->side[GW_OUT].drop[GW_DROP_MTU], a->super.count);
	answer_too_big(p, a->super.packet, a->super.len, mtu);
	return false;
}

static uint8_t outer_class(const struct gw_plane *p, const struct esp_sa *esp, uint8_t inner)
{
	uint32_t ecn = esp->flags & ESP_SA_NO_ECN ? 0 : inner & 0x03u;
	uint32_t dscp = esp->flags & ESP_SA_NO_ENCAP_DSCP ? 0 : inner & 0xfcu;

	return (uint8_t)(ecn | (p->dscp == GW_DSCP_COPY ? dscp : p->dscp << 2));
}

/* Reads what lies at `at`; false: it was dropped and counted. */
static bool arrive(struct gw_plane *p, struct arrival *a, const uint8_t *at, uint32_t n)
{
	struct gw_side *side = &p->side[GW_OUT];
	struct virtio_net_hdr h = {0};
	uint32_t front = p->tun.offloads.vnet_hdr ? sizeof(h) : 0, total;
	struct esp_flow flow;
	enum esp_drop bad;
	enum gw_choice choice;

	gw_count(&side->calls, 1);
	gw_count(&side->bytes, n);
	if (n < front) {
		gw_count(&side->drop[GW_DROP_BAD_OFFLOAD], 1);
		return false;
	}
	memcpy(&h, at, front);
	at += front;
	n -= front;
	bad = esp_flow_read(at, n, &flow, &total);
	if (bad != ESP_OK) {
		gw_count(&side->packets, 1);
		gw_count(&side->esp_drop[bad], 1);
		return false;
	}
	if (!gw_super_read(&a->super, &h, at, total)) {
		gw_count(&side->packets, 1);
		gw_count(&side->drop[GW_DROP_BAD_OFFLOAD], 1);
		return false;
	}
	gw_count(&side->packets, a->super.count);
	choice = gw_table_select(side->table, &flow, &a->sa);
	if (choice != GW_CHOSEN) {
		gw_count(&side->drop[choice == GW_NO_POLICY ? GW_DROP_NO_POLICY : GW_DROP_NO_OUT_SA],
			 a->super.count);
		return false;
	}
	a->family = flow.src.family;
	a->tclass = outer_class(p, a->sa->esp, ip_get_class(at));
	a->room = total;
	return fits_path(p, a, a->family == 4 && get16(at + 6) & IP_DF);
}

/* Reads until the device has no more, or the burst is full. False: no more. */
static bool fill(struct gw_plane *p, struct gw_burst **b)
{
	struct gw_side *side = &p->side[GW_OUT];
	struct arrival a;

	for (unsigned int i = 0; i < READS; i++) {
		uint8_t *at = (*b)->in + (*b)->in_used;
		ssize_t n = read(p->tun.fd, at, GW_READ_MAX);

		if (n < 0)
			return errno == EINTR;
		if (arrive(p, &a, at, (uint32_t)n)) {
			a.room += (uint32_t)(a.super.packet - at);
			*b = place(side, *b, &a);
		}
		if ((*b)->in_used >= GW_BURST_FULL || (*b)->count >= GW_BURST_ENOUGH)
			break;
	}
	return true;
}

void *gw_outbound_run(void *arg)
{
	struct gw_plane *p = arg;
	struct gw_side *side = &p->side[GW_OUT];
	struct pollfd fd = {.fd = p->tun.fd, .events = POLLIN};

	while (gw_reader_serve(&side->reader)) {
		struct gw_burst *b = gw_pool_take(&side->pool);
		bool more = fill(p, &b);

		if (b->count)
			submit(side, b);
		else
			gw_pool_give(&side->pool, b);
		if (!more)
			gw_reader_wait(&side->reader, &fd, fd.revents & (POLLERR | POLLNVAL) ? 0 : 1);
	}
	return NULL;
}

void gw_outbound_parallel(struct padata_priv *padata)
{
	struct gw_burst *b = container_of(padata, struct gw_burst, padata);
	struct gw_worker *w = gw_worker_self(&b->sa->plane->workers);
	uint64_t begin = gw_clock_ns();

	for (uint32_t i = 0; i < b->count; i++) {
		const struct gw_piece *piece = &b->piece[i];
		struct esp_pkt *pkt = &b->pkts[i];

		if (pkt->drop != ESP_OK)
			continue;
		if (!w) {
			pkt->drop = ESP_DROP_CRYPTO;
			continue;
		}
		pkt->out = b->out + piece->out_at;
		pkt->in = esp_seal_text(b->sa->esp, pkt->out);
		gw_super_write(&b->super[piece->super], piece->index, esp_seal_text(b->sa->esp, pkt->out));
	}
	if (w) {
		esp_seal_burst(w->crypto, b->pkts, b->count);
		gw_count(&w->bursts, 1);
		gw_count(&w->packets, b->count);
		gw_count(&w->parallel_ns, gw_clock_ns() - begin);
	}
	padata_do_serial(padata);
}

/*
 * How many packets from the i-th on go out in one send: they lie one behind the other, are of one size but
 * the last, which may be shorter, and share what is said once for all.
 */
static uint32_t run_length(const struct gw_burst *b, uint32_t i, uint32_t largest)
{
	const struct esp_pkt *first = &b->pkts[i];
	uint32_t total = first->len, n = 1;

	if (first->len > largest)
		return 1;
	while (i + n < b->count && n < GW_SEND_PACKETS) {
		const struct esp_pkt *pkt = &b->pkts[i + n];

		if (pkt->drop != ESP_OK || pkt->len > first->len || total + pkt->len > GW_SEND_BYTES ||
		    pkt->data != first->data + total || b->piece[i + n].tclass != b->piece[i].tclass ||
		    b->piece[i + n].df != b->piece[i].df)
			break;
		total += pkt->len;
		n++;
		if (pkt->len < first->len)
			break;
	}
	return n;
}

static void send_failed(struct gw_sa *sa, int error, uint32_t n)
{
	sa->io.drop[error == -EAGAIN	 ? GW_DROP_SEND_FULL
		    : error == -EMSGSIZE ? GW_DROP_MTU
					 : GW_DROP_SEND] += n;
	if (error == -EMSGSIZE)
		gw_learn_mtu(sa->plane, sa->peer);
}

static void send_burst(struct gw_burst *b)
{
	struct gw_sa *sa = b->sa;
	struct gw_line *line = sa->peer->line;
	uint32_t largest = gw_peer_mtu(sa->peer) - (line->family == 4 ? 28 : 48);
	struct sockaddr_storage to;
	struct gw_send s = {.to = &to, .to_len = gw_peer_address(sa->peer, &to)};
	bool singly = false;

	for (uint32_t i = 0, n; i < b->count; i += n) {
		const struct esp_pkt *last;
		int error;

		n = 1;
		if (b->pkts[i].drop != ESP_OK)
			continue;
		if (!singly && atomic_load_explicit(&line->gso, memory_order_relaxed))
			n = run_length(b, i, largest);
		last = &b->pkts[i + n - 1];
		s.data = b->pkts[i].data;
		s.len = (uint32_t)(last->data - s.data) + last->len;
		s.size = b->pkts[i].len;
		s.tclass = b->piece[i].tclass;
		s.df = b->piece[i].df;
		error = gw_line_send(line, &s);
		if (error == -EIO && n > 1) {
			singly = true;
			n = 0; /* once more */
			continue;
		}
		if (error) {
			send_failed(sa, error, n);
			continue;
		}
		sa->io.calls++;
		sa->io.packets += n;
		sa->io.bytes += s.len;
	}
}

void gw_outbound_serial(struct padata_priv *padata)
{
	struct gw_burst *b = container_of(padata, struct gw_burst, padata);
	struct gw_sa *sa = b->sa;
	struct gw_worker *w = gw_worker_self(&sa->plane->workers);
	uint64_t begin = gw_clock_ns();

	pthread_mutex_lock(&sa->lock);
	esp_seal_done(&sa->stats, b->pkts, b->count);
	send_burst(b);
	pthread_mutex_unlock(&sa->lock);
	atomic_store_explicit(&sa->peer->sent_at, gw_clock_s(), memory_order_relaxed);
	for (uint32_t i = 0; i < b->count; i++)
		if (b->pkts[i].soft)
			gw_sa_tell(sa, GW_EVENT_SOFT);
	atomic_fetch_sub_explicit(&sa->outstanding, 1, memory_order_relaxed);
	gw_pool_give(&sa->plane->side[GW_OUT].pool, b);
	if (w)
		gw_count(&w->serial_ns, gw_clock_ns() - begin);
}

/* SPDX-License-Identifier: MIT */
/*
 * Decrypting. What is trusted: nothing before the ICV, and after it only what the SA's selector allows.
 *
 * The outer IPv4 and UDP checksums are not looked at: captures on the sending machine have them unset,
 * the ICV covers all that is used, and RFC 3948 forbids to depend on the UDP one.
 */
#include <errno.h>
#include <string.h>

#include "esp_packet.h"
#include "ip.h"
#include "lifetime.h"

/* The header behind the outer IP header, and what else the SA look-up needs. */
struct outer {
	struct esp_addr dst;
	uint32_t off, total;
	uint8_t proto;
	bool fragment, first;
};

static enum esp_drop read_outer(const uint8_t *p, uint32_t len, struct outer *o)
{
	struct esp_flow flow;
	enum esp_drop drop = esp_flow_read(p, len, &flow, &o->total);
	uint16_t fragment = 0;

	if (drop != ESP_OK)
		return drop;
	o->dst = flow.dst;
	if (flow.dst.family == 4) {
		o->off = (p[0] & 0x0fu) * 4;
		o->proto = p[9];
		fragment = get16(p + 6) & (IP_MF | IP_OFFSET);
		o->fragment = fragment != 0;
		o->first = (fragment & IP_OFFSET) == 0;
	} else {
		bool is_fragment;

		ip6_walk(p, o->total, &o->proto, &o->off, &is_fragment, &fragment);
		o->fragment = is_fragment && (fragment & 0xfff9) != 0;
		o->first = (fragment & 0xfff8) == 0;
	}
	return ESP_OK;
}

/* Finds ESP in the packet: p->off and p->esp_len. */
static enum esp_drop find_esp(const struct esp_sadb *db, struct esp_pkt *p, struct outer *o, uint16_t *port)
{
	enum esp_drop drop = read_outer(p->in, p->in_len, o);
	const uint8_t *udp;
	uint32_t left, udp_len;

	*port = 0;
	if (drop != ESP_OK)
		return drop;
	left = o->total - o->off;
	if (o->proto == IP_PROTO_ESP) {
		if (o->fragment)
			return ESP_DROP_FRAGMENT;
		p->off = o->off;
		p->esp_len = left;
		return ESP_OK;
	}
	if (o->proto != IP_PROTO_UDP || !o->first || left < 8)
		return ESP_DROP_NOT_ESP;
	udp = p->in + o->off;
	if (!esp_sadb_has_port(db, get16(udp + 2)))
		return ESP_DROP_NOT_ESP;
	if (o->fragment)
		return ESP_DROP_FRAGMENT;
	udp_len = get16(udp + 4);
	if (udp_len < 8 || udp_len > left)
		return ESP_DROP_BAD_UDP;
	*port = get16(udp + 2);
	p->off = o->off + 8;
	p->esp_len = udp_len - 8;
	if (p->esp_len == 1 && udp[8] == 0xff)
		return ESP_DROP_KEEPALIVE;
	if (p->esp_len >= 4 && get32(udp + 8) == 0)
		return ESP_DROP_NON_ESP;
	return ESP_OK;
}

/* Reads the number of a packet whose SA and place are known, and guesses its upper half. */
static enum esp_drop number(const struct esp_sa *sa, struct esp_pkt *p)
{
	uint32_t around = 8u + sa->iv_len + ESP_ICV_LEN, low;

	if (p->esp_len < around + sa->pad_to || (p->esp_len - around) % sa->pad_to != 0)
		return ESP_DROP_BAD_LENGTH;
	low = get32(p->in + p->off + 4);
	p->seq = low;
	if (sa->flags & ESP_SA_ESN)
		p->seq = esp_replay_guess(esp_replay_top(&sa->rx.replay), sa->rx.replay.window, low);
	/* Spares the crypto for what is most likely a replay; the serial stage decides. */
	if (esp_replay_peek(&sa->rx.replay, p->seq))
		p->found = ESP_DROP_REPLAY;
	return ESP_OK;
}

static enum esp_drop submit(const struct esp_sadb *db, struct esp_pkt *p)
{
	struct outer o;
	uint16_t port;
	enum esp_drop drop = find_esp(db, p, &o, &port);
	const struct esp_sa *sa;

	if (drop != ESP_OK)
		return drop;
	if (p->esp_len < 8)
		return ESP_DROP_TRUNCATED;
	sa = p->sa = esp_sadb_find(db, get32(p->in + p->off), &o.dst);
	if (!sa)
		return ESP_DROP_UNKNOWN_SPI;
	if (sa->encap != (port != 0) || (sa->encap && sa->dport != port))
		return ESP_DROP_ENCAP_MISMATCH;
	return number(sa, p);
}

static void clear(struct esp_pkt *p)
{
	p->sa = NULL;
	p->data = NULL;
	p->seq = 0;
	p->len = p->trailer = p->off = p->esp_len = p->text_len = p->inner_len = 0;
	p->next = 0;
	p->soft = false;
	p->found = ESP_OK;
}

void esp_open_submit(struct esp_sadb *db, struct esp_pkt *pkts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		clear(&pkts[i]);
		pkts[i].drop = submit(db, &pkts[i]);
	}
}

void esp_open_submit_sa(struct esp_sa *sa, struct esp_pkt *pkts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct esp_pkt *p = &pkts[i];

		clear(p);
		p->flags |= ESP_PKT_BARE;
		p->sa = sa;
		p->esp_len = p->in_len;
		p->drop = number(sa, p);
	}
}

/* RFC 6040 section 4.2: the inner mark that leaves the tunnel; false: the packet must be dropped. */
static bool merge_ecn(uint8_t inner, uint8_t outer, uint8_t *out)
{
	enum { NOT_ECT, ECT1, ECT0, CE };

	*out = inner;
	if (outer == CE) {
		if (inner == NOT_ECT)
			return false;
		*out = CE;
	} else if (inner == ECT0 && outer == ECT1) {
		*out = ECT1;
	}
	return true;
}

static enum esp_drop set_class(const struct esp_sa *sa, uint8_t outer, uint8_t *inner)
{
	uint8_t value = ip_get_class(inner), ecn = value & 3;

	if (!(sa->flags & ESP_SA_NO_ECN) && !merge_ecn(value & 3, outer & 3, &ecn))
		return ESP_DROP_ECN;
	if (sa->flags & ESP_SA_DECAP_DSCP)
		value = outer;
	ip_set_class(inner, (uint8_t)((value & 0xfc) | ecn));
	return ESP_OK;
}

/* A verified packet: takes off padding and trailer, and looks at what is inside. */
static enum esp_drop unwrap(struct esp_pkt *p)
{
	const struct esp_sa *sa = p->sa;
	uint8_t *text = p->out + 8 + sa->iv_len;
	uint32_t text_len = p->esp_len - 8 - sa->iv_len - ESP_ICV_LEN, pad, total;
	struct esp_flow flow;
	enum esp_drop drop;

	p->next = text[text_len - 1];
	pad = text[text_len - 2];
	if (pad + 2 > text_len)
		return ESP_DROP_BAD_PADDING;
	text_len -= pad + 2;
	for (uint32_t i = 0; i < pad; i++)
		if (text[text_len + i] != i + 1)
			return ESP_DROP_BAD_PADDING;
	if (p->next == IP_PROTO_NONE)
		return ESP_DROP_DUMMY;
	if (p->next != IP_PROTO_V4 && p->next != IP_PROTO_V6)
		return ESP_DROP_BAD_NEXT;
	if (esp_flow_read(text, text_len, &flow, &total) != ESP_OK ||
	    flow.src.family != (p->next == IP_PROTO_V4 ? 4 : 6))
		return ESP_DROP_BAD_INNER;
	if (!esp_sa_selects(sa, &flow))
		return ESP_DROP_SELECTOR;
	drop = set_class(sa, p->flags & ESP_PKT_BARE ? p->outer_class : ip_get_class(p->in), text);
	if (drop != ESP_OK)
		return drop;
	p->data = text;
	p->len = p->inner_len = total;
	p->trailer = text_len - total;
	return ESP_OK;
}

static enum esp_drop judge(struct esp_pkt *p, int result)
{
	if (result == 0)
		return unwrap(p);
	return result == -EBADMSG ? ESP_DROP_BAD_ICV : ESP_DROP_CRYPTO;
}

static struct esp_op op_of(const struct esp_pkt *p)
{
	return (struct esp_op){
	    .sa = p->sa, .seq = p->seq, .in = p->in + p->off, .out = p->out, .len = p->esp_len};
}

void esp_open_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n)
{
	struct esp_op ops[ESP_BURST];
	struct esp_pkt *of[ESP_BURST];

	while (n) {
		size_t k = 0;

		for (; n && k < ESP_BURST; pkts++, n--) {
			struct esp_pkt *p = pkts;

			if (p->drop != ESP_OK)
				continue;
			if (p->out_room < p->esp_len) {
				p->drop = ESP_DROP_NO_ROOM;
				continue;
			}
			if (p->found != ESP_OK)
				continue;
			ops[k] = op_of(p);
			of[k++] = p;
		}
		esp_crypto_open(c, ops, k);
		for (size_t i = 0; i < k; i++)
			of[i]->found = judge(of[i], ops[i].result);
	}
}

/*
 * The packet's turn: its number is looked up against all that came before it, then what the parallel
 * stage found holds, if it worked with the same number.
 */
static enum esp_drop settle(struct esp_crypto *c, struct esp_stats *stats, struct esp_pkt *p)
{
	struct esp_sa *sa = p->sa;
	struct esp_replay *r = &sa->rx.replay;
	uint64_t seq = p->seq;
	enum esp_drop drop;

	if (sa->flags & ESP_SA_ESN)
		seq = esp_replay_guess(esp_replay_top(r), r->window, (uint32_t)seq);
	drop = esp_replay_check(r, seq);
	if (drop != ESP_OK)
		return drop;
	if (seq != p->seq || p->found == ESP_DROP_REPLAY) {
		struct esp_op op;

		p->seq = seq;
		op = op_of(p);
		stats->reopened++;
		esp_crypto_open(c, &op, 1);
		p->found = judge(p, op.result);
	}
	if (p->found == ESP_DROP_BAD_ICV || p->found == ESP_DROP_CRYPTO)
		return p->found;
	drop = esp_replay_advance(r, seq);
	if (drop != ESP_OK)
		return drop;
	return p->found == ESP_OK ? esp_lifetime_spend(&sa->rx.use, &sa->limits, p->len, &p->soft) : p->found;
}

void esp_open_done(struct esp_crypto *c, struct esp_stats *stats, struct esp_pkt *pkts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct esp_pkt *p = &pkts[i];

		if (p->drop == ESP_OK)
			p->drop = settle(c, stats, p);
		stats->in_packets++;
		stats->in_bytes += p->in_len;
		stats->drop[p->drop]++;
		if (p->sa)
			p->sa->rx.drop[p->drop]++;
		if (p->soft)
			stats->soft_expired++;
		if (p->drop == ESP_OK) {
			stats->out_packets++;
			stats->out_bytes += p->len;
		} else {
			p->data = NULL;
			p->len = p->trailer = 0;
		}
	}
}

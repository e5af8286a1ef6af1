/* SPDX-License-Identifier: MIT */
/*
 * Encrypting: the inner packet becomes [outer IP][UDP] SPI, number, IV, packet, trailer, padding, ICV.
 *
 * Outer header: TTL 64; DSCP and ECN copied from the inner packet (RFC 6040, normal mode) unless the SA's
 * flags say otherwise; DF copied from an IPv4 packet and set for an IPv6 one, which no router may fragment;
 * IPv4 identification from the sequence number, unique where it matters (RFC 6864); IPv6 flow label
 * copied from an inner IPv6 packet. The inner packet is not touched: its TTL is the forwarder's business.
 *
 * UDP: checksum 0 over IPv4, as RFC 3948 wants it. Over IPv6 RFC 3948 has no exception and RFC 6935's zero
 * needs every receiver's consent, so there it is computed.
 */
#include <string.h>

#include "esp_packet.h"
#include "ip.h"
#include "lifetime.h"

#define TTL 64
#define LARGEST 65535u

static uint32_t outer_len(const struct esp_sa *sa)
{
	return (sa->dst.family == 4 ? 20u : 40u) + (sa->encap ? 8u : 0u);
}

static uint32_t esp_len(const struct esp_sa *sa, uint32_t inner)
{
	uint32_t text = (inner + 2 + sa->pad_to - 1) / sa->pad_to * sa->pad_to;

	return 8 + sa->iv_len + text + ESP_ICV_LEN;
}

uint32_t esp_seal_len(const struct esp_sa *sa, uint32_t inner)
{
	return outer_len(sa) + esp_len(sa, inner);
}

uint32_t esp_inner_mtu(const struct esp_sa *sa, uint32_t mtu)
{
	uint32_t around = outer_len(sa) + 8 + sa->iv_len + ESP_ICV_LEN, text;

	if (mtu < around)
		return 0;
	text = (mtu - around) / sa->pad_to * sa->pad_to;
	return text > 2 ? text - 2 : 0;
}

/* Takes the next number for a packet whose text_len and off are settled. */
static enum esp_drop number(struct esp_sa *sa, struct esp_pkt *p)
{
	enum esp_drop drop;

	p->esp_len = esp_len(sa, p->text_len);
	if (p->off + p->esp_len > LARGEST)
		return ESP_DROP_TOO_BIG;
	if (sa->tx.oseq >= (sa->flags & ESP_SA_ESN ? UINT64_MAX : UINT32_MAX))
		return ESP_DROP_SEQ_EXHAUSTED;
	if (sa->tx.oseq >= sa->tx.most)
		return ESP_DROP_NOT_RESERVED;
	drop = esp_lifetime_spend(&sa->tx.use, &sa->limits, p->inner_len, &p->soft);
	if (drop == ESP_OK)
		p->seq = ++sa->tx.oseq;
	return drop;
}

static enum esp_drop submit(struct esp_sadb *db, struct esp_pkt *p)
{
	struct esp_flow flow;
	enum esp_drop drop = esp_flow_read(p->in, p->in_len, &flow, &p->inner_len);
	struct esp_sa *sa;

	if (drop != ESP_OK)
		return drop;
	sa = p->sa = esp_sadb_select(db, &flow);
	if (!sa)
		return ESP_DROP_NO_SA;
	p->next = flow.src.family == 4 ? IP_PROTO_V4 : IP_PROTO_V6;
	p->text_len = p->inner_len;
	if (p->flags & ESP_PKT_KEEP_TRAILER && p->in_len <= LARGEST && esp_seal_len(sa, p->in_len) <= LARGEST)
		p->text_len = p->in_len;
	p->off = outer_len(sa);
	return number(sa, p);
}

static void clear(struct esp_pkt *p)
{
	p->sa = NULL;
	p->data = NULL;
	p->seq = 0;
	p->len = p->trailer = p->off = p->esp_len = p->text_len = p->inner_len = 0;
	p->soft = false;
	p->found = ESP_OK;
}

void esp_seal_submit(struct esp_sadb *db, struct esp_pkt *pkts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		clear(&pkts[i]);
		pkts[i].drop = submit(db, &pkts[i]);
	}
}

void esp_seal_submit_sa(struct esp_sa *sa, struct esp_pkt *pkts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct esp_pkt *p = &pkts[i];

		clear(p);
		p->flags |= ESP_PKT_BARE;
		p->sa = sa;
		p->inner_len = p->text_len = p->in_len;
		p->drop = number(sa, p);
	}
}

static uint8_t outer_class(const struct esp_sa *sa, const uint8_t *inner)
{
	uint8_t value = ip_get_class(inner);

	if (sa->flags & ESP_SA_NO_ECN)
		value &= 0xfc;
	if (sa->flags & ESP_SA_NO_ENCAP_DSCP)
		value &= 0x03;
	return value;
}

static void put_outer4(const struct esp_pkt *p, uint8_t *o, uint8_t proto)
{
	bool df = p->next == IP_PROTO_V6 || get16(p->in + 6) & IP_DF;

	if (p->sa->flags & ESP_SA_NO_PMTU_DISC)
		df = false;
	o[0] = 0x45;
	o[1] = outer_class(p->sa, p->in);
	put16(o + 2, p->off + p->esp_len);
	put16(o + 4, (uint16_t)p->seq);
	put16(o + 6, df ? IP_DF : 0);
	o[8] = TTL;
	o[9] = proto;
	put16(o + 10, 0);
	memcpy(o + 12, p->sa->src.b, 4);
	memcpy(o + 16, p->sa->dst.b, 4);
	put16(o + 10, ip_checksum(ip_sum(0, o, 20)));
}

static void put_outer6(const struct esp_pkt *p, uint8_t *o, uint8_t proto)
{
	put32(o, 0x60000000u | (p->next == IP_PROTO_V6 ? get32(p->in) & 0xfffffu : 0));
	ip_set_class(o, outer_class(p->sa, p->in));
	put16(o + 4, p->off + p->esp_len - 40);
	o[6] = proto;
	o[7] = TTL;
	memcpy(o + 8, p->sa->src.b, 16);
	memcpy(o + 24, p->sa->dst.b, 16);
}

static void put_outer(const struct esp_pkt *p, uint8_t *o)
{
	const struct esp_sa *sa = p->sa;
	uint8_t *esp = o + p->off, proto = sa->encap ? IP_PROTO_UDP : IP_PROTO_ESP;

	if (sa->dst.family == 4)
		put_outer4(p, o, proto);
	else
		put_outer6(p, o, proto);
	if (sa->encap) {
		put16(esp - 8, sa->sport);
		put16(esp - 6, sa->dport);
		put16(esp - 4, 8 + p->esp_len);
		put16(esp - 2, 0);
	}
}

static void build(struct esp_pkt *p)
{
	const struct esp_sa *sa = p->sa;
	uint8_t *esp = p->out + p->off, *text = esp + 8 + sa->iv_len;
	uint32_t pad = p->esp_len - 8 - sa->iv_len - ESP_ICV_LEN - p->text_len - 2;

	if (!(p->flags & ESP_PKT_BARE))
		put_outer(p, p->out);
	put32(esp, sa->spi);
	put32(esp + 4, (uint32_t)p->seq);
	if (p->in != text)
		memcpy(text, p->in, p->text_len);
	text += p->text_len;
	for (uint32_t i = 1; i <= pad; i++)
		*text++ = (uint8_t)i;
	*text++ = (uint8_t)pad;
	*text = p->next;
}

static void put_udp6_checksum(struct esp_pkt *p)
{
	uint8_t *udp = p->out + p->off - 8;
	uint32_t len = 8 + p->esp_len;
	uint16_t sum = ip_checksum(ip_sum(ip_sum(len + IP_PROTO_UDP, p->out + 8, 32), udp, len));

	put16(udp + 6, sum ? sum : 0xffff); /* 0 would say that there is none */
}

void esp_seal_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n)
{
	struct esp_op ops[ESP_BURST];
	struct esp_pkt *of[ESP_BURST];

	while (n) {
		size_t k = 0;

		for (; n && k < ESP_BURST; pkts++, n--) {
			struct esp_pkt *p = pkts;

			if (p->drop != ESP_OK)
				continue;
			if (p->out_room < p->off + p->esp_len) {
				p->drop = ESP_DROP_NO_ROOM;
				continue;
			}
			build(p);
			ops[k] = (struct esp_op){.sa = p->sa,
						 .seq = p->seq,
						 .in = p->out + p->off,
						 .out = p->out + p->off,
						 .len = p->esp_len};
			of[k++] = p;
		}
		esp_crypto_ivs(c, ops, k);
		for (size_t i = 0; i < k; i++)
			if (ops[i].result != 0)
				of[i]->drop = ESP_DROP_CRYPTO;
		esp_crypto_seal(c, ops, k);
		for (size_t i = 0; i < k; i++) {
			struct esp_pkt *p = of[i];

			if (ops[i].result != 0 || p->drop != ESP_OK) {
				/* The text may still stand there in the clear. */
				memset(p->out, 0, p->off + p->esp_len);
				p->drop = ESP_DROP_CRYPTO;
				continue;
			}
			if (p->off && p->sa->encap && p->sa->dst.family == 6)
				put_udp6_checksum(p);
			p->data = p->out;
			p->len = p->off + p->esp_len;
		}
	}
}

void esp_seal_done(struct esp_stats *stats, struct esp_pkt *pkts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct esp_pkt *p = &pkts[i];

		stats->in_packets++;
		stats->in_bytes += p->in_len;
		stats->drop[p->drop]++;
		if (p->soft)
			stats->soft_expired++;
		if (p->drop == ESP_OK) {
			stats->out_packets++;
			stats->out_bytes += p->len;
		}
	}
}

/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <string.h>

#include "checksum.h"
#include "ip.h"

#define TCP_FLAGS 13
#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u
#define TCP_CHECK 16u
#define UDP_CHECK 6u

/* The transport header of a packet that is no fragment. */
static bool find_transport(const uint8_t *p, uint32_t len, uint8_t *proto, uint32_t *off)
{
	bool is_fragment = false;
	uint16_t fragment;

	if (p[0] >> 4 == 4) {
		*proto = p[9];
		*off = (p[0] & 0x0fu) * 4;
		is_fragment = get16(p + 6) & (IP_MF | IP_OFFSET);
	} else {
		ip6_walk(p, len, proto, off, &is_fragment, &fragment);
	}
	return !is_fragment;
}

static bool read_gso(struct gw_super *s, const struct virtio_net_hdr *h)
{
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint8_t want = type == VIRTIO_NET_HDR_GSO_UDP_L4 ? IP_PROTO_UDP : IP_PROTO_TCP;
	uint32_t off, payload;

	if (type != VIRTIO_NET_HDR_GSO_UDP_L4 &&
	    type != (s->packet[0] >> 4 == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6))
		return false;
	if (h->gso_size == 0 || !find_transport(s->packet, s->len, &s->proto, &off) || s->proto != want)
		return false;
	s->l4 = (uint16_t)off;
	if (want == IP_PROTO_TCP) {
		if (s->len < off + 20)
			return false;
		s->header = (uint16_t)(off + (s->packet[off + 12] >> 4) * 4u);
		s->field = TCP_CHECK;
		if (s->header < off + 20)
			return false;
	} else {
		s->header = (uint16_t)(off + 8);
		s->field = UDP_CHECK;
	}
	if (s->len <= s->header)
		return false;
	payload = s->len - s->header;
	s->size = h->gso_size;
	s->count = (uint16_t)((payload + s->size - 1) / s->size);
	return true;
}

bool gw_super_read(struct gw_super *s, const struct virtio_net_hdr *h, const uint8_t *packet, uint32_t len)
{
	*s = (struct gw_super){.packet = packet, .len = len, .count = 1};
	if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return read_gso(s, h);
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if ((uint32_t)h->csum_start + h->csum_offset + 2 > len)
			return false;
		s->finish = true;
		s->l4 = h->csum_start;
		s->field = h->csum_offset;
	}
	return true;
}

/* 0 is 0xffff in this arithmetic, and in UDP it would say that there is no checksum. */
static void put_check(const struct gw_super *s, uint8_t *field, uint64_t sum)
{
	uint16_t check = (uint16_t)~gw_sum_fold(sum);

	gw_sum_put(field, check || s->field != UDP_CHECK ? check : 0xffff);
}

/* The kernel has put the sum of the pseudo header where the checksum belongs. */
static void write_whole(const struct gw_super *s, uint8_t *to)
{
	uint64_t sum;

	if (!s->finish) {
		memcpy(to, s->packet, s->len);
		return;
	}
	memcpy(to, s->packet, s->l4);
	sum = gw_sum_copy(0, to + s->l4, s->packet + s->l4, s->len - s->l4);
	put_check(s, to + s->l4 + s->field, sum);
}

static void write_ip(const struct gw_super *s, uint32_t i, uint8_t *to, uint32_t len)
{
	if (to[0] >> 4 == 6) {
		put16(to + 4, len - 40);
		return;
	}
	put16(to + 2, len);
	put16(to + 4, (get16(s->packet + 4) + i) & 0xffff);
	put16(to + 10, 0);
	gw_sum_put(to + 10, (uint16_t)~gw_sum_fold(gw_sum(0, to, (to[0] & 0x0fu) * 4)));
}

void gw_super_write(const struct gw_super *s, uint32_t i, uint8_t *to)
{
	uint32_t len = gw_super_len(s, i);
	uint8_t *l4 = to + s->l4;
	uint64_t sum;

	if (s->proto == 0) {
		write_whole(s, to);
		return;
	}
	memcpy(to, s->packet, s->header);
	write_ip(s, i, to, len);
	put16(l4 + s->field, 0);
	if (s->proto == IP_PROTO_TCP) {
		put32(l4 + 4, get32(l4 + 4) + i * s->size);
		if (i != 0)
			l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
		if (i + 1 != s->count)
			l4[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	} else {
		put16(l4 + 4, len - s->l4);
	}
	sum = gw_sum_pseudo(to, s->proto, len - s->l4);
	sum = gw_sum(sum, l4, s->header - s->l4);
	/* Both headers are of even length, so the payload begins at an even offset. */
	sum = gw_sum_copy(sum, to + s->header, s->packet + s->header + i * s->size, len - s->header);
	put_check(s, l4 + s->field, sum);
}

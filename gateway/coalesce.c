/* SPDX-License-Identifier: MIT */
#include "coalesce.h"

#include <string.h>

#include "checksum.h"
#include "ip.h"
#include "segment.h"

#define TCP_FLAGS 13
#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u
#define LARGEST 65535u

static bool checksum_right(const uint8_t *p, uint32_t len, const struct gw_inner *inner)
{
	uint64_t sum = gw_sum_pseudo(p, inner->proto, len - inner->l4);

	return gw_sum_fold(gw_sum(sum, p + inner->l4, len - inner->l4)) == 0xffff;
}

static uint32_t tcp_header(const uint8_t *l4, uint32_t left)
{
	uint32_t header;

	if (left < 20)
		return 0;
	header = (l4[12] >> 4) * 4u;
	if (header < 20 || left <= header)
		return 0;
	if (l4[12] & 0x0f || !(l4[TCP_FLAGS] & TCP_ACK) || l4[TCP_FLAGS] & ~(TCP_ACK | TCP_PSH | TCP_FIN))
		return 0;
	return header;
}

static uint32_t udp_header(const uint8_t *l4, uint32_t left)
{
	return left > 8 && get16(l4 + 4) == left && get16(l4 + 6) != 0 ? 8 : 0;
}

void gw_inner_read(struct gw_inner *inner, const uint8_t *p, uint32_t len, bool udp)
{
	uint8_t proto;
	uint32_t l4, header = 0;

	*inner = (struct gw_inner){0};
	if (p[0] >> 4 == 4) {
		/* A wrong header checksum stays wrong, for the kernel to see. */
		if (p[0] != 0x45 || get16(p + 6) & (0x8000 | IP_MF | IP_OFFSET) ||
		    gw_sum_fold(gw_sum(0, p, 20)) != 0xffff)
			return;
		l4 = 20;
		proto = p[9];
	} else {
		l4 = 40;
		proto = p[6];
	}
	if (proto == IP_PROTO_TCP)
		header = tcp_header(p + l4, len - l4);
	else if (proto == IP_PROTO_UDP && udp)
		header = udp_header(p + l4, len - l4);
	if (header == 0)
		return;
	inner->l4 = (uint16_t)l4;
	inner->header = (uint16_t)(l4 + header);
	inner->proto = proto;
	if (!checksum_right(p, len, inner))
		inner->proto = 0;
}

static void begin(struct gw_merge *m, uint8_t *p, uint32_t len, const struct gw_inner *inner)
{
	m->inner = *inner;
	m->first = p;
	m->len = len;
	m->count = 1;
	m->iov[1] = (struct iovec){p, len};
	m->closed = inner->proto == 0;
	if (m->closed)
		return;
	m->size = len - inner->header;
	m->id = (uint16_t)(get16(p + 4) + 1);
	if (inner->proto == IP_PROTO_TCP) {
		m->seq = get32(p + inner->l4 + 4) + m->size;
		m->flags = p[inner->l4 + TCP_FLAGS];
		m->closed = m->flags & (TCP_PSH | TCP_FIN);
	}
}

/* All of IPv4 but length, identification and checksum. Where the packet may not be fragmented the
 * identification means nothing (RFC 6864), and senders of datagrams leave it at 0. */
static bool same_ip4(const struct gw_merge *m, const uint8_t *p)
{
	const uint8_t *f = m->first;
	bool zero = get16(p + 6) & IP_DF && get16(p + 4) == 0 && get16(f + 4) == 0;

	return memcmp(p, f, 2) == 0 && memcmp(p + 6, f + 6, 4) == 0 && memcmp(p + 12, f + 12, 8) == 0 &&
	       (zero || get16(p + 4) == m->id);
}

static bool same_ip6(const struct gw_merge *m, const uint8_t *p)
{
	return memcmp(p, m->first, 4) == 0 && memcmp(p + 6, m->first + 6, 34) == 0;
}

/* Ports, acknowledgement, data offset, window, urgent pointer, options. */
static bool same_tcp(const struct gw_merge *m, const uint8_t *l4)
{
	const uint8_t *f = m->first + m->inner.l4;
	uint32_t header = m->inner.header - m->inner.l4;

	return memcmp(l4, f, 4) == 0 && memcmp(l4 + 8, f + 8, 5) == 0 && memcmp(l4 + 14, f + 14, 2) == 0 &&
	       memcmp(l4 + 18, f + 18, header - 18) == 0 && get32(l4 + 4) == m->seq;
}

static bool continues(const struct gw_merge *m, const uint8_t *p, uint32_t len, const struct gw_inner *inner)
{
	uint32_t payload = len - inner->header;

	if (m->closed || inner->proto != m->inner.proto || inner->l4 != m->inner.l4 ||
	    inner->header != m->inner.header)
		return false;
	if (m->count == GW_MERGE_MAX || payload > m->size || m->len + payload > LARGEST)
		return false;
	if (p[0] >> 4 != m->first[0] >> 4 || !(p[0] >> 4 == 4 ? same_ip4(m, p) : same_ip6(m, p)))
		return false;
	if (inner->proto == IP_PROTO_TCP)
		return same_tcp(m, p + inner->l4);
	return memcmp(p + inner->l4, m->first + inner->l4, 4) == 0;
}

bool gw_merge_add(struct gw_merge *m, uint8_t *p, uint32_t len, const struct gw_inner *inner)
{
	uint32_t payload;

	if (m->count == 0) {
		begin(m, p, len, inner);
		return true;
	}
	if (!continues(m, p, len, inner))
		return false;
	payload = len - inner->header;
	m->count++;
	m->iov[m->count] = (struct iovec){p + inner->header, payload};
	m->len += payload;
	m->id++;
	m->closed = payload < m->size;
	if (inner->proto == IP_PROTO_TCP) {
		m->seq += payload;
		m->flags = p[inner->l4 + TCP_FLAGS];
		m->closed = m->closed || m->flags & (TCP_PSH | TCP_FIN);
	}
	return true;
}

void gw_merge_finish(struct gw_merge *m)
{
	uint8_t *p = m->first, *l4 = p + m->inner.l4;
	bool tcp = m->inner.proto == IP_PROTO_TCP;

	m->hdr = (struct virtio_net_hdr){.gso_type = VIRTIO_NET_HDR_GSO_NONE};
	m->iov[0] = (struct iovec){&m->hdr, sizeof(m->hdr)};
	if (m->count == 1)
		return;
	if (p[0] >> 4 == 4) {
		put16(p + 2, m->len);
		put16(p + 10, 0);
		gw_sum_put(p + 10, (uint16_t)~gw_sum_fold(gw_sum(0, p, 20)));
	} else {
		put16(p + 4, m->len - 40);
	}
	if (tcp)
		l4[TCP_FLAGS] = m->flags;
	else
		put16(l4 + 4, m->len - m->inner.l4);
	m->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	m->hdr.gso_type = !tcp		   ? VIRTIO_NET_HDR_GSO_UDP_L4
			  : p[0] >> 4 == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
					   : VIRTIO_NET_HDR_GSO_TCPV6;
	m->hdr.hdr_len = m->inner.header;
	m->hdr.gso_size = (uint16_t)m->size;
	m->hdr.csum_start = m->inner.l4;
	m->hdr.csum_offset = tcp ? 16 : 6;
	gw_sum_put(l4 + m->hdr.csum_offset,
		   gw_sum_fold(gw_sum_pseudo(p, m->inner.proto, m->len - m->inner.l4)));
}

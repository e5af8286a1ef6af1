/* SPDX-License-Identifier: MIT */
/* Super packets of the kernel become the packets that they stand for, and those become the same super packet
 * again. */
#include <time.h>

#include "checksum.h"
#include "coalesce.h"
#include "packets.h"
#include "segment.h"

/* One thread alone: where only races are looked for, a tenth will do. */
#define ROUNDS(n) ((n) / (THREAD_SANITIZED ? 10 : 1))

static uint8_t whole[65536], pieces[65536 * 3], back[65536];

static struct virtio_net_hdr gso(const struct shape *s, uint32_t size)
{
	return (struct virtio_net_hdr){
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	    .gso_type = s->proto == 17	 ? VIRTIO_NET_HDR_GSO_UDP_L4
			: s->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
					 : VIRTIO_NET_HDR_GSO_TCPV6,
	    .hdr_len = (uint16_t)s->header,
	    .gso_size = (uint16_t)size,
	    .csum_start = (uint16_t)s->ip_header,
	    .csum_offset = (uint16_t)(check_at(s) - s->ip_header),
	};
}

static void check_tcp(const struct shape *s, const uint8_t *p, uint32_t i, uint32_t count, uint32_t done)
{
	const uint8_t *l4 = p + s->ip_header, *first = whole + s->ip_header;
	uint8_t flags = first[13];

	CHECK_EQ(g32(l4 + 4), (uint32_t)(g32(first + 4) + done));
	if (i != 0)
		flags &= 0x7f; /* CWR */
	if (i + 1 != count)
		flags &= (uint8_t)~0x09; /* PSH, FIN */
	CHECK_EQ(l4[13], flags);
	CHECK(memcmp(l4 + 18, first + 18, s->header - s->ip_header - 18) == 0);
}

/* Cuts `whole`, checks each packet, leaves them in `pieces`. Returns how many. */
static uint32_t cut(const struct shape *s, uint32_t len, uint32_t size, uint32_t at[], uint32_t lens[])
{
	struct virtio_net_hdr h = gso(s, size);
	struct gw_super super;
	uint32_t done = 0, used = 0;

	CHECK(gw_super_read(&super, &h, whole, len));
	CHECK_EQ(super.count, (len - s->header + size - 1) / size);
	for (uint32_t i = 0; i < super.count; i++) {
		uint32_t n = gw_super_len(&super, i);
		uint8_t *p = pieces + used;

		gw_super_write(&super, i, p);
		check_packet(s, p, n);
		if (s->family == 4)
			CHECK_EQ(g16(p + 4), (g16(whole + 4) + i) & 0xffff);
		if (s->proto == 6)
			check_tcp(s, p, i, super.count, done);
		CHECK(n - s->header == size || (i + 1u == super.count && n - s->header < size));
		CHECK(memcmp(p + s->header, whole + s->header + done, n - s->header) == 0);
		at[i] = used;
		lens[i] = n;
		used += n;
		done += n - s->header;
	}
	CHECK_EQ(done, len - s->header);
	return super.count;
}

static void gather(const struct gw_merge *m)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= m->count; i++) {
		memcpy(back + n, m->iov[i].iov_base, m->iov[i].iov_len);
		n += (uint32_t)m->iov[i].iov_len;
	}
	CHECK_EQ(n, m->len);
}

static void there_and_back(void)
{
	static uint32_t at[65536], lens[65536];
	static struct gw_merge m;

	random_begin();
	for (int round = 0; round < ROUNDS(3000); round++) {
		struct shape s = any_shape();
		uint32_t size = 1 + any(any(2) ? 1500 : 9000), count = 1 + any(GW_MERGE_MAX),
			 room = 65535 - s.header;
		uint32_t payload = size * (count - 1) + 1 + any(size), len, n;
		struct virtio_net_hdr h;

		if (payload > room)
			payload = room;
		len = s.header + payload;
		make_packet(&s, whole, len);
		if (s.proto == 6 && any(3) == 0)
			whole[s.ip_header + 13] |= any(2) ? 0x08 : 0x09;
		leave_checksum(&s, whole, len);
		n = cut(&s, len, size, at, lens);
		if (n > GW_MERGE_MAX)
			continue;
		gw_merge_begin(&m);
		for (uint32_t i = 0; i < n; i++) {
			struct gw_inner inner;

			gw_inner_read(&inner, pieces + at[i], lens[i], true);
			CHECK_EQ(inner.proto, s.proto);
			CHECK(gw_merge_add(&m, pieces + at[i], lens[i], &inner));
		}
		CHECK_EQ(m.count, n);
		gw_merge_finish(&m);
		gather(&m);
		CHECK_EQ(m.len, len);
		if (n == 1) {
			check_packet(&s, back, len);
			CHECK_EQ(m.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
			continue;
		}
		CHECK(memcmp(back, whole, len) == 0);
		h = gso(&s, size);
		CHECK(memcmp(&m.hdr, &h, sizeof(h)) == 0);
	}
}

static void congestion_window_reduced(void)
{
	static uint32_t at[64], lens[64];
	struct shape s = {4, 6, 20, 40};

	make_packet(&s, whole, 5000);
	whole[20 + 13] = 0x10 | 0x80 | 0x08;
	leave_checksum(&s, whole, 5000);
	CHECK_EQ(cut(&s, 5000, 1000, at, lens), 5);
}

static void unfinished_checksums(void)
{
	random_begin();
	for (int round = 0; round < ROUNDS(2000); round++) {
		struct shape s = any_shape();
		uint32_t len = s.header + any(3000);
		struct virtio_net_hdr h = gso(&s, 0);
		struct gw_super super;

		h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		make_packet(&s, whole, len);
		leave_checksum(&s, whole, len);
		CHECK(gw_super_read(&super, &h, whole, len));
		CHECK_EQ(super.count, 1);
		CHECK_EQ(gw_super_len(&super, 0), len);
		gw_super_write(&super, 0, back);
		check_packet(&s, back, len);
		if (s.proto == 17)
			CHECK(g16(back + check_at(&s)) != 0);
	}
}

static void finished_packets_are_copied(void)
{
	struct virtio_net_hdr h = {0};
	struct shape s = {6, 17, 40, 48};
	struct gw_super super;

	make_packet(&s, whole, 777);
	CHECK(gw_super_read(&super, &h, whole, 777));
	gw_super_write(&super, 0, back);
	CHECK(memcmp(whole, back, 777) == 0);
}

/*
 * Whatever the kernel's header and the packet claim, nothing beyond the packet is read, and lengths add up.
 */
static void nonsense(void)
{
	random_begin();
	for (int round = 0; round < ROUNDS(200000); round++) {
		struct shape s = any_shape();
		uint32_t len = s.header + any(300), sum = 0;
		struct virtio_net_hdr h = gso(&s, 1 + any(100));
		struct gw_super super;
		uint8_t *exact;

		make_packet(&s, whole, len);
		for (int damage = any(4); damage; damage--)
			whole[any(2) ? any(s.header) : s.ip_header + any(s.header - s.ip_header)] =
			    (uint8_t)any(256);
		/* What the caller has checked before. */
		whole[0] = (uint8_t)(s.family == 4 ? 0x40 | (5 + any(any(4) ? 1 : 11)) : 0x60);
		if (s.family == 4 && (whole[0] & 15) * 4u > len)
			whole[0] = 0x45;
		for (int damage = any(3); damage; damage--)
			((uint8_t *)&h)[any(sizeof(h))] = (uint8_t)any(256);
		exact = malloc(len);
		memcpy(exact, whole, len);
		if (gw_super_read(&super, &h, exact, len)) {
			CHECK(super.count >= 1);
			for (uint32_t i = 0; i < super.count; i++) {
				uint32_t n = gw_super_len(&super, i);
				uint8_t *to = malloc(n);

				CHECK(super.count == 1 || n > super.header);
				gw_super_write(&super, i, to);
				sum += super.count == 1 ? n : n - super.header;
				free(to);
			}
			CHECK_EQ(sum, super.count == 1 ? len : len - super.header);
		}
		free(exact);
	}
}

static void contradictions(void)
{
	struct shape s = {4, 6, 20, 40};
	struct virtio_net_hdr good = gso(&s, 100), h;
	struct gw_super super;

	make_packet(&s, whole, 1000);
	CHECK(gw_super_read(&super, &good, whole, 1000));
	h = good;
	h.gso_size = 0;
	CHECK(!gw_super_read(&super, &h, whole, 1000));
	h = good;
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	CHECK(!gw_super_read(&super, &h, whole, 1000));
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	CHECK(!gw_super_read(&super, &h, whole, 1000));
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP; /* fragments: not asked for */
	CHECK(!gw_super_read(&super, &h, whole, 1000));
	CHECK(!gw_super_read(&super, &good, whole, 40)); /* no payload */
	whole[32] = 0x40;				 /* TCP header of 16 bytes */
	CHECK(!gw_super_read(&super, &good, whole, 1000));
	whole[32] = 0x50;
	p16(whole + 6, 0x2000); /* more fragments */
	CHECK(!gw_super_read(&super, &good, whole, 1000));
	h = (struct virtio_net_hdr){
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 990, .csum_offset = 9};
	CHECK(!gw_super_read(&super, &h, whole, 1000));
}

static void sums(void)
{
	static uint8_t copy[4200];

	random_begin();
	for (int round = 0; round < ROUNDS(5000); round++) {
		uint32_t at = any(64), len = any(4000);
		uint16_t host;

		for (uint32_t i = 0; i < at + len; i++)
			whole[i] = (uint8_t)(any(2) ? 0xff : any(256));
		host = gw_sum_fold(gw_sum(0, whole + at, len));
		CHECK_EQ(g16((uint8_t *)&host) % 0xffff, slow_sum(0, whole + at, len) % 0xffff);
		CHECK_EQ(gw_sum_fold(gw_sum_copy(0, copy + at % 7, whole + at, len)), host);
		CHECK(memcmp(copy + at % 7, whole + at, len) == 0);
	}
}

static const struct test_case cases[] = {
    {"checksum: as one word after the other", sums},
    {"segment: there and back, IPv4, IPv6, TCP, UDP", there_and_back},
    {"segment: CWR goes with the first, PSH with the last", congestion_window_reduced},
    {"segment: a checksum that the kernel left is finished", unfinished_checksums},
    {"segment: what is finished is copied", finished_packets_are_copied},
    {"segment: contradictions are refused", contradictions},
    {"segment: nonsense never leads outside the packet", nonsense},
};

TEST_MAIN(cases)

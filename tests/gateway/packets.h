/* SPDX-License-Identifier: MIT */
/* Packets for tests: built and checked byte by byte, with nothing of the gateway's own. */
#ifndef PACKETS_H
#define PACKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "test.h"

static uint64_t random_state;

/* PADATA_SEED, or another each time; printed. */
static inline void random_begin(void)
{
	const char *seed = getenv("PADATA_SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)getpid() << 20 ^ (uint64_t)time(NULL);
	printf("# PADATA_SEED=%llu\n", (unsigned long long)random_state);
}

/* splitmix64 */
static inline uint32_t any(uint32_t below)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((x ^ x >> 31) % below);
}

static inline void p16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t g16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline void p32(uint8_t *p, uint32_t v)
{
	p16(p, v >> 16);
	p16(p + 2, v & 0xffff);
}

static inline uint32_t g32(const uint8_t *p)
{
	return g16(p) << 16 | g16(p + 2);
}

/* RFC 1071, one word after the other. */
static inline uint32_t slow_sum(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline uint32_t slow_pseudo(const uint8_t *p, uint32_t proto, uint32_t len)
{
	uint32_t sum = p[0] >> 4 == 4 ? slow_sum(0, p + 12, 8) : slow_sum(0, p + 8, 32);

	sum += proto + len;
	return (sum & 0xffff) + (sum >> 16);
}

struct shape {
	int family;		    /* 4, 6 */
	int proto;		    /* 6 TCP, 17 UDP */
	uint32_t ip_header, header; /* header: of all in front of the payload */
};

static inline struct shape any_shape(void)
{
	struct shape s = {any(2) ? 4 : 6, any(2) ? 6 : 17, 0, 0};

	s.ip_header = s.family == 4 ? 20 : 40;
	s.header = s.ip_header + (s.proto == 6 ? 20 + 4 * any(11) : 8);
	return s;
}

static inline uint32_t check_at(const struct shape *s)
{
	return s->ip_header + (s->proto == 6 ? 16 : 6);
}

/* A whole packet with random content, all lengths and checksums right. TCP has ACK set and no other flag. */
static inline void make_packet(const struct shape *s, uint8_t *p, uint32_t len)
{
	uint8_t *l4 = p + s->ip_header;

	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)any(256);
	if (s->family == 4) {
		p[0] = 0x45;
		p16(p + 2, len);
		p16(p + 6, any(2) ? 0x4000 : 0);
		p[9] = (uint8_t)s->proto;
	} else {
		p[0] = (uint8_t)(0x60 | (p[0] & 15));
		p16(p + 4, len - 40);
		p[6] = (uint8_t)s->proto;
	}
	if (s->proto == 6) {
		l4[12] = (uint8_t)((s->header - s->ip_header) / 4 << 4);
		l4[13] = 0x10;
	} else {
		p16(l4 + 4, len - s->ip_header);
	}
}

static inline void fix_checksums(const struct shape *s, uint8_t *p, uint32_t len)
{
	uint32_t sum;

	if (s->family == 4) {
		p16(p + 10, 0);
		p16(p + 10, ~slow_sum(0, p, 20) & 0xffff);
	}
	p16(p + check_at(s), 0);
	sum = slow_pseudo(p, (uint32_t)s->proto, len - s->ip_header);
	sum = ~slow_sum(sum, p + s->ip_header, len - s->ip_header) & 0xffff;
	p16(p + check_at(s), sum || s->proto == 6 ? sum : 0xffff);
}

/* The kernel's way of leaving a checksum to be finished: the pseudo header's sum stands in its place. */
static inline void leave_checksum(const struct shape *s, uint8_t *p, uint32_t len)
{
	if (s->family == 4) {
		p16(p + 10, 0);
		p16(p + 10, ~slow_sum(0, p, 20) & 0xffff);
	}
	p16(p + check_at(s), slow_pseudo(p, (uint32_t)s->proto, len - s->ip_header));
}

/* Fails the case where a length or a checksum is wrong. */
static inline void check_packet(const struct shape *s, const uint8_t *p, uint32_t len)
{
	uint32_t sum;

	if (s->family == 4) {
		CHECK_EQ(g16(p + 2), len);
		CHECK_EQ(slow_sum(0, p, 20), 0xffff);
	} else {
		CHECK_EQ(g16(p + 4), len - 40);
	}
	if (s->proto == 17)
		CHECK_EQ(g16(p + s->ip_header + 4), len - s->ip_header);
	sum = slow_pseudo(p, (uint32_t)s->proto, len - s->ip_header);
	CHECK_EQ(slow_sum(sum, p + s->ip_header, len - s->ip_header), 0xffff);
}

#endif

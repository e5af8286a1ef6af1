/* SPDX-License-Identifier: MIT */
/* Bytes on the wire: big-endian numbers without alignment, and the Internet checksum. */
#ifndef ESP_IP_H
#define ESP_IP_H

#include <stdbool.h>
#include <stdint.h>

enum {
	IP_PROTO_HOP = 0,
	IP_PROTO_V4 = 4,
	IP_PROTO_TCP = 6,
	IP_PROTO_UDP = 17,
	IP_PROTO_V6 = 41,
	IP_PROTO_ROUTING = 43,
	IP_PROTO_FRAGMENT = 44,
	IP_PROTO_ESP = 50,
	IP_PROTO_AH = 51,
	IP_PROTO_NONE = 59,
	IP_PROTO_DSTOPTS = 60,
	IP_PROTO_DCCP = 33,
	IP_PROTO_SCTP = 132,
	IP_PROTO_UDPLITE = 136,
};

#define IP_DF 0x4000u
#define IP_MF 0x2000u
#define IP_OFFSET 0x1fffu

/* No legal packet has more extension headers than this worth following; the rest counts as payload. */
#define IP_EXT_MAX 8

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static inline void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

/* The sum that a checksum complements, over `len` bytes, added to `sum`. */
uint64_t ip_sum(uint64_t sum, const uint8_t *p, uint32_t len);
/* Folded and complemented. */
uint16_t ip_checksum(uint64_t sum);

/* The traffic class (DSCP and ECN) of an IP packet; version 4 or 6 was checked. */
uint8_t ip_get_class(const uint8_t *p);
/* Sets it and keeps an IPv4 header checksum as right (or as wrong) as it was. */
void ip_set_class(uint8_t *p, uint8_t value);

/*
 * Follows IPv6 extension headers: *proto and *off are the first header that is none, or a fragment header
 * (*fragment then holds its offset-and-flags field and *off is behind it). What cannot be followed is
 * payload.
 */
void ip6_walk(const uint8_t *p, uint32_t total, uint8_t *proto, uint32_t *off, bool *is_fragment,
	      uint16_t *fragment);

#endif

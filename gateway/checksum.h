/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071) of much data.
 *
 * A sum is of 16-bit words in the machine's own byte order, which gives the same bytes in memory as network
 * order would. Pieces may be added in any order, but each at an even offset.
 */
#ifndef GW_CHECKSUM_H
#define GW_CHECKSUM_H

#include <stdint.h>
#include <string.h>

/* `sum` and the sum of the bytes at `p`. */
uint64_t gw_sum(uint64_t sum, const uint8_t *p, uint32_t len);
/* The same while copying to `to`, which must not overlap. */
uint64_t gw_sum_copy(uint64_t sum, uint8_t *to, const uint8_t *p, uint32_t len);

/* The pseudo header of the IP packet at `p`, version 4 or 6, for a transport header and payload of `len`
 * bytes. */
uint64_t gw_sum_pseudo(const uint8_t *p, uint8_t proto, uint32_t len);

/* Folded to 16 bits, not complemented: as the kernel wants it where it is to add the rest. */
static inline uint16_t gw_sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Writes a value in the machine's order, as gw_sum_fold gives it. */
static inline void gw_sum_put(uint8_t *p, uint16_t value)
{
	memcpy(p, &value, sizeof(value));
}

#endif

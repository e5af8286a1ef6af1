/* SPDX-License-Identifier: MIT */
#ifndef STREAM_GZMEMBER_H
#define STREAM_GZMEMBER_H

/*
 * Gzip members (RFC 1952), whole, in memory. Two kinds say in their header how
 * long they are, so that many can be read at once: BGZF's, of at most 64 KiB
 * (subfield BC, 16 bits), and this program's (subfield PD, 32 bits).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a header of either kind has at most, and a member around its data. */
#define GZ_HEADER_LOOK ((size_t)12 + 65535)
#define GZ_LEAST ((size_t)18)
/* The input of one BGZF member, as bgzip has it. */
#define BGZF_INPUT ((size_t)0xff00)

/* Space for the members that length bytes become. */
size_t gz_bound(int level, bool bgzf, size_t length);
/*
 * Compress into members, one or for BGZF as many as it takes: their length; 0 when memory is short. Any
 * thread.
 */
size_t gz_compress(int level, bool bgzf, const void *bytes, size_t length, void *out, size_t room);
/* BGZF's end of file, and its length. */
extern const unsigned char bgzf_end[28];

/* Has a whole header come; is it one at all; and how long is the member, when it says so (else 0)? */
enum gz_look { GZ_MORE, GZ_NONE, GZ_MEMBER };
enum gz_look gz_look(const unsigned char *bytes, size_t length, size_t *member);

/* The length of the data that a whole member says it holds; false when that cannot be. */
bool gz_data_length(const unsigned char *member, size_t length, size_t *data);
/* Decompress one whole member to exactly that length. NULL, or what is wrong. Any thread. */
const char *gz_decompress(const void *member, size_t length, void *out, size_t data);

#endif

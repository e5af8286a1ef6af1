/* SPDX-License-Identifier: MIT */
#ifndef STREAM_GINFLATE_H
#define STREAM_GINFLATE_H

/* A gzip member of unknown length, decompressed piece by piece as it comes. */

#include <stddef.h>

struct ginflate;

enum ginflated { GINFLATE_MORE, GINFLATE_END, GINFLATE_DAMAGED };

struct ginflate *ginflate_open(void);
void ginflate_close(struct ginflate *g);
/* Begin with another member. */
void ginflate_again(struct ginflate *g);
/*
 * Take from *in and put into *out, both moved on. MORE: one of them is used
 * up. END: the member is complete, and its check sum is right.
 */
enum ginflated ginflate_some(struct ginflate *g, const char **in, size_t *in_left, char **out,
			     size_t *out_left);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_CUT_H
#define STREAM_CUT_H

/* Where a block may end: after a --recend, before a --recstart, or both; anywhere when there is neither. */

#include <stdbool.h>
#include <stddef.h>

struct cut {
	char *pattern; /* the end, then the start */
	size_t length, end_length;
};

void cut_open(struct cut *cut, const char *end, size_t end_length, const char *start, size_t start_length);
void cut_close(struct cut *cut);

/* The last place from 1 to most where bytes can be cut; 0: none. length may be more than most. */
size_t cut_last(const struct cut *cut, const char *bytes, size_t length, size_t most);
/* The first place from least on; 0: none. */
size_t cut_first(const struct cut *cut, const char *bytes, size_t length, size_t least);

#endif

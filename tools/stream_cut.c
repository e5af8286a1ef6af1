/* SPDX-License-Identifier: MIT */
#include "stream_cut.h"
#include "stream_alloc.h"

#include <stdlib.h>
#include <string.h>

void cut_open(struct cut *cut, const char *end, size_t end_length, const char *start, size_t start_length)
{
	cut->length = end_length + start_length;
	cut->end_length = end_length;
	cut->pattern = must_alloc(cut->length);
	if (end_length)
		memcpy(cut->pattern, end, end_length);
	if (start_length)
		memcpy(cut->pattern + end_length, start, start_length);
}

void cut_close(struct cut *cut)
{
	free(cut->pattern);
}

/* The last occurrence; NULL when there is none. */
static const void *last_match(const void *bytes, size_t length, const void *what, size_t what_length)
{
	const char *start = bytes;
	if (what_length == 0)
		return start + length;
	if (what_length == 1)
		return memrchr(bytes, *(const unsigned char *)what, length);
	while (length >= what_length) {
		/* The first byte of the text decides where a match may begin. */
		const char *p = memrchr(start, *(const unsigned char *)what, length - what_length + 1);
		if (!p)
			return NULL;
		if (memcmp(p, what, what_length) == 0)
			return p;
		length = (size_t)(p - start) + what_length - 1;
	}
	return NULL;
}

size_t cut_last(const struct cut *cut, const char *bytes, size_t length, size_t most)
{
	if (cut->length == 0)
		return most < length ? most : length;
	/* A match begins end_length bytes before its cut. */
	size_t reach = most + (cut->length - cut->end_length);
	const char *match = last_match(bytes, reach < length ? reach : length, cut->pattern, cut->length);
	if (match && match + cut->end_length == bytes)
		match = NULL;
	return match ? (size_t)(match - bytes) + cut->end_length : 0;
}

/* The first occurrence of what is not empty. A sanitizer looks at all of what memmem() may, for each record
 * anew. */
static const void *first_match(const void *bytes, size_t length, const void *what, size_t what_length)
{
	if (what_length == 1)
		return memchr(bytes, *(const unsigned char *)what, length);
	return memmem(bytes, length, what, what_length);
}

size_t cut_first(const struct cut *cut, const char *bytes, size_t length, size_t least)
{
	if (least < 1)
		least = 1;
	if (cut->length == 0)
		return least <= length ? least : 0;
	size_t from = least > cut->end_length ? least - cut->end_length : 0;
	while (from + cut->length <= length) {
		const char *match = first_match(bytes + from, length - from, cut->pattern, cut->length);
		if (!match)
			return 0;
		size_t at = (size_t)(match - bytes) + cut->end_length;
		if (at >= least)
			return at;
		from = (size_t)(match - bytes) + 1;
	}
	return 0;
}

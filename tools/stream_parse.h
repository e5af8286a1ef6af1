/* SPDX-License-Identifier: MIT */
#ifndef STREAM_PARSE_H
#define STREAM_PARSE_H

/* Numbers, sizes, times and escapes, as the options have them. */

#include <stdbool.h>
#include <stddef.h>

/* "10", "64k", "1M", "1.5G": K, M, G and T are powers of 1,024, small k, m, g and t of 1,000. */
bool parse_size(const char *text, size_t *size);
/* "10", "0.5", "5m": seconds, or with s, m, h or d after them. */
bool parse_seconds(const char *text, double *seconds);
bool parse_count(const char *text, unsigned long long low, unsigned long long high,
		 unsigned long long *count);
/* Take \n, \t, \r, \0, \\ and \xHH out of text, in place: the length that is left. */
size_t unescape(char *text);

#endif

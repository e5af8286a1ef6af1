/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_H
#define FUZZ_H

/* What the targets share: an input that is taken in pieces, and a check that ends the program. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                               \
		}                                                                              \
	} while (0)

struct input {
	const uint8_t *data;
	size_t left;
};

/* 0 at the end. */
static inline uint8_t take_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

/* Up to n bytes, as many as are left; *got of them. */
static inline const uint8_t *take_bytes(struct input *in, size_t n, size_t *got)
{
	const uint8_t *here = in->data;

	*got = n < in->left ? n : in->left;
	in->data += *got;
	in->left -= *got;
	return here;
}

/* One line, and something in it: what an error text has to be. */
static inline bool is_a_line(const char *text)
{
	return text[0] && !strchr(text, '\n');
}

#endif

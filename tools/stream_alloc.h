/* SPDX-License-Identifier: MIT */
#ifndef STREAM_ALLOC_H
#define STREAM_ALLOC_H

/* Memory, or the end of the program with a line that says so. */

#include <stddef.h>

void *must_alloc(size_t size);
void *must_realloc(void *memory, size_t size);
char *must_copy(const char *text);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_BUFFER_H
#define STREAM_BUFFER_H

/*
 * Buffers for blocks, used again: fresh memory costs a page fault for every
 * 4 KiB, which is more than reading them. The reader gets, anyone puts.
 */

#include <stddef.h>

char *buffer_get(size_t room);
void buffer_put(char *buffer, size_t room);
/* At the end: give the unused ones back. */
void buffer_free_all(void);

#endif

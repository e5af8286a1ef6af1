/* SPDX-License-Identifier: MIT */
#ifndef STREAM_IO_H
#define STREAM_IO_H

/* Whole reads and writes, however the descriptor is set. */

#include <stddef.h>
#include <sys/types.h>

/* Write it all: 0 or -errno. */
int write_all(int fd, const void *bytes, size_t length);
/* Read until length bytes have come or the input ends: the number read, or -errno. */
ssize_t read_all(int fd, void *bytes, size_t length);
ssize_t pread_all(int fd, void *bytes, size_t length, off_t at);

#endif

/* SPDX-License-Identifier: MIT */
/* Files that hold keys: who may read them, how large they may be, and that nothing of them stays in memory. */
#ifndef ESP_KEY_FILE_H
#define ESP_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "esp_sa.h"

/*
 * Reads all of `fd`, which the caller keeps. 0 and *text, which the caller wipes and frees; or -errno, *text NULL and
 * one line in `err`: -EACCES group or others may read it, -EFBIG, -EISDIR, -EINVAL no regular file; a pipe will do
 * where `pipe` is true. `name` stands for the file in messages.
 */
int esp_key_file_read(int fd, const char *name, bool pipe, char **text, size_t *len, char err[ESP_ERROR_LEN]);

#endif

/* SPDX-License-Identifier: MIT */
#include "key_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64u << 20)
#define PIPE_MAX (1u << 20)

static int read_all(int fd, char *text, size_t size, size_t *got)
{
	for (*got = 0; *got < size;) {
		ssize_t n = read(fd, text + *got, size - *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		*got += (size_t)n;
	}
	return -EFBIG; /* it has grown, or has no size */
}

/* How many bytes to make room for, one more than it may have, or -errno. */
static ssize_t room_for(const struct stat *st, bool pipe)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (st->st_mode & 077)
		return -EACCES;
	if (!S_ISREG(st->st_mode))
		return pipe ? (ssize_t)PIPE_MAX : -EINVAL;
	return st->st_size > (off_t)FILE_MAX ? -EFBIG : (ssize_t)st->st_size + 1;
}

static const char *why(int code)
{
	return code == -EINVAL ? "not a regular file" : strerror(-code);
}

int esp_key_file_read(int fd, const char *name, bool pipe, char **text, size_t *len, char err[ESP_ERROR_LEN])
{
	struct stat st;
	ssize_t room = fstat(fd, &st) ? -errno : room_for(&st, pipe);
	int code = room < 0 ? (int)room : 0;

	*text = NULL;
	err[0] = '\0';
	if (!code) {
		*text = malloc((size_t)room);
		code = *text ? read_all(fd, *text, (size_t)room, len) : -ENOMEM;
	}
	if (!code)
		return 0;
	if (code == -EACCES)
		snprintf(err, ESP_ERROR_LEN, "%.80s: it holds keys, and others may read it; run: chmod 600 %.80s", name,
			 name);
	else
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", name, why(code));
	if (*text)
		explicit_bzero(*text, (size_t)room);
	free(*text);
	*text = NULL;
	return code;
}

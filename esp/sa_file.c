/* SPDX-License-Identifier: MIT */
/* Reading an SA file: who may read it, how large it may be, and that nothing of it stays in memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "esp_sa.h"

#define FILE_MAX (64u << 20)

static int read_all(int fd, char *text, size_t size, size_t *got)
{
	*got = 0;
	while (*got < size) {
		ssize_t n = read(fd, text + *got, size - *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

int esp_sadb_load(const char *path, struct esp_sadb **db, char err[ESP_ERROR_LEN])
{
	struct stat st;
	char *text = NULL;
	size_t got = 0, room = 0;
	int code = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*db = NULL;
	err[0] = '\0';
	if (fd < 0 || fstat(fd, &st) != 0)
		code = -errno;
	else if (S_ISDIR(st.st_mode))
		code = -EISDIR;
	else if (st.st_mode & 077) {
		snprintf(err, ESP_ERROR_LEN,
			 "%.80s: it holds keys, and others may read it; run: chmod 600 %.80s", path, path);
		code = -EACCES;
	} else if (st.st_size > (off_t)FILE_MAX)
		code = -EFBIG;
	if (!code) {
		/* A pipe has no size; what it gives is bounded all the same. */
		room = S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 1u << 20;
		text = malloc(room);
		code = text ? read_all(fd, text, room, &got) : -ENOMEM;
		if (!code && got == room && !S_ISREG(st.st_mode))
			code = -EFBIG;
	}
	if (!code)
		code = esp_sadb_parse(path, text, got, db, err);
	if (code && !err[0])
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", path, strerror(-code));
	if (text)
		explicit_bzero(text, room);
	free(text);
	if (fd >= 0)
		close(fd);
	return code;
}

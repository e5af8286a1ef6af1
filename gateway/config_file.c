/* SPDX-License-Identifier: MIT */
#include "config_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (16u << 20)

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

int gw_file_read(int fd, const char *name, char **text, size_t *len, char err[ESP_ERROR_LEN])
{
	struct stat st;
	size_t room = 0;
	int code = fstat(fd, &st) ? -errno : 0;

	*text = NULL;
	err[0] = '\0';
	if (!code && S_ISDIR(st.st_mode))
		code = -EISDIR;
	if (!code && st.st_mode & 077) {
		snprintf(err, ESP_ERROR_LEN, "%.80s: it holds keys, and others may read it; run: chmod 600 %.80s", name,
			 name);
		return -EACCES;
	}
	if (!code && (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX))
		code = S_ISREG(st.st_mode) ? -EFBIG : -EINVAL;
	if (!code) {
		room = (size_t)st.st_size + 1;
		*text = malloc(room);
		code = *text ? read_all(fd, *text, room, len) : -ENOMEM;
	}
	if (!code)
		return 0;
	snprintf(err, ESP_ERROR_LEN, "%.80s: %s", name, code == -EINVAL ? "not a regular file" : strerror(-code));
	if (*text)
		explicit_bzero(*text, room);
	free(*text);
	*text = NULL;
	return code;
}

static int open_and_read(const struct gw_opener *opener, const char *name, const char *shown, char **text, size_t *len,
			 char err[ESP_ERROR_LEN])
{
	int fd = opener->open(opener->arg, name), code = fd;

	if (fd < 0) {
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", shown, strerror(-fd));
		return fd;
	}
	code = gw_file_read(fd, shown, text, len, err);
	close(fd);
	return code;
}

struct include {
	const struct gw_opener *opener;
	const char *path;
	int directory; /* bytes of path */
};

static int include(void *arg, const char *name, char **text, size_t *len, char err[ESP_ERROR_LEN])
{
	const struct include *i = arg;
	char shown[GW_FILE_MAX];

	snprintf(shown, sizeof(shown), "%.*s%s", i->directory, i->path, name);
	return open_and_read(i->opener, name, shown, text, len, err);
}

int gw_config_load(const char *path, const struct gw_opener *opener, struct gw_config **config,
		   char err[ESP_ERROR_LEN])
{
	const char *slash = strrchr(path, '/');
	struct include i = {opener, path, slash ? (int)(slash + 1 - path) : 0};
	struct gw_includes includes = {include, &i};
	char *text;
	size_t len;
	int code = open_and_read(opener, path + i.directory, path, &text, &len, err);

	*config = NULL;
	if (code)
		return code;
	code = gw_config_parse(path, text, len, &includes, config, err);
	explicit_bzero(text, len);
	free(text);
	return code;
}

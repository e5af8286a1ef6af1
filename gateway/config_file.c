/* SPDX-License-Identifier: MIT */
#include "config_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "key_file.h"

static int open_and_read(const struct gw_opener *opener, const char *name, const char *shown, char **text,
			 size_t *len, char err[ESP_ERROR_LEN])
{
	int fd = opener->open(opener->arg, name), code = fd;

	if (fd < 0) {
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", shown, strerror(-fd));
		return fd;
	}
	code = esp_key_file_read(fd, shown, false, text, len, err);
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

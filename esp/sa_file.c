/* SPDX-License-Identifier: MIT */
/* An SA file, by its name. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "esp_sa.h"
#include "key_file.h"

int esp_sadb_load(const char *path, struct esp_sadb **db, char err[ESP_ERROR_LEN])
{
	char *text;
	size_t len;
	int code, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*db = NULL;
	if (fd < 0) {
		code = -errno;
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", path, strerror(-code));
		return code;
	}
	code = esp_key_file_read(fd, path, true, &text, &len, err);
	close(fd);
	if (code)
		return code;
	code = esp_sadb_parse(path, text, len, db, err);
	explicit_bzero(text, len);
	free(text);
	return code;
}

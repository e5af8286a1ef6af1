/* SPDX-License-Identifier: MIT */
/* Files that hold keys: who may read them, how large they may be, and that nothing of them stays in memory. */
#ifndef GW_CONFIG_FILE_H
#define GW_CONFIG_FILE_H

#include "config.h"

/* Opens a file of the configuration's directory, whose name has no '/'. A descriptor or -errno. */
struct gw_opener {
	int (*open)(void *arg, const char *name);
	void *arg;
};

/*
 * Reads all of `fd`, which the caller keeps. 0 and *text, which the caller wipes and frees; or -errno and one line in
 * `err`: -EACCES group or others may read it, -EFBIG, -EISDIR.
 */
int gw_file_read(int fd, const char *name, char **text, size_t *len, char err[ESP_ERROR_LEN]);

/* Reads the configuration `path` and what it includes. As gw_config_parse. */
int gw_config_load(const char *path, const struct gw_opener *opener, struct gw_config **config,
		   char err[ESP_ERROR_LEN]);

/* What was understood, one thing a line, without keys. */
void gw_config_print(FILE *to, const struct gw_config *config);

#endif

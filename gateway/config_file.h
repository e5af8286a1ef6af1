/* SPDX-License-Identifier: MIT */
/* The files of a configuration, which hold keys. */
#ifndef GW_CONFIG_FILE_H
#define GW_CONFIG_FILE_H

#include "config.h"

/* Opens a file of the configuration's directory, whose name has no '/'. A descriptor or -errno. */
struct gw_opener {
	int (*open)(void *arg, const char *name);
	void *arg;
};

/* Reads the configuration `path` and what it includes. As gw_config_parse. */
int gw_config_load(const char *path, const struct gw_opener *opener, struct gw_config **config,
		   char err[ESP_ERROR_LEN]);

/* "auto", "openssl", "ipsec-mb". */
const char *gw_backend_name(enum esp_backend which);
/* What was understood, one thing a line, without keys. */
void gw_config_print(FILE *to, const struct gw_config *config);

#endif

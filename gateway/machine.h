/* SPDX-License-Identifier: MIT */
/* What a configuration names and this machine must have before anything is opened: its user, CPUs, crypto. */
#ifndef GW_MACHINE_H
#define GW_MACHINE_H

#include <sys/types.h>

#include "config.h"

struct gw_user {
	uid_t uid;
	gid_t gid;
};

/* `path` stands for the configuration in messages. 0 and *user, or -errno and in `err` one line
 * "FILE:LINE: 'WORD': what to do". */
int gw_machine_has(const char *path, const struct gw_config *config, struct gw_user *user,
		   char err[ESP_ERROR_LEN]);

#endif

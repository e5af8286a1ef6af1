/* SPDX-License-Identifier: MIT */
/*
 * What needs root while the gateway runs as somebody else: a second process, forked before there are keys,
 * that opens files of the configuration's directory, sets the MTU of the gateway's device, and removes the
 * control socket when the gateway has ended, however that was. It can do nothing else, whoever asks.
 */
#ifndef GW_PRIVILEGED_H
#define GW_PRIVILEGED_H

#include <stdint.h>

/* The descriptor of that directory in the process. */
#define GW_HELPER_DIRECTORY 1

struct gw_privileged {
	int fd; /* to the process */
};

/* Starts it for the directory of `path`. Before any thread is started. 0 or -errno. */
int gw_privileged_start(struct gw_privileged *p, const char *path);
/* Ends it; what it was told to remove is removed when this returns. */
void gw_privileged_stop(struct gw_privileged *p);

/* Which device and which control socket are the gateway's. Taken once. 0 or -errno. */
int gw_privileged_settle(const struct gw_privileged *p, const char *device, const char *control);
/* A descriptor to read from, or -errno. Has the form that a struct gw_opener wants; `p` is a struct
 * gw_privileged. */
int gw_privileged_open(void *p, const char *name);
/* 0 or -errno. */
int gw_privileged_set_mtu(const struct gw_privileged *p, uint32_t mtu);

#endif

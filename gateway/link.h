/* SPDX-License-Identifier: MIT */
/* The network side of the TUN device: addresses, routes, MTU, up. By rtnetlink; to change anything needs
 * CAP_NET_ADMIN. */
#ifndef GW_LINK_H
#define GW_LINK_H

#include "config.h"

/* Gives the device the configuration's addresses, sets its MTU, brings it up, adds the routes. 0, or -errno
 * and one line in `err`. What was done stays; it goes with the device. */
int gw_link_configure(const char *device, const struct gw_config *config, uint32_t mtu,
		      char err[ESP_ERROR_LEN]);
/* A device's own counters, for later. */
struct gw_link_watch {
	int fd;
	unsigned int index;
};

int gw_link_watch(const char *device, struct gw_link_watch *w);
/* What the kernel dropped in front of the device, because its queue was full. Segmentation requests count
 * once. */
uint64_t gw_link_dropped(const struct gw_link_watch *w);

/* 0 or -errno. */
int gw_link_set_mtu(const char *device, uint32_t mtu);

#endif

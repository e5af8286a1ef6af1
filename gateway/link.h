/* SPDX-License-Identifier: MIT */
/* The network side of the TUN device: addresses, routes, MTU, up. By rtnetlink; needs CAP_NET_ADMIN. */
#ifndef GW_LINK_H
#define GW_LINK_H

#include "config.h"

/* Gives the device the configuration's addresses, sets its MTU, brings it up, adds the routes. 0, or -errno and one line
 * in `err`. What was done stays; it goes with the device. */
int gw_link_configure(const char *device, const struct gw_config *config, uint32_t mtu, char err[ESP_ERROR_LEN]);
/* 0 or -errno. */
int gw_link_set_mtu(const char *device, uint32_t mtu);

#endif

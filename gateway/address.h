/* SPDX-License-Identifier: MIT */
/* Addresses and ports as text and as the system's sockets have them. */
#ifndef GW_ADDRESS_H
#define GW_ADDRESS_H

#include <sys/socket.h>

#include "config.h"

#define GW_ADDRESS_TEXT 46u  /* bytes for any address, the end included */
#define GW_ENDPOINT_TEXT 56u /* with brackets and port */

/* "192.0.2.1". Returns `text`. */
const char *gw_address_text(const struct esp_addr *a, char text[GW_ADDRESS_TEXT]);
/* "192.0.2.1:4500", "[2001:db8::1]:4500"; "-" where it is not set. Returns `text`. */
const char *gw_endpoint_text(const struct gw_endpoint *e, char text[GW_ENDPOINT_TEXT]);
/* Returns the length of the address. */
socklen_t gw_endpoint_sockaddr(const struct gw_endpoint *e, struct sockaddr_storage *to);

#endif

/* SPDX-License-Identifier: MIT */
/* Addresses between the configuration's form, the socket's, and text. */
#ifndef GW_ADDRESS_H
#define GW_ADDRESS_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "config.h"

#define GW_ADDRESS_TEXT 46u  /* bytes for any address, the end included */
#define GW_ENDPOINT_TEXT 56u /* with brackets and port */

static inline bool gw_addr_same(const struct esp_addr *a, const struct esp_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool gw_endpoint_same(const struct gw_endpoint *a, const struct gw_endpoint *b)
{
	return a->port == b->port && gw_addr_same(&a->addr, &b->addr);
}

/* The length of what was written. */
socklen_t gw_endpoint_to_sockaddr(const struct gw_endpoint *e, struct sockaddr_storage *to);
struct gw_endpoint gw_endpoint_of_sockaddr(const struct sockaddr_storage *from);

/* "192.0.2.1". Returns `text`. */
const char *gw_address_text(const struct esp_addr *a, char text[GW_ADDRESS_TEXT]);
/* "192.0.2.1:4500", "[2001:db8::1]:4500"; "-" where it is not set. Returns `text`. */
const char *gw_endpoint_text(const struct gw_endpoint *e, char text[GW_ENDPOINT_TEXT]);

#endif

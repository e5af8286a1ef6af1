/* SPDX-License-Identifier: MIT */
/* UDP sockets that carry ESP (RFC 3948), one for each family at most. */
#ifndef GW_UDP_H
#define GW_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* UDP's own limits on one send: bytes of payload for IPv4, packets. */
#define GW_SEND_BYTES 65507u
#define GW_SEND_PACKETS 64u

/* SPI to ICV around a packet, at most: 8 + 16 + 17 + 16. */
#define GW_SEAL_MORE 57u

struct gw_udp_offloads {
	bool gso; /* UDP_SEGMENT: many packets in one send */
	bool gro; /* UDP_GRO: many in one receive */
};

struct gw_udp_socket {
	int fd;
	struct gw_endpoint local;
};

struct gw_udp {
	struct gw_udp_socket sockets[GW_LOCALS_MAX];
	size_t count;
	struct gw_udp_offloads offloads;
};

/*
 * Opens and binds a non-blocking socket for each address, with large buffers (beyond the system's limit where
 * there is CAP_NET_ADMIN). Ports below 1,024 need CAP_NET_BIND_SERVICE. 0, or -errno and one line in `err`;
 * then none is open.
 */
int gw_udp_open(struct gw_udp *udp, const struct gw_endpoint *locals, size_t count, char err[ESP_ERROR_LEN]);
void gw_udp_close(struct gw_udp *udp);
/* What is missing, as one line for people; NULL: nothing. Static. */
const char *gw_udp_lacks(const struct gw_udp *udp);

#endif

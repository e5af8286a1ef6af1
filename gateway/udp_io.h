/* SPDX-License-Identifier: MIT */
/* Sending and receiving on the sockets of udp.h; what only the data plane needs. */
#ifndef GW_UDP_IO_H
#define GW_UDP_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "udp.h"

/* A socket and what its senders share. */
struct gw_line {
	int fd;
	uint8_t family;
	atomic_bool gso;       /* relaxed: a hint, until a sender finds that it does not work */
	pthread_rwlock_t lock; /* senders read; who changes df writes */
	bool df;
	uint32_t overflow; /* the receiver's: packets that the kernel had dropped when it last said so */
};

void gw_line_init(struct gw_line *line, const struct gw_udp_socket *socket, bool gso);
void gw_line_destroy(struct gw_line *line);

struct gw_send {
	const struct sockaddr_storage *to;
	socklen_t to_len;
	uint8_t *data;
	uint32_t len;
	uint32_t size;	/* of each packet but the last, at most len */
	uint8_t tclass; /* DSCP and ECN of the outer header */
	bool df;
};

/*
 * Sends one packet, or, where line->gso is set, several. Any thread. Waits a few milliseconds at most for
 * room. 0 or -errno: -EAGAIN there was no room, -EMSGSIZE larger than the path carries, -EIO several cannot
 * be sent at once: these, or any on this path; then line->gso is off from now on.
 */
int gw_line_send(struct gw_line *line, const struct gw_send *send);

struct gw_receive {
	struct gw_endpoint from;
	uint32_t len;
	uint32_t size; /* of each packet but the last */
	uint8_t tclass;
	bool truncated;
	uint32_t overflow; /* packets that the kernel has dropped on this socket so far; 0: it did not say */
};

/* 0, -EAGAIN, or -errno of something that happened to an earlier send. */
int gw_line_receive(const struct gw_line *line, uint8_t *data, uint32_t room, struct gw_receive *r);

/* The next error that the network has reported: true, and where the packet was sent; `mtu` is 0 unless it was
 * too large. False: there is none. */
bool gw_line_error(const struct gw_line *line, struct gw_endpoint *to, uint32_t *mtu);

/* What the route to `to` carries in one packet, outer headers included, as the kernel knows now; 0: it does
 * not know. */
uint32_t gw_path_mtu(const struct gw_endpoint *to);

#endif

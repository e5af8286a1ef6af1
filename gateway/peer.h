/* SPDX-License-Identifier: MIT */
/*
 * The other end of a tunnel: where it is now, and how large a packet its path carries. Shared by all SAs from
 * and to it, found by the address and UDP port that their descriptions name.
 */
#ifndef GW_PEER_H
#define GW_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "config.h"

struct gw_line;

struct gw_peer {
	struct gw_peer *next;
	unsigned int users; /* SAs; the control side's */
	struct gw_endpoint name;
	struct gw_line *line;
	_Atomic uint32_t
	    mtu; /* outer packets; relaxed: whoever reads an old one sends one packet too large */
	_Atomic uint64_t sent_at; /* seconds; relaxed */

	pthread_mutex_t lock; /* what follows */
	struct gw_endpoint at;
	struct sockaddr_storage address; /* the same */
	socklen_t address_len;
};

/* A path of which nothing is known. */
#define GW_MTU_UNKNOWN 1500u
/* No less is believed, as in the kernel (net.ipv4.route.min_pmtu) and RFC 8200. */
#define GW_MTU_MIN4 552u
#define GW_MTU_MIN6 1280u

struct gw_peer *gw_peer_new(const struct gw_endpoint *name, struct gw_line *line);
void gw_peer_free(struct gw_peer *p);

/* Packets go to `at` from now on. False: they did already. Any thread. */
bool gw_peer_move(struct gw_peer *p, const struct gw_endpoint *at);
struct gw_endpoint gw_peer_at(struct gw_peer *p);
/* The same for sendmsg(2). */
socklen_t gw_peer_address(struct gw_peer *p, struct sockaddr_storage *to);

/* Takes over what the kernel knows about the path. True: it has changed. Any thread; makes system calls. */
bool gw_peer_learn_mtu(struct gw_peer *p);
static inline uint32_t gw_peer_mtu(const struct gw_peer *p)
{
	return atomic_load_explicit(&p->mtu, memory_order_relaxed);
}

#endif

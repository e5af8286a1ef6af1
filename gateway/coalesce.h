/* SPDX-License-Identifier: MIT */
/*
 * What is written to a TUN device with offloads: consecutive TCP segments or UDP datagrams of one flow become
 * one super packet, from which the kernel, if it has to, makes exactly these packets again. Order is kept:
 * only neighbours merge.
 */
#ifndef GW_COALESCE_H
#define GW_COALESCE_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* What a packet is good for; found by any thread. */
struct gw_inner {
	uint8_t proto;	 /* IP_PROTO_TCP, IP_PROTO_UDP; 0: it must travel alone */
	uint16_t l4;	 /* where the transport header begins */
	uint16_t header; /* bytes in front of the payload */
};

/*
 * Looks at an IP packet of `len` bytes, version and length of which were checked. proto is set only if the
 * packet may merge with others: no fragment, no IP options, TCP with nothing but ACK, PSH, FIN set, and a
 * checksum that is right: in a super packet the kernel could not see that one was wrong. `udp`: UDP may
 * merge.
 */
void gw_inner_read(struct gw_inner *inner, const uint8_t *p, uint32_t len, bool udp);

#define GW_MERGE_MAX 128u /* packets */

struct gw_merge {
	struct virtio_net_hdr hdr;
	struct iovec iov[GW_MERGE_MAX + 1]; /* hdr, the first packet, the others' payload */
	uint32_t count;			    /* packets; 0: empty */
	/* Of the first packet, and of all together. */
	struct gw_inner inner;
	uint8_t *first;
	uint32_t size; /* payload bytes of each but the last */
	uint32_t len;
	uint32_t seq;  /* TCP: of the next */
	uint16_t id;   /* IPv4: of the next */
	uint8_t flags; /* TCP: of the last */
	bool closed;   /* the last was shorter, or had PSH or FIN */
};

/* Empties it. */
static inline void gw_merge_begin(struct gw_merge *m)
{
	m->count = 0;
}

/* Takes the packet, or returns false: it does not continue what is there, which has to be written first. The
 * bytes at `p` are used until then. */
bool gw_merge_add(struct gw_merge *m, uint8_t *p, uint32_t len, const struct gw_inner *inner);

/* Fills in hdr and changes the first packet's headers for all of them. Then iov[0 .. count] is what the
 * device takes, without iov[0] for one that was opened without the offload header. Only of one that is not
 * empty. */
void gw_merge_finish(struct gw_merge *m);

#endif

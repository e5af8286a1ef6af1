/* SPDX-License-Identifier: MIT */
/*
 * What is read from a TUN device with offloads: a packet whose checksum is not finished, or a super packet
 * that stands for many TCP segments (TSO) or UDP datagrams (USO). How many packets it makes, and how long
 * they are, is known at once; they are written later, one by one, by any thread.
 */
#ifndef GW_SEGMENT_H
#define GW_SEGMENT_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct gw_super {
	const uint8_t *packet; /* begins with the IP header */
	uint32_t len;
	uint8_t proto;	 /* IP_PROTO_TCP, IP_PROTO_UDP: to be cut; 0: one packet */
	bool finish;	 /* one packet: its checksum is to be finished */
	uint16_t l4;	 /* where the transport header begins, or the sum of one packet */
	uint16_t header; /* bytes in front of the payload, in each packet */
	uint16_t field;	 /* of the checksum, from l4 */
	uint16_t size;	 /* payload bytes of each packet but the last */
	uint16_t count;	 /* packets that it makes, at least 1 */
};

/*
 * Reads `packet`, IP version and total length of which were checked, with the kernel's header in front of it.
 * False: the two contradict each other. The bytes at `packet` must stay until the last gw_super_write.
 */
bool gw_super_read(struct gw_super *s, const struct virtio_net_hdr *h, const uint8_t *packet, uint32_t len);

/* Bytes of the i-th packet, i < count. */
static inline uint32_t gw_super_len(const struct gw_super *s, uint32_t i)
{
	if (s->count == 1)
		return s->len;
	return i + 1u < s->count ? (uint32_t)s->header + s->size : s->len - i * s->size;
}

/* Writes the i-th packet, gw_super_len bytes, all checksums right. `to` must not overlap the super packet.
 * Any thread. */
void gw_super_write(const struct gw_super *s, uint32_t i, uint8_t *to);

#endif

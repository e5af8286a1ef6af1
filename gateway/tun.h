/* SPDX-License-Identifier: MIT */
/* The TUN device: packets with the kernel's offload header in front, if it has one. */
#ifndef GW_TUN_H
#define GW_TUN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "esp_sa.h"

struct gw_tun_offloads {
	bool vnet_hdr; /* every packet has a struct virtio_net_hdr in front */
	bool csum;     /* the kernel may leave checksums to us, and we to it */
	bool tso4, tso6, ecn;
	bool uso; /* Linux 6.2 */
};

struct gw_tun {
	int fd;
	char name[IFNAMSIZ];
	struct gw_tun_offloads offloads;
};

/*
 * Makes the device, non-blocking, with all offloads that the kernel has. Needs CAP_NET_ADMIN. The kernel
 * takes the device away when `fd` is closed. 0, or -errno and one line in `err`.
 */
int gw_tun_open(struct gw_tun *tun, const char *name, char err[ESP_ERROR_LEN]);
void gw_tun_close(struct gw_tun *tun);
/* What is missing, as one line for people: "no UDP segmentation"; NULL: nothing. Static. */
const char *gw_tun_lacks(const struct gw_tun *tun);

#endif

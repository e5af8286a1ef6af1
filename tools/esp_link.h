/* SPDX-License-Identifier: MIT */
/* Link headers: where the IP packet begins in a frame, and what its header says about the family. Any
 * thread. */
#ifndef ESP_LINK_H
#define ESP_LINK_H

#include <stdint.h>

enum esp_link {
	ESP_LINK_ETHERNET, /* with any number of VLAN tags */
	ESP_LINK_COOKED,   /* Linux cooked capture v1 */
	ESP_LINK_COOKED2,
	ESP_LINK_RAW,  /* the IP packet itself */
	ESP_LINK_NULL, /* BSD loopback: the address family, in the byte order of the machine that captured */
	ESP_LINK_LOOP, /* OpenBSD loopback: the same in network order */
};

/*
 * Bytes of link header in front of the IP packet; -1 where the frame is not IP, or what was captured of
 * it ends before that can be told, or its header and the packet disagree about the family.
 */
int esp_link_header(enum esp_link link, const uint8_t *frame, uint32_t len);

/*
 * Make the header of esp_link_header() bytes announce an IPv4 (4) or IPv6 (6) packet. One that does already
 * is left as it is; otherwise the BSD loopbacks, where IPv6 has a number for each system, get macOS's.
 */
void esp_link_set_family(enum esp_link link, uint8_t *header, uint32_t len, int family);

#endif

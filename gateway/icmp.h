/* SPDX-License-Identifier: MIT */
/* The answer to a packet that is too large for the tunnel: ICMP fragmentation needed (RFC 1191), ICMPv6
 * packet too big. */
#ifndef GW_ICMP_H
#define GW_ICMP_H

#include <stdint.h>

#define GW_ICMP_MAX 1280u

/*
 * Writes the answer to the IP packet at `p`, version and length of which were checked: "no more than `mtu`
 * bytes". It comes from the packet's destination: from one of its own addresses the host would take nothing.
 * Returns its length; 0: such a packet is not answered (an ICMP error, a later fragment, a source or
 * destination that is no single host).
 */
uint32_t gw_icmp_too_big(const uint8_t *p, uint32_t len, uint32_t mtu, uint8_t out[GW_ICMP_MAX]);

#endif

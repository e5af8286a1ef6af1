/* SPDX-License-Identifier: MIT */
#include "icmp.h"

#include <string.h>

#include "checksum.h"
#include "ip.h"

#define ICMP 1
#define ICMP6 58
#define TTL 64
#define LEAST6 1280u
#define QUOTE4 (576u - 20 - 8) /* RFC 1812 4.3.2.3 */

/* RFC 1122 3.2.2: not about ICMP errors, later fragments, and not to groups. */
static bool answered4(const uint8_t *p, uint32_t len)
{
	uint32_t header = (p[0] & 0x0fu) * 4;

	if (get16(p + 6) & IP_OFFSET || p[12] == 0 || p[12] == 127 || p[12] >= 224 || p[16] >= 224)
		return false;
	if (p[9] != ICMP)
		return true;
	/* echo, timestamp and their like are no errors */
	return len > header && (p[header] == 0 || p[header] == 8 || p[header] >= 13);
}

static bool answered6(const uint8_t *p, uint32_t len)
{
	static const uint8_t none[16];
	bool is_fragment;
	uint16_t fragment;
	uint8_t proto;
	uint32_t off;

	if (p[8] == 0xff || p[24] == 0xff || memcmp(p + 8, none, 16) == 0)
		return false;
	ip6_walk(p, len, &proto, &off, &is_fragment, &fragment);
	return proto != ICMP6 || (off < len && p[off] & 0x80);
}

static uint32_t write4(const uint8_t *p, uint32_t len, uint32_t mtu, uint8_t *o)
{
	uint32_t quote = len < QUOTE4 ? len : QUOTE4, total = 28 + quote;

	memset(o, 0, 28);
	o[0] = 0x45;
	o[1] = 0xc0; /* RFC 1812 4.3.2.5: internetwork control */
	put16(o + 2, total);
	o[8] = TTL;
	o[9] = ICMP;
	memcpy(o + 12, p + 16, 4);
	memcpy(o + 16, p + 12, 4);
	gw_sum_put(o + 10, (uint16_t)~gw_sum_fold(gw_sum(0, o, 20)));
	o[20] = 3;
	o[21] = 4;
	put16(o + 26, mtu);
	memcpy(o + 28, p, quote);
	gw_sum_put(o + 22, (uint16_t)~gw_sum_fold(gw_sum(0, o + 20, 8 + quote)));
	return total;
}

static uint32_t write6(const uint8_t *p, uint32_t len, uint32_t mtu, uint8_t *o)
{
	uint32_t quote = len < GW_ICMP_MAX - 48 ? len : GW_ICMP_MAX - 48, total = 48 + quote;

	memset(o, 0, 48);
	o[0] = 0x60;
	put16(o + 4, 8 + quote);
	o[6] = ICMP6;
	o[7] = TTL;
	memcpy(o + 8, p + 24, 16);
	memcpy(o + 24, p + 8, 16);
	o[40] = 2;
	put32(o + 44, mtu);
	memcpy(o + 48, p, quote);
	gw_sum_put(o + 42,
		   (uint16_t)~gw_sum_fold(gw_sum(gw_sum_pseudo(o, ICMP6, 8 + quote), o + 40, 8 + quote)));
	return total;
}

uint32_t gw_icmp_too_big(const uint8_t *p, uint32_t len, uint32_t mtu, uint8_t out[GW_ICMP_MAX])
{
	if (p[0] >> 4 == 4)
		return answered4(p, len) ? write4(p, len, mtu, out) : 0;
	return answered6(p, len) ? write6(p, len, mtu < LEAST6 ? LEAST6 : mtu, out) : 0;
}

/* SPDX-License-Identifier: MIT */
/* Reading IP packets, and the checksum. */
#include <stdbool.h>
#include <string.h>

#include "esp_packet.h"
#include "ip.h"

uint64_t ip_sum(uint64_t sum, const uint8_t *p, uint32_t len)
{
	uint64_t v = 0;

	/* Sums of big-endian 32-bit words: 2^16 is 1 modulo 2^16 - 1, so the halves may be added later. */
	for (; len >= 4; p += 4, len -= 4)
		sum += get32(p);
	for (uint32_t i = 0; i < len; i++)
		v |= (uint64_t)p[i] << (24 - 8 * i);
	return sum + v;
}

uint16_t ip_checksum(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint8_t ip_get_class(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? p[1] : (uint8_t)(p[0] << 4 | p[1] >> 4);
}

void ip_set_class(uint8_t *p, uint8_t value)
{
	uint8_t old = ip_get_class(p);

	if (old == value)
		return;
	if (p[0] >> 4 == 6) {
		p[0] = (uint8_t)(0x60 | value >> 4);
		p[1] = (uint8_t)((p[1] & 0x0f) | value << 4);
		return;
	}
	/* RFC 1624: HC' = ~(~HC + ~m + m') over the word that holds version, length and class. */
	uint16_t m = get16(p);
	p[1] = value;
	put16(p + 10, ip_checksum((uint64_t)(uint16_t)~get16(p + 10) + (uint16_t)~m + get16(p)));
}

void ip6_walk(const uint8_t *p, uint32_t total, uint8_t *proto, uint32_t *off, bool *is_fragment,
	      uint16_t *fragment)
{
	*proto = p[6];
	*off = 40;
	*is_fragment = false;
	*fragment = 0;
	for (int i = 0; i < IP_EXT_MAX; i++) {
		uint32_t len;

		if (*proto == IP_PROTO_FRAGMENT) {
			if (total - *off < 8)
				return;
			*proto = p[*off];
			*fragment = get16(p + *off + 2);
			*is_fragment = true;
			*off += 8;
			return;
		}
		if (*proto != IP_PROTO_HOP && *proto != IP_PROTO_ROUTING && *proto != IP_PROTO_DSTOPTS)
			return;
		if (total - *off < 8)
			return;
		len = ((uint32_t)p[*off + 1] + 1) * 8;
		if (total - *off < len)
			return;
		*proto = p[*off];
		*off += len;
	}
}

static void read_ports(const uint8_t *p, uint32_t left, struct esp_flow *f)
{
	switch (f->proto) {
	case IP_PROTO_TCP:
	case IP_PROTO_UDP:
	case IP_PROTO_SCTP:
	case IP_PROTO_DCCP:
	case IP_PROTO_UDPLITE:
		if (left < 4)
			return;
		f->sport = get16(p);
		f->dport = get16(p + 2);
		f->has_ports = true;
	}
}

enum esp_drop esp_flow_read(const uint8_t *p, uint32_t len, struct esp_flow *f, uint32_t *total)
{
	memset(f, 0, sizeof(*f));
	*total = 0;
	if (len == 0 || (p[0] >> 4 != 4 && p[0] >> 4 != 6))
		return ESP_DROP_NOT_IP;
	f->src.family = f->dst.family = p[0] >> 4;
	if (f->src.family == 4) {
		uint32_t header = (p[0] & 0x0fu) * 4;

		if (len < 20)
			return ESP_DROP_TRUNCATED;
		*total = get16(p + 2);
		if (header < 20 || *total < header)
			return ESP_DROP_BAD_IP;
		if (*total > len)
			return ESP_DROP_TRUNCATED;
		memcpy(f->src.b, p + 12, 4);
		memcpy(f->dst.b, p + 16, 4);
		f->proto = p[9];
		if ((get16(p + 6) & IP_OFFSET) == 0)
			read_ports(p + header, *total - header, f);
	} else {
		uint32_t off;
		uint16_t fragment;
		bool is_fragment;

		if (len < 40)
			return ESP_DROP_TRUNCATED;
		*total = 40 + (uint32_t)get16(p + 4);
		if (*total > len)
			return ESP_DROP_TRUNCATED;
		memcpy(f->src.b, p + 8, 16);
		memcpy(f->dst.b, p + 24, 16);
		ip6_walk(p, *total, &f->proto, &off, &is_fragment, &fragment);
		if ((fragment & 0xfff8) == 0)
			read_ports(p + off, *total - off, f);
	}
	return ESP_OK;
}

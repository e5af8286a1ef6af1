/* SPDX-License-Identifier: MIT */
#include "esp_link.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

#define BSD_INET 2
#define DARWIN_INET6 30

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static int type_family(unsigned int type)
{
	return type == ETHERTYPE_IPV4 ? 4 : type == ETHERTYPE_IPV6 ? 6 : 0;
}

/* The family fits one byte, so a little-endian machine's header has it first, and a big-endian one's last. */
static uint8_t *bsd_place(uint8_t *header)
{
	return header[0] ? header : header + 3;
}

static int bsd_family(const uint8_t *h)
{
	unsigned int value = h[0] ? h[0] : h[3];

	if (h[1] || h[2] || (h[0] && h[3]))
		return 0;
	/* NetBSD and OpenBSD, FreeBSD, macOS, Linux */
	return value == BSD_INET						    ? 4
	       : value == 24 || value == 28 || value == DARWIN_INET6 || value == 10 ? 6
										    : 0;
}

/* Where the ethertype is; 0 for a link that has none. */
static uint32_t type_at(enum esp_link link, uint32_t header_len)
{
	return link == ESP_LINK_ETHERNET ? header_len - 2 : link == ESP_LINK_COOKED ? 14 : 0;
}

int esp_link_header(enum esp_link link, const uint8_t *f, uint32_t len)
{
	uint32_t n = 0;
	int family = 0;

	switch (link) {
	case ESP_LINK_ETHERNET:
		n = 14;
		while (len >= n && (get16(f + n - 2) == 0x8100 || get16(f + n - 2) == 0x88a8 ||
				    get16(f + n - 2) == 0x9100))
			n += 4;
		break;
	case ESP_LINK_COOKED:
		n = 16;
		break;
	case ESP_LINK_COOKED2:
		n = 20;
		break;
	case ESP_LINK_NULL:
	case ESP_LINK_LOOP:
		n = 4;
		break;
	case ESP_LINK_RAW:
		break;
	}
	if (len <= n)
		return -1;
	if (link == ESP_LINK_RAW)
		family = f[0] >> 4 == 4 ? 4 : 6;
	else if (link == ESP_LINK_NULL || link == ESP_LINK_LOOP)
		family = bsd_family(f);
	else
		family = type_family(get16(f + type_at(link, n)));
	return family && f[n] >> 4 == family ? (int)n : -1;
}

void esp_link_set_family(enum esp_link link, uint8_t *header, uint32_t len, int family)
{
	unsigned int type = family == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;

	if (link == ESP_LINK_RAW)
		return;
	if (link == ESP_LINK_NULL || link == ESP_LINK_LOOP) {
		if (bsd_family(header) != family)
			*bsd_place(header) = family == 4 ? BSD_INET : DARWIN_INET6;
		return;
	}
	put16(header + type_at(link, len), type);
}

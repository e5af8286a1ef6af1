/* SPDX-License-Identifier: MIT */
/*
 * The gateway's super packets. Packets that came out of ESP are merged, and cut again they are the same; what the TUN
 * device gives, with a header in front that may say anything, is cut within its bounds.
 */

#include "checksum.h"
#include "coalesce.h"
#include "esp_packet.h"
#include "fuzz.h"
#include "ip.h"
#include "segment.h"

enum { MOST = 24 };

struct packet {
	uint8_t *bytes, *original;
	uint32_t len;
};

static uint8_t *exact(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size);

	CHECK(copy);
	return memcpy(copy, data, size);
}

/* As every packet is when it comes this far: an IP packet, of its own length. */
static bool take_packet(struct input *in, uint8_t *kind, struct packet *p)
{
	size_t wanted = (size_t)take_byte(in) << 8 | take_byte(in), length;
	struct esp_flow flow;
	const uint8_t *data;

	*kind = take_byte(in);
	data = take_bytes(in, wanted % 2048, &length);
	if (esp_flow_read(data, (uint32_t)length, &flow, &p->len) != ESP_OK)
		return false;
	p->bytes = exact(data, p->len);
	return true;
}

/* What a mutation never gets right. */
static void make_checksums_right(struct packet *p)
{
	uint32_t l4 = p->bytes[0] >> 4 == 4 ? (p->bytes[0] & 0x0fu) * 4 : 40;
	uint8_t proto = p->bytes[0] >> 4 == 4 ? p->bytes[9] : p->bytes[6];
	uint32_t field = l4 + (proto == IP_PROTO_TCP ? 16 : 6);
	uint16_t check;

	if (p->bytes[0] >> 4 == 4) {
		put16(p->bytes + 10, 0);
		gw_sum_put(p->bytes + 10, (uint16_t)~gw_sum_fold(gw_sum(0, p->bytes, l4)));
	}
	if ((proto != IP_PROTO_TCP && proto != IP_PROTO_UDP) || field + 2 > p->len)
		return;
	put16(p->bytes + field, 0);
	check = (uint16_t)~gw_sum_fold(gw_sum(gw_sum_pseudo(p->bytes, proto, p->len - l4), p->bytes + l4, p->len - l4));
	gw_sum_put(p->bytes + field, check || proto == IP_PROTO_TCP ? check : 0xffff);
}

/* Where it may not be fragmented the identification means nothing, and the pieces count it up from 0. */
static void forget_identification(uint8_t *p)
{
	if (p[0] >> 4 == 4 && get16(p + 6) & IP_DF) {
		put16(p + 4, 0);
		put16(p + 10, 0);
	}
}

static void cut_again(struct gw_merge *m, const struct packet *packets)
{
	static uint8_t whole[65536], piece[65536];
	struct gw_super s;
	uint32_t len = 0;

	gw_merge_finish(m);
	for (uint32_t i = 1; i <= m->count; i++) {
		CHECK(len + m->iov[i].iov_len <= 65535);
		memcpy(whole + len, m->iov[i].iov_base, m->iov[i].iov_len);
		len += (uint32_t)m->iov[i].iov_len;
	}
	CHECK(gw_super_read(&s, &m->hdr, whole, len) && s.count == m->count);
	for (uint32_t i = 0; i < s.count; i++) {
		CHECK(gw_super_len(&s, i) == packets[i].len);
		gw_super_write(&s, i, piece);
		if (s.count > 1) {
			forget_identification(piece);
			forget_identification(packets[i].original);
		}
		CHECK(!memcmp(piece, packets[i].original, packets[i].len));
	}
}

static void merge(struct input *in)
{
	struct packet packets[MOST];
	struct gw_merge m;
	uint32_t count = 0, first = 0;
	uint8_t kind;

	gw_merge_begin(&m);
	while (in->left && count < MOST) {
		struct packet *p = &packets[count];
		struct gw_inner inner;

		if (!take_packet(in, &kind, p))
			continue;
		if (kind & 1)
			make_checksums_right(p);
		p->original = exact(p->bytes, p->len);
		gw_inner_read(&inner, p->bytes, p->len, kind & 2);
		if (!gw_merge_add(&m, p->bytes, p->len, &inner)) {
			cut_again(&m, packets + first);
			first = count;
			gw_merge_begin(&m);
			CHECK(gw_merge_add(&m, p->bytes, p->len, &inner));
		}
		count++;
	}
	if (m.count)
		cut_again(&m, packets + first);
	for (uint32_t i = 0; i < count; i++) {
		free(packets[i].bytes);
		free(packets[i].original);
	}
}

static void cut(struct input *in)
{
	struct virtio_net_hdr h = {0};
	struct gw_super s;
	struct packet p;
	uint32_t payload = 0;
	uint8_t kind;
	size_t got;
	const uint8_t *header = take_bytes(in, sizeof(h), &got);

	memcpy(&h, header, got);
	if (!take_packet(in, &kind, &p))
		return;
	if (gw_super_read(&s, &h, p.bytes, p.len)) {
		CHECK(s.count >= 1);
		for (uint32_t i = 0; i < s.count; i++) {
			uint32_t len = gw_super_len(&s, i);
			uint8_t *to = malloc(len);

			CHECK(to && len <= 65535 && len > s.header);
			gw_super_write(&s, i, to);
			payload += len - s.header;
			free(to);
		}
		CHECK(payload == p.len - s.header);
	}
	free(p.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	if (take_byte(&in) & 1)
		cut(&in);
	else
		merge(&in);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What must not be merged is not. There and back is in test_segment.c. */
#include <time.h>

#include "coalesce.h"
#include "packets.h"

#define SIZE 100u

static uint8_t one[2000], two[2000];
static struct gw_merge m;

/* Two packets that merge, of `s`. */
static void pair(const struct shape *s)
{
	uint32_t len = s->header + SIZE;

	make_packet(s, one, len);
	if (s->family == 4)
		p16(one + 6, 0);
	memcpy(two, one, len);
	if (s->family == 4)
		p16(two + 4, (g16(one + 4) + 1) & 0xffff);
	if (s->proto == 6)
		p32(two + s->ip_header + 4, g32(one + s->ip_header + 4) + SIZE);
	fix_checksums(s, one, len);
	fix_checksums(s, two, len);
}

static bool merges(uint32_t len_one, uint32_t len_two)
{
	struct gw_inner first, second;

	gw_inner_read(&first, one, len_one, true);
	gw_inner_read(&second, two, len_two, true);
	gw_merge_begin(&m);
	CHECK(gw_merge_add(&m, one, len_one, &first));
	return gw_merge_add(&m, two, len_two, &second);
}

/* Every single bit of the second packet's headers, changed with the checksum made right again: it merges only
 * where the bit means nothing, which is the checksum itself. */
static void any_other_header(void)
{
	random_begin();
	for (int round = 0; round < 200; round++) {
		struct shape s = any_shape();
		uint32_t len = s.header + SIZE;

		pair(&s);
		CHECK(merges(len, len));
		for (uint32_t bit = 0; bit < s.header * 8; bit++) {
			uint32_t byte = bit / 8, l4 = byte - s.ip_header;
			bool checksum = byte / 2 == check_at(&s) / 2 || (s.family == 4 && byte / 2 == 5);
			bool ending =
			    byte >= s.ip_header && s.proto == 6 && l4 == 13 && (1u << bit % 8 & 0x09);

			/* Version and length were checked before. */
			if (checksum || (s.family == 6 && ((byte == 0 && bit % 8 >= 4) || byte / 2 == 2)))
				continue;
			pair(&s);
			two[byte] ^= (uint8_t)(1u << bit % 8);
			if (s.family == 4 && (two[0] != 0x45 || g16(two + 2) != len || two[9] != s.proto)) {
				CHECK(!merges(
				    len,
				    len)); /* no longer the same kind: its checksum cannot be made right */
				continue;
			}
			fix_checksums(&s, two, len);
			if (merges(len, len) != ending) {
				printf("# family %d proto %d bit %u\n", s.family, s.proto, bit);
				CHECK(false);
			}
		}
	}
}

static void wrong_checksums_stay_alone(void)
{
	random_begin();
	for (int round = 0; round < 2000; round++) {
		struct shape s = any_shape();
		uint32_t len = s.header + SIZE, at;
		struct gw_inner inner;

		pair(&s);
		at = any(2) ? s.header + any(SIZE) : check_at(&s);
		one[at] ^= (uint8_t)(1u << any(8));
		gw_inner_read(&inner, one, len, true);
		CHECK_EQ(inner.proto, 0);
		CHECK(!merges(len, len));
		pair(&s);
		if (s.family == 4) {
			two[11] ^= 1;
			CHECK(!merges(len, len));
		}
	}
}

static void sizes(void)
{
	struct shape s = {4, 6, 20, 40};
	struct gw_inner inner;

	pair(&s);
	/* longer than the first */
	p16(one + 2, s.header + SIZE - 1);
	p32(two + 24, g32(one + 24) + SIZE - 1);
	fix_checksums(&s, one, s.header + SIZE - 1);
	fix_checksums(&s, two, s.header + SIZE);
	CHECK(!merges(s.header + SIZE - 1, s.header + SIZE));
	/* shorter: yes, but nothing follows */
	pair(&s);
	p16(two + 2, s.header + SIZE - 1);
	fix_checksums(&s, two, s.header + SIZE - 1);
	CHECK(merges(s.header + SIZE, s.header + SIZE - 1));
	CHECK(m.closed);
	/* an acknowledgement alone */
	p16(one + 2, s.header);
	fix_checksums(&s, one, s.header);
	gw_inner_read(&inner, one, s.header, true);
	CHECK_EQ(inner.proto, 0);
}

static void datagrams_without_identification(void)
{
	struct shape s = {4, 17, 20, 28};
	uint32_t len = s.header + SIZE;

	pair(&s);
	p16(one + 4, 0);
	p16(two + 4, 0);
	fix_checksums(&s, one, len);
	fix_checksums(&s, two, len);
	CHECK(!merges(len, len)); /* may be fragmented */
	p16(one + 6, 0x4000);
	p16(two + 6, 0x4000);
	fix_checksums(&s, one, len);
	fix_checksums(&s, two, len);
	CHECK(merges(len, len));
}

static void not_for_udp(void)
{
	struct shape s = {4, 17, 20, 28};
	struct gw_inner inner;

	pair(&s);
	gw_inner_read(&inner, one, s.header + SIZE, false);
	CHECK_EQ(inner.proto, 0);
	p16(one + 26, 0); /* no checksum */
	gw_inner_read(&inner, one, s.header + SIZE, true);
	CHECK_EQ(inner.proto, 0);
}

static void truncated_anywhere(void)
{
	random_begin();
	for (int round = 0; round < 20000; round++) {
		struct shape s = any_shape();
		uint32_t len = s.ip_header + any(s.header);
		uint8_t *exact = malloc(len);
		struct gw_inner inner;

		make_packet(&s, one, s.header + SIZE);
		memcpy(exact, one, len);
		gw_inner_read(&inner, exact, len, true);
		free(exact);
	}
}

static const struct test_case cases[] = {
    {"coalesce: any other header travels alone", any_other_header},
    {"coalesce: a wrong checksum is not covered up", wrong_checksums_stay_alone},
    {"coalesce: only the last is shorter", sizes},
    {"coalesce: datagrams that have no identification", datagrams_without_identification},
    {"coalesce: UDP where the kernel cannot, or has no checksum", not_for_udp},
    {"coalesce: headers cut off anywhere", truncated_anywhere},
};

TEST_MAIN(cases)

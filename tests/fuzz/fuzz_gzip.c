/* SPDX-License-Identifier: MIT */
/*
 * Gzip, by both ways that padata gzip -d has: a whole member at once, and piece by piece. Where both
 * find nothing wrong they find the same data; and what is compressed comes back.
 */

#include "fuzz.h"
#include "stream_ginflate.h"
#include "stream_gzmember.h"

enum { MOST = 1 << 20 };

static size_t inflate_all(const uint8_t *data, size_t size, char *out, enum ginflated *state)
{
	struct ginflate *g = ginflate_open();
	const char *in = (const char *)data;
	size_t in_left = size, out_left = MOST;
	char *to = out;

	CHECK(g);
	do {
		size_t piece = in_left < 7 ? in_left : 7, left = piece;

		*state = ginflate_some(g, &in, &left, &to, &out_left);
		in_left -= piece - left;
		CHECK(left <= piece);
	} while (*state == GINFLATE_MORE && in_left && out_left);
	ginflate_close(g);
	return MOST - out_left;
}

static void decompress(const uint8_t *data, size_t size)
{
	static char whole[MOST], pieces[MOST];
	size_t member, length, got;
	enum ginflated state;
	const char *wrong;

	got = inflate_all(data, size, pieces, &state);
	if (gz_look(data, size, &member) != GZ_MEMBER)
		return;
	if (!member || member > size)
		member = size;
	if (member < GZ_LEAST || !gz_data_length(data, member, &length) || length > MOST)
		return;
	wrong = gz_decompress(data, member, whole, length);
	/* libdeflate looks away at a header's own check sum, and at codes that stand for nothing; the data's it checks. */
	CHECK(wrong ? is_a_line(wrong) : state != GINFLATE_END || (got == length && !memcmp(whole, pieces, length)));
}

static void compress(const uint8_t *data, size_t size)
{
	static char back[MOST];
	int level = size % 10 ? (int)(size % 9) + 1 : 1;
	bool bgzf = size & 1;
	size_t room = gz_bound(level, bgzf, size), length, member = 0, got = 0, part;
	uint8_t *out = malloc(room);

	CHECK(out);
	length = gz_compress(level, bgzf, data, size, out, room);
	CHECK(length && length <= room);
	for (size_t at = 0; at < length; at += member) {
		CHECK(gz_look(out + at, length - at, &member) == GZ_MEMBER && member && member <= length - at);
		CHECK(gz_data_length(out + at, member, &part) && got + part <= size);
		CHECK(!gz_decompress(out + at, member, back + got, part));
		got += part;
	}
	CHECK(got == size && !memcmp(back, data, size));
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > MOST)
		return 0;
	decompress(data, size);
	compress(data, size);
	return 0;
}

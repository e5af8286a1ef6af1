/* SPDX-License-Identifier: MIT */
#include "stream_ginflate.h"
#include "stream_alloc.h"
#include "stream_say.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

struct ginflate {
	z_stream z;
};

struct ginflate *ginflate_open(void)
{
	struct ginflate *g = must_alloc(sizeof(*g));
	*g = (struct ginflate){.z = {.zalloc = Z_NULL}};
	/* 16: gzip and nothing else. */
	if (inflateInit2(&g->z, 15 + 16) != Z_OK)
		die("out of memory");
	return g;
}

void ginflate_close(struct ginflate *g)
{
	inflateEnd(&g->z);
	free(g);
}

void ginflate_again(struct ginflate *g)
{
	inflateReset(&g->z);
}

enum ginflated ginflate_some(struct ginflate *g, const char **in, size_t *in_left, char **out,
			     size_t *out_left)
{
	size_t in_now = *in_left < UINT_MAX ? *in_left : UINT_MAX,
	       out_now = *out_left < UINT_MAX ? *out_left : UINT_MAX;
	g->z.next_in = (unsigned char *)(char *)*in;
	g->z.avail_in = (unsigned int)in_now;
	g->z.next_out = (unsigned char *)*out;
	g->z.avail_out = (unsigned int)out_now;
	int result = inflate(&g->z, Z_NO_FLUSH);
	*in += in_now - g->z.avail_in;
	*in_left -= in_now - g->z.avail_in;
	*out += out_now - g->z.avail_out;
	*out_left -= out_now - g->z.avail_out;
	if (result == Z_STREAM_END)
		return GINFLATE_END;
	return result == Z_OK || result == Z_BUF_ERROR ? GINFLATE_MORE : GINFLATE_DAMAGED;
}

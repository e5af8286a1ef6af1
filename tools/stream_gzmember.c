/* SPDX-License-Identifier: MIT */
#include "stream_gzmember.h"

#include <libdeflate.h>
#include <pthread.h>
#include <string.h>

/* With one subfield of four bytes, or of two for BGZF. */
#define HEADER_PD 20
#define HEADER_BC 18
#define TRAILER 8

enum { FLAG_EXTRA = 4, FLAG_UNKNOWN = 0xe0 };

const unsigned char bgzf_end[28] = {0x1f, 0x8b, 8,    4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C',
				    2,	  0,	0x1b, 0, 3, 0, 0, 0, 0, 0,    0, 0, 0,	 0};

/* Each thread has one of each, made when it is first needed, and freed with the thread. */
static pthread_key_t compressor_key, decompressor_key;
static pthread_once_t keys_once = PTHREAD_ONCE_INIT;

static void free_compressor(void *c)
{
	libdeflate_free_compressor(c);
}

static void free_decompressor(void *d)
{
	libdeflate_free_decompressor(d);
}

static void make_keys(void)
{
	pthread_key_create(&compressor_key, free_compressor);
	pthread_key_create(&decompressor_key, free_decompressor);
}

static struct libdeflate_compressor *compressor(int level)
{
	pthread_once(&keys_once, make_keys);
	struct libdeflate_compressor *c = pthread_getspecific(compressor_key);
	if (!c) {
		c = libdeflate_alloc_compressor(level);
		pthread_setspecific(compressor_key, c);
	}
	return c;
}

static struct libdeflate_decompressor *decompressor(void)
{
	pthread_once(&keys_once, make_keys);
	struct libdeflate_decompressor *d = pthread_getspecific(decompressor_key);
	if (!d) {
		d = libdeflate_alloc_decompressor();
		pthread_setspecific(decompressor_key, d);
	}
	return d;
}

static void put16(unsigned char *to, size_t value)
{
	to[0] = (unsigned char)value;
	to[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *to, size_t value)
{
	put16(to, value);
	put16(to + 2, value >> 16);
}

static size_t get16(const unsigned char *from)
{
	return (size_t)from[0] | (size_t)from[1] << 8;
}

static size_t get32(const unsigned char *from)
{
	return get16(from) | get16(from + 2) << 16;
}

size_t gz_bound(int level, bool bgzf, size_t length)
{
	size_t piece = bgzf && length > BGZF_INPUT ? BGZF_INPUT : length;
	size_t pieces = bgzf ? length / BGZF_INPUT + 1 : 1;
	(void)level;
	return pieces * (HEADER_PD + TRAILER + libdeflate_deflate_compress_bound(NULL, piece));
}

static size_t compress_one(struct libdeflate_compressor *c, int level, bool bgzf, const void *bytes,
			   size_t length, unsigned char *out, size_t room)
{
	size_t header = bgzf ? HEADER_BC : HEADER_PD;
	if (bgzf && room > 65536)
		room = 65536;
	if (room < header + TRAILER)
		return 0;
	size_t n = libdeflate_deflate_compress(c, bytes, length, out + header, room - header - TRAILER);
	if (!n)
		return 0;
	size_t whole = header + n + TRAILER;
	memcpy(out, "\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
	if (!bgzf)
		out[8] = level >= 9 ? 2 : level == 1 ? 4 : 0;
	put16(out + 10, header - 12);
	out[12] = bgzf ? 'B' : 'P';
	out[13] = bgzf ? 'C' : 'D';
	put16(out + 14, header - 16);
	if (bgzf)
		put16(out + 16, whole - 1);
	else
		put32(out + 16, whole - 1);
	put32(out + header + n, libdeflate_crc32(0, bytes, length));
	put32(out + header + n + 4, length);
	return whole;
}

size_t gz_compress(int level, bool bgzf, const void *bytes, size_t length, void *out, size_t room)
{
	struct libdeflate_compressor *c = compressor(level);
	size_t done = 0;
	if (!c)
		return 0;
	do {
		size_t piece = bgzf && length > BGZF_INPUT ? BGZF_INPUT : length;
		size_t n =
		    compress_one(c, level, bgzf, bytes, piece, (unsigned char *)out + done, room - done);
		if (!n)
			return 0;
		done += n;
		bytes = (const char *)bytes + piece;
		length -= piece;
	} while (length);
	return done;
}

enum gz_look gz_look(const unsigned char *bytes, size_t length, size_t *member)
{
	static const unsigned char magic[] = {0x1f, 0x8b, 8};
	*member = 0;
	if (memcmp(bytes, magic, length < sizeof(magic) ? length : sizeof(magic)) != 0)
		return GZ_NONE;
	if (length < 4)
		return GZ_MORE;
	if (bytes[3] & FLAG_UNKNOWN)
		return GZ_NONE;
	if (!(bytes[3] & FLAG_EXTRA))
		return GZ_MEMBER;
	if (length < 12 || length < 12 + get16(bytes + 10))
		return GZ_MORE;
	const unsigned char *at = bytes + 12, *end = at + get16(bytes + 10);
	while (end - at >= 4 && (size_t)(end - at) >= 4 + get16(at + 2)) {
		size_t size = get16(at + 2);
		if (at[0] == 'B' && at[1] == 'C' && size == 2)
			*member = get16(at + 4) + 1;
		else if (at[0] == 'P' && at[1] == 'D' && size == 4)
			*member = get32(at + 4) + 1;
		at += 4 + size;
	}
	return GZ_MEMBER;
}

bool gz_data_length(const unsigned char *member, size_t length, size_t *data)
{
	if (length < GZ_LEAST)
		return false;
	*data = get32(member + length - 4);
	/* Deflate makes nothing smaller than by 1,032. */
	return *data / 1032 <= length;
}

const char *gz_decompress(const void *member, size_t length, void *out, size_t data)
{
	size_t used = 0, made = 0;
	struct libdeflate_decompressor *d = decompressor();
	if (!d)
		return "out of memory";
	enum libdeflate_result result =
	    libdeflate_gzip_decompress_ex(d, member, length, out, data, &used, &made);
	if (result != LIBDEFLATE_SUCCESS || used != length || made != data)
		return "the data is damaged";
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/* What the ESP tests share: hexadecimal, SAs from a few words, and a packet's way through all stages. */
#ifndef ESP_TEST_H
#define ESP_TEST_H

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "esp_packet.h"
#include "test.h"

static inline size_t unhex(const char *s, uint8_t *out, size_t room)
{
	size_t n = 0;

	for (; *s; s++) {
		unsigned v = 0;
		char two[3];

		if (isspace((unsigned char)*s))
			continue;
		two[0] = s[0];
		two[1] = s[1];
		two[2] = 0;
		CHECK(n < room && sscanf(two, "%2x", &v) == 1);
		out[n++] = (uint8_t)v;
		s++;
	}
	return n;
}

/* Six algorithms, each as the words of an SA file. */
static const char *const algs[] = {
    "enc 'ecb(cipher_null)' '' auth-trunc 'hmac(sha256)' "
    "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128",
    "enc 'cbc(aes)' 0x0f0e0d0c0b0a09080706050403020100 auth-trunc 'hmac(sha256)' "
    "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128",
    "enc 'cbc(aes)' 0x1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100 auth-trunc "
    "'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128",
    "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0fcafebabe 128",
    "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fcafebabe 128",
    "aead 'rfc7539esp(chacha20,poly1305)' "
    "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fcafebabe 128",
};
#define ALGS (sizeof(algs) / sizeof(*algs))

static inline struct esp_sadb *sadb_of(const char *text)
{
	struct esp_sadb *db;
	char err[ESP_ERROR_LEN];
	int code = esp_sadb_parse("test", text, strlen(text), &db, err);

	if (code)
		printf("# %s\n", err);
	CHECK_EQ(code, 0);
	return db;
}

/* outer: 4 or 6; extra: further words. */
static inline struct esp_sadb *sadb_with(size_t alg, int outer, const char *extra)
{
	char text[2048];

	snprintf(text, sizeof(text), "src %s dst %s\nproto esp spi 0x1001 reqid 1 mode tunnel %s %s\n",
		 outer == 4 ? "192.0.2.1" : "2001:db8::1", outer == 4 ? "192.0.2.2" : "2001:db8::2",
		 algs[alg], extra);
	return sadb_of(text);
}

/* An inner IPv4 or IPv6 UDP packet of `len` bytes from 10.1.0.5 (fd01::5) to 10.2.0.9 (fd02::9). */
static inline uint32_t make_inner(uint8_t *p, int family, uint32_t len, uint8_t tos)
{
	memset(p, 0, len);
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + 3);
	if (family == 4) {
		uint32_t sum = 0;

		memset(p, 0, 20);
		p[0] = 0x45;
		p[1] = tos;
		p[2] = (uint8_t)(len >> 8);
		p[3] = (uint8_t)len;
		p[8] = 63;
		p[9] = 17;
		memcpy(p + 12, "\x0a\x01\x00\x05\x0a\x02\x00\x09", 8);
		for (int i = 0; i < 20; i += 2)
			sum += (uint32_t)(p[i] << 8 | p[i + 1]);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		p[10] = (uint8_t)(~sum >> 8);
		p[11] = (uint8_t)~sum;
	} else {
		memset(p, 0, 40);
		p[0] = (uint8_t)(0x60 | tos >> 4);
		p[1] = (uint8_t)(tos << 4 | 0x3);
		p[2] = 0x12;
		p[4] = (uint8_t)((len - 40) >> 8);
		p[5] = (uint8_t)(len - 40);
		p[6] = 17;
		p[7] = 63;
		p[8] = p[24] = 0xfd;
		p[9] = 1;
		p[25] = 2;
		p[23] = 5;
		p[39] = 9;
	}
	return len;
}

static inline void seal_one(struct esp_crypto *c, struct esp_sadb *db, struct esp_stats *st,
			    struct esp_pkt *p)
{
	esp_seal_submit(db, p, 1);
	esp_seal_burst(c, p, 1);
	esp_seal_done(st, p, 1);
}

static inline void open_one(struct esp_crypto *c, struct esp_sadb *db, struct esp_stats *st,
			    struct esp_pkt *p)
{
	esp_open_submit(db, p, 1);
	esp_open_burst(c, p, 1);
	esp_open_done(c, st, p, 1);
}

#define CHECK_DROP(p, expected)                                                           \
	do {                                                                              \
		if ((p)->drop != (expected))                                              \
			printf("# dropped: %s, expected: %s\n", esp_drop_name((p)->drop), \
			       esp_drop_name(expected));                                  \
		CHECK_EQ((p)->drop, expected);                                            \
	} while (0)

/* What becomes of one packet from the wire. */
static inline enum esp_drop receive(struct esp_crypto *crypto, struct esp_sadb *db, const uint8_t *wire,
				    uint32_t len)
{
	/* Exact sizes, for a sanitizer to see what is read and written behind them. */
	uint8_t *in = malloc(len ? len : 1), *out = malloc(len ? len : 1);
	struct esp_pkt p = {.in = in, .in_len = len, .out = out, .out_room = len};
	struct esp_stats st = {0};

	CHECK(in && out);
	memcpy(in, wire, len);
	open_one(crypto, db, &st, &p);
	CHECK_EQ(st.drop[p.drop], 1);
	CHECK_EQ(st.in_packets, 1);
	CHECK((p.drop == ESP_OK) == (p.data != NULL));
	CHECK(p.drop == ESP_OK || p.len == 0);
	CHECK(len == 0 || memcmp(in, wire, len) == 0);
	free(in);
	free(out);
	return p.drop;
}

#define CHECK_VERDICT(got, want)                                                                   \
	do {                                                                                       \
		enum esp_drop is_ = (got), wanted_ = (want);                                       \
		if (is_ != wanted_)                                                                \
			printf("# %s, expected %s\n", esp_drop_name(is_), esp_drop_name(wanted_)); \
		CHECK_EQ(is_, wanted_);                                                            \
	} while (0)

#endif

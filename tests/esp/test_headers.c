/* SPDX-License-Identifier: MIT */
/* Headers: what the outer ones say, what ECN does to the inner one, and what all of it adds up to. */
#include "esp_test.h"

static uint16_t sum16(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i += 2)
		s += (uint32_t)(p[i] << 8 | (i + 1 < n ? p[i + 1] : 0));
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* Outer headers: class, DF, TTL, identification, flow label, checksums, UDP. */
static void outer_headers(void)
{
	static const struct {
		const char *extra;
		int outer, inner;
		bool inner_df;
		uint8_t tos, want_tos;
		bool want_df;
	} t[] = {
	    {"", 4, 4, false, 0xb9, 0xb9, false},
	    {"", 4, 4, true, 0x00, 0x00, true},
	    {"", 4, 6, false, 0xbb, 0xbb, true},
	    {"flag noecn", 4, 4, false, 0xbb, 0xb8, false},
	    {"flag nopmtudisc", 4, 4, true, 0xbb, 0xbb, false},
	    {"extra_flag dont-encap-dscp", 4, 4, true, 0xba, 0x02, true},
	    {"", 6, 4, true, 0xb9, 0xb9, false},
	    {"", 6, 6, true, 0x2e, 0x2e, false},
	    {"encap type espinudp sport 4501 dport 4502 addr 0.0.0.0", 4, 4, false, 0, 0, false},
	    {"encap type espinudp sport 4501 dport 4502 addr ::", 6, 4, false, 0, 0, false},
	    {"encap type espinudp sport 4501 dport 4502 addr ::", 6, 6, false, 3, 3, false},
	};
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_OPENSSL);
	uint8_t in[200], out[400];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct esp_sadb *db = sadb_with(3, t[i].outer, t[i].extra);
		struct esp_stats st = {0};
		struct esp_pkt p = {.in = in,
				    .in_len = make_inner(in, t[i].inner, 101, t[i].tos),
				    .out = out,
				    .out_room = sizeof(out)};
		uint8_t *udp = out + (t[i].outer == 4 ? 20 : 40);
		bool encap = strstr(t[i].extra, "encap type");

		if (t[i].inner == 4 && t[i].inner_df)
			in[6] |= 0x40;
		CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), 0x12344), 0);
		printf("# row %zu\n", i);
		seal_one(c, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		if (t[i].outer == 4) {
			CHECK_EQ(out[0], 0x45);
			CHECK_EQ(out[1], t[i].want_tos);
			CHECK_EQ(out[2] << 8 | out[3], p.len);
			CHECK_EQ(out[4] << 8 | out[5], 0x2345);
			CHECK_EQ(out[6] << 8 | out[7], t[i].want_df ? 0x4000 : 0);
			CHECK_EQ(out[8], 64);
			CHECK_EQ(out[9], encap ? 17 : 50);
			CHECK_EQ(sum16(out, 20), 0xffff);
			CHECK(memcmp(out + 12, "\xc0\x00\x02\x01\xc0\x00\x02\x02", 8) == 0);
		} else {
			CHECK_EQ(out[0] >> 4, 6);
			CHECK_EQ((out[0] << 4 | out[1] >> 4) & 0xff, t[i].want_tos);
			CHECK_EQ((out[1] & 15) << 16 | out[2] << 8 | out[3],
				 t[i].inner == 6 ? 0x31203 + (in[3] - 3) : 0);
			CHECK_EQ(out[4] << 8 | out[5], p.len - 40);
			CHECK_EQ(out[6], encap ? 17 : 50);
			CHECK_EQ(out[7], 64);
			CHECK(out[8] == 0x20 && out[23] == 1 && out[39] == 2);
		}
		if (encap) {
			CHECK_EQ(udp[0] << 8 | udp[1], 4501);
			CHECK_EQ(udp[2] << 8 | udp[3], 4502);
			CHECK_EQ(udp[4] << 8 | udp[5], p.len - (t[i].outer == 4 ? 20 : 40));
			if (t[i].outer == 4) {
				CHECK_EQ(udp[6] << 8 | udp[7], 0);
			} else {
				uint8_t pseudo[40 + 400] = {0};
				size_t n = p.len - 40;

				memcpy(pseudo, out + 8, 32);
				pseudo[34] = (uint8_t)(n >> 8);
				pseudo[35] = (uint8_t)n;
				pseudo[39] = 17;
				memcpy(pseudo + 40, udp, n);
				CHECK_EQ(sum16(pseudo, 40 + n), 0xffff);
				CHECK(udp[6] | udp[7]);
			}
			udp += 8;
		}
		CHECK(memcmp(udp, "\x00\x00\x10\x01\x00\x01\x23\x45\x00\x00\x00\x00\x00\x01\x23\x45", 16) ==
		      0);
		esp_sadb_free(db);
	}
	esp_crypto_free(c);
}

/* RFC 6040 section 4.2, all sixteen, for both inner families; IPv4 checksums stay right. */
static void ecn(void)
{
	/* [inner][outer], 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE; -1 drop */
	static const int want[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_OPENSSL);

	for (unsigned i = 0; i < 64; i++) {
		uint8_t inner = i & 3, outer = i >> 2 & 3;
		int family = i & 16 ? 6 : 4;
		bool flags = i & 32;
		struct esp_sadb *db = sadb_with(3, 4, flags ? "flag noecn decap-dscp" : "");
		uint8_t in[100], mid[300], out[300];
		struct esp_stats st = {0};
		struct esp_pkt p = {.in = in,
				    .in_len = make_inner(in, family, 90, (uint8_t)(0xb8 | inner)),
				    .out = mid,
				    .out_room = sizeof(mid)};
		struct esp_pkt q = {.in = mid, .out = out, .out_room = sizeof(out)};
		int got, dscp;

		seal_one(c, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		mid[1] = (uint8_t)(0x60 | outer);
		q.in_len = p.len;
		open_one(c, db, &st, &q);
		if (!flags && want[inner][outer] < 0) {
			CHECK_DROP(&q, ESP_DROP_ECN);
		} else {
			CHECK_DROP(&q, ESP_OK);
			got = family == 4 ? q.data[1] : (q.data[0] << 4 | q.data[1] >> 4) & 0xff;
			dscp = flags ? 0x60 : 0xb8;
			CHECK_EQ(got, dscp | (flags ? inner : want[inner][outer]));
			if (family == 4)
				CHECK_EQ(sum16(q.data, 20), 0xffff);
			else
				CHECK((q.data[1] & 15) == (in[1] & 15) && q.data[2] == in[2]);
		}
		esp_sadb_free(db);
	}
	esp_crypto_free(c);
}

/* What is larger or smaller than the maximum fits or does not, for every algorithm and way. */
static void mtu(void)
{
	for (unsigned v = 0; v < ALGS * 4; v++) {
		struct esp_sadb *db = sadb_with(v / 4, v & 1 ? 6 : 4,
						v & 2 ? "encap type espinudp sport 1 dport 1 addr ::" : "");
		const struct esp_sa *sa = esp_sadb_at(db, 0);

		for (uint32_t m = 0; m < 1600; m++) {
			uint32_t inner = esp_inner_mtu(sa, m);

			CHECK(esp_seal_len(sa, inner + 1) > m);
			CHECK(inner == 0 || esp_seal_len(sa, inner) <= m);
		}
		esp_sadb_free(db);
	}
}

static const struct test_case cases[] = {
    {"headers: outer headers", outer_headers},
    {"headers: ECN and DSCP on receipt (RFC 6040)", ecn},
    {"headers: sizes and MTU", mtu},
};

TEST_MAIN(cases)

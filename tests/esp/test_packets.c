/* SPDX-License-Identifier: MIT */
/* Packets through all stages: there and back, headers, limits, and the backends against each other. */
#include "esp_test.h"

#define BUF 2048

static const uint32_t sizes[] = {20, 28, 40, 41, 42, 43, 44, 60, 61, 62, 63, 64, 84, 100, 577, 1024, 1400};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

/* Every algorithm, outer and inner family, encapsulation, ESN and size comes back byte for byte. */
static void there_and_back(enum esp_backend which)
{
	struct esp_crypto *c = esp_crypto_alloc(which);
	static uint8_t in[BUF], mid[BUF], out[BUF];

	CHECK(c != NULL);
	for (unsigned v = 0; v < ALGS * 16; v++) {
		int outer = v & 1 ? 6 : 4, inner = v & 2 ? 6 : 4;
		char extra[200];
		struct esp_sadb *db;
		struct esp_stats st = {0}, st2 = {0};

		snprintf(extra, sizeof(extra), "%s %s", v & 4 ? "flag esn" : "",
			 v & 8 ? "encap type espinudp sport 4501 dport 4500 addr 0.0.0.0" : "");
		db = sadb_with(v / 16, outer, extra);
		for (size_t i = 0; i < SIZES; i++) {
			uint32_t len = inner == 6 ? sizes[i] + 20 : sizes[i];
			struct esp_pkt p = {.in = in,
					    .in_len = make_inner(in, inner, len, 0),
					    .out = mid,
					    .out_room = ESP_SEAL_ROOM(len)};
			struct esp_pkt q = {.in = mid, .out = out};

			memset(mid, 0xee, sizeof(mid));
			seal_one(c, db, &st, &p);
			CHECK_DROP(&p, ESP_OK);
			CHECK_EQ(p.len, esp_seal_len(esp_sadb_at(db, 0), len));
			CHECK(p.len <= ESP_SEAL_ROOM(len) && mid[p.len] == 0xee);
			CHECK_EQ(p.seq, i + 1);
			q.in_len = p.len;
			q.out_room = ESP_OPEN_ROOM(p.len);
			open_one(c, db, &st2, &q);
			CHECK_DROP(&q, ESP_OK);
			CHECK_EQ(q.len, len);
			CHECK_EQ(q.trailer, 0);
			CHECK(memcmp(q.data, in, len) == 0);
		}
		CHECK_EQ(st.out_packets, SIZES);
		CHECK_EQ(st2.out_packets, SIZES);
		CHECK(st2.out_bytes == st.in_bytes && st2.in_bytes == st.out_bytes);
		CHECK_EQ(st2.drop[ESP_OK], SIZES);
		CHECK_EQ(esp_sadb_at(db, 0)->rx.use.packets, SIZES);
		esp_sadb_free(db);
	}
	esp_crypto_free(c);
}

static void back_openssl(void)
{
	there_and_back(ESP_BACKEND_OPENSSL);
}

static void back_ipsec_mb(void)
{
	const char *why;

	if (esp_backend_available(ESP_BACKEND_IPSEC_MB, &why) != 0)
		SKIP(why);
	there_and_back(ESP_BACKEND_IPSEC_MB);
}

/* A burst of all SAs mixed, in one call: the same bytes from both, and each opens what the other sealed. */
static void backends_agree(void)
{
	enum { N = 600 };
	static uint8_t in[N][BUF], out[2][N][BUF], back[BUF];
	static struct esp_pkt p[2][N];
	struct esp_crypto *c[2];
	struct esp_sadb *db[2];
	const char *why;
	char text[8192];
	size_t at = 0;

	if (esp_backend_available(ESP_BACKEND_IPSEC_MB, &why) != 0)
		SKIP(why);
	c[0] = esp_crypto_alloc(ESP_BACKEND_OPENSSL);
	c[1] = esp_crypto_alloc(ESP_BACKEND_IPSEC_MB);
	CHECK(c[0] && c[1]);
	for (size_t i = 0; i < ALGS * 2; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "src 192.0.2.1 dst 192.0.2.2 proto esp spi %zu mode tunnel %s %s sel "
				       "proto udp sport %zu\n",
				       i + 500, algs[i / 2], i % 2 ? "flag esn" : "", i);
	for (int b = 0; b < 2; b++) {
		struct esp_stats st = {0};

		db[b] = sadb_of(text);
		for (size_t i = 0; i < ALGS * 2; i++)
			CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db[b], i), i % 2 ? 0xfffffff0u : 7), 0);
		for (size_t i = 0; i < N; i++) {
			uint32_t len = make_inner(in[i], 4, 28 + (uint32_t)(i * 37 % 1400), 0);

			in[i][20] = 0;
			in[i][21] = (uint8_t)(i * 7 % (ALGS * 2));
			p[b][i] =
			    (struct esp_pkt){.in = in[i], .in_len = len, .out = out[b][i], .out_room = BUF};
		}
		esp_seal_submit(db[b], p[b], N);
		esp_seal_burst(c[b], p[b], N);
		esp_seal_done(&st, p[b], N);
		CHECK_EQ(st.out_packets, N);
	}
	for (size_t i = 0; i < N; i++) {
		CHECK_EQ(p[0][i].len, p[1][i].len);
		CHECK(memcmp(out[0][i], out[1][i], p[0][i].len) == 0);
	}
	for (int b = 0; b < 2; b++) {
		struct esp_stats st = {0};

		for (size_t i = 0; i < N; i++) {
			struct esp_pkt q = {
			    .in = out[1 - b][i], .in_len = p[1 - b][i].len, .out = back, .out_room = BUF};

			open_one(c[b], db[b], &st, &q);
			CHECK_DROP(&q, ESP_OK);
			CHECK_EQ(q.len, p[0][i].in_len);
			CHECK(memcmp(q.data, in[i], q.len) == 0);
		}
		esp_sadb_free(db[b]);
		esp_crypto_free(c[b]);
	}
}

/* More SAs than slots for keys, interleaved, so that keys make room while jobs are in flight. */
static void many_sas(void)
{
	enum { N = 2100 };
	char *text = malloc(N * 400);
	size_t at = 0;
	static uint8_t in[BUF], mid[64][BUF], out[BUF];
	struct esp_sadb *db;
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	struct esp_stats st = {0};
	uint32_t len = make_inner(in, 4, 300, 0);

	CHECK(text && c);
	for (int i = 0; i < N; i++)
		at += (size_t)sprintf(
		    text + at, "src 192.0.2.1 dst 192.0.2.2 proto esp spi %d mode tunnel %s sel sport %d\n",
		    i + 300, algs[i % ALGS], i);
	db = sadb_of(text);
	for (int first = 0; first + 64 <= N * 2; first += 64) {
		static uint8_t copy[64][BUF];
		struct esp_pkt p[64];

		for (int i = 0; i < 64; i++) {
			/* neighbours share a slot */
			int sa = ((first + i) / 2 + (i % 2 ? 1024 : 0)) % N;

			memcpy(copy[i], in, len);
			copy[i][20] = (uint8_t)(sa >> 8);
			copy[i][21] = (uint8_t)sa;
			p[i] = (struct esp_pkt){.in = copy[i], .in_len = len, .out = mid[i], .out_room = BUF};
		}
		esp_seal_submit(db, p, 64);
		esp_seal_burst(c, p, 64);
		esp_seal_done(&st, p, 64);
		for (int i = 0; i < 64; i++) {
			struct esp_pkt q = {.in = mid[i], .in_len = p[i].len, .out = out, .out_room = BUF};

			CHECK_DROP(&p[i], ESP_OK);
			open_one(c, db, &st, &q);
			CHECK_DROP(&q, ESP_OK);
			CHECK(memcmp(q.data, copy[i], len) == 0);
		}
	}
	esp_crypto_free(c);
	esp_sadb_free(db);
	free(text);
}

/* Up to the largest that IP can carry, in either backend; one byte more is refused. */
static void largest(void)
{
	static uint8_t in[70000], mid[70000], out[70000];

	for (int b = ESP_BACKEND_OPENSSL; b <= ESP_BACKEND_IPSEC_MB; b++) {
		struct esp_crypto *c = esp_crypto_alloc((enum esp_backend)b);

		for (unsigned v = 0; c && v < ALGS * 4; v++) {
			struct esp_sadb *db = sadb_with(v / 4, v & 1 ? 6 : 4, v & 2 ? "flag esn" : "");
			struct esp_stats st = {0};
			uint32_t max = esp_inner_mtu(esp_sadb_at(db, 0), 65535);
			struct esp_pkt p = {.in = in,
					    .in_len = make_inner(in, 4, max, 0),
					    .out = mid,
					    .out_room = sizeof(mid)};
			struct esp_pkt q = {.in = mid, .out = out, .out_room = sizeof(out)};

			seal_one(c, db, &st, &p);
			CHECK_DROP(&p, ESP_OK);
			q.in_len = p.len;
			open_one(c, db, &st, &q);
			CHECK_DROP(&q, ESP_OK);
			CHECK(q.len == max && memcmp(q.data, in, max) == 0);
			p.in_len = make_inner(in, 4, max + 1, 0);
			seal_one(c, db, &st, &p);
			CHECK_DROP(&p, ESP_DROP_TOO_BIG);
			/* a trailer that does not fit is left out */
			p.in_len = make_inner(in, 4, max, 0) + 5;
			p.flags = ESP_PKT_KEEP_TRAILER;
			seal_one(c, db, &st, &p);
			CHECK_DROP(&p, ESP_OK);
			q.in_len = p.len;
			open_one(c, db, &st, &q);
			CHECK_DROP(&q, ESP_OK);
			CHECK(q.len == max && q.trailer == 0);
			esp_sadb_free(db);
		}
		esp_crypto_free(c);
	}
}

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

/* The bytes behind the IP packet in its frame come back, too, when they are asked for. */
static void trailer(void)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);

	for (size_t a = 0; a < ALGS; a++) {
		struct esp_sadb *db = sadb_with(a, 4, "");
		uint8_t in[100], mid[300], out[300];
		struct esp_stats st = {0};
		struct esp_pkt p = {.in = in,
				    .in_len = 46,
				    .out = mid,
				    .out_room = sizeof(mid),
				    .flags = ESP_PKT_KEEP_TRAILER};
		struct esp_pkt q = {.in = mid, .out = out, .out_room = sizeof(out)};

		make_inner(in, 4, 46, 0);
		in[3] = 40;
		seal_one(c, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		q.in_len = p.len;
		open_one(c, db, &st, &q);
		CHECK_DROP(&q, ESP_OK);
		CHECK(q.len == 40 && q.trailer == 6 && memcmp(q.data, in, 46) == 0);
		p.flags = 0;
		seal_one(c, db, &st, &p);
		q.in_len = p.len;
		open_one(c, db, &st, &q);
		CHECK_DROP(&q, ESP_OK);
		CHECK(q.len == 40 && q.trailer == 0);
		esp_sadb_free(db);
	}
	esp_crypto_free(c);
}

static void sequence_ends(void)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	uint8_t in[100], out[300];

	for (int esn = 0; esn < 2; esn++) {
		uint64_t last = esn ? UINT64_MAX : UINT32_MAX;
		struct esp_sadb *db = sadb_with(3, 4, esn ? "flag esn" : "");
		struct esp_stats st = {0};
		struct esp_pkt p = {
		    .in = in, .in_len = make_inner(in, 4, 90, 0), .out = out, .out_room = sizeof(out)};

		CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), last - 1), 0);
		seal_one(c, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		CHECK(p.seq == last);
		for (int i = 0; i < 3; i++) {
			seal_one(c, db, &st, &p);
			CHECK_DROP(&p, ESP_DROP_SEQ_EXHAUSTED);
		}
		CHECK(esp_sadb_at(db, 0)->tx.oseq == last);
		CHECK_EQ(st.drop[ESP_DROP_SEQ_EXHAUSTED], 3);
		esp_sadb_free(db);
	}
	esp_crypto_free(c);
}

static void lifetimes(void)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	static const struct {
		const char *extra;
		int pass; /* packets of 100 bytes */
		enum esp_drop then;
	} t[] = {
	    {"limit packet-hard 3 limit packet-soft 2", 3, ESP_DROP_HARD_PACKETS},
	    {"limit byte-hard 300 limit byte-soft 150", 3, ESP_DROP_HARD_BYTES},
	    {"limit byte-hard 399 limit byte-soft 200", 3, ESP_DROP_HARD_BYTES},
	    {"limit packet-hard 0", 0, ESP_DROP_HARD_PACKETS},
	    {"lifetime current: 100(bytes) 1(packets) limit packet-hard 3 limit packet-soft 3", 2,
	     ESP_DROP_HARD_PACKETS},
	};
	uint8_t in[100], mid[10][300], out[300];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct esp_sadb *db = sadb_with(3, 4, t[i].extra), *free_db = sadb_with(3, 4, "");
		struct esp_stats st = {0}, st2 = {0};
		struct esp_pkt p = {.in = in, .in_len = make_inner(in, 4, 100, 0), .out_room = 300};
		uint32_t pass = i == 4 ? 3 : (uint32_t)t[i].pass; /* decryption starts its count at 0 */

		for (int k = 0; k < 6; k++) {
			p.out = mid[9];
			seal_one(c, db, &st, &p);
			CHECK_DROP(&p, k < t[i].pass ? ESP_OK : t[i].then);
			p.out = mid[k];
			seal_one(c, free_db, &st2, &p);
		}
		CHECK_EQ(st.soft_expired, t[i].pass != 0);
		CHECK_EQ(st.drop[t[i].then], 6 - t[i].pass);
		memset(&st, 0, sizeof(st));
		for (int k = 0; k < 6; k++) {
			struct esp_pkt q = {
			    .in = mid[k], .in_len = p.len, .out = out, .out_room = sizeof(out)};

			open_one(c, db, &st, &q);
			CHECK_DROP(&q, (uint32_t)k < pass ? ESP_OK : t[i].then);
		}
		CHECK_EQ(st.soft_expired, t[i].pass != 0);
		esp_sadb_free(db);
		esp_sadb_free(free_db);
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

/* IVs: unpredictable for CBC, and never twice; the counter for the others. */
static void ivs(void)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	uint8_t in[100], out[2][300];

	for (size_t a = 1; a < 3; a++) {
		struct esp_sadb *db = sadb_with(a, 4, "");
		struct esp_stats st = {0};

		for (int i = 0; i < 2; i++) {
			struct esp_pkt p = {
			    .in = in, .in_len = make_inner(in, 4, 100, 0), .out = out[i], .out_room = 300};

			seal_one(c, db, &st, &p);
		}
		CHECK(memcmp(out[0] + 28, out[1] + 28, 16) != 0);
		for (int i = 0; i < 16; i++) /* no run of zeros as a bare counter has */
			CHECK(i < 4 || memcmp(out[0] + 28 + i - 4, "\0\0\0\0", 4) != 0);
		esp_sadb_free(db);
	}
	for (size_t a = 3; a < ALGS; a++) { /* all 64 bits: two epochs must not share IVs */
		struct esp_sadb *db = sadb_with(a, 4, "flag esn");
		struct esp_stats st = {0};
		struct esp_pkt p = {
		    .in = in, .in_len = make_inner(in, 4, 100, 0), .out = out[0], .out_room = 300};

		CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), 0x1122334455667787), 0);
		seal_one(c, db, &st, &p);
		CHECK(memcmp(out[0] + 28, "\x11\x22\x33\x44\x55\x66\x77\x88", 8) == 0);
		esp_sadb_free(db);
	}
	for (size_t a = 1; a < 3; a++) {
		struct esp_sadb *db = sadb_with(a, 4, "flag esn");
		struct esp_stats st = {0};

		for (int i = 0; i < 2; i++) {
			struct esp_pkt p = {
			    .in = in, .in_len = make_inner(in, 4, 100, 0), .out = out[i], .out_room = 300};

			CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), (uint64_t)i << 32 | 7), 0);
			seal_one(c, db, &st, &p);
		}
		CHECK(memcmp(out[0] + 28, out[1] + 28, 16) != 0);
		esp_sadb_free(db);
	}
	esp_crypto_free(c);
}

static void selection(void)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	struct esp_sadb *db = sadb_with(3, 4, "sel src 10.1.0.0/16 dst 10.2.0.0/16 proto udp dport 773");
	uint8_t in[100], out[300];
	struct esp_stats st = {0};
	struct esp_pkt p = {.in = in, .in_len = make_inner(in, 4, 100, 0), .out = out, .out_room = 300};

	in[22] = 3, in[23] = 5; /* port 773 */
	seal_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_OK);
	in[23] = 6;
	seal_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_DROP_NO_SA);
	in[23] = 5;
	in[9] = 6; /* TCP */
	seal_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_DROP_NO_SA);
	in[9] = 17;
	in[7] = 1; /* a later fragment has no ports */
	seal_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_DROP_NO_SA);
	in[7] = 0;
	in[17] = 3;
	seal_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_DROP_NO_SA);
	CHECK_EQ(p.seq, 0);
	CHECK_EQ(esp_sadb_at(db, 0)->tx.oseq, 1);
	p.out_room = 90;
	in[17] = 2;
	seal_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_DROP_NO_ROOM);
	esp_sadb_free(db);
	esp_crypto_free(c);
}

static void names(void)
{
	for (int i = 0; i < ESP_DROP_COUNT; i++) {
		const char *n = esp_drop_name((enum esp_drop)i);

		CHECK(*n && *esp_drop_text((enum esp_drop)i));
		CHECK(strspn(n, "abcdefghijklmnopqrstuvwxyz_") == strlen(n));
		for (int j = 0; j < i; j++)
			CHECK(strcmp(n, esp_drop_name((enum esp_drop)j)) != 0);
	}
	CHECK(strcmp(esp_drop_name(ESP_DROP_COUNT), "?") == 0);
}

static void backend_names(void)
{
	enum esp_backend b;

	CHECK(esp_backend_parse("auto", &b) == 0 && b == ESP_BACKEND_AUTO);
	CHECK(esp_backend_parse("openssl", &b) == 0 && b == ESP_BACKEND_OPENSSL);
	CHECK(esp_backend_parse("ipsec-mb", &b) == 0 && b == ESP_BACKEND_IPSEC_MB);
	CHECK_EQ(esp_backend_parse("", &b), -EINVAL);
	CHECK_EQ(esp_backend_available(ESP_BACKEND_OPENSSL, NULL), 0);
	CHECK_EQ(esp_backend_available(ESP_BACKEND_AUTO, NULL), 0);
}

static const struct test_case cases[] = {
    {"packets: there and back, openssl", back_openssl},
    {"packets: there and back, ipsec-mb", back_ipsec_mb},
    {"packets: the backends agree byte for byte", backends_agree},
    {"packets: more SAs than key slots", many_sas},
    {"packets: the largest", largest},
    {"packets: outer headers", outer_headers},
    {"packets: ECN and DSCP on receipt (RFC 6040)", ecn},
    {"packets: bytes behind the IP packet", trailer},
    {"packets: sequence numbers never wrap", sequence_ends},
    {"packets: lifetimes", lifetimes},
    {"packets: sizes and MTU", mtu},
    {"packets: IVs", ivs},
    {"packets: selectors when encrypting", selection},
    {"packets: every reason to drop has a name", names},
    {"packets: backends by name", backend_names},
};

TEST_MAIN(cases)

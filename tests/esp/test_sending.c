/* SPDX-License-Identifier: MIT */
/* What an SA lets out, and how: the end of its numbers, its lifetimes, its selector, its IVs. */
#include "esp_test.h"

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

/* What a socket sends and receives: ESP from its SPI on, in any backend the same as inside the whole packet. */
static void bare(void)
{
	for (size_t a = 0; a < ALGS; a++) {
		struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
		struct esp_sadb *whole = sadb_with(a, 4, ""), *tx = sadb_with(a, 4, ""), *rx = sadb_with(a, 4, "");
		struct esp_stats st = {0};
		uint8_t in[150], out[2][300], back[300];
		struct esp_pkt p[2];

		make_inner(in, 4, sizeof(in), 0);
		for (int i = 0; i < 2; i++)
			p[i] = (struct esp_pkt){
			    .in = in, .in_len = sizeof(in), .next = 4, .out = out[i], .out_room = sizeof(out[i])};
		seal_one(c, whole, &st, &p[0]);
		esp_seal_submit_sa(esp_sadb_at(tx, 0), &p[1], 1);
		esp_seal_burst(c, &p[1], 1);
		esp_seal_done(&st, &p[1], 1);
		CHECK_DROP(&p[1], ESP_OK);
		CHECK_EQ(p[1].len + 20, p[0].len);
		CHECK(memcmp(p[1].data, p[0].data + 20, p[1].len) == 0);

		p[0] = (struct esp_pkt){.in = p[1].data, .in_len = p[1].len, .out = back, .out_room = sizeof(back)};
		esp_open_submit_sa(esp_sadb_at(rx, 0), &p[0], 1);
		esp_open_burst(c, &p[0], 1);
		esp_open_done(c, &st, &p[0], 1);
		CHECK_DROP(&p[0], ESP_OK);
		CHECK_EQ(p[0].len, sizeof(in));
		CHECK(memcmp(p[0].data, in, sizeof(in)) == 0);

		p[0] = (struct esp_pkt){.in = p[1].data, .in_len = p[1].len, .out = back, .out_room = 8};
		esp_open_submit_sa(esp_sadb_at(tx, 0), &p[0], 1);
		esp_open_burst(c, &p[0], 1);
		esp_open_done(c, &st, &p[0], 1);
		CHECK_DROP(&p[0], ESP_DROP_NO_ROOM);
		esp_sadb_free(whole);
		esp_sadb_free(tx);
		esp_sadb_free(rx);
		esp_crypto_free(c);
	}
}

static const struct test_case cases[] = {
    {"sending: without outer headers, and receiving so", bare},
    {"sending: sequence numbers never wrap", sequence_ends},
    {"sending: lifetimes", lifetimes},
    {"sending: selectors when encrypting", selection},
    {"sending: IVs", ivs},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* Packets through all stages: there and back, of every size, and the backends against each other. */
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
    {"packets: bytes behind the IP packet", trailer},
    {"packets: every reason to drop has a name", names},
    {"packets: backends by name", backend_names},
};

TEST_MAIN(cases)

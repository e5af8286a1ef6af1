/* SPDX-License-Identifier: MIT */
/* Decrypting what a stranger sends: malformed, forged, replayed, reordered, and late guesses of ESN. */
#include <pthread.h>

#include "esp_test.h"

#define BUF 512

static struct esp_crypto *crypto;

/* The wire packet of any decrypted text, correctly sealed. */
static uint32_t craft(struct esp_sa *sa, uint64_t seq, const uint8_t *text, uint32_t text_len, uint8_t *wire)
{
	uint32_t esp = sa->encap ? 28 : 20, len = 8 + sa->iv_len + text_len + ESP_ICV_LEN;
	struct esp_op op = {.sa = sa, .seq = seq, .in = wire + esp, .out = wire + esp, .len = len};

	memset(wire, 0, esp + 8);
	wire[0] = 0x45;
	wire[2] = (uint8_t)((esp + len) >> 8);
	wire[3] = (uint8_t)(esp + len);
	wire[8] = 64;
	wire[9] = sa->encap ? 17 : 50;
	memcpy(wire + 12, "\xc0\x00\x02\x01\xc0\x00\x02\x02", 8);
	if (sa->encap) {
		wire[20] = wire[22] = 0x11;
		wire[21] = wire[23] = 0x94; /* 4500 */
		wire[24] = (uint8_t)((8 + len) >> 8);
		wire[25] = (uint8_t)(8 + len);
	}
	for (int i = 0; i < 4; i++) {
		wire[esp + (uint32_t)i] = (uint8_t)(sa->spi >> (24 - 8 * i));
		wire[esp + 4 + (uint32_t)i] = (uint8_t)((uint32_t)seq >> (24 - 8 * i));
	}
	esp_crypto_ivs(crypto, &op, 1);
	memcpy(wire + esp + 8 + sa->iv_len, text, text_len);
	esp_crypto_seal(crypto, &op, 1);
	CHECK_EQ(op.result, 0);
	return esp + len;
}

static enum esp_drop receive(struct esp_sadb *db, const uint8_t *wire, uint32_t len)
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

/* Correctly sealed, but what is inside is wrong. The number counts as received all the same. */
static void bad_inside(void)
{
	/* text as hexadecimal: a 20-byte IPv4 packet is P */
#define P "450000140000000040110000 0a010005 0a020009"
#define P6 "60000000 0000 3b40 fd010000000000000000000000000005 fd020000000000000000000000000009"
	static const struct {
		const char *text;
		enum esp_drop want;
	} t[] = {
	    {P "0102 02 04", ESP_OK},
	    {P "0102030405060708090a0b0c0d0e 0e 04", ESP_OK},
	    {P6 "010203040506 06 29", ESP_OK},
	    {P "eeeeeeee 0102 02 04", ESP_OK}, /* TFC padding */
	    {P "eeeeeeeeeeeeeeeeeeee 00 04", ESP_OK},
	    {P "0102 02 3b", ESP_DROP_DUMMY},
	    {"0102 02 3b", ESP_DROP_DUMMY},
	    {"ffffffffffff 00 3b", ESP_DROP_DUMMY},
	    {P "0103 02 04", ESP_DROP_BAD_PADDING},
	    {P "0001 02 04", ESP_DROP_BAD_PADDING},
	    {P "0101 02 04", ESP_DROP_BAD_PADDING},
	    {P "0102 03 04", ESP_DROP_BAD_PADDING},
	    {P "0102 17 04", ESP_DROP_BAD_PADDING},
	    {P "0102 ff 04", ESP_DROP_BAD_PADDING},
	    {"0102 03 04", ESP_DROP_BAD_PADDING},
	    {P "0102 02 06", ESP_DROP_BAD_NEXT},
	    {P "0102 02 00", ESP_DROP_BAD_NEXT},
	    {P "0102 02 ff", ESP_DROP_BAD_NEXT},
	    {P "0102 02 29", ESP_DROP_BAD_INNER}, /* says IPv6, is IPv4 */
	    {P6 "010203040506 06 04", ESP_DROP_BAD_INNER},
	    {"0102 02 04", ESP_DROP_BAD_INNER}, /* nothing inside */
	    {"0102 02 29", ESP_DROP_BAD_INNER},
	    {"45000015000000004011 0000 0a010005 0a020009 0102 02 04", ESP_DROP_BAD_INNER}, /* too short */
	    {"45000013000000004011 0000 0a010005 0a020009 0102 02 04", ESP_DROP_BAD_INNER},
	    {"45000000000000004011 0000 0a010005 0a020009 0102 02 04", ESP_DROP_BAD_INNER},
	    {"46000014000000004011 0000 0a010005 0a020009 0102 02 04", ESP_DROP_BAD_INNER},
	    {"44000014000000004011 0000 0a010005 0a020009 0102 02 04", ESP_DROP_BAD_INNER},
	    {"55000014000000004011 0000 0a010005 0a020009 0102 02 04", ESP_DROP_BAD_INNER},
	    {"60000000 ffff 3b40 fd010000000000000000000000000005 fd020000000000000000000000000009 "
	     "010203040506 "
	     "06 29",
	     ESP_DROP_BAD_INNER},
	    {"45000014000000004011 0000 0a010005 0b020009 0102 02 04", ESP_DROP_SELECTOR},
	    {"45000014000000004011 0000 0b010005 0a020009 0102 02 04", ESP_DROP_SELECTOR},
	    {"45000014000000004011 0000 0a020009 0a010005 0102 02 04", ESP_DROP_SELECTOR},
	    {"60000000 0000 3b40 fd010000000000000000000000000005 fe020000000000000000000000000009 "
	     "010203040506 "
	     "06 29",
	     ESP_DROP_SELECTOR},
	};

	for (size_t a = 0; a < ALGS; a++) {
		for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
			const char *sel = strstr(t[i].text, "fd01") ? "sel src fd01::/16 dst fd02::/16"
								    : "sel src 10.1.0.0/16 dst 10.2.0.0/16";
			struct esp_sadb *db = sadb_with(a, 4, sel);
			uint8_t text[128], wire[BUF];
			uint32_t n = (uint32_t)unhex(t[i].text, text, sizeof(text)), len;
			struct esp_sa *sa = esp_sadb_at(db, 0);

			if (n % sa->pad_to) { /* cannot be sent with CBC */
				esp_sadb_free(db);
				continue;
			}
			len = craft(sa, 9, text, n, wire);
			printf("# row %zu, algorithm %zu\n", i, a);
			CHECK_VERDICT(receive(db, wire, len), t[i].want);
			CHECK_VERDICT(receive(db, wire, len), ESP_DROP_REPLAY);
			esp_sadb_free(db);
		}
	}
}

/* What is in front of the ICV is wrong: bytes of a good packet changed, and its length. */
static void bad_outside(void)
{
	static const struct {
		bool encap;
		int at;		 /* -1: nothing */
		const char *put; /* hexadecimal */
		uint32_t len;	 /* 0: all of it */
		enum esp_drop want;
	} t[] = {
	    {false, -1, "", 0, ESP_OK},
	    {true, -1, "", 0, ESP_OK},
	    {true, 26, "abcd", 0, ESP_OK}, /* a checksum of UDP is not looked at */
	    {true, 20, "ffff", 0, ESP_OK}, /* the source port a NAT gave */
	    {false, 0, "15", 0, ESP_DROP_NOT_IP},
	    {false, 0, "00", 0, ESP_DROP_NOT_IP},
	    {false, 0, "44", 0, ESP_DROP_BAD_IP},
	    {false, 0, "4f", 0, ESP_DROP_UNKNOWN_SPI},
	    {false, 2, "0013", 0, ESP_DROP_BAD_IP},
	    {false, 2, "ffff", 0, ESP_DROP_TRUNCATED},
	    {false, -1, "", 1, ESP_DROP_TRUNCATED},
	    {false, -1, "", 19, ESP_DROP_TRUNCATED},
	    {false, -1, "", 20, ESP_DROP_TRUNCATED},
	    {false, -1, "", 60, ESP_DROP_TRUNCATED},
	    {false, 6, "2000", 0, ESP_DROP_FRAGMENT},
	    {false, 6, "0001", 0, ESP_DROP_FRAGMENT},
	    {true, 6, "2000", 0, ESP_DROP_FRAGMENT},
	    {true, 6, "0001", 0, ESP_DROP_NOT_ESP},
	    {false, 9, "06", 0, ESP_DROP_NOT_ESP},
	    {false, 9, "11", 0, ESP_DROP_NOT_ESP},
	    {false, 9, "33", 0, ESP_DROP_NOT_ESP},
	    {false, 2, "0014", 0, ESP_DROP_TRUNCATED},
	    {false, 2, "001b", 0, ESP_DROP_TRUNCATED},
	    {false, 2, "001c", 0, ESP_DROP_BAD_LENGTH},
	    {false, 2, "0034", 0, ESP_DROP_BAD_LENGTH},
	    {false, 2, "0038", 0, ESP_DROP_BAD_ICV},
	    {false, 2, "0047", 0, ESP_DROP_BAD_LENGTH},
	    {false, 2, "0040", 0, ESP_DROP_BAD_ICV},
	    {false, 16, "c0000203", 0, ESP_DROP_UNKNOWN_SPI},
	    {false, 20, "00001002", 0, ESP_DROP_UNKNOWN_SPI},
	    {false, 20, "00000000", 0, ESP_DROP_UNKNOWN_SPI},
	    {false, 24, "00000000", 0, ESP_DROP_ZERO_SEQ},
	    {false, 24, "00000008", 0, ESP_DROP_BAD_ICV},
	    {false, 28, "ff", 0, ESP_DROP_BAD_ICV},
	    {false, 40, "ff", 0, ESP_DROP_BAD_ICV},
	    {false, 71, "ff", 0, ESP_DROP_BAD_ICV},
	    {true, 22, "1195", 0, ESP_DROP_NOT_ESP},
	    {true, 24, "0007", 0, ESP_DROP_BAD_UDP},
	    {true, 24, "ffff", 0, ESP_DROP_BAD_UDP},
	    {true, 24, "0008", 0, ESP_DROP_TRUNCATED},
	    {true, 24, "000900 00ff", 0, ESP_DROP_KEEPALIVE},
	    {true, 24, "000900 00fe", 0, ESP_DROP_TRUNCATED},
	    {true, 24, "000c000000000000", 0, ESP_DROP_NON_ESP},
	    {true, 28, "00000000", 0, ESP_DROP_NON_ESP},
	    {true, 24, "000b0000000000", 0, ESP_DROP_TRUNCATED},
	    {true, 9, "32", 0, ESP_DROP_UNKNOWN_SPI},
	    {true, 2, "001b", 0, ESP_DROP_NOT_ESP},
	};
	uint8_t text[24];

	unhex("45000014000000004011 0000 0a010005 0a020009 0102 02 04", text, sizeof(text));
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct esp_sadb *db =
		    sadb_with(3, 4, t[i].encap ? "encap type espinudp sport 4500 dport 4500 addr ::" : "");
		uint8_t wire[BUF], put[64];
		uint32_t len = craft(esp_sadb_at(db, 0), 9, text, sizeof(text), wire);

		CHECK_EQ(len, t[i].encap ? 84 : 76);
		if (t[i].at >= 0)
			memcpy(wire + t[i].at, put, unhex(t[i].put, put, sizeof(put)));
		printf("# row %zu\n", i);
		CHECK_VERDICT(receive(db, wire, t[i].len ? t[i].len : len), t[i].want);
		if (t[i].want != ESP_OK) /* and it moved nothing */
			CHECK(esp_replay_top(&esp_sadb_at(db, 0)->rx.replay) == 0);
		esp_sadb_free(db);
	}
}

static void encapsulation_must_match(void)
{
	struct esp_sadb *db = sadb_of("src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel aead "
				      "'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0fcafebabe 128\n"
				      "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1002 mode tunnel aead "
				      "'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0fcafebabe 128\n"
				      "encap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"
				      "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1003 mode tunnel aead "
				      "'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0fcafebabe 128\n"
				      "encap type espinudp sport 4500 dport 4600 addr 0.0.0.0\n");
	struct esp_sa *sa = esp_sadb_at(db, 0);
	uint8_t text[24], wire[BUF];
	uint32_t len;

	unhex("45000014000000004011 0000 0a010005 0a020009 0102 02 04", text, sizeof(text));
	for (int i = 0; i < 3; i++) {
		len = craft(esp_sadb_at(db, 1), 5, text, sizeof(text), wire);
		wire[31] = (uint8_t)(i + 1);
		CHECK_VERDICT(receive(db, wire, len), i == 1 ? ESP_OK : ESP_DROP_ENCAP_MISMATCH);
	}
	len = craft(sa, 5, text, sizeof(text), wire);
	wire[23] = 2;
	CHECK_VERDICT(receive(db, wire, len), ESP_DROP_ENCAP_MISMATCH);
	esp_sadb_free(db);
}

/* IPv6 outside: extension headers are followed, fragments and short ones are not ESP. */
static void outer_ipv6(void)
{
	static const struct {
		uint8_t next;
		const char *ext;
		enum esp_drop want;
	} t[] = {
	    {50, "", ESP_OK},
	    {60, "3200000000000000", ESP_OK},
	    {0, "2b000000000000003c000000000000003200000000000000", ESP_OK},
	    {60, "32010000000000000000000000000000", ESP_OK},
	    {44, "3200000000000000", ESP_OK}, /* an atomic fragment is whole */
	    {44, "3200000100000000", ESP_DROP_FRAGMENT},
	    {44, "3200000800000000", ESP_DROP_FRAGMENT},
	    {60, "32ff000000000000", ESP_DROP_NOT_ESP},
	    {59, "", ESP_DROP_NOT_ESP},
	    {60,
	     "3c000000000000003c000000000000003c000000000000003c000000000000003c000000000000003c0000000000000"
	     "0"
	     "3c000000000000003c000000000000003c000000000000003200000000000000",
	     ESP_DROP_NOT_ESP},
	};
	uint8_t in[60], mid[BUF], wire[BUF];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct esp_sadb *db = sadb_with(4, 6, "");
		struct esp_stats st = {0};
		struct esp_pkt p = {
		    .in = in, .in_len = make_inner(in, 4, 60, 0), .out = mid, .out_room = sizeof(mid)};
		uint32_t ext;

		seal_one(crypto, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		memcpy(wire, mid, 40);
		ext = (uint32_t)unhex(t[i].ext, wire + 40, 200);
		memcpy(wire + 40 + ext, mid + 40, p.len - 40);
		wire[6] = t[i].next;
		wire[4] = (uint8_t)((p.len - 40 + ext) >> 8);
		wire[5] = (uint8_t)(p.len - 40 + ext);
		printf("# row %zu\n", i);
		CHECK_VERDICT(receive(db, wire, p.len + ext), t[i].want);
		esp_sadb_free(db);
	}
}

/* Random bytes, and good packets with random bytes changed, do no harm. */
static void noise(void)
{
	uint64_t x = 88172645463325252u;
	uint8_t in[100], wire[BUF], copy[BUF];

	for (unsigned v = 0; v < ALGS * 4; v++) {
		struct esp_sadb *db =
		    sadb_with(v / 4, v & 1 ? 6 : 4,
			      v & 2 ? "encap type espinudp sport 1 dport 4500 addr :: flag esn" : "");
		struct esp_stats st = {0};
		struct esp_pkt p = {
		    .in = in, .in_len = make_inner(in, v & 1 ? 6 : 4, 90, 0), .out = wire, .out_room = BUF};

		seal_one(crypto, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		for (int i = 0; i < 3000; i++) {
			uint32_t len = p.len;

			memcpy(copy, wire, p.len);
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			if (i % 3 == 0)
				len = (uint32_t)(x >> 40) % p.len;
			for (uint64_t k = 0; k <= (x & 3); k++)
				copy[(x >> (8 + 8 * k)) % (i & 1 ? 64 : p.len)] ^= (uint8_t)(x >> 56);
			receive(db, copy, len);
			for (uint32_t k = 0; k < len; k++)
				copy[k] = (uint8_t)(x >> (k % 57));
			receive(db, copy, len);
			p.out = copy; /* the same bytes as something to encrypt */
			struct esp_pkt q = {.in = copy, .in_len = len, .out = in + 90, .out_room = 0};
			esp_seal_submit(db, &q, 1);
			p.out = wire;
		}
		esp_sadb_free(db);
	}
}

/* Sealed with numbers around the end of an epoch, received in another order and in part twice. */
enum { MANY = 6000 };
static uint8_t store[MANY][128];
static uint32_t store_len[MANY];
static uint64_t store_seq[MANY];

static struct esp_sadb *make_stream(const char *extra, uint64_t first)
{
	struct esp_sadb *db = sadb_with(3, 4, extra);
	struct esp_stats st = {0};
	uint8_t in[60];

	make_inner(in, 4, sizeof(in), 0);
	CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), first - 1), 0);
	for (int i = 0; i < MANY; i++) {
		struct esp_pkt p = {
		    .in = in, .in_len = sizeof(in), .out = store[i], .out_room = sizeof(store[i])};

		seal_one(crypto, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		store_len[i] = p.len;
		store_seq[i] = p.seq;
	}
	return db;
}

/*
 * The verdicts must not depend on how far the serial stage lags: bursts of 1 (no lag), and all stages of
 * up to 64 bursts apart, must give the same verdict for each packet and the same counters.
 */
static void lag_changes_nothing(void)
{
	static enum esp_drop verdict[3][MANY * 2];
	static uint8_t out[MANY * 2][128];
	static struct esp_pkt p[MANY * 2];
	static const size_t lags[] = {1, 64, 4096};
	uint64_t drops[3][ESP_DROP_COUNT], reopened[3];
	struct esp_sadb *db = make_stream("flag esn replay-window 64", 0x1fffff448);

	for (int l = 0; l < 3; l++) {
		struct esp_sadb *rx =
		    sadb_of("src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel flag esn\n"
			    "anti-replay esn context: seq-hi 1 seq 0xfffff000 oseq-hi 0 oseq 0 "
			    "replay_window 64 bitmap-length 0\n"
			    "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0fcafebabe 128\n");
		struct esp_stats st = {0};
		uint64_t x = 99;

		for (size_t i = 0; i < MANY * 2; i++) {
			size_t from;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			/* mostly onward, some back by up to 100, some damaged */
			from = i / 2 >= 100 && x % 8 < 3 ? i / 2 - x / 8 % 100 : i / 2;
			p[i] = (struct esp_pkt){
			    .in = store[from], .in_len = store_len[from], .out = out[i], .out_room = 128};
			/* A forged number just left of where the window is now: its guess changes as the
			 * window moves. */
			if (x % 61 == 0) {
				memcpy(out[i], store[from], store_len[from]);
				out[i][store_len[from] - 1] ^= 1;
				p[i].in = memcpy(malloc(128), out[i], 128);
			}
		}
		for (size_t i = 0; i < MANY * 2; i += lags[l]) {
			size_t n = MANY * 2 - i < lags[l] ? MANY * 2 - i : lags[l];

			esp_open_submit(rx, p + i, n);
			esp_open_burst(crypto, p + i, n);
			esp_open_done(crypto, &st, p + i, n);
		}
		for (size_t i = 0; i < MANY * 2; i++) {
			verdict[l][i] = p[i].drop;
			CHECK(p[i].drop != ESP_OK || p[i].len == 60);
			if (p[i].in < store[0] || p[i].in >= store[MANY - 1] + 128)
				free((void *)(uintptr_t)p[i].in);
		}
		memcpy(drops[l], st.drop, sizeof(st.drop));
		reopened[l] = st.reopened;
		esp_sadb_free(rx);
	}
	for (int l = 1; l < 3; l++) {
		CHECK(memcmp(verdict[0], verdict[l], sizeof(verdict[0])) == 0);
		CHECK(memcmp(drops[0], drops[l], sizeof(drops[0])) == 0);
	}
	CHECK_EQ(reopened[0], 0);
	CHECK(reopened[2] > 0);
	CHECK(drops[0][ESP_OK] > MANY / 2 && drops[0][ESP_DROP_REPLAY] > 100 &&
	      drops[0][ESP_DROP_BAD_ICV] > 10);
	printf("# passed %llu, replays %llu, bad ICV %llu; opened again %llu\n",
	       (unsigned long long)drops[0][ESP_OK], (unsigned long long)drops[0][ESP_DROP_REPLAY],
	       (unsigned long long)drops[0][ESP_DROP_BAD_ICV], (unsigned long long)reopened[2]);
	esp_sadb_free(db);
}

/* The early look-up for replays may err while the window moves; then the serial stage opens the packet. */
static void wrong_hint(void)
{
	struct esp_sadb *db = make_stream("", 1);
	struct esp_stats st = {0};
	uint8_t out[128];
	struct esp_pkt p = {.in = store[0], .in_len = store_len[0], .out = out, .out_room = sizeof(out)};

	esp_open_submit(db, &p, 1);
	CHECK_EQ(p.found, ESP_OK);
	p.found = ESP_DROP_REPLAY;
	esp_open_burst(crypto, &p, 1);
	esp_open_done(crypto, &st, &p, 1);
	CHECK_DROP(&p, ESP_OK);
	CHECK_EQ(p.len, 60);
	CHECK_EQ(st.reopened, 1);
	/* and a right one spares the crypto */
	esp_open_submit(db, &p, 1);
	CHECK_EQ(p.found, ESP_DROP_REPLAY);
	memset(out, 0, sizeof(out));
	esp_open_burst(crypto, &p, 1);
	esp_open_done(crypto, &st, &p, 1);
	CHECK_DROP(&p, ESP_DROP_REPLAY);
	CHECK(out[20] == 0 && st.reopened == 1);
	esp_sadb_free(db);
}

/* Forged packets, however far ahead their numbers are, cannot move the window or the epoch. */
static void forged_cannot_lead(void)
{
	struct esp_sadb *db = make_stream("flag esn", 1);
	struct esp_sa *sa = esp_sadb_at(db, 0);
	uint8_t wire[128];

	for (int i = 0; i < MANY; i++) {
		memcpy(wire, store[i], store_len[i]);
		wire[24] = (uint8_t)(i * 37);
		wire[27] = (uint8_t)(i * 11 + 1);
		wire[store_len[i] - 3] ^= 0x40;
		CHECK(receive(db, wire, store_len[i]) != ESP_OK);
		CHECK_VERDICT(receive(db, store[i], store_len[i]), ESP_OK);
		CHECK(esp_replay_top(&sa->rx.replay) == store_seq[i]);
	}
	esp_sadb_free(db);
}

/* The stages in threads of their own, as the pipeline has them; for a thread sanitizer. */
enum { BURST = 32, BURSTS = MANY / BURST };
static struct esp_pkt bursts[BURSTS][BURST];
static uint8_t opened[MANY][128];
static _Atomic unsigned submitted, taken, finished[BURSTS];

static void *worker(void *arg)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	unsigned i;

	(void)arg;
	CHECK(c != NULL);
	while ((i = atomic_fetch_add(&taken, 1)) < BURSTS) {
		while (atomic_load(&submitted) <= i)
			sched_yield();
		esp_open_burst(c, bursts[i], BURST);
		atomic_store(&finished[i], 1);
	}
	esp_crypto_free(c);
	return NULL;
}

static void *serial(void *arg)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);

	CHECK(c != NULL);
	for (unsigned i = 0; i < BURSTS; i++) {
		while (!atomic_load(&finished[i]))
			sched_yield();
		esp_open_done(c, arg, bursts[i], BURST);
	}
	esp_crypto_free(c);
	return NULL;
}

static void threads(void)
{
	struct esp_sadb *db = make_stream("flag esn replay-window 64", 0xfffff800u);
	pthread_t w[3], s;
	struct esp_stats st = {0};

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&w[i], NULL, worker, NULL), 0);
	CHECK_EQ(pthread_create(&s, NULL, serial, &st), 0);
	for (unsigned i = 0; i < BURSTS; i++) {
		for (unsigned k = 0; k < BURST; k++) {
			unsigned n = i * BURST + k;

			if (n % 5 == 4) /* a replay of a neighbour, in flight at the same time */
				n--;
			bursts[i][k] = (struct esp_pkt){.in = store[n],
							.in_len = store_len[n],
							.out = opened[i * BURST + k],
							.out_room = 128};
		}
		esp_open_submit(db, bursts[i], BURST);
		atomic_store(&submitted, i + 1);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(w[i], NULL);
	pthread_join(s, NULL);
	/* In each burst the places with n % 5 == 4 are replays, unless their twin is not there: never. */
	CHECK_EQ(st.out_packets + st.drop[ESP_DROP_REPLAY], BURSTS * BURST);
	for (unsigned n = 0; n < BURSTS * BURST; n++)
		CHECK_DROP(&bursts[n / BURST][n % BURST], n % 5 == 4 ? ESP_DROP_REPLAY : ESP_OK);
	esp_sadb_free(db);
}

static void start(void)
{
	crypto = esp_crypto_alloc(ESP_BACKEND_AUTO);
	CHECK(crypto != NULL);
	printf("# %s\n", esp_crypto_name(crypto));
}

static void end(void)
{
	esp_crypto_free(crypto);
}

static const struct test_case cases[] = {
    {"receive: a context", start},
    {"receive: malformed inside", bad_inside},
    {"receive: malformed outside", bad_outside},
    {"receive: encapsulation must match", encapsulation_must_match},
    {"receive: IPv6 outside", outer_ipv6},
    {"receive: noise does no harm", noise},
    {"receive: verdicts do not depend on the lag", lag_changes_nothing},
    {"receive: a wrong hint costs work and no packet", wrong_hint},
    {"receive: forged packets cannot move the window", forged_cannot_lead},
    {"receive: stages in threads", threads},
    {"receive: the context is given back", end},
};

TEST_MAIN(cases)

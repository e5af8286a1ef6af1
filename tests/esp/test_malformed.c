/* SPDX-License-Identifier: MIT */
/* Decrypting what a stranger sends: wrong inside, wrong outside, in the wrong wrapping, and noise. */
#include "context.h"

#define BUF 512

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
			CHECK_VERDICT(receive(crypto, db, wire, len), t[i].want);
			CHECK_VERDICT(receive(crypto, db, wire, len), ESP_DROP_REPLAY);
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
		CHECK_VERDICT(receive(crypto, db, wire, t[i].len ? t[i].len : len), t[i].want);
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
		CHECK_VERDICT(receive(crypto, db, wire, len), i == 1 ? ESP_OK : ESP_DROP_ENCAP_MISMATCH);
	}
	len = craft(sa, 5, text, sizeof(text), wire);
	wire[23] = 2;
	CHECK_VERDICT(receive(crypto, db, wire, len), ESP_DROP_ENCAP_MISMATCH);
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
		CHECK_VERDICT(receive(crypto, db, wire, p.len + ext), t[i].want);
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
			receive(crypto, db, copy, len);
			for (uint32_t k = 0; k < len; k++)
				copy[k] = (uint8_t)(x >> (k % 57));
			receive(crypto, db, copy, len);
			p.out = copy; /* the same bytes as something to encrypt */
			struct esp_pkt q = {.in = copy, .in_len = len, .out = in + 90, .out_room = 0};
			esp_seal_submit(db, &q, 1);
			p.out = wire;
		}
		esp_sadb_free(db);
	}
}

static const struct test_case cases[] = {
    {"malformed: a context", start},
    {"malformed: inside", bad_inside},
    {"malformed: outside", bad_outside},
    {"malformed: encapsulation must match", encapsulation_must_match},
    {"malformed: IPv6 outside", outer_ipv6},
    {"malformed: noise does no harm", noise},
    {"malformed: the context is given back", end},
};

TEST_MAIN(cases)

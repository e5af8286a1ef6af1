/* SPDX-License-Identifier: MIT */
/*
 * Published vectors, as facts, in every backend: RFC 7634 appendix A, draft-mcgrew-gcm-test-01,
 * NIST's CAVP for GCM, RFC 4231, RFC 3602 section 4. A vector is a whole ESP packet; those of RFC 3602 have
 * no ICV.
 */
#include <errno.h>

#include "esp_test.h"

struct vector {
	const char *name;
	enum esp_alg alg;
	uint64_t seq;
	bool esn;
	uint32_t spi;
	const char *key, *salt, *iv, *plain, *cipher, *icv;
};

#define GCM ESP_ALG_AES_GCM
#define KEY_57 "3de09874b388e6491988d0c3607eae1f"
#define KEY_AB "abbccddef00112233445566778899aab"

static const struct vector vectors[] = {
    {"RFC 7634 A", ESP_ALG_CHACHA20_POLY1305, 5, false, 0x01020304,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "a0a1a2a3", "1011121314151617",
     "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161"
     "7"
     "18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
     "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7"
     "c"
     "4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0",
     "76aaa8266b7fb0f7b11b369907e1ad43"},
    {"draft-mcgrew, ESN", GCM, 0x8765432100000000, true, 0x4321, "4c80cdefbb5d10da906ac73c3613a634",
     "2e443b68", "4956ed7e3b244cfe",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f75647003736970096"
     "379"
     "6265726369747902646b000021000101020201",
     "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1"
     "884"
     "f5ff6247aeabb786b93bce61bc17d768fd9732",
     "459018148f6cbe722fd04796562dfdb4"},
    {"draft-mcgrew, 128", GCM, 10, false, 0xa5f8, "feffe9928665731c6d6a8f9467308308", "cafebabe",
     "facedbaddecaf888",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100000100000000000003736970096379626572636"
     "9"
     "747902646b00000100010001",
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a"
     "5"
     "b47e48a4ec3b9ba95d918bd1",
     "83b70d3aa8bc6ee4c309e9d85a41ad4a"},
    {"draft-mcgrew, 256", GCM, 2, false, 0x4a2cbfe3, KEY_AB KEY_AB, "11223344", "0102030405060708",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b4010104020102020"
     "1",
     "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8"
     "e",
     "b335f4eecfdbf831824b4c4915956c96"},
    {"draft-mcgrew, key 0", GCM, 1, false, 0, "00000000000000000000000000000000", "00000000",
     "0000000000000000",
     "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f70717273747576776"
     "1"
     "626364656667686901020201",
     "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e1d894bc3bd57"
     "8"
     "73ed4d181d19d4d5c8c18af3",
     "f821d496eeb096e98ad2b69e4799c71d"},
    {"draft-mcgrew, ESN 57690e43", GCM, 0x1010101010101010, true, 0x42f67e3f, KEY_57, "57690e43",
     "4e280000a2fca1a3",
     "4500003c99c300008001cb7c40679318010101010800085c0200430061626364"
     "65666768696a6b6c6d6e6f707172737475767761626364656667686901020201",
     "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc91755e66"
     "6"
     "2b4c8d0d1f5e22739530320a",
     "e0d731cc978ecafaeae88f00e80d6e48"},
    {"draft-mcgrew, ESN short", GCM, 0x1010101010101010, true, 0x42f67e3f, KEY_57, "57690e43",
     "4e280000a2fca1a3", "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
     "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed", "369f071f35e034be95f112e4e7d05d35"},
    {"draft-mcgrew, decaf888", GCM, 1, true, 0x100, KEY_AB, "decaf888", "cafedebaceface74",
     "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d500004e20001e8c18d75b81dc91baa0476b91b92"
     "4"
     "b280389d92c963bac046ec959b6266c04722b14923010101",
     "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472b79da34"
     "5"
     "e0e780191f0d2f0e0f496c226f2127b27db35724e7845d68",
     "651f57e65f354f75ff17015769623436"},
    {"draft-mcgrew, text", GCM, 1, true, 0x100, KEY_AB, "decaf888", "cafedebaceface74",
     "746f016265016f72016e6f7401746f0162650001", "29c9fc69a197d038ccdd14e2ddfcaa0543332164",
     "412503524303ed3c6c5f283843af8c3e"},
    {"draft-mcgrew, 256 ESN", GCM, 0x156f3126dd0db99b, true, 0x17405e67, KEY_AB KEY_AB, "73616c74",
     "616e640169766563", "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
     "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e",
     "451626c2415771e3b7eebca614c89b35"},
    {"draft-mcgrew, all ones", GCM, UINT64_MAX, true, 0x796b6963,
     "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961", "7475726e", "333021696765746d",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364"
     "65666768696a6b6c6d6e6f707172737401020201",
     "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe821dcc63b"
     "9",
     "d0937ba2945f669368661a329fb4c053"},
    /* NIST's have other associated data than ESP, so that their tags do not apply; their ciphertexts do. */
    {"NIST gcmEncryptExtIV 128, 128 bits", GCM, 1, false, 0x100, "d4a22488f8dd1d5c6c19a7d6ca17964c",
     "f3d5837f", "22ac1a0425e0d1d5", "7b43016a16896497fb457be6d2a54122", "c2bd67eef5e95cac27e3b06e3031d0a8",
     NULL},
    {"NIST gcmEncryptExtIV 128, 408 bits", GCM, 1, false, 0x100, "fe47fcce5fc32665d2ae399e4eec72ba",
     "5adb9609", "dbaeb58cbd6e7275",
     "7c0e88c88899a779228465074797cd4c2e1498d259b54390b85e3eef1c02df60e743f1b840382c4bccaf3bafb4ca8429bea063",
     "98f4826f05a265e6dd2be82db241c0fbbbf9ffb1c173aa83964b7cf5393043736365253ddbc5db8778371495da76d269e5db3e",
     NULL},
    {"NIST gcmEncryptExtIV 256, 256 bits", GCM, 1, false, 0x100,
     "5853c020946b35f2c58ec427152b840420c40029636adcbb027471378cfdde0f", "eec313dd", "07cc1b3e6b068a47",
     "ce7458e56aef9061cb0c42ec2315565e6168f5a6249ffd31610b6d17ab64935e",
     "eadc3b8766a77ded1a58cb727eca2a9790496c298654cda78febf0da16b6903b", NULL},
    {"NIST gcmEncryptExtIV 256, 408 bits", GCM, 1, false, 0x100,
     "24501ad384e473963d476edcfe08205237acfd49b5b8f33857f8114e863fec7f", "9ff18563", "b978ec281b3f2794",
     "27f348f9cdc0c5bd5e66b1ccb63ad920ff2219d14e8d631b3872265cf117ee86757accb158bd9abb3868fdc0d0b074b5f01b2c",
     "eb7cb754c824e8d96f7c6d9b76c7d26fb874ffbf1d65c6f64a698d839b0b06145dae82057ad55994cf59ad7f67c0fa5e85fab8",
     NULL},
    /* HMAC's messages begin where an ESP packet does: with SPI and number. */
    {"RFC 4231 case 1", ESP_ALG_NULL_HMAC_SHA256, 0x68657265, false, 0x48692054,
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", "", "", "b0344c61d8db38535ca8afceaf0bf12b"},
    {"RFC 4231 case 2", ESP_ALG_NULL_HMAC_SHA256, 0x20646f20, false, 0x77686174, "4a656665", "", "",
     "79612077616e7420666f72206e6f7468696e673f", "79612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c7"},
    {"RFC 4231 case 3", ESP_ALG_NULL_HMAC_SHA256, 0xdddddddd, false, 0xdddddddd,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", "",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     "773ea91e36800e46854db8ebd09181a7"},
    {"RFC 4231 case 4", ESP_ALG_NULL_HMAC_SHA256, 0xcdcdcdcd, false, 0xcdcdcdcd,
     "0102030405060708090a0b0c0d0e0f10111213141516171819", "", "",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
     "82558a389a443c0ea4cc819899f2083a"},
    {"RFC 3602 case 6", ESP_ALG_AES_CBC_HMAC_SHA256, 8, false, 0x4321, "90d382b410eeba7ad938c46cec1a82bf", "",
     "69d08df7d203329db093fc4924e5bd80", "0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
     "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75", NULL},
    {"RFC 3602 case 5", ESP_ALG_AES_CBC_HMAC_SHA256, 1, false, 0x4321, "90d382b410eeba7ad938c46cec1a82bf", "",
     "e96e8c08ab465763fd098d45dd3ff893",
     "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2"
     "b2c2d"
     "2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
     "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d"
     "1db34"
     "ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
     NULL},
    {"RFC 3602 case 7", ESP_ALG_AES_CBC_HMAC_SHA256, 2, false, 0x8765, "0123456789abcdef0123456789abcdef", "",
     "f4e765244f6407adf13dc1380f673f37",
     "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f101112131415161"
     "71819"
     "1a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
     "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e9"
     "4a859"
     "352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
     NULL},
    {"RFC 3602 case 8", ESP_ALG_AES_CBC_HMAC_SHA256, 5, false, 0x8765, "0123456789abcdef0123456789abcdef", "",
     "85d47224b5f3dd5d2101d4ea8dffab22",
     "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300fffffffffffffffffffffffffffffff"
     "ffff"
     "fffffffffffffffffffffffffffff0102030405060708090a0a04",
     "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7df"
     "b3512"
     "e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
     NULL},
};

static void one(struct esp_crypto *c, const struct vector *v)
{
	struct esp_sa sa;
	uint8_t esp[512], sealed[512], plain[512], want[512];
	size_t text, len;
	struct esp_op op;

	memset(&sa, 0, sizeof(sa));
	sa.alg = v->alg;
	sa.flags = v->esn ? ESP_SA_ESN : 0;
	sa.replay_window = 64;
	if (v->alg == ESP_ALG_NULL_HMAC_SHA256)
		sa.auth_key_len = (uint8_t)unhex(v->key, sa.auth_key, sizeof(sa.auth_key));
	else
		sa.key_len = (uint8_t)unhex(v->key, sa.key, sizeof(sa.key));
	if (v->alg == ESP_ALG_AES_CBC_HMAC_SHA256)
		sa.auth_key_len = 32;
	unhex(v->salt, sa.salt, sizeof(sa.salt));
	CHECK_EQ(esp_sa_prepare(&sa), 0);
	memset(esp, 0, sizeof(esp));
	for (int i = 0; i < 4; i++) {
		esp[i] = (uint8_t)(v->spi >> (24 - 8 * i));
		esp[4 + i] = (uint8_t)(v->seq >> (24 - 8 * i));
	}
	CHECK_EQ(unhex(v->iv, esp + 8, 16), sa.iv_len);
	text = unhex(v->plain, plain, sizeof(plain));
	CHECK_EQ(unhex(v->cipher, want, sizeof(want)), text);
	memcpy(esp + 8 + sa.iv_len, plain, text);
	len = 8 + sa.iv_len + text + ESP_ICV_LEN;

	op = (struct esp_op){.sa = &sa, .seq = v->seq, .in = esp, .out = esp, .len = (uint32_t)len};
	esp_crypto_seal(c, &op, 1);
	CHECK_EQ(op.result, 0);
	CHECK(memcmp(esp + 8 + sa.iv_len, want, text) == 0);
	if (v->icv) {
		unhex(v->icv, want, sizeof(want));
		CHECK(memcmp(esp + len - ESP_ICV_LEN, want, ESP_ICV_LEN) == 0);
	}
	memcpy(sealed, esp, len);
	op.in = sealed;
	esp_crypto_open(c, &op, 1);
	CHECK_EQ(op.result, 0);
	CHECK(memcmp(esp + 8 + sa.iv_len, plain, text) == 0);
	/* Every bit of a packet is covered but the SPI, which chose the SA. With ESN the upper half is, too.
	 */
	for (size_t i = 4; i < len; i++) {
		sealed[i] ^= (uint8_t)(1u << i % 8);
		esp_crypto_open(c, &op, 1);
		CHECK_EQ(op.result, -EBADMSG);
		sealed[i] ^= (uint8_t)(1u << i % 8);
	}
	if (v->esn) {
		op.seq ^= UINT64_C(1) << 40;
		esp_crypto_open(c, &op, 1);
		CHECK_EQ(op.result, -EBADMSG);
	}
	esp_crypto_forget(c, sa.id);
	esp_sa_destroy(&sa);
}

static void all(enum esp_backend which)
{
	struct esp_crypto *c = esp_crypto_alloc(which);

	CHECK(c != NULL);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		printf("# %s\n", vectors[i].name);
		one(c, &vectors[i]);
	}
	esp_crypto_free(c);
}

static void with_openssl(void)
{
	all(ESP_BACKEND_OPENSSL);
}

static void with_ipsec_mb(void)
{
	const char *why;

	if (esp_backend_available(ESP_BACKEND_IPSEC_MB, &why) != 0)
		SKIP(why);
	all(ESP_BACKEND_IPSEC_MB);
}

/* RFC 7634 appendix A as the whole packet that is on the wire there, through all three stages. */
static void whole_packet(void)
{
	static const char sa[] =
	    "src 203.0.113.153 dst 203.0.113.5 proto esp spi 0x01020304 reqid 1 mode tunnel\n"
	    "aead 'rfc7539esp(chacha20,poly1305)' 0x808182838485868788898a8b8c8d8e8f"
	    "909192939495969798999a9b9c9d9e9fa0a1a2a3 128\n";
	static const char wire[] =
	    "4500008c234500004032de5bcb007199cb0071050102030400000005101112131415161724039428b97f417e3c13753a"
	    "4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2fac"
	    "c638e8"
	    "f3cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43";
	struct esp_sadb *db = sadb_of(sa);
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	struct esp_stats st = {0};
	uint8_t in[256], out[256], want[256];
	struct esp_pkt p = {.in = in, .out = out, .out_room = sizeof(out)};

	CHECK(c != NULL);
	p.in_len = (uint32_t)unhex(wire, in, sizeof(in));
	CHECK_EQ(p.in_len, 140);
	open_one(c, db, &st, &p);
	CHECK_DROP(&p, ESP_OK);
	CHECK_EQ(p.len, 84);
	unhex(vectors[0].plain, want, sizeof(want));
	CHECK(memcmp(p.data, want, 84) == 0);
	CHECK_EQ(p.seq, 5);
	esp_crypto_free(c);
	esp_sadb_free(db);
}

static const struct test_case cases[] = {
    {"vectors: openssl", with_openssl},
    {"vectors: ipsec-mb", with_ipsec_mb},
    {"vectors: RFC 7634 A, the whole packet", whole_packet},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* SA files: what is read, and what is refused with which words. */
#include <fcntl.h>
#include <sys/stat.h>

#include "esp_test.h"

#define KEY20 "0x000102030405060708090a0b0c0d0e0fcafebabe"
#define KEY32 "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEAD "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x00001001 reqid 1 mode tunnel\n"
#define GCM "\taead 'rfc4106(gcm(aes))' " KEY20 " 128\n"
#define SA HEAD GCM

static void usual_one(void)
{
	struct esp_sadb *db = sadb_of("# a comment\n" HEAD "\treplay-window 1024 flag esn\n" GCM
				      "\tencap type espinudp sport 4500 dport 4501 addr 0.0.0.0\n"
				      "\tsel src 10.1.0.0/16 dst 10.2.0.0/16 # another\n");
	struct esp_sa *sa = esp_sadb_at(db, 0);

	CHECK_EQ(esp_sadb_count(db), 1);
	CHECK_EQ(sa->spi, 0x1001);
	CHECK_EQ(sa->reqid, 1);
	CHECK_EQ(sa->replay_window, 1024);
	CHECK_EQ(sa->flags, ESP_SA_ESN);
	CHECK_EQ(sa->alg, ESP_ALG_AES_GCM);
	CHECK_EQ(sa->key_len, 16);
	CHECK_EQ(sa->key[15], 15);
	CHECK(memcmp(sa->salt, "\xca\xfe\xba\xbe", 4) == 0);
	CHECK(sa->encap);
	CHECK_EQ(sa->sport, 4500);
	CHECK_EQ(sa->dport, 4501);
	CHECK(esp_sadb_has_port(db, 4501) && !esp_sadb_has_port(db, 4500));
	CHECK(sa->has_sel);
	CHECK_EQ(sa->sel.src.len, 16);
	CHECK_EQ(sa->sel.dst.addr.b[1], 2);
	CHECK(sa->limits.hard_bytes == ESP_NO_LIMIT);
	esp_sadb_free(db);
}

/* As `ip -s xfrm state` prints it (iproute2 6.1), two SAs in a row. */
static const char pasted[] = "src 192.0.2.1 dst 192.0.2.2\n"
			     "\tproto esp spi 0xc0000001(3221225473) reqid 16385(0x00004001) mode tunnel\n"
			     "\treplay-window 0 seq 0x00000000 flag af-unspec esn (0x10100000)\n"
			     "\tmark 0x1/0xffffffff\n"
			     "\toutput-mark 0x2/0xffffffff\n"
			     "\taead rfc4106(gcm(aes)) " KEY20 " (160 bits) 128\n"
			     "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"
			     "\tlastused 2026-01-01 10:00:00\n"
			     "\tanti-replay esn context:\n"
			     "\t seq-hi 0x3, seq 0x90000005, oseq-hi 0x2, oseq 0x7\n"
			     "\t replay_window 128, bitmap-length 4\n"
			     "\t 00000000 00000000 ffffffff deadbeef \n"
			     "\tif_id 0x7\n"
			     "\tsel src 0.0.0.0/0 dst 0.0.0.0/0 uid 0\n"
			     "\tlifetime config:\n"
			     "\t  limit: soft 900(bytes), hard (INF)(bytes)\n"
			     "\t  limit: soft (INF)(packets), hard 77(packets)\n"
			     "\t  expire add: soft 2700(sec), hard 3600(sec)\n"
			     "\t  expire use: soft 0(sec), hard 9(sec)\n"
			     "\tlifetime current:\n"
			     "\t  1234(bytes), 12(packets)\n"
			     "\t  add 2026-01-01 09:00:00 use 2026-01-01 09:00:01\n"
			     "\tstats:\n"
			     "\t  replay-window 5 replay 6 failed 7\n"
			     "src 192.0.2.2 dst 192.0.2.1\n"
			     "\tproto esp spi 0xc0000002(3221225474) reqid 0(0x00000000) mode tunnel\n"
			     "\treplay-window 32 seq 0x00000000\n"
			     "\tauth-trunc hmac(sha256) " KEY32 " (256 bits) 128\n"
			     "\tenc ecb(cipher_null) \n"
			     "\tanti-replay context: seq 0x5, oseq 0x9, bitmap 0x0000001f\n"
			     "\tsel src 0.0.0.0/0 dst 0.0.0.0/0 uid 0\n"
			     "\tlifetime config:\n"
			     "\t  limit: soft (INF)(bytes), hard (INF)(bytes)\n"
			     "\t  limit: soft (INF)(packets), hard (INF)(packets)\n"
			     "\t  expire add: soft 0(sec), hard 0(sec)\n"
			     "\t  expire use: soft 0(sec), hard 0(sec)\n"
			     "\tlifetime current:\n"
			     "\t  0(bytes), 0(packets)\n"
			     "\t  add 2026-01-01 09:00:00 use -\n"
			     "\tstats:\n"
			     "\t  replay-window 0 replay 0 failed 0\n";

static void pasted_output(void)
{
	struct esp_sadb *db = sadb_of(pasted);
	struct esp_sa *a = esp_sadb_at(db, 0), *b = esp_sadb_at(db, 1);
	struct esp_flow v6 = {.src.family = 6, .dst.family = 6};

	CHECK_EQ(esp_sadb_count(db), 2);
	CHECK(a->spi == 0xc0000001 && b->spi == 0xc0000002);
	CHECK_EQ(a->reqid, 16385);
	CHECK_EQ(a->replay_window, 128);
	CHECK_EQ(b->replay_window, 64);
	CHECK_EQ(a->flags, ESP_SA_ESN | ESP_SA_AF_UNSPEC);
	CHECK_EQ(b->flags, 0);
	CHECK(a->ctx_seq == 0x390000005 && a->ctx_oseq == 0x200000007);
	CHECK(a->tx.oseq == 0x200000007);
	CHECK(esp_replay_top(&a->rx.replay) == 0x310000005);
	CHECK(b->tx.oseq == 9 && esp_replay_top(&b->rx.replay) == 0);
	CHECK_EQ(a->limits.soft_bytes, 900);
	CHECK(a->limits.hard_bytes == ESP_NO_LIMIT && a->limits.soft_packets == ESP_NO_LIMIT);
	CHECK_EQ(a->limits.hard_packets, 77);
	CHECK_EQ(a->limits.soft_seconds, 2700);
	CHECK_EQ(a->limits.hard_seconds, 3600);
	CHECK_EQ(a->limits.hard_use_seconds, 9);
	CHECK_EQ(a->tx.use.bytes, 1234);
	CHECK_EQ(a->tx.use.packets, 12);
	CHECK_EQ(b->alg, ESP_ALG_NULL_HMAC_SHA256);
	CHECK(esp_sa_selects(a, &v6)); /* af-unspec: 0.0.0.0/0 means both families */
	CHECK(!esp_sa_selects(b, &v6));
	esp_sadb_free(db);
}

/* The order behind `mode tunnel`, line breaks and quotes are free. */
static void any_order(void)
{
	static const char *const texts[] = {
	    "src 192.0.2.1 dst 192.0.2.2 proto esp spi 4097 mode tunnel sel dst 10.2.0.0/16 src 10.1.0.0/16 "
	    "proto tcp "
	    "dport 80 aead \"rfc4106(gcm(aes))\" '" KEY20 "' 128 flag esn replay-window 64",
	    "\r\nsrc\r\n192.0.2.1\ndst 192.0.2.2\nmode\ntunnel\nspi\n0x1001 "
	    "flag\nesn\nreplay-window\n64\nsel\nsrc\n"
	    " 10.1.0.0/16\n dst\n10.2.0.0/16\ndport\n80 proto 6\nproto esp\naead\nrfc4106(gcm(aes))\n" KEY20
	    "\n128#end",
	    "src 192.0.2.1 dst 192.0.2.2 flag esn \\\n replay-window 64 aead rfc4106(gcm(aes)) " KEY20
	    " 128 \\\n"
	    "mode tunnel proto esp spi 0x1001(4097) sel src 10.1.0.0/16 proto tcp dst 10.2.0.0/16 dport 80",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct esp_sadb *db;
		char err[ESP_ERROR_LEN];
		int code = esp_sadb_parse("f", texts[i], strlen(texts[i]), &db, err);
		struct esp_sa *sa;

		if (i == 1) { /* behind a selector, proto is the selector's */
			CHECK_EQ(code, -EINVAL);
			continue;
		}
		printf("# %s\n", err);
		CHECK_EQ(code, 0);
		sa = esp_sadb_at(db, 0);
		CHECK(sa->spi == 4097 && sa->flags == ESP_SA_ESN && sa->replay_window == 64);
		CHECK(sa->sel.proto == 6 && sa->sel.dport == 80 && sa->sel.any_port_src &&
		      !sa->sel.any_port_dst);
		esp_sadb_free(db);
	}
}

static void several_and_look_up(void)
{
	struct esp_sadb *db = sadb_of(
	    "src 192.0.2.1 dst 192.0.2.2 proto esp spi 1001 mode tunnel" GCM "sel dst 10.2.0.0/16\n"
	    "src 192.0.2.1 dst 192.0.2.3 proto esp spi 1001 mode tunnel" GCM
	    "sel src 10.1.0.0/20 dst 10.0.0.0/8\n"
	    "src 2001:db8::1 dst 2001:db8::2 proto esp spi 1001 mode tunnel" GCM "sel src fd00::/9 dst ::/0\n"
	    "src 192.0.2.1 dst 192.0.2.4 proto esp spi 1002 mode tunnel" GCM
	    "sel src 0.0.0.0/0 dst 0.0.0.0/0\n"
	    "src 192.0.2.1 dst 192.0.2.5 proto esp spi 1002 mode tunnel" GCM);
	static const struct {
		const char *src, *dst; /* hexadecimal */
		int want;
	} t[] = {
	    {"0a010001", "0a020001", 0},
	    {"0a010001", "0a030001", 1},
	    {"0a010fff", "0a030001", 1},
	    {"0a011000", "0a030001", 3},
	    {"c0000201", "0a02ffff", 0},
	    {"c0000201", "0b020001", 3},
	    {"fd000000000000000000000000000001", "20010db8000000000000000000000001", 2},
	    {"fd7fffffffffffffffffffffffffffff", "20010db8000000000000000000000001", 2},
	    {"fd800000000000000000000000000001", "20010db8000000000000000000000001", 4},
	};
	struct esp_addr dst = {.family = 4, .b = {192, 0, 2, 3}};

	CHECK_EQ(esp_sadb_count(db), 5);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct esp_flow f;

		memset(&f, 0, sizeof(f));
		f.src.family = f.dst.family = strlen(t[i].src) == 8 ? 4 : 6;
		unhex(t[i].src, f.src.b, 16);
		unhex(t[i].dst, f.dst.b, 16);
		CHECK(esp_sadb_select(db, &f) == esp_sadb_at(db, (size_t)t[i].want));
	}
	CHECK(esp_sadb_find(db, 1001, &dst) == esp_sadb_at(db, 1));
	CHECK(esp_sadb_find(db, 1002, &dst) == NULL);
	dst.b[3] = 2;
	CHECK(esp_sadb_find(db, 1001, &dst) == esp_sadb_at(db, 0));
	dst.family = 6;
	CHECK(esp_sadb_find(db, 1001, &dst) == NULL);
	CHECK(esp_sadb_at(db, 5) == NULL);
	esp_sadb_free(db);
}

static void names(void)
{
	static const char *const expected[ALGS] = {"null-hmac-sha256",	      "aes128-cbc-hmac-sha256",
						   "aes256-cbc-hmac-sha256", "aes128-gcm",
						   "aes256-gcm",	      "chacha20-poly1305"};

	for (size_t a = 0; a < ALGS; a++) {
		struct esp_sadb *db = sadb_with(a, 4, "");

		CHECK(!strcmp(esp_sa_alg_name(esp_sadb_at(db, 0)), expected[a]));
		esp_sadb_free(db);
	}
}

static const struct {
	const char *text, *says; /* what the message must hold; NULL: the text is good */
} table[] = {
    {SA, NULL},
    {SA "flag align4 wildrecv icmp noecn decap-dscp nopmtudisc\n", NULL},
    {SA "extra_flag dont-encap-dscp\n", NULL},
    {SA "encap espinudp 4500 4500 0.0.0.0\n", NULL},
    {SA "limit byte-hard 10 limit byte-soft 5 limit packet-hard 3 limit packet-soft 2\n", NULL},
    {SA "limit time-hard 10 limit time-use-soft 5\n", NULL},
    {SA "tfcpad 0 coa :: dir out security context a_b\n", NULL},
    {SA "sel src 10.0.0.1 proto udp sport 53\n", NULL},
    {HEAD "enc cbc(aes) " KEY32 " auth-trunc hmac(sha256) " KEY32 " 128", NULL},
    {HEAD "auth-trunc hmac(sha256) " KEY32 " 128 enc cipher_null ''", NULL},
    {HEAD "aead 'rfc7539esp(chacha20,poly1305)' " KEY32 "cafebabe 128", NULL},
    {SA "sel src 10.0.0.1 reqid 3 sel dst 10.0.0.2", "this SA has a selector already"},
    {"", "f: no SA in it"},
    {"# nothing\n", "f: no SA in it"},
    {"hello", "f:1: 'hello': an SA begins"},
    {"\n\nproto esp", "f:3: 'proto': an SA begins"},
    {"src", "end of file"},
    {"src 1.2.3", "f:1: '1.2.3': an IPv4 or IPv6 address"},
    {"src 1.2.3.4 to 5.6.7.8", "'to': an SA begins with"},
    {"src 1.2.3.4 dst ::1 proto esp spi 1 mode tunnel " GCM, "different families"},
    {"src 1.2.3.4 dst 1.2.3.5\nspi 1 mode tunnel " GCM, "lacks 'proto esp'"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto esp mode tunnel " GCM, "lacks 'spi"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto esp spi 1 " GCM, "lacks 'mode tunnel'"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto ah spi 1 " GCM, "f:2: 'ah': only esp"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto esp spi 1 mode transport " GCM, "f:2: 'transport': only mode tunnel"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto esp spi 0 mode tunnel " GCM, "0 is reserved"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto esp spi 0x100000000 mode tunnel " GCM, "too large"},
    {"src 1.2.3.4 dst 1.2.3.5\nproto esp spi 12x mode tunnel " GCM, "'12x': a number"},
    {HEAD, "f:1: 'src': this SA lacks an algorithm"},
    {HEAD GCM GCM, "f:4: 'rfc4106(gcm(aes))': this SA has an algorithm already"},
    {HEAD "aead 'rfc4106(gcm(aes))' 0x0011 128",
     "f:3: 'rfc4106(gcm(aes))': the key must have 16 or 32 bytes"},
    {HEAD "aead 'rfc4106(gcm(aes))' 0x001 128", "odd number"},
    {HEAD "aead 'rfc4106(gcm(aes))' 0x00zz 128", "hexadecimal"},
    {HEAD "aead 'rfc4106(gcm(aes))' secret 128", "f:3: 'key': a key is 0x"},
    {HEAD "aead 'rfc4106(gcm(aes))' " KEY32 KEY32 " 128", "key is too long"},
    {HEAD "aead 'rfc4106(gcm(aes))' <<Keys hidden>> 128", "keys were left out"},
    {HEAD "aead 'rfc4106(gcm(aes))' " KEY20 " 64", "'64': the ICV must have 128 bits"},
    {HEAD "aead 'rfc4106(gcm(aes))' " KEY20, "end of file"},
    {HEAD "aead 'rfc4309(ccm(aes))' " KEY20 " 128", "known are rfc4106"},
    {HEAD "aead 'rfc7539esp(chacha20,poly1305)' " KEY32 " 128", "32 bytes, and 4 of salt"},
    {HEAD "aead 'rfc4106(gcm(aes)) " KEY20 " 128", "quote is not closed"},
    {HEAD "enc 'cbc(des3_ede)' " KEY32, "known are cbc(aes)"},
    {HEAD "enc 'cbc(aes)' " KEY32, "has no integrity"},
    {HEAD "enc 'cbc(aes)' 0x00 auth-trunc hmac(sha256) " KEY32 " 128",
     "'cbc(aes)': the key must have 16 or 32"},
    {HEAD "enc 'cbc(aes)' " KEY32 " auth 'hmac(sha256)' " KEY32, "use auth-trunc"},
    {HEAD "enc 'cbc(aes)' " KEY32 " auth-trunc 'hmac(sha1)' " KEY32 " 96", "known is hmac(sha256)"},
    {HEAD "enc 'cbc(aes)' " KEY32 " auth-trunc 'hmac(sha256)' " KEY32 " 96", "'96': the ICV"},
    {HEAD "enc 'cbc(aes)' " KEY32 " auth-trunc 'hmac(sha256)' 0x00 128", "the key must have 32 bytes"},
    {HEAD "enc ecb(cipher_null) 0x00 auth-trunc 'hmac(sha256)' " KEY32 " 128", "has no key"},
    {SA "replay-window 8193", "at most 8192"},
    {SA "replay-window many", "'many': a number"},
    {SA "flag", "not a flag"},
    {SA "flag fast", "f:4: 'fast': not a flag"},
    {SA "flag esn oseq-may-wrap", "refused: a sequence number used twice"},
    {SA "encap type espinudp-nonike sport 1 dport 1 addr ::", "only espinudp"},
    {SA "encap type espinudp sport 65536 dport 1 addr ::", "too large"},
    {SA "encap type espinudp sport 1 dport 1", "end of file"},
    {SA "sel", "sel needs"},
    {SA "sel src 10.0.0.0/33 dst 10.0.0.0/8", "prefix length"},
    {SA "sel src 10.0.0.0/ dst 10.0.0.0/8", "prefix length"},
    {SA "sel src 10.0.0.0/-1", "prefix length"},
    {SA "sel src 10.0.0.0/8 dst ::/0", "different families"},
    {SA "sel src 10.0.0.0/8 dst 10.0.0.0/8 dev eth0", "by device"},
    {SA "sel src 10.0.0.0/8 proto icmp type 8", "selectors know"},
    {SA "limit byte-hard", "end of file"},
    {SA "limit bytes 5", "known are {time,"},
    {SA "limit: soft 1(bytes), hard 2(apples)", "is needed here"},
    {SA "lifetime of brian", "config: or current:"},
    {SA "anti-replay fish", "context: or esn context:"},
    {SA "anti-replay context: seq 0x100000000", "too large"},
    {SA "crypto offload parameters: dev eth0 dir out", "network card"},
    {SA "colour blue", "f:4: 'colour': not a word"},
    {SA SA, "f:4: 'spi': another SA above has this SPI"},
    {SA "\x01\x02", "'\?\?': not a word"},
};

static void good_and_bad(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct esp_sadb *db;
		char err[ESP_ERROR_LEN];
		int code = esp_sadb_parse("f", table[i].text, strlen(table[i].text), &db, err);

		if ((code == 0) != (table[i].says == NULL) || (code && !strstr(err, table[i].says)))
			printf("# row %zu: %d \"%s\", expected \"%s\"\n", i, code, err,
			       table[i].says ? table[i].says : "");
		CHECK((code == 0) == (table[i].says == NULL));
		CHECK(code == 0 || code == -EINVAL);
		CHECK((db != NULL) == (code == 0));
		CHECK(code == 0 || strstr(err, table[i].says));
		CHECK(!strchr(err, '\n') && !strstr(err, "0001020304"));
		esp_sadb_free(db);
	}
}

/* Every prefix of a long file, and every byte of it changed, is read or refused, and no more. */
static void damaged(void)
{
	char copy[sizeof(pasted)], err[ESP_ERROR_LEN];
	struct esp_sadb *db;

	for (size_t n = 0; n < sizeof(pasted); n++) {
		char *exact = malloc(n ? n : 1); /* for a sanitizer to see reads behind the end */

		CHECK(exact != NULL);
		memcpy(exact, pasted, n);
		esp_sadb_parse("f", exact, n, &db, err);
		esp_sadb_free(db);
		free(exact);
	}
	for (size_t i = 0; i < sizeof(pasted) - 1; i++) {
		static const char with[] = {'\0', '\'', '(', ' ', '#', '9', (char)0xff};

		for (size_t k = 0; k < sizeof(with); k++) {
			memcpy(copy, pasted, sizeof(pasted));
			copy[i] = with[k];
			esp_sadb_parse("f", copy, sizeof(pasted) - 1, &db, err);
			esp_sadb_free(db);
		}
	}
}

static void written_and_read(void)
{
	static const char *const extras[] = {
	    "",
	    "flag esn",
	    "flag esn af-unspec nopmtudisc noecn decap-dscp extra_flag dont-encap-dscp",
	    "replay-window 8192 encap type espinudp sport 1 dport 2 addr 0.0.0.0",
	    "limit byte-hard 9 limit packet-soft 3 limit time-hard 7",
	    "sel src 10.1.0.0/16 dst 10.2.0.0/16 proto udp sport 53 dport 54",
	    "sel dst fd00::/8",
	};

	for (size_t a = 0; a < ALGS; a++) {
		for (size_t e = 0; e < sizeof(extras) / sizeof(*extras); e++) {
			struct esp_sadb *db = sadb_with(a, a % 2 ? 4 : 6, extras[e]), *again;
			struct esp_sa x, y;
			char *text = NULL;
			size_t len;
			FILE *f = open_memstream(&text, &len);

			CHECK(f != NULL);
			CHECK_EQ(esp_sa_write(f, esp_sadb_at(db, 0)), 0);
			fclose(f);
			again = sadb_of(text);
			x = *esp_sadb_at(db, 0);
			y = *esp_sadb_at(again, 0);
			CHECK(x.id != y.id);
			CHECK(memcmp(&x.src, &y.src, sizeof(x.src)) == 0 &&
			      memcmp(&x.dst, &y.dst, sizeof(x.dst)) == 0);
			CHECK(x.spi == y.spi && x.alg == y.alg && x.flags == y.flags &&
			      x.key_len == y.key_len);
			CHECK(memcmp(x.key, y.key, sizeof(x.key)) == 0 && memcmp(x.salt, y.salt, 4) == 0);
			CHECK(memcmp(x.auth_key, y.auth_key, sizeof(x.auth_key)) == 0);
			CHECK(x.encap == y.encap && x.sport == y.sport && x.dport == y.dport);
			CHECK(x.has_sel == y.has_sel && x.sel.proto == y.sel.proto &&
			      x.sel.sport == y.sel.sport);
			CHECK(x.sel.src.len == y.sel.src.len &&
			      x.sel.dst.addr.family == y.sel.dst.addr.family);
			CHECK(memcmp(&x.limits, &y.limits, sizeof(x.limits)) == 0);
			CHECK_EQ(x.replay_window, y.replay_window);
			esp_sadb_free(db);
			esp_sadb_free(again);
			free(text);
		}
	}
}

static void file_modes(void)
{
	static const struct {
		mode_t mode;
		int code;
	} t[] = {{0600, 0}, {0400, 0}, {0640, -EACCES}, {0604, -EACCES}, {0620, -EACCES}, {0601, -EACCES}};
	char path[] = "/tmp/padata-sa-XXXXXX", err[ESP_ERROR_LEN];
	struct esp_sadb *db;
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	CHECK(write(fd, SA, sizeof(SA) - 1) == (ssize_t)sizeof(SA) - 1);
	close(fd);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		CHECK_EQ(chmod(path, t[i].mode), 0);
		CHECK_EQ(esp_sadb_load(path, &db, err), t[i].code);
		CHECK(t[i].code == 0 || strstr(err, "chmod 600"));
		CHECK((db != NULL) == (t[i].code == 0));
		esp_sadb_free(db);
	}
	unlink(path);
	CHECK_EQ(esp_sadb_load(path, &db, err), -ENOENT);
	CHECK(strstr(err, path) && strstr(err, "No such file"));
	CHECK_EQ(esp_sadb_load("/", &db, err), -EISDIR);
}

static void wiped(void)
{
	struct esp_sadb *db = sadb_with(2, 4, "");
	struct esp_sa sa = *esp_sadb_at(db, 0);
	static const uint8_t zeros[64];

	sa.rx.replay.bits = NULL; /* the set's own copy frees it */
	CHECK(memcmp(sa.key, zeros, 32) != 0);
	esp_sa_destroy(&sa);
	CHECK(memcmp(sa.key, zeros, 32) == 0 && memcmp(sa.auth_key, zeros, 64) == 0);
	esp_sadb_free(db);
	esp_sadb_free(NULL);
}

static void oseq(void)
{
	struct esp_sadb *db = sadb_with(3, 4, ""), *esn = sadb_with(3, 4, "flag esn");

	CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), UINT32_MAX), 0);
	CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), UINT64_C(1) << 32), -ERANGE);
	CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(esn, 0), UINT64_MAX), 0);
	esp_sadb_free(db);
	esp_sadb_free(esn);
}

static const struct test_case cases[] = {
    {"SA: the names of the algorithms", names},
    {"SA file: the usual one", usual_one},
    {"SA file: pasted from ip -s xfrm state", pasted_output},
    {"SA file: any order, line breaks, quotes", any_order},
    {"SA file: several SAs, look-ups", several_and_look_up},
    {"SA file: good and bad", good_and_bad},
    {"SA file: damaged anywhere", damaged},
    {"SA file: written and read again", written_and_read},
    {"SA file: refused when others may read it", file_modes},
    {"SA: keys are wiped", wiped},
    {"SA: --oseq bounds", oseq},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/*
 * ESP packets. An input is a byte that picks the SA, then packets, each two bytes of length, one that says what it is, and
 * its bytes: one from outside; one inside ESP that is authentic and says what it likes; an inner packet to encrypt, which
 * must come back as it was; and one to encrypt, damage and refuse. Both backends must agree on everything.
 */

#include <arpa/inet.h>

#include "esp_packet.h"
#include "fuzz.h"

#define KEY16 "0x000102030405060708090a0b0c0d0e0f"
#define KEY32 KEY16 "101112131415161718191a1b1c1d1e1f"

static const char *const algs[] = {
    "enc 'ecb(cipher_null)' '' auth-trunc 'hmac(sha256)' " KEY32 " 128",
    "enc 'cbc(aes)' " KEY16 " auth-trunc 'hmac(sha256)' " KEY32 " 128",
    "aead 'rfc4106(gcm(aes))' " KEY16 "cafebabe 128",
    "aead 'rfc7539esp(chacha20,poly1305)' " KEY32 "cafebabe 128",
};

static const char *const extras[] = {
    "",
    "flag esn replay-window 64",
    "encap type espinudp sport 4500 dport 4500 addr 0.0.0.0",
    "flag noecn decap-dscp sel src 10.0.0.0/8 dst 10.0.0.0/8",
};

enum { ALGS = 4, EXTRAS = 4, BACKENDS = 2, ROOM = 4096 };
static struct esp_crypto *crypto[BACKENDS];
static int backends;

static struct esp_sadb *sadb(uint8_t how)
{
	bool six = how / 16 & 1;
	struct esp_sadb *db;
	char text[1024], err[ESP_ERROR_LEN];

	snprintf(text, sizeof(text), "src %s dst %s proto esp spi 0x1001 reqid 1 mode tunnel %s %s\n",
		 six ? "2001:db8::1" : "192.0.2.1", six ? "2001:db8::2" : "192.0.2.2", algs[how % ALGS],
		 extras[how / 4 % EXTRAS]);
	CHECK(esp_sadb_parse("fuzz", text, strlen(text), &db, err) == 0);
	return db;
}

static void seal(struct esp_sadb *db, int backend, struct esp_pkt *p)
{
	struct esp_stats stats = {0};

	esp_seal_submit(db, p, 1);
	esp_seal_burst(crypto[backend], p, 1);
	esp_seal_done(&stats, p, 1);
	CHECK(p->drop < ESP_DROP_COUNT);
	if (p->drop == ESP_OK)
		CHECK(p->data >= p->out && p->data + p->len <= p->out + p->out_room);
}

static void open_one(struct esp_sadb *db, int backend, struct esp_pkt *p)
{
	struct esp_stats stats = {0};

	esp_open_submit(db, p, 1);
	esp_open_burst(crypto[backend], p, 1);
	esp_open_done(crypto[backend], &stats, p, 1);
	CHECK(p->drop < ESP_DROP_COUNT);
	if (p->drop == ESP_OK)
		CHECK(p->data >= p->out && p->data + p->len + p->trailer <= p->out + p->out_room);
}

/* Copies of exact size, so that one byte too far is seen. */
static uint8_t *exact(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	CHECK(copy);
	memcpy(copy, data, size);
	return copy;
}

/* What each backend makes of a packet from outside: the same. Returns the drop. */
static enum esp_drop receive(struct esp_sadb *const db[], const uint8_t *data, size_t size, const uint8_t *inner,
			     size_t inner_size)
{
	static uint8_t out[BACKENDS][ROOM + 256];
	struct esp_pkt p[BACKENDS];

	for (int b = 0; b < backends; b++) {
		uint8_t *copy = exact(data, size);

		p[b] = (struct esp_pkt){
		    .in = copy, .in_len = (uint32_t)size, .out = out[b], .out_room = (uint32_t)ESP_OPEN_ROOM(size)};
		open_one(db[b], b, &p[b]);
		free(copy);
		CHECK(p[b].drop == p[0].drop);
		if (p[b].drop == ESP_OK) {
			CHECK(p[b].len == p[0].len && p[b].trailer == p[0].trailer);
			CHECK(!memcmp(p[b].data, p[0].data, p[0].len + p[0].trailer));
		}
	}
	if (inner && p[0].drop == ESP_OK)
		CHECK(p[0].len + p[0].trailer >= inner_size && !memcmp(p[0].data, inner, inner_size));
	return p[0].drop;
}

/* Encrypts a packet with each backend, alike, and gives back what came out, of *size bytes, or NULL. */
static uint8_t *send_out(struct esp_sadb *const db[], const uint8_t *data, size_t length, uint32_t flags, size_t *size)
{
	uint8_t *out[BACKENDS];
	struct esp_pkt p[BACKENDS];
	uint8_t *wire = NULL;

	for (int b = 0; b < backends; b++) {
		uint8_t *copy = exact(data, length);

		out[b] = malloc(ESP_SEAL_ROOM(length));
		CHECK(out[b]);
		p[b] = (struct esp_pkt){.in = copy,
					.in_len = (uint32_t)length,
					.out = out[b],
					.out_room = (uint32_t)ESP_SEAL_ROOM(length),
					.flags = flags};
		seal(db[b], b, &p[b]);
		free(copy);
		CHECK(p[b].drop == p[0].drop);
		if (p[b].drop == ESP_OK)
			CHECK(p[b].len == p[0].len && !memcmp(p[b].data, p[0].data, p[0].len));
	}
	if (p[0].drop == ESP_OK) {
		*size = p[0].len;
		wire = exact(p[0].data, p[0].len);
	}
	for (int b = 0; b < backends; b++)
		free(out[b]);
	return wire;
}

/* An outer header and ESP around a text that the peer chose freely: padding, next header, inner packet. */
static uint8_t *authentic(struct esp_sadb *db, uint32_t seq, const uint8_t *text, size_t length, size_t *size)
{
	const struct esp_sa *sa = esp_sadb_at(db, 0);
	size_t ip = sa->dst.family == 4 ? 20 : 40, udp = sa->encap ? 8 : 0;
	size_t padded = (length + sa->pad_to - 1) / sa->pad_to * sa->pad_to;
	size_t esp = 8 + sa->iv_len + padded + ESP_ICV_LEN;
	uint8_t *wire = calloc(1, ip + udp + esp), *p = wire + ip + udp;
	struct esp_op op = {.sa = sa, .seq = seq, .in = p, .out = p, .len = (uint32_t)esp};

	CHECK(wire);
	*size = ip + udp + esp;
	wire[0] = ip == 20 ? 0x45 : 0x60;
	if (ip == 20) {
		uint32_t sum = 0;

		wire[2] = (uint8_t)(*size >> 8);
		wire[3] = (uint8_t)*size;
		wire[8] = 64;
		wire[9] = udp ? 17 : 50;
		memcpy(wire + 12, sa->src.b, 4);
		memcpy(wire + 16, sa->dst.b, 4);
		for (int i = 0; i < 20; i += 2)
			sum += (uint32_t)(wire[i] << 8 | wire[i + 1]);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		wire[10] = (uint8_t)(~sum >> 8);
		wire[11] = (uint8_t)~sum;
	} else {
		wire[4] = (uint8_t)((udp + esp) >> 8);
		wire[5] = (uint8_t)(udp + esp);
		wire[6] = udp ? 17 : 50;
		wire[7] = 64;
		memcpy(wire + 8, sa->src.b, 16);
		memcpy(wire + 24, sa->dst.b, 16);
	}
	if (udp) {
		wire[ip] = wire[ip + 2] = 4500 >> 8;
		wire[ip + 1] = wire[ip + 3] = 4500 & 0xff;
		wire[ip + 4] = (uint8_t)((udp + esp) >> 8);
		wire[ip + 5] = (uint8_t)(udp + esp);
	}
	memcpy(p, &(uint32_t){htonl(sa->spi)}, 4);
	memcpy(p + 4, &(uint32_t){htonl(seq)}, 4);
	memcpy(p + 8 + sa->iv_len, text, length);
	esp_crypto_ivs(crypto[0], &op, 1);
	esp_crypto_seal(crypto[0], &op, 1);
	CHECK(op.result == 0);
	return wire;
}

static void one_packet(struct esp_sadb *const tx[], struct esp_sadb *const rx[], uint32_t seq, struct input *in)
{
	uint8_t kind = take_byte(in);
	size_t wanted = (size_t)take_byte(in) << 8 | take_byte(in), length, size;
	const uint8_t *data = take_bytes(in, wanted % ROOM, &length);
	struct esp_flow flow;
	uint8_t *wire = NULL;
	uint32_t total;

	switch (kind % 4) {
	case 0:
		receive(rx, data, length, NULL, 0);
		break;
	case 1:
		wire = authentic(rx[0], seq, data, length, &size);
		CHECK(receive(rx, wire, size, NULL, 0) != ESP_DROP_BAD_ICV);
		break;
	case 2:
		wire = send_out(tx, data, length, kind & 4 ? ESP_PKT_KEEP_TRAILER : 0, &size);
		if (wire && esp_flow_read(data, (uint32_t)length, &flow, &total) == ESP_OK)
			receive(rx, wire, size, data, total);
		break;
	default:
		wire = send_out(tx, data, length, 0, &size);
		if (wire) {
			const struct esp_sa *sa = esp_sadb_at(rx[0], 0);
			size_t headers = (sa->dst.family == 4 ? 20u : 40u) + (sa->encap ? 8u : 0u);

			/* Anywhere behind SPI and number: which would say that it is another's, or too old. */
			wire[headers + 8 + (wanted * 31 + kind) % (size - headers - 8)] ^= (uint8_t)(kind | 1);
			CHECK(receive(rx, wire, size, NULL, 0) != ESP_OK);
		}
	}
	free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct esp_sadb *tx[BACKENDS], *rx[BACKENDS];
	struct input in = {data, size};
	uint8_t how = take_byte(&in);

	if (!backends) {
		crypto[backends++] = esp_crypto_alloc(ESP_BACKEND_OPENSSL);
		CHECK(crypto[0]);
		crypto[backends] = esp_crypto_alloc(ESP_BACKEND_IPSEC_MB);
		backends += crypto[backends] != NULL;
	}
	for (int b = 0; b < backends; b++) {
		tx[b] = sadb(how);
		rx[b] = sadb(how);
	}
	for (int packets = 0; in.left && packets < 32; packets++)
		one_packet(tx, rx, 100 + (uint32_t)packets, &in);
	for (int b = 0; b < backends; b++) {
		esp_crypto_forget(crypto[b], esp_sadb_at(tx[b], 0)->id);
		esp_crypto_forget(crypto[b], esp_sadb_at(rx[b], 0)->id);
		esp_sadb_free(tx[b]);
		esp_sadb_free(rx[b]);
	}
	return 0;
}

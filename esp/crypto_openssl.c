/* SPDX-License-Identifier: MIT */
/*
 * The OpenSSL backend: always there.
 *
 * Contexts are made once per SA and thread and keep the key schedule; a packet sets the IV only. HMAC goes
 * through SHA-256's own functions and a copy of the state after the key block: OpenSSL 3 marks them as
 * deprecated, but its EVP_MAC costs more than hashing a small packet does.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"

struct keys {
	uint64_t id;
	EVP_CIPHER_CTX *seal, *open, *iv;
	SHA256_CTX inner, outer; /* HMAC, after the key block */
};

struct context {
	struct esp_crypto base;
	struct keys *slot[ESP_KEY_SLOTS];
};

static void keys_free(struct keys *k)
{
	if (!k)
		return;
	EVP_CIPHER_CTX_free(k->seal);
	EVP_CIPHER_CTX_free(k->open);
	EVP_CIPHER_CTX_free(k->iv);
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

static void hmac_init(SHA256_CTX *inner, SHA256_CTX *outer, const uint8_t *key, size_t len)
{
	uint8_t block[64];

	memset(block, 0, sizeof(block));
	memcpy(block, key, len);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= 0x36;
	SHA256_Init(inner);
	SHA256_Update(inner, block, sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(outer);
	SHA256_Update(outer, block, sizeof(block));
	OPENSSL_cleanse(block, sizeof(block));
}

/* The keyed states by value: each message goes on from a copy. */
static void hmac_final(SHA256_CTX *inner, const SHA256_CTX *outer_key, uint8_t tag[32])
{
	SHA256_CTX outer = *outer_key;

	SHA256_Final(tag, inner);
	SHA256_Update(&outer, tag, 32);
	SHA256_Final(tag, &outer);
}

static int cipher_init(EVP_CIPHER_CTX **ctx, const EVP_CIPHER *type, const uint8_t *key, int seal)
{
	*ctx = EVP_CIPHER_CTX_new();
	if (!*ctx)
		return -ENOMEM;
	if (EVP_CipherInit_ex(*ctx, type, NULL, key, NULL, seal) != 1)
		return -EIO;
	EVP_CIPHER_CTX_set_padding(*ctx, 0);
	return 0;
}

static int keys_fill(struct keys *k, const struct esp_sa *sa)
{
	const EVP_CIPHER *type = NULL;
	int err;

	switch (sa->alg) {
	case ESP_ALG_NULL_HMAC_SHA256:
		break;
	case ESP_ALG_AES_CBC_HMAC_SHA256:
		type = sa->key_len == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
		break;
	case ESP_ALG_AES_GCM:
		type = sa->key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
		break;
	case ESP_ALG_CHACHA20_POLY1305:
		type = EVP_chacha20_poly1305();
		break;
	default:
		return -EIO;
	}
	if (type) {
		err = cipher_init(&k->seal, type, sa->key, 1);
		if (!err)
			err = cipher_init(&k->open, type, sa->key, 0);
		if (err)
			return err;
	}
	if (sa->alg == ESP_ALG_AES_CBC_HMAC_SHA256) {
		SHA256_CTX inner, outer;
		uint8_t key[32];

		hmac_init(&inner, &outer, sa->key, sa->key_len);
		SHA256_Update(&inner, ESP_CBC_IV_LABEL, sizeof(ESP_CBC_IV_LABEL) - 1);
		hmac_final(&inner, &outer, key);
		err = cipher_init(&k->iv, EVP_aes_128_ecb(), key, 1);
		OPENSSL_cleanse(key, sizeof(key));
		OPENSSL_cleanse(&inner, sizeof(inner));
		OPENSSL_cleanse(&outer, sizeof(outer));
		if (err)
			return err;
	}
	if (sa->auth_key_len)
		hmac_init(&k->inner, &k->outer, sa->auth_key, sa->auth_key_len);
	k->id = sa->id;
	return 0;
}

static struct keys *keys_get(struct context *c, const struct esp_sa *sa, int *err)
{
	struct keys **slot = &c->slot[sa->id % ESP_KEY_SLOTS];

	if (*slot && (*slot)->id == sa->id)
		return *slot;
	keys_free(*slot);
	*slot = calloc(1, sizeof(**slot));
	*err = *slot ? keys_fill(*slot, sa) : -ENOMEM;
	if (*err) {
		keys_free(*slot);
		*slot = NULL;
	}
	return *slot;
}

static void context_free(struct esp_crypto *base)
{
	struct context *c = (struct context *)base;

	for (unsigned i = 0; i < ESP_KEY_SLOTS; i++)
		keys_free(c->slot[i]);
	free(c);
}

static void forget(struct esp_crypto *base, uint64_t id)
{
	struct keys **slot = &((struct context *)base)->slot[id % ESP_KEY_SLOTS];

	if (*slot && (*slot)->id == id) {
		keys_free(*slot);
		*slot = NULL;
	}
}

static int aead_seal(struct keys *k, struct esp_op *op)
{
	uint8_t nonce[12], aad[12];
	uint8_t *text = op->out + 8 + op->sa->iv_len;
	int text_len = (int)op_text_len(op), n;

	op_nonce(op, nonce);
	if (EVP_EncryptInit_ex(k->seal, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(k->seal, NULL, &n, aad, (int)op_aad(op, aad)) != 1 ||
	    EVP_EncryptUpdate(k->seal, text, &n, text, text_len) != 1 ||
	    EVP_EncryptFinal_ex(k->seal, text + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(k->seal, EVP_CTRL_AEAD_GET_TAG, ESP_ICV_LEN, text + text_len) != 1)
		return -EIO;
	return 0;
}

static int aead_open(struct keys *k, struct esp_op *op)
{
	uint8_t nonce[12], aad[12], tag[ESP_ICV_LEN];
	uint32_t at = 8u + op->sa->iv_len;
	int text_len = (int)op_text_len(op), n;

	op_nonce(op, nonce);
	memcpy(tag, op->in + op->len - ESP_ICV_LEN, sizeof(tag));
	if (EVP_DecryptInit_ex(k->open, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_CIPHER_CTX_ctrl(k->open, EVP_CTRL_AEAD_SET_TAG, ESP_ICV_LEN, tag) != 1 ||
	    EVP_DecryptUpdate(k->open, NULL, &n, aad, (int)op_aad(op, aad)) != 1 ||
	    EVP_DecryptUpdate(k->open, op->out + at, &n, op->in + at, text_len) != 1)
		return -EIO;
	return EVP_DecryptFinal_ex(k->open, op->out + at + n, &n) == 1 ? 0 : -EBADMSG;
}

static void icv(const struct keys *k, const struct esp_op *op, uint8_t tag[32])
{
	SHA256_CTX inner = k->inner;

	SHA256_Update(&inner, op->in, op->len - ESP_ICV_LEN);
	if (op->sa->flags & ESP_SA_ESN) {
		uint8_t high[4];

		put32(high, (uint32_t)(op->seq >> 32));
		SHA256_Update(&inner, high, sizeof(high));
	}
	hmac_final(&inner, &k->outer, tag);
}

static int hmac_seal(struct keys *k, struct esp_op *op)
{
	uint8_t tag[32];
	uint8_t *text = op->out + 8 + op->sa->iv_len;
	int text_len = (int)op_text_len(op), n;

	if (op->sa->alg == ESP_ALG_AES_CBC_HMAC_SHA256 &&
	    (EVP_EncryptInit_ex(k->seal, NULL, NULL, NULL, op->in + 8) != 1 ||
	     EVP_EncryptUpdate(k->seal, text, &n, text, text_len) != 1 || n != text_len))
		return -EIO;
	icv(k, op, tag);
	memcpy(text + text_len, tag, ESP_ICV_LEN);
	return 0;
}

static int hmac_open(struct keys *k, struct esp_op *op)
{
	uint8_t tag[32];
	uint32_t at = 8u + op->sa->iv_len;
	int text_len = (int)op_text_len(op), n;

	icv(k, op, tag);
	if (CRYPTO_memcmp(tag, op->in + op->len - ESP_ICV_LEN, ESP_ICV_LEN) != 0)
		return -EBADMSG;
	if (op->sa->alg == ESP_ALG_NULL_HMAC_SHA256) {
		memcpy(op->out + at, op->in + at, (size_t)text_len);
		return 0;
	}
	if (EVP_DecryptInit_ex(k->open, NULL, NULL, NULL, op->in + 8) != 1 ||
	    EVP_DecryptUpdate(k->open, op->out + at, &n, op->in + at, text_len) != 1 || n != text_len)
		return -EIO;
	return 0;
}

static void run(struct context *c, struct esp_op *ops, size_t n, int (*aead)(struct keys *, struct esp_op *),
		int (*hmac)(struct keys *, struct esp_op *))
{
	for (size_t i = 0; i < n; i++) {
		struct esp_op *op = &ops[i];
		struct keys *k = keys_get(c, op->sa, &op->result);

		if (k)
			op->result = op->sa->alg >= ESP_ALG_AES_GCM ? aead(k, op) : hmac(k, op);
	}
}

static void seal(struct esp_crypto *base, struct esp_op *ops, size_t n)
{
	run((struct context *)base, ops, n, aead_seal, hmac_seal);
}

static void open_burst(struct esp_crypto *base, struct esp_op *ops, size_t n)
{
	run((struct context *)base, ops, n, aead_open, hmac_open);
}

/* One call encrypts the counters of a whole run of packets of one SA. */
static void ivs(struct esp_crypto *base, struct esp_op *ops, size_t n)
{
	uint8_t block[ESP_BURST][16];

	for (size_t i = 0; i < n;) {
		const struct esp_sa *sa = ops[i].sa;
		size_t run = 0;
		int len, err = 0;
		struct keys *k = keys_get((struct context *)base, sa, &err);

		while (i + run < n && run < ESP_BURST && ops[i + run].sa == sa) {
			put64(block[run], 0);
			put64(block[run] + 8, ops[i + run].seq);
			run++;
		}
		if (k && EVP_EncryptUpdate(k->iv, block[0], &len, block[0], (int)run * 16) != 1)
			err = -EIO;
		for (size_t j = 0; j < run; j++) {
			memcpy(ops[i + j].out + 8, block[j], 16);
			ops[i + j].result = err;
		}
		i += run;
	}
}

struct esp_crypto *esp_openssl_alloc(void)
{
	static const struct esp_crypto_ops ops = {context_free, seal, open_burst, ivs, forget};
	struct context *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->base.ops = &ops;
	snprintf(c->base.name, sizeof(c->base.name), "openssl");
	return &c->base;
}

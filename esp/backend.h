/* SPDX-License-Identifier: MIT */
/* What a crypto backend is to crypto.c: a table of functions, and a cache of expanded keys. */
#ifndef ESP_BACKEND_H
#define ESP_BACKEND_H

#include <string.h>

#include "esp_crypto.h"
#include "ip.h"

struct esp_crypto_ops {
	void (*free)(struct esp_crypto *c);
	void (*seal)(struct esp_crypto *c, struct esp_op *ops, size_t n);
	void (*open)(struct esp_crypto *c, struct esp_op *ops, size_t n);
	void (*ivs)(struct esp_crypto *c, struct esp_op *ops, size_t n); /* all of CBC */
	void (*forget)(struct esp_crypto *c, uint64_t sa_id);
};

/* A backend's context begins with this. */
struct esp_crypto {
	const struct esp_crypto_ops *ops;
	char name[48];
};

struct esp_crypto *esp_openssl_alloc(void);
struct esp_crypto *esp_mb_alloc(void);
/* NULL: it runs on this machine; else why not. */
const char *esp_mb_why_not(void);

/* Expanded keys are kept in slots by the SA's id: ids of one file are consecutive, so that slots collide
 * only among more SAs than there are slots. */
#define ESP_KEY_SLOTS 1024u

/* Goes into the derivation of the key that CBC's IVs are made with. */
#define ESP_CBC_IV_LABEL "padata esp cbc iv"

static inline uint32_t op_text_len(const struct esp_op *op)
{
	return op->len - 8 - op->sa->iv_len - ESP_ICV_LEN;
}

/* Salt and IV. */
static inline void op_nonce(const struct esp_op *op, uint8_t nonce[12])
{
	memcpy(nonce, op->sa->salt, 4);
	memcpy(nonce + 4, op->in + 8, 8);
}

/* RFC 4106 section 5: SPI and sequence number, with ESN all 64 bits of it. Returns its length. */
static inline uint32_t op_aad(const struct esp_op *op, uint8_t aad[12])
{
	memcpy(aad, op->in, 4);
	if (!(op->sa->flags & ESP_SA_ESN)) {
		memcpy(aad + 4, op->in + 4, 4);
		return 8;
	}
	put32(aad + 4, (uint32_t)(op->seq >> 32));
	memcpy(aad + 8, op->in + 4, 4);
	return 12;
}

#endif

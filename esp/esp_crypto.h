/* SPDX-License-Identifier: MIT */
/*
 * Crypto for bursts of ESP packets, with two interchangeable backends that agree byte for byte.
 *
 * A context belongs to one thread: it keeps the expanded keys of the SAs that it met (at most 1,024,
 * older ones are wiped and expanded again when needed), so that a packet costs an IV and no key setup.
 * Nothing is shared between contexts. No call blocks; memory is allocated only when an SA is met first.
 */
#ifndef ESP_CRYPTO_H
#define ESP_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "esp_sa.h"

enum esp_backend {
	ESP_BACKEND_AUTO,    /* ipsec-mb if it was built in and the CPU has AES, else OpenSSL */
	ESP_BACKEND_OPENSSL, /* always there */
	ESP_BACKEND_IPSEC_MB,
};

/* Operations of a burst that are worth giving at once; any number is accepted. */
#define ESP_BURST 64u

/*
 * One ESP packet: SPI, sequence number, IV, text, ICV, `len` bytes in all, at `in` and with the same
 * layout at `out`.
 * seal: `in` == `out`; header, IV and text are there, text is encrypted in place and the ICV written.
 * open: `in` is read only; the text is decrypted to `out` + 8 + IV length. All `len` bytes at `out` may
 *	 be overwritten; after a failure they are undefined and must not be used.
 * seq: all 64 bits; the upper 32 enter the ICV if the SA has ESN.
 * result: 0, -EBADMSG the ICV differs (open), -EIO the library refused, -ENOMEM.
 * len must be at least 8 + IV + ICV, and the text a multiple of the cipher's block.
 */
struct esp_op {
	const struct esp_sa *sa;
	uint64_t seq;
	const uint8_t *in;
	uint8_t *out;
	uint32_t len;
	int result;
};

struct esp_crypto;

/* NULL and errno: ENOTSUP the backend was not built in or this CPU cannot run it, ENOMEM. */
struct esp_crypto *esp_crypto_alloc(enum esp_backend which);
/* Wipes all keys. NULL is a no-op. */
void esp_crypto_free(struct esp_crypto *c);
/* "openssl" or "ipsec-mb (AVX512)" and the like. Owned by the context. */
const char *esp_crypto_name(const struct esp_crypto *c);
/* Wipes what the context keeps for the SA with this id. */
void esp_crypto_forget(struct esp_crypto *c, uint64_t sa_id);

/* Each operation's result is its own; the order of the array is kept. The context's thread only. */
void esp_crypto_seal(struct esp_crypto *c, struct esp_op *ops, size_t n);
void esp_crypto_open(struct esp_crypto *c, struct esp_op *ops, size_t n);

/*
 * Writes the IV of each operation at out + 8.
 * GCM and ChaCha20-Poly1305: the sequence number, 64 bits, which never repeats under one key. CBC: the
 * AES encryption of the sequence number under a key derived from the SA's (HMAC-SHA256 under the cipher key
 * of a fixed label), which nobody without the key can predict, needs no random source, and is the same
 * whichever thread does it. No IV for NULL. Sets result as above.
 */
void esp_crypto_ivs(struct esp_crypto *c, struct esp_op *ops, size_t n);

/* "auto", "openssl", "ipsec-mb"; 0 and *which, or -EINVAL. */
int esp_backend_parse(const char *name, enum esp_backend *which);
/* 0 if esp_crypto_alloc can succeed, else -ENOTSUP and *why (static text) if not NULL. */
int esp_backend_available(enum esp_backend which, const char **why);

#endif

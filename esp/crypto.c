/* SPDX-License-Identifier: MIT */
/* Picks the crypto backend, and gives bursts to it. */
#include <errno.h>

#include "backend.h"

#ifndef HAVE_IPSEC_MB
const char *esp_mb_why_not(void)
{
	return "built without intel-ipsec-mb (Debian: libipsec-mb-dev)";
}

struct esp_crypto *esp_mb_alloc(void)
{
	errno = ENOTSUP;
	return NULL;
}
#endif

int esp_backend_available(enum esp_backend which, const char **why)
{
	const char *reason = which == ESP_BACKEND_IPSEC_MB ? esp_mb_why_not() : NULL;

	if (why)
		*why = reason;
	return reason ? -ENOTSUP : 0;
}

int esp_backend_parse(const char *name, enum esp_backend *which)
{
	static const char *const names[] = {
	    [ESP_BACKEND_AUTO] = "auto",
	    [ESP_BACKEND_OPENSSL] = "openssl",
	    [ESP_BACKEND_IPSEC_MB] = "ipsec-mb",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*which = (enum esp_backend)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct esp_crypto *esp_crypto_alloc(enum esp_backend which)
{
	if (which == ESP_BACKEND_AUTO)
		which = esp_mb_why_not() ? ESP_BACKEND_OPENSSL : ESP_BACKEND_IPSEC_MB;
	return which == ESP_BACKEND_IPSEC_MB ? esp_mb_alloc() : esp_openssl_alloc();
}

void esp_crypto_free(struct esp_crypto *c)
{
	if (c)
		c->ops->free(c);
}

const char *esp_crypto_name(const struct esp_crypto *c)
{
	return c->name;
}

void esp_crypto_forget(struct esp_crypto *c, uint64_t sa_id)
{
	c->ops->forget(c, sa_id);
}

void esp_crypto_seal(struct esp_crypto *c, struct esp_op *ops, size_t n)
{
	if (n)
		c->ops->seal(c, ops, n);
}

void esp_crypto_open(struct esp_crypto *c, struct esp_op *ops, size_t n)
{
	if (n)
		c->ops->open(c, ops, n);
}

void esp_crypto_ivs(struct esp_crypto *c, struct esp_op *ops, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t first = i;

		while (i < n && ops[i].sa->alg == ESP_ALG_AES_CBC_HMAC_SHA256)
			i++;
		if (i > first) {
			c->ops->ivs(c, ops + first, i - first);
			continue;
		}
		if (ops[i].sa->iv_len == 8)
			put64(ops[i].out + 8, ops[i].seq);
		ops[i++].result = 0;
	}
}

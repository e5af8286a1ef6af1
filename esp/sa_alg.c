/* SPDX-License-Identifier: MIT */
/* The words of an SA file that name an algorithm and its key. */
#include <errno.h>
#include <string.h>

#include "sa_parse.h"

/* The size of the key in bits, which `ip -s` prints behind it: (256 bits). */
static void skip_bits(struct lex *x)
{
	if (x->w.len && !x->w.quoted && x->w.p[0] == '(') {
		lex_next(x);
		lex_take(x, "bits)");
	}
}

static int icv_bits(struct lex *x)
{
	skip_bits(x);
	return lex_want(x, "128", "the ICV must have 128 bits; end the line with 128");
}

int esp_parse_aead(struct parse *p)
{
	struct esp_sa *sa = p->sa;
	struct lex *x = &p->x;
	uint32_t line = x->w.line;
	uint8_t key[36];
	size_t len;
	int err;
	bool gcm = lex_is(x, "rfc4106(gcm(aes))");

	if (p->has_aead || p->has_enc || p->has_auth)
		return lex_fail(x, "this SA has an algorithm already");
	if (!gcm && !lex_is(x, "rfc7539esp(chacha20,poly1305)"))
		return lex_fail(x, "known are rfc4106(gcm(aes)) and rfc7539esp(chacha20,poly1305)");
	lex_next(x);
	p->has_aead = true;
	err = lex_key(x, key, sizeof(key), &len);
	if (!err && gcm && len != 20 && len != 36)
		err = lex_fail_at(x, line, "rfc4106(gcm(aes))",
				  "the key must have 16 or 32 bytes, and 4 of salt behind it");
	if (!err && !gcm && len != 36)
		err = lex_fail_at(x, line, "rfc7539esp(chacha20,poly1305)",
				  "the key must have 32 bytes, and 4 of salt behind it");
	if (!err) {
		sa->alg = gcm ? ESP_ALG_AES_GCM : ESP_ALG_CHACHA20_POLY1305;
		sa->key_len = (uint8_t)(len - 4);
		memcpy(sa->key, key, len - 4);
		memcpy(sa->salt, key + len - 4, 4);
	}
	explicit_bzero(key, sizeof(key));
	return err ? err : icv_bits(x);
}

int esp_parse_enc(struct parse *p)
{
	struct esp_sa *sa = p->sa;
	struct lex *x = &p->x;
	uint32_t line = x->w.line;
	size_t len = 0;
	bool cbc = lex_is(x, "cbc(aes)");
	int err = 0;

	if (p->has_aead || p->has_enc)
		return lex_fail(x, "this SA has an encryption algorithm already");
	if (!cbc && !lex_is(x, "ecb(cipher_null)") && !lex_is(x, "cipher_null"))
		return lex_fail(x, "known are cbc(aes) and ecb(cipher_null)");
	lex_next(x);
	p->has_enc = true;
	/* ip prints nothing at all for the empty key. */
	if (cbc || x->w.quoted || (x->w.len >= 2 && memcmp(x->w.p, "0x", 2) == 0))
		err = lex_key(x, sa->key, sizeof(sa->key), &len);
	if (!err && cbc && len != 16 && len != 32)
		err = lex_fail_at(x, line, "cbc(aes)", "the key must have 16 or 32 bytes");
	if (!err && !cbc && len != 0)
		err = lex_fail_at(x, line, "ecb(cipher_null)", "has no key; write ''");
	sa->alg = cbc ? ESP_ALG_AES_CBC_HMAC_SHA256 : ESP_ALG_NULL_HMAC_SHA256;
	sa->key_len = (uint8_t)len;
	skip_bits(x);
	return err;
}

int esp_parse_auth(struct parse *p)
{
	struct lex *x = &p->x;
	uint32_t line = x->w.line;
	size_t len;

	if (p->has_aead || p->has_auth)
		return lex_fail(x, "this SA has an integrity algorithm already");
	if (!lex_take(x, "hmac(sha256)"))
		return lex_fail(x, "known is hmac(sha256)");
	p->has_auth = true;
	if (lex_key(x, p->sa->auth_key, sizeof(p->sa->auth_key), &len) != 0)
		return -EINVAL;
	if (len != 32)
		return lex_fail_at(x, line, "hmac(sha256)", "the key must have 32 bytes (RFC 4868)");
	p->sa->auth_key_len = (uint8_t)len;
	return icv_bits(x);
}

int esp_parse_auth_short(struct parse *p)
{
	return lex_fail_at(&p->x, p->x.w.line, "auth",
			   "cuts hmac(sha256) to 96 bits; use auth-trunc 'hmac(sha256)' KEY 128");
}

/* SPDX-License-Identifier: MIT */
/*
 * The intel-ipsec-mb backend.
 *
 * AES-GCM goes through the direct functions: one packet fills the vector units by itself. CBC with
 * HMAC cannot, so its jobs are submitted for the whole burst, the manager works on many packets side by
 * side, and what is left is flushed once, at the end of the burst. Each context has a manager of its own:
 * managers keep jobs and are not for two threads.
 *
 * With ESN, HMAC covers 32 bits that are not on the wire, and the manager hashes contiguous bytes only:
 * sealing, the bits stand where the ICV will be until the hash is done; opening, which may not touch the
 * received packet, the packet is copied to the output and the bits put behind it there.
 */
#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"

/* Where per-packet data must live while its job is in flight. */
struct flight {
	uint8_t nonce[12], aad[12], tag[ESP_ICV_LEN];
};

struct keys {
	struct gcm_key_data gcm;
	DECLARE_ALIGNED(uint8_t enc[16 * 15], 16);
	DECLARE_ALIGNED(uint8_t dec[16 * 15], 16);
	DECLARE_ALIGNED(uint8_t iv[16 * 11], 16);
	DECLARE_ALIGNED(uint8_t ipad[32], 16);
	DECLARE_ALIGNED(uint8_t opad[32], 16);
	uint8_t key[32]; /* ChaCha20 */
	uint64_t id;
};

struct context {
	struct esp_crypto base;
	IMB_MGR *mgr;
	struct keys *slot[ESP_KEY_SLOTS];
	struct flight flight[ESP_BURST];
};

static size_t keys_size(void)
{
	return (sizeof(struct keys) + 63) / 64 * 64; /* aligned_alloc wants a multiple */
}

static void keys_free(struct keys *k)
{
	if (!k)
		return;
	explicit_bzero(k, sizeof(*k));
	free(k);
}

static void hmac_pads(IMB_MGR *mgr, const uint8_t *key, size_t len, uint8_t pad[64], uint8_t value,
		      uint8_t state[32])
{
	memset(pad, 0, 64);
	memcpy(pad, key, len);
	for (size_t i = 0; i < 64; i++)
		pad[i] ^= value;
	if (state)
		IMB_SHA256_ONE_BLOCK(mgr, pad, state);
}

/* HMAC-SHA256 under the cipher key of the label, the first 16 bytes as an AES key. */
static void iv_key(IMB_MGR *mgr, const struct esp_sa *sa, struct keys *k)
{
	uint8_t text[64 + 32], hash[32];
	DECLARE_ALIGNED(uint8_t unused[16 * 11], 16);

	hmac_pads(mgr, sa->key, sa->key_len, text, 0x36, NULL);
	memcpy(text + 64, ESP_CBC_IV_LABEL, sizeof(ESP_CBC_IV_LABEL) - 1);
	IMB_SHA256(mgr, text, 64 + sizeof(ESP_CBC_IV_LABEL) - 1, hash);
	hmac_pads(mgr, sa->key, sa->key_len, text, 0x5c, NULL);
	memcpy(text + 64, hash, 32);
	IMB_SHA256(mgr, text, 64 + 32, hash);
	IMB_AES_KEYEXP_128(mgr, hash, k->iv, unused);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(hash, sizeof(hash));
	explicit_bzero(unused, sizeof(unused));
}

static void keys_fill(IMB_MGR *mgr, const struct esp_sa *sa, struct keys *k)
{
	uint8_t pad[64];

	switch (sa->alg) {
	case ESP_ALG_AES_GCM:
		if (sa->key_len == 32)
			IMB_AES256_GCM_PRE(mgr, sa->key, &k->gcm);
		else
			IMB_AES128_GCM_PRE(mgr, sa->key, &k->gcm);
		break;
	case ESP_ALG_CHACHA20_POLY1305:
		memcpy(k->key, sa->key, sizeof(k->key));
		break;
	case ESP_ALG_AES_CBC_HMAC_SHA256:
		if (sa->key_len == 32)
			IMB_AES_KEYEXP_256(mgr, sa->key, k->enc, k->dec);
		else
			IMB_AES_KEYEXP_128(mgr, sa->key, k->enc, k->dec);
		iv_key(mgr, sa, k);
		break;
	default:
		break;
	}
	if (sa->auth_key_len) {
		hmac_pads(mgr, sa->auth_key, sa->auth_key_len, pad, 0x36, k->ipad);
		hmac_pads(mgr, sa->auth_key, sa->auth_key_len, pad, 0x5c, k->opad);
		explicit_bzero(pad, sizeof(pad));
	}
	k->id = sa->id;
}

/* Constant time: all bytes are looked at, and one branch depends on all of them. The volatile keeps a
 * compiler from deciding after the first half. */
static bool differ(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];
	volatile uint64_t sum;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	sum = (x[0] ^ y[0]) | (x[1] ^ y[1]);
	return sum != 0;
}

/* Which flight an operation has: its place in the burst. */
static void finish(struct context *c, IMB_JOB *job, struct esp_op *first, bool seal)
{
	struct esp_op *op = job->user_data;
	struct flight *f = &c->flight[op - first];

	if (job->status != IMB_STATUS_COMPLETED)
		op->result = -EIO;
	else if (seal)
		memcpy(op->out + op->len - ESP_ICV_LEN, f->tag, ESP_ICV_LEN);
	else if (differ(f->tag, op->in + op->len - ESP_ICV_LEN))
		op->result = -EBADMSG;
}

static void drain(struct context *c, struct esp_op *first, bool seal)
{
	IMB_JOB *job;

	while ((job = IMB_FLUSH_JOB(c->mgr)) != NULL)
		finish(c, job, first, seal);
}

static struct keys *keys_get(struct context *c, const struct esp_sa *sa, struct esp_op *first, bool seal)
{
	struct keys **slot = &c->slot[sa->id % ESP_KEY_SLOTS];

	if (*slot && (*slot)->id == sa->id)
		return *slot;
	if (*slot) {
		drain(c, first, seal); /* jobs in flight may be using the keys that make room */
		keys_free(*slot);
	}
	*slot = aligned_alloc(64, keys_size());
	if (*slot) {
		memset(*slot, 0, sizeof(**slot));
		keys_fill(c->mgr, sa, *slot);
	}
	return *slot;
}

static void gcm(struct context *c, const struct keys *k, struct esp_op *op, bool seal)
{
	struct gcm_context_data state;
	uint8_t nonce[12], aad[12], tag[ESP_ICV_LEN];
	uint32_t at = 8u + op->sa->iv_len, aad_len = op_aad(op, aad), len = op_text_len(op);
	const uint8_t *in = op->in + at;
	uint8_t *out = op->out + at;

	op_nonce(op, nonce);
	if (seal) {
		uint8_t *to = op->out + op->len - ESP_ICV_LEN;

		if (op->sa->key_len == 32)
			IMB_AES256_GCM_ENC(c->mgr, &k->gcm, &state, out, in, len, nonce, aad, aad_len, to,
					   ESP_ICV_LEN);
		else
			IMB_AES128_GCM_ENC(c->mgr, &k->gcm, &state, out, in, len, nonce, aad, aad_len, to,
					   ESP_ICV_LEN);
		return;
	}
	if (op->sa->key_len == 32)
		IMB_AES256_GCM_DEC(c->mgr, &k->gcm, &state, out, in, len, nonce, aad, aad_len, tag,
				   ESP_ICV_LEN);
	else
		IMB_AES128_GCM_DEC(c->mgr, &k->gcm, &state, out, in, len, nonce, aad, aad_len, tag,
				   ESP_ICV_LEN);
	if (differ(tag, op->in + op->len - ESP_ICV_LEN))
		op->result = -EBADMSG;
}

static void job_chacha(IMB_JOB *job, const struct keys *k, struct esp_op *op, struct flight *f)
{
	op_nonce(op, f->nonce);
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->enc_keys = job->dec_keys = k->key;
	job->key_len_in_bytes = 32;
	job->u.CHACHA20_POLY1305.aad = f->aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = op_aad(op, f->aad);
	job->src = op->in;
	job->dst = op->out + 8 + op->sa->iv_len;
	job->iv = f->nonce;
	job->iv_len_in_bytes = 12;
	job->cipher_start_src_offset_in_bytes = 8u + op->sa->iv_len;
	job->msg_len_to_cipher_in_bytes = op_text_len(op);
	job->hash_start_src_offset_in_bytes = job->cipher_start_src_offset_in_bytes;
	job->msg_len_to_hash_in_bytes = job->msg_len_to_cipher_in_bytes;
}

static void job_hmac(IMB_JOB *job, const struct keys *k, struct esp_op *op, bool seal)
{
	const uint8_t *src = op->in;
	uint32_t covered = op->len - ESP_ICV_LEN;
	bool cbc = op->sa->alg == ESP_ALG_AES_CBC_HMAC_SHA256;

	job->msg_len_to_hash_in_bytes = covered;
	if (op->sa->flags & ESP_SA_ESN) {
		if (!seal) {
			memcpy(op->out, op->in, covered);
			src = op->out;
		}
		put32(op->out + covered, (uint32_t)(op->seq >> 32));
		job->msg_len_to_hash_in_bytes += 4;
	} else if (!seal && !cbc) {
		memcpy(op->out + 8, op->in + 8, op_text_len(op));
	}
	job->cipher_mode = cbc ? IMB_CIPHER_CBC : IMB_CIPHER_NULL;
	job->hash_alg = IMB_AUTH_HMAC_SHA_256;
	job->enc_keys = k->enc;
	job->dec_keys = k->dec;
	job->key_len_in_bytes = op->sa->key_len;
	job->u.HMAC._hashed_auth_key_xor_ipad = k->ipad;
	job->u.HMAC._hashed_auth_key_xor_opad = k->opad;
	job->src = src;
	job->dst = op->out + 8 + op->sa->iv_len;
	job->iv = op->in + 8;
	job->iv_len_in_bytes = 16;
	job->cipher_start_src_offset_in_bytes = 8u + op->sa->iv_len;
	job->msg_len_to_cipher_in_bytes = cbc ? op_text_len(op) : 0;
	job->hash_start_src_offset_in_bytes = 0;
}

static void submit(struct context *c, const struct keys *k, struct esp_op *op, struct esp_op *first,
		   bool seal)
{
	struct flight *f = &c->flight[op - first];
	IMB_JOB *job = IMB_GET_NEXT_JOB(c->mgr);

	job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->auth_tag_output = f->tag;
	job->auth_tag_output_len_in_bytes = ESP_ICV_LEN;
	job->user_data = op;
	if (op->sa->alg == ESP_ALG_CHACHA20_POLY1305)
		job_chacha(job, k, op, f);
	else
		job_hmac(job, k, op, seal);
	/* Unchecked: the manager's limit is 65,534 bytes a job, and no ESP packet reaches it. */
	for (job = IMB_SUBMIT_JOB_NOCHECK(c->mgr); job; job = IMB_GET_COMPLETED_JOB(c->mgr))
		finish(c, job, first, seal);
}

static void run(struct context *c, struct esp_op *ops, size_t n, bool seal)
{
	while (n) {
		size_t burst = n < ESP_BURST ? n : ESP_BURST;

		for (size_t i = 0; i < burst; i++) {
			struct esp_op *op = &ops[i];
			struct keys *k = keys_get(c, op->sa, ops, seal);

			op->result = k ? 0 : -ENOMEM;
			if (!k)
				continue;
			if (op->sa->alg == ESP_ALG_AES_GCM)
				gcm(c, k, op, seal);
			else
				submit(c, k, op, ops, seal);
		}
		drain(c, ops, seal);
		ops += burst;
		n -= burst;
	}
}

static void seal_burst(struct esp_crypto *base, struct esp_op *ops, size_t n)
{
	run((struct context *)base, ops, n, true);
}

static void open_burst(struct esp_crypto *base, struct esp_op *ops, size_t n)
{
	run((struct context *)base, ops, n, false);
}

/* CFB of one block of zeros is the AES encryption of its IV. */
static void ivs(struct esp_crypto *base, struct esp_op *ops, size_t n)
{
	static const uint8_t zeros[16];
	struct context *c = (struct context *)base;

	for (size_t i = 0; i < n; i++) {
		const struct keys *k = keys_get(c, ops[i].sa, ops, true);
		uint8_t block[16];

		ops[i].result = k ? 0 : -ENOMEM;
		if (!k)
			continue;
		put64(block, 0);
		put64(block + 8, ops[i].seq);
		IMB_AES128_CFB_ONE(c->mgr, ops[i].out + 8, zeros, block, k->iv, 16);
	}
}

static void forget(struct esp_crypto *base, uint64_t id)
{
	struct keys **slot = &((struct context *)base)->slot[id % ESP_KEY_SLOTS];

	if (*slot && (*slot)->id == id) {
		keys_free(*slot);
		*slot = NULL;
	}
}

static void context_free(struct esp_crypto *base)
{
	struct context *c = (struct context *)base;

	for (unsigned i = 0; i < ESP_KEY_SLOTS; i++)
		keys_free(c->slot[i]);
	free_mb_mgr(c->mgr);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

const char *esp_mb_why_not(void)
{
	static _Atomic int known; /* 0 not asked yet, 1 runs, 2 does not */
	const char *why = "intel-ipsec-mb needs a CPU with AES and carry-less multiplication";

	/* Relaxed: whoever asks computes the same answer. */
	if (atomic_load_explicit(&known, memory_order_relaxed) == 0) {
		IMB_MGR *mgr = alloc_mb_mgr(0);
		bool runs;

		if (!mgr)
			return "intel-ipsec-mb: out of memory";
		runs = mgr->features & IMB_FEATURE_AESNI && mgr->features & IMB_FEATURE_PCLMULQDQ;
		free_mb_mgr(mgr);
		atomic_store_explicit(&known, runs ? 1 : 2, memory_order_relaxed);
	}
	return atomic_load_explicit(&known, memory_order_relaxed) == 1 ? NULL : why;
}

struct esp_crypto *esp_mb_alloc(void)
{
	static const struct esp_crypto_ops ops = {context_free, seal_burst, open_burst, ivs, forget};
	static const char *const arches[IMB_ARCH_NUM] = {
	    [IMB_ARCH_NOAESNI] = "none", [IMB_ARCH_SSE] = "SSE",       [IMB_ARCH_AVX] = "AVX",
	    [IMB_ARCH_AVX2] = "AVX2",	 [IMB_ARCH_AVX512] = "AVX512",
	};
	IMB_ARCH arch = IMB_ARCH_NONE;
	struct context *c;

	if (esp_mb_why_not()) {
		errno = ENOTSUP;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->mgr = alloc_mb_mgr(0);
	if (!c->mgr) {
		free(c);
		errno = ENOMEM;
		return NULL;
	}
	init_mb_mgr_auto(c->mgr, &arch);
	if (imb_get_errno(c->mgr) != 0) { /* its self-test included */
		free_mb_mgr(c->mgr);
		free(c);
		errno = ENOTSUP;
		return NULL;
	}
	c->base.ops = &ops;
	snprintf(c->base.name, sizeof(c->base.name), "ipsec-mb (%s)",
		 arch > IMB_ARCH_NONE && arch < IMB_ARCH_NUM && arches[arch] ? arches[arch] : "?");
	return &c->base;
}

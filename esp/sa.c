/* SPDX-License-Identifier: MIT */
/* Security associations: what an algorithm implies, selectors, and the set with its look-ups. */
#include "esp_sa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sadb.h"

int esp_sa_prepare(struct esp_sa *sa)
{
	static _Atomic uint64_t ids;
	uint64_t top = 0;
	int err;

	switch (sa->alg) {
	case ESP_ALG_NULL_HMAC_SHA256:
		sa->iv_len = 0;
		sa->pad_to = 4;
		break;
	case ESP_ALG_AES_CBC_HMAC_SHA256:
		if (sa->key_len != 16 && sa->key_len != 32)
			return -EINVAL;
		sa->iv_len = 16;
		sa->pad_to = 16;
		break;
	case ESP_ALG_AES_GCM:
		if (sa->key_len != 16 && sa->key_len != 32)
			return -EINVAL;
		sa->iv_len = 8;
		sa->pad_to = 4;
		break;
	case ESP_ALG_CHACHA20_POLY1305:
		if (sa->key_len != 32)
			return -EINVAL;
		sa->iv_len = 8;
		sa->pad_to = 4;
		break;
	default:
		return -EINVAL;
	}
	if (sa->auth_key_len > sizeof(sa->auth_key))
		return -EINVAL;
	/*
	 * A pasted state was printed before, during or after the traffic that is to be decrypted, so its top
	 * is no history. With ESN its epoch matters: starting half an epoch below, every number within 2^31
	 * of the printed one is guessed right.
	 */
	if (sa->flags & ESP_SA_ESN && sa->ctx_seq > UINT64_C(1) << 31)
		top = sa->ctx_seq - (UINT64_C(1) << 31);
	/* Relaxed: the number only has to be unique. */
	sa->id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed) + 1;
	sa->tx.oseq = sa->ctx_oseq;
	sa->tx.most = UINT64_MAX;
	sa->tx.use = (struct esp_use){.bytes = sa->ctx_bytes, .packets = sa->ctx_packets};
	sa->rx.use = (struct esp_use){0}; /* what is to be decrypted is in those counts already */
	memset(sa->rx.drop, 0, sizeof(sa->rx.drop));
	err = esp_replay_init(&sa->rx.replay, sa->replay_window, top);
	if (!err)
		sa->replay_window = sa->rx.replay.window;
	return err;
}

void esp_sa_destroy(struct esp_sa *sa)
{
	esp_replay_destroy(&sa->rx.replay);
	explicit_bzero(sa->key, sizeof(sa->key));
	explicit_bzero(sa->salt, sizeof(sa->salt));
	explicit_bzero(sa->auth_key, sizeof(sa->auth_key));
	sa->key_len = sa->auth_key_len = 0;
}

int esp_sa_set_oseq(struct esp_sa *sa, uint64_t last)
{
	if (!(sa->flags & ESP_SA_ESN) && last > UINT32_MAX)
		return -ERANGE;
	sa->tx.oseq = last;
	return 0;
}

const char *esp_sa_alg_name(const struct esp_sa *sa)
{
	switch (sa->alg) {
	case ESP_ALG_NULL_HMAC_SHA256:
		return "null-hmac-sha256";
	case ESP_ALG_AES_CBC_HMAC_SHA256:
		return sa->key_len == 32 ? "aes256-cbc-hmac-sha256" : "aes128-cbc-hmac-sha256";
	case ESP_ALG_AES_GCM:
		return sa->key_len == 32 ? "aes256-gcm" : "aes128-gcm";
	case ESP_ALG_CHACHA20_POLY1305:
		return "chacha20-poly1305";
	default:
		return "?";
	}
}

static bool in_prefix(const struct esp_prefix *p, const struct esp_addr *a, bool any_family)
{
	unsigned bytes = p->len / 8, bits = p->len % 8;

	if (p->addr.family == 0 || (any_family && p->len == 0))
		return true;
	if (p->addr.family != a->family || memcmp(p->addr.b, a->b, bytes) != 0)
		return false;
	return bits == 0 || (p->addr.b[bytes] ^ a->b[bytes]) >> (8 - bits) == 0;
}

static bool selects(const struct esp_selector *s, const struct esp_flow *f, bool any)
{
	if (!in_prefix(&s->src, &f->src, any) || !in_prefix(&s->dst, &f->dst, any))
		return false;
	if (s->proto != 0 && s->proto != f->proto)
		return false;
	if (!s->any_port_src && (!f->has_ports || s->sport != f->sport))
		return false;
	return s->any_port_dst || (f->has_ports && s->dport == f->dport);
}

bool esp_selector_selects(const struct esp_selector *s, const struct esp_flow *f)
{
	return selects(s, f, false);
}

bool esp_sa_selects(const struct esp_sa *sa, const struct esp_flow *f)
{
	return !sa->has_sel || selects(&sa->sel, f, sa->flags & ESP_SA_AF_UNSPEC);
}

struct esp_sadb *esp_sadb_new(void)
{
	return calloc(1, sizeof(struct esp_sadb));
}

void esp_sadb_free(struct esp_sadb *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->count; i++) {
		esp_sa_destroy(db->sa[i]);
		free(db->sa[i]);
	}
	free(db->sa);
	free(db->hash);
	free(db);
}

int esp_sadb_add(struct esp_sadb *db, struct esp_sa *sa)
{
	if (db->count == db->room) {
		size_t room = db->room ? db->room * 2 : 8;
		struct esp_sa **more = realloc(db->sa, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		db->sa = more;
		db->room = room;
	}
	db->sa[db->count++] = sa;
	return 0;
}

static uint32_t hash_of(uint32_t spi)
{
	return (uint32_t)(spi * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

int esp_sadb_index(struct esp_sadb *db, const struct esp_sa **twin)
{
	size_t size = 16;

	while (size < db->count * 2)
		size *= 2;
	free(db->hash);
	db->hash = calloc(size, sizeof(*db->hash));
	if (!db->hash)
		return -ENOMEM;
	db->hash_mask = (uint32_t)(size - 1);
	for (size_t i = 0; i < db->count; i++) {
		struct esp_sa *sa = db->sa[i];
		uint32_t h = hash_of(sa->spi) & db->hash_mask;

		if (esp_sadb_find(db, sa->spi, &sa->dst)) {
			*twin = sa;
			return -EEXIST;
		}
		while (db->hash[h])
			h = (h + 1) & db->hash_mask;
		db->hash[h] = sa;
		if (sa->encap)
			db->ports[sa->dport / 8] |= (uint8_t)(1u << sa->dport % 8);
	}
	return 0;
}

size_t esp_sadb_count(const struct esp_sadb *db)
{
	return db->count;
}

struct esp_sa *esp_sadb_at(const struct esp_sadb *db, size_t i)
{
	return i < db->count ? db->sa[i] : NULL;
}

struct esp_sa *esp_sadb_find(const struct esp_sadb *db, uint32_t spi, const struct esp_addr *dst)
{
	for (uint32_t h = hash_of(spi) & db->hash_mask; db->hash[h]; h = (h + 1) & db->hash_mask) {
		struct esp_sa *sa = db->hash[h];

		if (sa->spi == spi && sa->dst.family == dst->family &&
		    memcmp(sa->dst.b, dst->b, sizeof(dst->b)) == 0)
			return sa;
	}
	return NULL;
}

bool esp_sadb_has_port(const struct esp_sadb *db, uint16_t port)
{
	return db->ports[port / 8] >> port % 8 & 1;
}

struct esp_sa *esp_sadb_select(const struct esp_sadb *db, const struct esp_flow *f)
{
	for (size_t i = 0; i < db->count; i++)
		if (esp_sa_selects(db->sa[i], f))
			return db->sa[i];
	return NULL;
}

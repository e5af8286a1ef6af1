/* SPDX-License-Identifier: MIT */
/* An SA while its words are read. */
#ifndef ESP_SA_PARSE_H
#define ESP_SA_PARSE_H

#include "sa_lex.h"

struct parse {
	struct lex x;
	struct esp_sa *sa; /* being read; not in the set yet */
	bool has_proto, has_spi, has_mode, has_aead, has_enc, has_auth;
	bool has_window;
	uint64_t esn_window; /* of the anti-replay esn context, 0: none */
};

/* Each takes what belongs to its word, which is gone already. 0 or -EINVAL. */
int esp_parse_aead(struct parse *p);
int esp_parse_enc(struct parse *p);
int esp_parse_auth(struct parse *p);
int esp_parse_auth_short(struct parse *p);
int esp_parse_limit(struct parse *p);
int esp_parse_limit_line(struct parse *p);
int esp_parse_expire(struct parse *p);
int esp_parse_lifetime(struct parse *p);

/*
 * Reads one SA, whose `src` is the current word, and stops at the first word behind it. `others`: a word in the
 * first column that no SA has ends it, otherwise it is an error. 0 and *sa, the caller's to esp_sa_destroy and
 * free; or -errno, with the error in `x`.
 */
int esp_sa_read(struct lex *x, bool others, struct esp_sa **sa);

/* Reads the words of a selector, up to the first that is none; *any: there was one. A `src` in the first column is
 * taken only as the first word. 0 or -EINVAL. */
int esp_selector_read(struct lex *x, struct esp_selector *s, bool *any);

#endif

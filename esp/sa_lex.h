/* SPDX-License-Identifier: MIT */
/* Words of an SA file, with their places, and the one line that says what is wrong. */
#ifndef ESP_SA_LEX_H
#define ESP_SA_LEX_H

#include "esp_sa.h"

struct word {
	const char *p;
	size_t len;
	uint32_t line;
	bool quoted;
	bool margin; /* in column 1 */
};

struct lex {
	const char *name; /* of the file */
	const char *p, *end;
	const char *line_start;
	uint32_t line;
	struct word w;	/* the current one; len 0 and not quoted at the end */
	bool has_error; /* err is filled */
	int code;	/* -errno of the error */
	char *err;	/* ESP_ERROR_LEN bytes */
};

/* Makes the first word current. */
void lex_start(struct lex *x, const char *name, const char *text, size_t len, char *err);
/* Makes the next word current; returns whether there is one. A comma behind an unquoted word is dropped. */
bool lex_next(struct lex *x);
/* Whether there is no current word. */
bool lex_end(const struct lex *x);
bool lex_is(const struct lex *x, const char *word);
/* lex_is, and then lex_next. */
bool lex_take(struct lex *x, const char *word);
/* Like lex_take, but its absence is an error: `what` says what to do. 0 or -EINVAL. */
int lex_want(struct lex *x, const char *word, const char *what);

/* "FILE:LINE: 'WORD': what". Keeps the first error. Always returns -EINVAL. */
int lex_fail(struct lex *x, const char *what);
int lex_fail_at(struct lex *x, uint32_t line, const char *word, const char *what);

/*
 * Numbers, decimal or 0x; what follows in parentheses is dropped, as in `0x10(16)` and `5(sec)`. INF alone or
 * in parentheses is UINT64_MAX. Each takes the word. 0 or -EINVAL.
 */
int lex_number(struct lex *x, uint64_t max, uint64_t *v);
int lex_addr(struct lex *x, struct esp_addr *a);
int lex_prefix(struct lex *x, struct esp_prefix *p);
/* 0x and at most `room` bytes of hex; *len of them. The word itself is never shown: it is a key. */
int lex_key(struct lex *x, uint8_t *key, size_t room, size_t *len);

#endif

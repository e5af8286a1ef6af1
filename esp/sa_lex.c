/* SPDX-License-Identifier: MIT */
/* Words of an SA file. No word is longer than the file, and nothing is copied but numbers and addresses. */
#include "sa_lex.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

int lex_fail_at(struct lex *x, uint32_t line, const char *word, const char *what)
{
	if (!x->has_error) {
		snprintf(x->err, ESP_ERROR_LEN, "%.80s:%u: '%.40s': %s", x->name, line, word, what);
		x->has_error = true;
		x->code = -EINVAL;
	}
	return -EINVAL;
}

int lex_fail(struct lex *x, const char *what)
{
	char shown[41];
	size_t n = x->w.len < sizeof(shown) - 1 ? x->w.len : sizeof(shown) - 1;

	if (x->w.len == 0 && !x->w.quoted)
		return lex_fail_at(x, x->line, "end of file", what);
	memcpy(shown, x->w.p, n);
	shown[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (shown[i] < ' ' || shown[i] > '~')
			shown[i] = '?';
	return lex_fail_at(x, x->w.line, shown, what);
}

void lex_start(struct lex *x, const char *name, const char *text, size_t len, char *err)
{
	memset(x, 0, sizeof(*x));
	x->name = name;
	x->p = x->line_start = text;
	x->end = text + len;
	x->line = 1;
	x->err = err;
	lex_next(x);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f' || c == '\\';
}

static void skip(struct lex *x)
{
	while (x->p < x->end) {
		if (*x->p == '#') {
			while (x->p < x->end && *x->p != '\n')
				x->p++;
		} else if (is_space(*x->p)) {
			if (*x->p++ == '\n') {
				x->line++;
				x->line_start = x->p;
			}
		} else {
			return;
		}
	}
}

bool lex_next(struct lex *x)
{
	char quote;

	skip(x);
	x->w = (struct word){.p = x->p, .line = x->line, .margin = x->p == x->line_start};
	if (x->p == x->end || x->has_error)
		return false;
	if (*x->p == '\'' || *x->p == '"') {
		quote = *x->p++;
		x->w.p = x->p;
		x->w.quoted = true;
		while (x->p < x->end && *x->p != quote && *x->p != '\n')
			x->p++;
		if (x->p == x->end || *x->p != quote) {
			lex_fail_at(x, x->line, quote == '"' ? "\"" : "'",
				    "the quote is not closed on its line");
			x->p = x->end;
			return false;
		}
		x->w.len = (size_t)(x->p++ - x->w.p);
		return true;
	}
	while (x->p < x->end && !is_space(*x->p))
		x->p++;
	x->w.len = (size_t)(x->p - x->w.p);
	if (x->w.len > 1 && x->w.p[x->w.len - 1] == ',')
		x->w.len--;
	return true;
}

bool lex_end(const struct lex *x)
{
	return x->w.len == 0 && !x->w.quoted;
}

bool lex_is(const struct lex *x, const char *word)
{
	return x->w.len == strlen(word) && memcmp(x->w.p, word, x->w.len) == 0;
}

bool lex_take(struct lex *x, const char *word)
{
	if (!lex_is(x, word))
		return false;
	lex_next(x);
	return true;
}

int lex_want(struct lex *x, const char *word, const char *what)
{
	return lex_take(x, word) ? 0 : lex_fail(x, what);
}

static int digit(char c, unsigned base)
{
	int d = c >= '0' && c <= '9'			 ? c - '0'
		: (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							 : 99;

	return d < (int)base ? d : -1;
}

int lex_number(struct lex *x, uint64_t max, uint64_t *v)
{
	const char *p = x->w.p, *end = p + x->w.len;
	unsigned base = 10;
	uint64_t sum = 0;

	if ((x->w.len >= 5 && memcmp(p, "(INF)", 5) == 0) || lex_is(x, "INF")) {
		if (max != UINT64_MAX)
			return lex_fail(x, "a number is needed here");
		*v = UINT64_MAX;
		lex_next(x);
		return 0;
	}
	if (end - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
		base = 16;
		p += 2;
	}
	if (p == end || digit(*p, base) < 0)
		return lex_fail(x, "a number is needed here, decimal or with 0x");
	for (; p < end && *p != '('; p++) {
		int d = digit(*p, base);

		if (d < 0)
			return lex_fail(x, "a number is needed here, decimal or with 0x");
		if (sum > (max - (unsigned)d) / base)
			return lex_fail(x, "the number is too large");
		sum = sum * base + (unsigned)d;
	}
	*v = sum;
	lex_next(x);
	return 0;
}

static int to_addr(const char *text, size_t len, struct esp_addr *a)
{
	char s[INET6_ADDRSTRLEN];

	memset(a, 0, sizeof(*a));
	if (len >= sizeof(s))
		return -EINVAL;
	memcpy(s, text, len);
	s[len] = '\0';
	if (strlen(s) != len)
		return -EINVAL;
	if (inet_pton(AF_INET, s, a->b) == 1)
		a->family = 4;
	else if (inet_pton(AF_INET6, s, a->b) == 1)
		a->family = 6;
	return a->family ? 0 : -EINVAL;
}

int lex_addr(struct lex *x, struct esp_addr *a)
{
	if (to_addr(x->w.p, x->w.len, a) != 0)
		return lex_fail(x, "an IPv4 or IPv6 address is needed here");
	lex_next(x);
	return 0;
}

int lex_prefix(struct lex *x, struct esp_prefix *p)
{
	const char *slash = x->w.len ? memchr(x->w.p, '/', x->w.len) : NULL;
	size_t len = slash ? (size_t)(slash - x->w.p) : x->w.len;
	unsigned bits = 0, max;

	if (to_addr(x->w.p, len, &p->addr) != 0)
		return lex_fail(x, "an address with its prefix length is needed here, as 10.1.0.0/16");
	max = p->addr.family == 4 ? 32 : 128;
	if (!slash) {
		bits = max;
	} else {
		const char *q = slash + 1, *end = x->w.p + x->w.len;

		if (q == end || end - q > 3)
			return lex_fail(x, "the prefix length is not a number that fits the address");
		for (; q < end; q++) {
			if (digit(*q, 10) < 0)
				return lex_fail(x, "the prefix length is not a number that fits the address");
			bits = bits * 10 + (unsigned)digit(*q, 10);
		}
		if (bits > max)
			return lex_fail(x, "the prefix length is not a number that fits the address");
	}
	p->len = (uint8_t)bits;
	lex_next(x);
	return 0;
}

int lex_key(struct lex *x, uint8_t *key, size_t room, size_t *len)
{
	const char *p = x->w.p;
	size_t n = x->w.len;

	*len = 0;
	if (n == 0 && !x->w.quoted)
		return lex_fail(x, "a key is needed here, 0x and hexadecimal digits");
	if (n == 0) {
		lex_next(x);
		return 0;
	}
	if (n >= 3 && memcmp(p, "<<K", 3) == 0)
		return lex_fail_at(x, x->w.line, "<<Keys hidden>>",
				   "the keys were left out; print them as root, without 'nokeys'");
	if (n < 2 || p[0] != '0' || (p[1] | 0x20) != 'x')
		return lex_fail_at(x, x->w.line, "key", "a key is 0x and hexadecimal digits");
	if (n % 2 != 0)
		return lex_fail_at(x, x->w.line, "key", "the key has an odd number of hexadecimal digits");
	if (n / 2 - 1 > room)
		return lex_fail_at(x, x->w.line, "key", "the key is too long for its algorithm");
	for (size_t i = 2; i < n; i += 2) {
		int hi = digit(p[i], 16), lo = digit(p[i + 1], 16);

		if (hi < 0 || lo < 0)
			return lex_fail_at(x, x->w.line, "key", "a key is 0x and hexadecimal digits");
		key[(*len)++] = (uint8_t)(hi << 4 | lo);
	}
	lex_next(x);
	return 0;
}

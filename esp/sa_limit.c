/* SPDX-License-Identifier: MIT */
/* The words of an SA file about lifetimes, as they are given and as they are printed. */
#include <errno.h>
#include <string.h>

#include "sa_parse.h"

/* limit byte-hard N, as ip xfrm state add takes it; the word limit is gone already. */
static int limit_word(struct lex *x, struct esp_limits *l)
{
	const struct {
		const char *name;
		uint64_t *v;
	} words[] = {
	    {"byte-soft", &l->soft_bytes},	     {"byte-hard", &l->hard_bytes},
	    {"packet-soft", &l->soft_packets},	     {"packet-hard", &l->hard_packets},
	    {"time-soft", &l->soft_seconds},	     {"time-hard", &l->hard_seconds},
	    {"time-use-soft", &l->soft_use_seconds}, {"time-use-hard", &l->hard_use_seconds},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (lex_take(x, words[i].name))
			return lex_number(x, UINT64_MAX, words[i].v);
	return lex_fail(x, "known are {time,time-use,byte,packet}-{soft,hard}");
}

int esp_parse_limit(struct parse *p)
{
	return limit_word(&p->x, &p->sa->limits);
}

/* limit: soft (INF)(bytes), hard (INF)(bytes) */
int esp_parse_limit_line(struct parse *p)
{
	static const char *const needs = "a line 'limit: soft N(bytes), hard N(bytes)' is needed here";
	struct lex *x = &p->x;
	uint64_t soft, hard;
	const char *end;
	bool packets;

	if (lex_want(x, "soft", needs) != 0 || lex_number(x, UINT64_MAX, &soft) != 0 ||
	    lex_want(x, "hard", needs) != 0)
		return -EINVAL;
	end = x->w.p + x->w.len;
	packets = x->w.len > 9 && memcmp(end - 9, "(packets)", 9) == 0;
	if (!packets && !(x->w.len > 7 && memcmp(end - 7, "(bytes)", 7) == 0))
		return lex_fail(x, needs);
	if (lex_number(x, UINT64_MAX, &hard) != 0)
		return -EINVAL;
	*(packets ? &p->sa->limits.soft_packets : &p->sa->limits.soft_bytes) = soft;
	*(packets ? &p->sa->limits.hard_packets : &p->sa->limits.hard_bytes) = hard;
	return 0;
}

/* expire add: soft 0(sec), hard 0(sec) */
int esp_parse_expire(struct parse *p)
{
	struct lex *x = &p->x;
	struct esp_limits *l = &p->sa->limits;
	bool use = lex_is(x, "use:");

	if (!use && !lex_is(x, "add:"))
		return lex_fail(x, "expire is followed by add: or use:");
	lex_next(x);
	if (lex_want(x, "soft", "expire needs soft N(sec)") != 0 ||
	    lex_number(x, UINT64_MAX, use ? &l->soft_use_seconds : &l->soft_seconds) != 0 ||
	    lex_want(x, "hard", "expire needs hard N(sec)") != 0)
		return -EINVAL;
	return lex_number(x, UINT64_MAX, use ? &l->hard_use_seconds : &l->hard_seconds);
}

/* A date and a time, or - */
static void skip_date(struct lex *x)
{
	if (!lex_take(x, "-") && lex_next(x))
		lex_next(x);
}

int esp_parse_lifetime(struct parse *p)
{
	struct lex *x = &p->x;

	if (lex_take(x, "config:"))
		return 0; /* its lines stand for themselves */
	if (lex_want(x, "current:", "lifetime is followed by config: or current:") != 0 ||
	    lex_number(x, UINT64_MAX - 1, &p->sa->ctx_bytes) != 0 ||
	    lex_number(x, UINT64_MAX - 1, &p->sa->ctx_packets) != 0)
		return -EINVAL;
	if (lex_take(x, "add"))
		skip_date(x);
	if (lex_take(x, "use"))
		skip_date(x);
	return 0;
}

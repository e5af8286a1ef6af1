/* SPDX-License-Identifier: MIT */
/*
 * SA files: what `ip xfrm state add` takes and what `ip -s xfrm state` prints.
 *
 * An SA begins with `src A dst B`. What follows is a table of words, each with the function that takes
 * what belongs to it. `sel` is followed by words (src, dst, proto) that mean something else outside: a
 * second `src` within it, or one in the first column, begins the next SA.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sa_parse.h"
#include "sadb.h"

static int small_number(struct lex *x, uint64_t max, uint32_t *v)
{
	uint64_t n;
	int err = lex_number(x, max, &n);

	if (!err)
		*v = (uint32_t)n;
	return err;
}

static int p_proto(struct parse *p)
{
	p->has_proto = true;
	return lex_want(&p->x, "esp", "only esp is supported; remove this SA");
}

static int p_spi(struct parse *p)
{
	p->has_spi = true;
	if (small_number(&p->x, UINT32_MAX, &p->sa->spi) != 0)
		return -EINVAL;
	return p->sa->spi ? 0
			  : lex_fail_at(&p->x, p->sa->line, "spi", "0 is reserved; give the SA another SPI");
}

static int p_reqid(struct parse *p)
{
	return small_number(&p->x, UINT32_MAX, &p->sa->reqid);
}

static int p_mode(struct parse *p)
{
	p->has_mode = true;
	return lex_want(&p->x, "tunnel", "only mode tunnel is supported");
}

static int p_window(struct parse *p)
{
	uint32_t n;

	if (small_number(&p->x, UINT32_MAX, &n) != 0)
		return -EINVAL;
	if (n > ESP_REPLAY_MAX)
		return lex_fail_at(&p->x, p->sa->line, "replay-window", "at most 8192 packets");
	p->has_window = true;
	p->sa->replay_window = n;
	return 0;
}

static const struct {
	const char *name;
	uint32_t flag; /* 0: without a meaning here */
} flags[] = {
    {"esn", ESP_SA_ESN},
    {"noecn", ESP_SA_NO_ECN},
    {"af-unspec", ESP_SA_AF_UNSPEC},
    {"decap-dscp", ESP_SA_DECAP_DSCP},
    {"nopmtudisc", ESP_SA_NO_PMTU_DISC},
    {"dont-encap-dscp", ESP_SA_NO_ENCAP_DSCP},
    {"align4", 0},
    {"wildrecv", 0},
    {"icmp", 0},
};

static int p_flag(struct parse *p)
{
	struct lex *x = &p->x;
	bool any = false;

	for (;;) {
		size_t i = 0;

		if (lex_is(x, "oseq-may-wrap"))
			return lex_fail(x, "refused: a sequence number used twice gives the key away");
		while (i < sizeof(flags) / sizeof(*flags) && !lex_is(x, flags[i].name))
			i++;
		if (i < sizeof(flags) / sizeof(*flags)) {
			p->sa->flags |= flags[i].flag;
			lex_next(x);
			any = true;
		} else if (x->w.len && x->w.p[0] == '(') { /* the same in hexadecimal */
			lex_next(x);
			any = true;
		} else {
			break;
		}
	}
	return any ? 0
		   : lex_fail(x, "not a flag; known are esn, noecn, decap-dscp, nopmtudisc, af-unspec, "
				 "dont-encap-dscp, align4, wildrecv, icmp");
}

static int p_encap(struct parse *p)
{
	struct lex *x = &p->x;
	struct esp_addr unused;
	uint32_t sport, dport;

	lex_take(x, "type");
	if (lex_want(x, "espinudp", "only espinudp (RFC 3948) is supported") != 0)
		return -EINVAL;
	lex_take(x, "sport");
	if (small_number(x, 65535, &sport) != 0)
		return -EINVAL;
	lex_take(x, "dport");
	if (small_number(x, 65535, &dport) != 0)
		return -EINVAL;
	lex_take(x, "addr");
	p->sa->encap = true;
	p->sa->sport = (uint16_t)sport;
	p->sa->dport = (uint16_t)dport;
	return lex_addr(x, &unused);
}

static int protocol(struct lex *x, uint8_t *v)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {{"tcp", 6},    {"udp", 17},     {"icmp", 1}, {"ipv6-icmp", 58}, {"icmpv6", 58},
		     {"sctp", 132}, {"dccp", 33},    {"gre", 47}, {"esp", 50},	     {"ah", 51},
		     {"ipip", 4},   {"ipv6", 41},    {"any", 0},  {"ospf", 89},	     {"ospfigp", 89},
		     {"igmp", 2},   {"udplite", 136}};
	uint32_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (lex_take(x, names[i].name)) {
			*v = names[i].number;
			return 0;
		}
	}
	if (small_number(x, 255, &n) != 0)
		return -EINVAL;
	*v = (uint8_t)n;
	return 0;
}

/* The words of a selector, up to the first that is none; *any: there was one. */
int esp_selector_read(struct lex *x, struct esp_selector *s, bool *any)
{
	bool src = false, dst = false;
	uint32_t n = 0, line = x->w.line;
	int err = 0;

	*any = false;
	s->any_port_src = s->any_port_dst = true;
	while (!err) {
		if (lex_is(x, "src") && !src && (!x->w.margin || !*any)) {
			lex_next(x);
			src = true;
			err = lex_prefix(x, &s->src);
		} else if (lex_is(x, "dst") && !dst) {
			lex_next(x);
			dst = true;
			err = lex_prefix(x, &s->dst);
		} else if (lex_take(x, "proto")) {
			err = protocol(x, &s->proto);
		} else if (lex_take(x, "sport")) {
			err = small_number(x, 65535, &n);
			s->any_port_src = false;
			s->sport = (uint16_t)n;
		} else if (lex_take(x, "dport")) {
			err = small_number(x, 65535, &n);
			s->any_port_dst = false;
			s->dport = (uint16_t)n;
		} else if (lex_take(x, "uid")) {
			err = small_number(x, UINT32_MAX, &n);
		} else if (lex_is(x, "dev")) {
			return lex_fail(x, "a selector by device cannot be kept here; remove it");
		} else if (lex_is(x, "type") || lex_is(x, "code") || lex_is(x, "key")) {
			return lex_fail(x, "selectors know src, dst, proto, sport and dport here");
		} else {
			break;
		}
		*any = true;
	}
	if (!err && src && dst && s->src.addr.family != s->dst.addr.family)
		return lex_fail_at(x, line, "src", "src and dst are of different families");
	return err;
}

static int p_sel(struct parse *p)
{
	bool any;

	if (p->sa->has_sel)
		return lex_fail(&p->x, "this SA has a selector already");
	p->sa->has_sel = true;
	if (lex_is(&p->x, "src") && p->x.w.margin)
		return lex_fail(&p->x, "sel needs src PREFIX, dst PREFIX, proto, sport or dport");
	if (esp_selector_read(&p->x, &p->sa->sel, &any) != 0)
		return -EINVAL;
	return any ? 0 : lex_fail(&p->x, "sel needs src PREFIX, dst PREFIX, proto, sport or dport");
}

static int p_replay_context(struct parse *p)
{
	struct lex *x = &p->x;
	uint64_t n, words = 0, seq_hi = 0, seq = 0, oseq_hi = 0, oseq = 0;
	bool esn = lex_take(x, "esn");
	int err = lex_want(x, "context:", "anti-replay is followed by context: or esn context:");

	while (!err) {
		if (lex_take(x, "seq-hi"))
			err = lex_number(x, UINT32_MAX, &seq_hi);
		else if (lex_take(x, "seq"))
			err = lex_number(x, UINT32_MAX, &seq);
		else if (lex_take(x, "oseq-hi"))
			err = lex_number(x, UINT32_MAX, &oseq_hi);
		else if (lex_take(x, "oseq"))
			err = lex_number(x, UINT32_MAX, &oseq);
		else if (lex_take(x, "bitmap"))
			err = lex_number(x, UINT32_MAX, &n);
		else if (esn && lex_take(x, "replay_window"))
			err = lex_number(x, ESP_REPLAY_MAX, &p->esn_window);
		else if (esn && lex_take(x, "bitmap-length"))
			err = lex_number(x, ESP_REPLAY_MAX, &words);
		else
			break;
	}
	for (; !err && words; words--) /* the bitmap: eight hexadecimal digits without 0x */
		lex_next(x);
	if (err)
		return err;
	p->sa->ctx_seq = seq_hi << 32 | seq;
	p->sa->ctx_oseq = oseq_hi << 32 | oseq;
	return 0;
}

static int p_stats(struct parse *p)
{
	uint64_t n;
	int err = 0;

	while (!err &&
	       (lex_is(&p->x, "replay-window") || lex_is(&p->x, "replay") || lex_is(&p->x, "failed"))) {
		lex_next(&p->x);
		err = lex_number(&p->x, UINT64_MAX, &n);
	}
	return err;
}

static int skip_words(struct parse *p, int n)
{
	for (; n; n--)
		if (p->x.w.len == 0)
			return lex_fail(&p->x, "something is missing here");
		else
			lex_next(&p->x);
	return 0;
}

static int p_skip1(struct parse *p)
{
	return skip_words(p, 1);
}

static int p_skip2(struct parse *p)
{
	return skip_words(p, 2);
}

static int p_offload(struct parse *p)
{
	return lex_fail_at(&p->x, p->x.w.line, "crypto offload",
			   "remove the offload parameters; they belong to a network card");
}

static const struct {
	const char *name;
	int (*take)(struct parse *p);
} words[] = {
    {"proto", p_proto},
    {"spi", p_spi},
    {"reqid", p_reqid},
    {"mode", p_mode},
    {"replay-window", p_window},
    {"flag", p_flag},
    {"extra_flag", p_flag},
    {"extra-flag", p_flag},
    {"aead", esp_parse_aead},
    {"enc", esp_parse_enc},
    {"auth-trunc", esp_parse_auth},
    {"auth", esp_parse_auth_short},
    {"encap", p_encap},
    {"sel", p_sel},
    {"limit", esp_parse_limit},
    {"limit:", esp_parse_limit_line},
    {"expire", esp_parse_expire},
    {"lifetime", esp_parse_lifetime},
    {"anti-replay", p_replay_context},
    {"stats:", p_stats},
    {"crypto", p_offload},
    /* printed, and without a meaning here */
    {"seq", p_skip1},
    {"mark", p_skip1},
    {"output-mark", p_skip1},
    {"if_id", p_skip1},
    {"tfcpad", p_skip1},
    {"coa", p_skip1},
    {"dir", p_skip1},
    {"mtimer_thresh", p_skip1},
    {"security", p_skip2},
    {"lastused", p_skip2},
    {"pcpu-num", p_skip1},
};

static int finish(struct parse *p)
{
	struct lex *x = &p->x;
	struct esp_sa *sa = p->sa;
	const char *missing = NULL;
	int err;

	if (!p->has_proto)
		missing = "this SA lacks 'proto esp'";
	else if (!p->has_spi)
		missing = "this SA lacks 'spi NUMBER'";
	else if (!p->has_mode)
		missing = "this SA lacks 'mode tunnel'";
	else if (p->has_enc && !p->has_auth)
		missing = "this SA has no integrity; add auth-trunc 'hmac(sha256)' 0xKEY 128";
	else if (!p->has_aead && !p->has_enc)
		missing = "this SA lacks an algorithm; add aead NAME 0xKEY 128, or enc and auth-trunc";
	else if (sa->src.family != sa->dst.family)
		missing = "src and dst are of different families";
	if (missing)
		return lex_fail_at(x, sa->line, "src", missing);
	/* ip prints replay-window 0 for an SA with ESN and the true size in the context. */
	if (p->esn_window)
		sa->replay_window = (uint32_t)p->esn_window;
	else if (!p->has_window || (sa->flags & ESP_SA_ESN && sa->replay_window == 0))
		sa->replay_window = ESP_REPLAY_DEFAULT;
	if (!(sa->flags & ESP_SA_ESN) && sa->ctx_oseq > UINT32_MAX)
		return lex_fail_at(x, sa->line, "oseq-hi", "more than 32 bits without 'flag esn'");
	err = esp_sa_prepare(sa);
	if (err) {
		lex_fail_at(x, sa->line, "src", strerror(-err));
		x->code = err;
	}
	return err;
}

static int begin(struct parse *p)
{
	p->sa = calloc(1, sizeof(*p->sa));
	if (!p->sa) {
		lex_fail(&p->x, "out of memory");
		return p->x.code = -ENOMEM;
	}
	p->sa->line = p->x.w.line;
	p->sa->limits.soft_bytes = p->sa->limits.hard_bytes = ESP_NO_LIMIT;
	p->sa->limits.soft_packets = p->sa->limits.hard_packets = ESP_NO_LIMIT;
	lex_next(&p->x);
	if (lex_addr(&p->x, &p->sa->src) != 0 ||
	    lex_want(&p->x, "dst", "an SA begins with 'src ADDRESS dst ADDRESS'") != 0)
		return -EINVAL;
	return lex_addr(&p->x, &p->sa->dst);
}

static int one_word(struct parse *p, bool others, bool *end)
{
	struct lex *x = &p->x;
	size_t i = 0;

	while (i < sizeof(words) / sizeof(*words) && !lex_is(x, words[i].name))
		i++;
	if (i < sizeof(words) / sizeof(*words)) {
		lex_next(x);
		return words[i].take(p);
	}
	*end = lex_is(x, "src") || lex_end(x) || (others && x->w.margin);
	return *end ? 0 : lex_fail(x, "not a word of ip xfrm state; correct or remove it");
}

int esp_sa_read(struct lex *x, bool others, struct esp_sa **sa)
{
	struct parse p = {.x = *x};
	bool end = false;
	int err = begin(&p);

	while (!err && !end && !p.x.has_error)
		err = one_word(&p, others, &end);
	if (!err && !p.x.has_error)
		err = finish(&p);
	else if (p.x.code)
		err = p.x.code;
	*x = p.x;
	if (err && p.sa) {
		esp_sa_destroy(p.sa);
		free(p.sa);
		p.sa = NULL;
	}
	*sa = p.sa;
	return err;
}

static int parse_all(struct lex *x, struct esp_sadb *db)
{
	while (!lex_end(x)) {
		struct esp_sa *sa;
		int err;

		if (!lex_is(x, "src"))
			return lex_fail(x, "an SA begins with 'src ADDRESS dst ADDRESS'");
		err = esp_sa_read(x, false, &sa);
		if (err)
			return err;
		err = db->count < ESP_SA_MAX ? esp_sadb_add(db, sa) : -EFBIG;
		if (err) {
			lex_fail_at(x, sa->line, "src",
				    err == -EFBIG ? "more SAs than one file may hold" : strerror(-err));
			esp_sa_destroy(sa);
			free(sa);
			return x->code = err;
		}
	}
	return x->code;
}

int esp_sadb_parse(const char *name, const char *text, size_t len, struct esp_sadb **out,
		   char err[ESP_ERROR_LEN])
{
	struct esp_sadb *db = esp_sadb_new();
	struct lex x;
	const struct esp_sa *twin = NULL;
	int code;

	*out = NULL;
	err[0] = '\0';
	if (!db) {
		snprintf(err, ESP_ERROR_LEN, "%.80s: out of memory", name);
		return -ENOMEM;
	}
	lex_start(&x, name, text, len, err);
	code = parse_all(&x, db);
	if (!code && db->count == 0) {
		snprintf(err, ESP_ERROR_LEN, "%.80s: no SA in it; one begins with 'src ADDRESS dst ADDRESS'",
			 name);
		code = -EINVAL;
	}
	if (!code)
		code = esp_sadb_index(db, &twin);
	if (code == -EEXIST)
		code = lex_fail_at(&x, twin->line, "spi",
				   "another SA above has this SPI and destination; remove one");
	else if (code && !err[0])
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", name, strerror(-code));
	if (code) {
		esp_sadb_free(db);
		return code;
	}
	*out = db;
	return 0;
}

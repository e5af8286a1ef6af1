/* SPDX-License-Identifier: MIT */
/* Policies, in the words of `ip xfrm policy add` and as `ip -s xfrm policy` prints them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_parse.h"
#include "sa_parse.h"

struct reading {
	struct lex *x;
	struct gw_policy policy;
	struct word first;
	bool has_dir, has_template, is_socket;
};

/* The words of lifetimes are those of an SA. They end up in `limits`, which must stay as empty as it
 * begins. */
static int lifetime(struct reading *r, int (*take)(struct parse *p))
{
	struct esp_sa sa = {.limits = {.soft_bytes = ESP_NO_LIMIT,
				       .hard_bytes = ESP_NO_LIMIT,
				       .soft_packets = ESP_NO_LIMIT,
				       .hard_packets = ESP_NO_LIMIT}};
	const struct esp_limits none = sa.limits;
	struct parse p = {.x = *r->x, .sa = &sa};
	int err = take(&p);

	*r->x = p.x;
	if (!err && memcmp(&sa.limits, &none, sizeof(none)) != 0)
		return lex_fail_at(r->x, r->first.line, "limit",
				   "a policy has no lifetime here; give one to its SAs");
	return err;
}

static int skip(struct lex *x, int words)
{
	for (; words; words--) {
		if (lex_end(x))
			return lex_fail(x, "something is missing here");
		lex_next(x);
	}
	return 0;
}

static int p_dir(struct reading *r)
{
	r->has_dir = true;
	if (lex_take(r->x, "out"))
		r->policy.dir = GW_OUT;
	else if (lex_take(r->x, "in") || lex_take(r->x, "fwd"))
		r->policy.dir = GW_IN;
	else
		return lex_fail(r->x, "a direction is needed here: out, in or fwd");
	return 0;
}

/* Of a socket, not of packets: keying daemons make these for themselves. */
static int p_socket(struct reading *r)
{
	r->is_socket = true;
	return p_dir(r);
}

static int p_priority(struct reading *r)
{
	uint64_t n;

	if (lex_number(r->x, UINT32_MAX, &n) != 0)
		return -EINVAL;
	r->policy.priority = (uint32_t)n;
	return 0;
}

static int p_action(struct reading *r)
{
	if (lex_take(r->x, "allow"))
		return 0;
	r->policy.block = true;
	return lex_want(r->x, "block", "an action is needed here: allow or block");
}

static int p_ptype(struct reading *r)
{
	return lex_want(r->x, "main", "only policies of type main are known here");
}

static int p_flag(struct reading *r)
{
	struct lex *x = r->x;

	while (lex_is(x, "localok") || lex_is(x, "icmp") || (x->w.len && x->w.p[0] == '('))
		lex_next(x);
	return 0;
}

static int p_limit_line(struct reading *r)
{
	return lifetime(r, esp_parse_limit_line);
}

static int p_limit(struct reading *r)
{
	return lifetime(r, esp_parse_limit);
}

static int p_expire(struct reading *r)
{
	return lifetime(r, esp_parse_expire);
}

static int p_lifetime(struct reading *r)
{
	return lifetime(r, esp_parse_lifetime);
}

static int p_level(struct lex *x)
{
	if (lex_is(x, "use"))
		return lex_fail(x, "would let packets pass unencrypted; only 'level required' is kept here");
	return lex_want(x, "required", "only 'level required' is kept here");
}

static int p_template(struct reading *r)
{
	struct lex *x = r->x;
	uint64_t n = 0;
	int err = 0;

	if (r->has_template)
		return lex_fail(x, "one template is all that a policy can have here");
	r->has_template = true;
	while (!err) {
		if (lex_is(x, "src") && !x->w.margin && lex_take(x, "src"))
			err = lex_addr(x, &r->policy.src);
		else if (lex_take(x, "dst"))
			err = lex_addr(x, &r->policy.dst);
		else if (lex_take(x, "proto"))
			err = lex_want(x, "esp", "only esp is supported");
		else if (lex_take(x, "mode"))
			err = lex_want(x, "tunnel", "only mode tunnel is supported");
		else if (lex_take(x, "level"))
			err = p_level(x);
		else if (lex_take(x, "reqid")) {
			err = lex_number(x, UINT32_MAX, &n);
			r->policy.reqid = (uint32_t)n;
		} else if (lex_take(x, "spi"))
			err = lex_number(x, UINT32_MAX,
					 &n); /* the SA is found by reqid, so that a rekey is one step */
		else if (lex_take(x, "share") || lex_take(x, "enc-mask") || lex_take(x, "auth-mask") ||
			 lex_take(x, "comp-mask"))
			err = skip(x, 1);
		else
			break;
	}
	return err;
}

static int p_skip1(struct reading *r)
{
	return skip(r->x, 1);
}

static int p_skip2(struct reading *r)
{
	return skip(r->x, 2);
}

static const struct {
	const char *name;
	int (*take)(struct reading *r);
} words[] = {
    {"dir", p_dir},
    {"socket", p_socket},
    {"priority", p_priority},
    {"action", p_action},
    {"ptype", p_ptype},
    {"flag", p_flag},
    {"tmpl", p_template},
    {"limit:", p_limit_line},
    {"limit", p_limit},
    {"expire", p_expire},
    {"lifetime", p_lifetime},
    /* printed, and without a meaning here */
    {"index", p_skip1},
    {"share", p_skip1},
    {"mark", p_skip1},
    {"if_id", p_skip1},
    {"security", p_skip2},
};

static int one_word(struct reading *r, bool *end)
{
	struct lex *x = r->x;
	size_t i = 0;

	while (i < sizeof(words) / sizeof(*words) && !lex_is(x, words[i].name))
		i++;
	if (i < sizeof(words) / sizeof(*words)) {
		lex_next(x);
		return words[i].take(r);
	}
	*end = lex_end(x) || lex_is(x, "src") || x->w.margin;
	return *end ? 0 : lex_fail(x, "not a word of ip xfrm policy; correct or remove it");
}

/* By priority; behind those of the same, which stood above it in the file. */
static int insert(struct gw_parse *p, const struct gw_policy *policy)
{
	struct gw_config *c = p->config;
	size_t at = c->policy_count;

	if (at == GW_POLICIES_MAX)
		return lex_fail(&p->x, "more policies than 4096");
	if (at % 64 == 0) {
		struct gw_policy *more = reallocarray(c->policies, at + 64, sizeof(*more));

		if (!more)
			return p->x.code = -ENOMEM;
		c->policies = more;
	}
	for (; at && c->policies[at - 1].priority > policy->priority; at--)
		c->policies[at] = c->policies[at - 1];
	c->policies[at] = *policy;
	c->policy_count++;
	return 0;
}

int gw_policy_read(struct gw_parse *p)
{
	struct reading r = {.x = &p->x, .first = p->x.w};
	const char *wrong = NULL;
	bool any, end = false;
	int err = esp_selector_read(&p->x, &r.policy.sel, &any);

	while (!err && !end && !p->x.has_error)
		err = one_word(&r, &end);
	if (err || p->x.has_error)
		return err ? err : p->x.code;
	if (r.is_socket)
		return 0;
	if (!r.has_dir)
		wrong = "this policy lacks 'dir out', 'dir in' or 'dir fwd'; an SA has addresses without a "
			"prefix length";
	else if (!r.policy.block && !r.has_template)
		wrong = "a policy without a template would let packets pass unencrypted; give it tmpl, or "
			"action block";
	else if (r.policy.src.family && r.policy.dst.family && r.policy.src.family != r.policy.dst.family)
		wrong = "the template's src and dst are of different families";
	if (wrong)
		return lex_fail_at(&p->x, r.first.line, "src", wrong);
	return insert(p, &r.policy);
}

static bool same_prefix(const struct esp_prefix *a, const struct esp_prefix *b)
{
	return a->len == b->len && gw_addr_same(&a->addr, &b->addr);
}

bool gw_same_selector(const struct esp_selector *a, const struct esp_selector *b)
{
	return same_prefix(&a->src, &b->src) && same_prefix(&a->dst, &b->dst) && a->proto == b->proto &&
	       a->any_port_src == b->any_port_src && a->any_port_dst == b->any_port_dst &&
	       a->sport == b->sport && a->dport == b->dport;
}

static bool same_if_set(const struct esp_addr *want, const struct esp_addr *a)
{
	return want->family == 0 || gw_addr_same(want, a);
}

bool gw_policy_means(const struct gw_policy *policy, enum gw_dir dir, const struct esp_sa *sa)
{
	return !policy->block && policy->dir == dir && policy->reqid == sa->reqid &&
	       same_if_set(&policy->src, &sa->src) && same_if_set(&policy->dst, &sa->dst);
}

struct gw_policy gw_policy_of(enum gw_dir dir, const struct esp_sa *sa)
{
	return (struct gw_policy){.sel = sa->sel,
				  .dir = dir,
				  .priority = UINT32_MAX,
				  .reqid = sa->reqid,
				  .src = sa->src,
				  .dst = sa->dst};
}

/* SPDX-License-Identifier: MIT */
/* The SAs that the plane was given, and the policies that go with them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "gateway.h"

static bool file_means(const struct gw_config *c, enum gw_dir dir, const struct esp_sa *sa)
{
	for (size_t i = 0; i < c->policy_count; i++)
		if (gw_policy_means(&c->policies[i], dir, sa))
			return true;
	return false;
}

/* The file's policies, and behind them the selectors of the SAs that none of those means. */
static int set_policies(struct gw_gateway *g, const struct gw_config *c)
{
	size_t count = c->policy_count;
	struct gw_policy *all;
	int code;

	for (const struct gw_known *k = g->known; k; k = k->next)
		count++;
	all = calloc(count + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	count = c->policy_count;
	if (count)
		memcpy(all, c->policies, count * sizeof(*all));
	for (const struct gw_known *k = g->known; k; k = k->next)
		if (k->sa.has_sel && !file_means(c, k->dir, &k->sa))
			all[count++] = gw_policy_of(k->dir, &k->sa);
	code = gw_plane_set_policies(g->plane, all, count);
	free(all);
	return code;
}

static void forget(struct gw_known *k)
{
	explicit_bzero(k, sizeof(*k));
	free(k);
}

static struct gw_known *know(const struct esp_sa *sa, enum gw_dir dir, bool from_file)
{
	struct gw_known *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->sa = *sa;
	memset(&k->sa.rx, 0, sizeof(k->sa.rx)); /* the window is the SA's own */
	k->dir = dir;
	k->from_file = from_file;
	return k;
}

static int fail(char err[ESP_ERROR_LEN], const struct esp_sa *sa, int code, const char *why)
{
	char dst[GW_ADDRESS_TEXT];

	snprintf(err, ESP_ERROR_LEN, "SA 0x%08x to %s: %s", sa->spi, gw_address_text(&sa->dst, dst),
		 why ? why : strerror(-code));
	return code;
}

/* Whether the SA can be used here, and how. */
static int judge(const struct gw_gateway *g, struct esp_sa *sa, bool from_file, enum gw_dir *dir,
		 struct gw_endpoint *remote, char err[ESP_ERROR_LEN])
{
	const char *why = NULL;

	if (gw_config_place(g->config, sa, dir, remote, &why) == 0)
		why = gw_config_unselected(g->config, *dir, sa);
	for (const struct gw_known *k = g->known; k && !why; k = k->next)
		if (k->dir == *dir &&
		    !(from_file && k->from_file)) /* the reader has compared those of one file */
			why = gw_config_clash(g->config, *dir, sa, &k->sa);
	return why ? fail(err, sa, -EINVAL, why) : 0;
}

int gw_sas_judge(const struct gw_gateway *g, struct esp_sa *sa, char err[ESP_ERROR_LEN])
{
	struct gw_endpoint remote;
	enum gw_dir dir;

	return judge(g, sa, false, &dir, &remote, err);
}

int gw_sas_add(struct gw_gateway *g, struct esp_sa *sa, bool from_file, char err[ESP_ERROR_LEN])
{
	struct gw_endpoint remote;
	struct gw_known *k;
	enum gw_dir dir;
	bool own;
	int code = judge(g, sa, from_file, &dir, &remote, err);

	if (code)
		return code;
	if (dir == GW_OUT) {
		code = gw_numbers_begin(g->numbers, sa, &sa->tx.most);
		if (code)
			return fail(err, sa, code,
				    code == -ERANGE ? "its sequence numbers are used up; make a new SA"
						    : NULL);
	}
	k = know(sa, dir, from_file);
	if (!k)
		return fail(err, sa, -ENOMEM, NULL);
	own = sa->has_sel && !file_means(g->config, dir, sa);
	k->next = g->known;
	g->known = k;
	code = own ? set_policies(g, g->config) : 0;
	if (code)
		fail(err, sa, code, NULL);
	else
		code = gw_plane_sa_add(g->plane, dir, sa, &remote, err);
	if (!code) {
		gw_tell_sa(g, "added", dir, &k->sa);
		return 0;
	}
	g->known = k->next;
	if (own)
		set_policies(g, g->config);
	if (dir == GW_OUT)
		gw_numbers_end(g->numbers, sa->spi, &sa->dst, &sa->tx.oseq);
	forget(k);
	return code;
}

int gw_sas_find(const struct gw_gateway *g, uint32_t spi, const struct esp_addr *src,
		const struct esp_addr *dst, struct gw_known **known)
{
	*known = NULL;
	for (struct gw_known *k = g->known; k; k = k->next) {
		if (k->sa.spi != spi || (src->family && !gw_addr_same(src, &k->sa.src)) ||
		    (dst->family && !gw_addr_same(dst, &k->sa.dst)))
			continue;
		if (*known)
			return -ENOTUNIQ;
		*known = k;
	}
	return *known ? 0 : -ENOENT;
}

int gw_sas_del(struct gw_gateway *g, struct gw_known *known, uint32_t linger)
{
	struct gw_known **at = &g->known;
	bool own = known->sa.has_sel && !file_means(g->config, known->dir, &known->sa);
	int code = gw_plane_sa_del(g->plane, known->sa.spi, &known->sa.dst, linger);

	if (code)
		return code;
	if (known->dir == GW_OUT)
		gw_numbers_end(g->numbers, known->sa.spi, &known->sa.dst, NULL);
	while (*at != known)
		at = &(*at)->next;
	*at = known->next;
	/* While an inbound one lingers its selector has to stay: it goes with the next change of policies. */
	if (own && !linger)
		set_policies(g, g->config);
	gw_tell_sa(g, "removed", known->dir, &known->sa);
	forget(known);
	return 0;
}

static bool same_sa(const struct esp_sa *a, const struct esp_sa *b)
{
	return a->alg == b->alg && a->flags == b->flags && a->key_len == b->key_len &&
	       !memcmp(a->key, b->key, sizeof(a->key)) && !memcmp(a->salt, b->salt, sizeof(a->salt)) &&
	       a->auth_key_len == b->auth_key_len && !memcmp(a->auth_key, b->auth_key, sizeof(a->auth_key)) &&
	       gw_addr_same(&a->src, &b->src) && a->reqid == b->reqid &&
	       a->replay_window == b->replay_window && !memcmp(&a->limits, &b->limits, sizeof(a->limits)) &&
	       a->has_sel == b->has_sel && (!a->has_sel || gw_same_selector(&a->sel, &b->sel));
}

static struct esp_sa **find_in(const struct gw_config *c, const struct esp_sa *sa)
{
	for (size_t i = 0; i < c->sa_count; i++)
		if (c->sas[i] && c->sas[i]->spi == sa->spi && gw_addr_same(&c->sas[i]->dst, &sa->dst))
			return &c->sas[i];
	return NULL;
}

/* What was added before the configuration was found not to work goes again. */
static void take_back(struct gw_gateway *g, const struct gw_known *until)
{
	while (g->known != until)
		gw_sas_del(g, g->known, 0);
}

int gw_sas_replace(struct gw_gateway *g, struct gw_config *with, char err[ESP_ERROR_LEN])
{
	struct gw_known *before = g->known, *next;
	struct gw_config *old = g->config;
	struct gw_endpoint remote;
	const char *why;
	enum gw_dir dir;
	int code = 0;

	for (struct gw_known *k = g->known; k; k = k->next) {
		struct esp_sa **sa = find_in(with, &k->sa);

		if (sa && !same_sa(*sa, &k->sa))
			return fail(err, &k->sa, -EINVAL,
				    "it has changed; give what is new an SPI of its own");
		if (gw_config_place(with, &k->sa, &dir, &remote, &why) != 0)
			return fail(err, &k->sa, -EINVAL, why);
	}
	g->config = with;
	code = set_policies(g, with);
	for (size_t i = 0; i < with->sa_count && !code; i++) {
		struct gw_known *k;

		if (gw_sas_find(g, with->sas[i]->spi, &with->sas[i]->src, &with->sas[i]->dst, &k) == 0)
			continue;
		code = gw_sas_add(g, with->sas[i], true, err);
		if (!code)
			with->sas[i] = NULL; /* the plane's */
	}
	if (code) {
		take_back(g, before);
		g->config = old;
		set_policies(g, old);
		return code;
	}
	for (struct gw_known *k = before; k; k = next) {
		next = k->next;
		if (find_in(with, &k->sa))
			k->from_file = true;
		else if (k->from_file)
			gw_sas_del(g, k, 0);
	}
	return 0;
}

struct listed {
	struct gw_sa_info *sas;
	size_t count, next;
};

/* What the plane says of an outbound SA; NULL: nothing. The plane lists the oldest first, `known` the newest:
 * who asks for one after the other in that order finds each at once. */
static const struct gw_sa_info *info_of(struct listed *l, const struct gw_known *k)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct gw_sa_info *sa = &l->sas[l->next = (l->next ? l->next : l->count) - 1];

		if (sa->dir == GW_OUT && sa->spi == k->sa.spi && gw_addr_same(&sa->dst, &k->sa.dst))
			return sa;
	}
	return NULL;
}

void gw_sas_tick(struct gw_gateway *g)
{
	struct listed l = {0};
	char err[ESP_ERROR_LEN];
	int failed = 0;

	l.sas = gw_plane_sas(g->plane, &l.count);
	for (const struct gw_known *k = g->known; k && l.sas; k = k->next) {
		const struct gw_sa_info *sa = k->dir == GW_OUT ? info_of(&l, k) : NULL;
		uint64_t most;
		int code;

		if (!sa)
			continue;
		code = gw_numbers_go_on(g->numbers, k->sa.spi, &k->sa.dst, sa->seq, &most);
		if (!code && most != sa->most)
			gw_plane_sa_allow(g->plane, k->sa.spi, &k->sa.dst, most);
		else if (code)
			failed = fail(err, &k->sa, code, NULL);
	}
	if (failed && !g->numbers_failed)
		g->say(err);
	g->numbers_failed = failed;
	free(l.sas);
}

void gw_sas_end(struct gw_gateway *g)
{
	struct listed l = {0};

	l.sas = gw_plane_sas(g->plane, &l.count);
	while (g->known) {
		struct gw_known *k = g->known;
		const struct gw_sa_info *sa = k->dir == GW_OUT && l.sas ? info_of(&l, k) : NULL;

		if (k->dir == GW_OUT)
			gw_numbers_end(g->numbers, k->sa.spi, &k->sa.dst, sa ? &sa->seq : NULL);
		g->known = k->next;
		forget(k);
	}
	free(l.sas);
}

/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "sa.h"

static uint32_t hash_of(uint32_t x)
{
	return (uint32_t)(x * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/*
 * The newest SA of each policy. By lists of those whose reqid has the same hash: a table is made for each SA
 * that comes, so thousands must not be compared with thousands. 0 or -ENOMEM.
 */
static int resolve(struct gw_table *t)
{
	const size_t none = SIZE_MAX, lists = t->hash_mask + (size_t)1;
	size_t *first = malloc(lists * sizeof(*first)), *next = malloc((t->out_count + 1) * sizeof(*next));
	bool room = first && next;

	if (room) {
		for (size_t i = 0; i < lists; i++)
			first[i] = none;
		for (size_t i = t->out_count; i-- > 0;) {
			size_t *list = &first[hash_of(t->out[i]->esp->reqid) & t->hash_mask];

			next[i] = *list;
			*list = i;
		}
		for (size_t i = 0; i < t->policy_count; i++) {
			size_t k = first[hash_of(t->policies[i].reqid) & t->hash_mask];

			while (k != none && !gw_policy_means(&t->policies[i], GW_OUT, t->out[k]->esp))
				k = next[k];
			t->resolved[i] = k != none ? t->out[k] : NULL;
		}
	}
	free(next);
	free(first);
	return room ? 0 : -ENOMEM;
}

static void fill(struct gw_table *t, struct gw_sa *sas)
{
	for (struct gw_sa *sa = sas; sa; sa = sa->next) {
		uint32_t h = hash_of(sa->esp->spi) & t->hash_mask;

		if (sa->dir == GW_OUT) {
			if (!sa->out_of_use)
				t->out[t->out_count++] = sa;
			continue;
		}
		while (t->hash[h])
			h = (h + 1) & t->hash_mask;
		t->hash[h] = sa;
	}
}

struct gw_table *gw_table_new(const struct gw_policy *policies, size_t count, struct gw_sa *sas)
{
	struct gw_table *t = calloc(1, sizeof(*t));
	size_t n = 0, size = 16;

	if (!t)
		return NULL;
	for (const struct gw_sa *sa = sas; sa; sa = sa->next)
		n++;
	while (size < n * 2)
		size *= 2;
	t->policies = calloc(count + 1, sizeof(*t->policies));
	t->resolved = calloc(count + 1, sizeof(*t->resolved));
	t->out = calloc(n + 1, sizeof(*t->out));
	t->hash = calloc(size, sizeof(*t->hash));
	if (!t->policies || !t->resolved || !t->out || !t->hash) {
		gw_table_free(t);
		return NULL;
	}
	t->hash_mask = (uint32_t)(size - 1);
	t->policy_count = count;
	if (count)
		memcpy(t->policies, policies, count * sizeof(*policies));
	fill(t, sas);
	if (resolve(t) == 0)
		return t;
	gw_table_free(t);
	return NULL;
}

void gw_table_free(struct gw_table *t)
{
	if (!t)
		return;
	free(t->policies);
	free(t->resolved);
	free(t->out);
	free(t->hash);
	free(t);
}

/* The first policy that selects the packet decides; NULL: none does. */
static const struct gw_policy *decide(const struct gw_table *t, enum gw_dir dir, const struct esp_flow *flow)
{
	for (size_t i = 0; i < t->policy_count; i++)
		if (t->policies[i].dir == dir && esp_selector_selects(&t->policies[i].sel, flow))
			return &t->policies[i];
	return NULL;
}

enum gw_choice gw_table_select(const struct gw_table *t, const struct esp_flow *flow, struct gw_sa **sa)
{
	const struct gw_policy *p = decide(t, GW_OUT, flow);

	if (!p || p->block)
		return GW_NO_POLICY;
	*sa = t->resolved[p - t->policies];
	if (*sa && esp_sa_selects((*sa)->esp, flow))
		return GW_CHOSEN;
	/* The newest has a selector of its own, and that does not select the packet: an older one may. */
	for (size_t i = 0; *sa && i < t->out_count; i++)
		if (gw_policy_means(p, GW_OUT, t->out[i]->esp) && esp_sa_selects(t->out[i]->esp, flow)) {
			*sa = t->out[i];
			return GW_CHOSEN;
		}
	return GW_NO_SA;
}

struct gw_sa *gw_table_find(const struct gw_table *t, uint32_t spi, uint8_t family)
{
	for (uint32_t h = hash_of(spi) & t->hash_mask; t->hash[h]; h = (h + 1) & t->hash_mask)
		if (t->hash[h]->esp->spi == spi && t->hash[h]->esp->dst.family == family)
			return t->hash[h];
	return NULL;
}

bool gw_table_allows(const struct gw_table *t, const struct gw_sa *sa, const struct esp_flow *flow)
{
	const struct gw_policy *p = decide(t, GW_IN, flow);

	return p && !p->block && gw_policy_means(p, GW_IN, sa->esp);
}

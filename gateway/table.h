/* SPDX-License-Identifier: MIT */
/*
 * Which SA a packet belongs to. A table is constant; a change makes a new one, which the readers exchange for
 * the old between two bursts.
 */
#ifndef GW_TABLE_H
#define GW_TABLE_H

#include "config.h"
#include "esp_sa.h"

struct gw_sa;

struct gw_table {
	struct gw_policy *policies; /* in the order in which they decide */
	struct gw_sa **resolved;    /* of each outbound policy: its newest SA, or NULL */
	size_t policy_count;
	struct gw_sa **out; /* newest first */
	size_t out_count;
	struct gw_sa **hash; /* inbound, by SPI and family; open addressing, at most half full */
	uint32_t hash_mask;
};

/* From a list of SAs, newest first, linked by `next`. NULL: no memory. Copies the policies. */
struct gw_table *gw_table_new(const struct gw_policy *policies, size_t count, struct gw_sa *sas);
void gw_table_free(struct gw_table *t);

enum gw_choice { GW_CHOSEN, GW_NO_POLICY, GW_NO_SA };

/* The outbound SA for a packet. */
enum gw_choice gw_table_select(const struct gw_table *t, const struct esp_flow *flow, struct gw_sa **sa);
/* The inbound SA of this SPI (host order), NULL: none. */
struct gw_sa *gw_table_find(const struct gw_table *t, uint32_t spi, uint8_t family);
/* Whether the policies let this packet, carried by this SA, in. */
bool gw_table_allows(const struct gw_table *t, const struct gw_sa *sa, const struct esp_flow *flow);

#endif

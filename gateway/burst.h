/* SPDX-License-Identifier: MIT */
/*
 * The unit of work: packets of one SA that go through the stages together, and the fixed pool that bounds how
 * many there are.
 *
 * A burst belongs to a reader while it is filled, to padata while it is a task, and to the pool otherwise.
 */
#ifndef GW_BURST_H
#define GW_BURST_H

#include <linux/padata.h>
#include <pthread.h>

#include "coalesce.h"
#include "config.h"
#include "esp_packet.h"
#include "segment.h"
#include "udp.h"

/* A burst that holds this much is let go: some 10 us of crypto; what the kernel hands over at once may come
 * on top. */
#define GW_BURST_FULL 65536u
#define GW_BURST_PACKETS 128u
#define GW_BURST_ENOUGH 96u /* packets */

/* What one read or receive may bring. */
#define GW_READ_MAX 65792u
#define GW_IN_ROOM (GW_BURST_FULL + GW_READ_MAX)
#define GW_OUT_ROOM (GW_IN_ROOM + GW_BURST_PACKETS * GW_SEAL_MORE)

struct gw_sa;
struct gw_table;

/* Outbound: which packet of which super packet. */
struct gw_piece {
	uint16_t super, index;
	uint8_t tclass;
	bool df;
	uint32_t out_at;
};

/* Inbound: what the parallel stage found in the decrypted packet. */
struct gw_opened {
	struct gw_inner inner;
	bool looked; /* `allowed` and `inner` are filled in */
	bool allowed;
};

struct gw_burst {
	struct padata_priv padata;
	struct gw_burst *next_free;
	struct gw_sa *sa;
	struct gw_endpoint from;      /* inbound */
	const struct gw_table *table; /* inbound: whose policies hold */
	uint32_t count, supers;
	uint32_t in_used, out_used;
	struct esp_pkt pkts[GW_BURST_PACKETS];
	union {
		struct {
			struct gw_piece piece[GW_BURST_PACKETS];
			struct gw_super super[GW_BURST_PACKETS];
		};
		struct gw_opened opened[GW_BURST_PACKETS];
	};
	uint8_t *in, *out;
};

struct gw_pool {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct gw_burst *first; /* the one used last: its memory is still in a cache */
	unsigned int total, free;
	bool waiting;
	struct gw_burst *all;
};

/* 0 or -ENOMEM. */
int gw_pool_init(struct gw_pool *pool, unsigned int bursts, void (*parallel)(struct padata_priv *),
		 void (*serial)(struct padata_priv *));
/* All bursts have been given back. */
void gw_pool_destroy(struct gw_pool *pool);
/* An empty burst. Sleeps until there is one; for one thread, the pool's reader. */
struct gw_burst *gw_pool_take(struct gw_pool *pool);
/* Any thread; never sleeps. */
void gw_pool_give(struct gw_pool *pool, struct gw_burst *burst);
unsigned int gw_pool_free(struct gw_pool *pool);

#endif

/* SPDX-License-Identifier: MIT */
/* What the parts of the data plane share. */
#ifndef GW_STATE_H
#define GW_STATE_H

#include "burst.h"
#include "events.h"
#include "peer.h"
#include "reader.h"
#include "sa.h"
#include "table.h"
#include "udp_io.h"
#include "worker.h"

/* Bursts of each direction: enough that no CPU waits for a reader to be scheduled, little enough that what
 * queues here does not delay a packet by more than a few milliseconds. */
#define GW_POOL_BURSTS 48u

/* One direction. */
struct gw_side {
	struct gw_reader reader;
	struct gw_pool pool;
	struct gw_table *table; /* the reader's */
	/* Written by the reader alone, relaxed. */
	_Atomic uint64_t calls, packets, bytes, keepalives, icmp;
	_Atomic uint64_t esp_drop[ESP_DROP_COUNT];
	_Atomic uint64_t drop[GW_DROP_COUNT];
};

/* What is left of SAs that were taken out. */
struct gw_past {
	struct esp_stats stats;
	struct gw_io io;
};

struct gw_plane {
	/* Constant after the start. */
	struct workqueue_struct *wq;
	struct gw_tun tun;
	struct gw_udp_offloads udp_offloads;
	struct gw_line lines[GW_LOCALS_MAX];
	size_t line_count;
	uint32_t keepalive;
	uint32_t dscp;

	struct gw_workers workers;
	struct gw_events events;
	struct gw_side side[2]; /* by enum gw_dir */
	_Atomic uint64_t peer_moves;

	pthread_mutex_t control; /* what follows; held by whoever changes anything, while it waits too */
	bool open, drained;
	cpumask_var_t cpus;
	struct gw_policy *policies;
	size_t policy_count;
	struct gw_sa *sas; /* newest first */
	unsigned int sas_added;
	struct gw_peer *peers;
	struct gw_past past[2];
	uint64_t keepalives_sent;
	uint64_t learn_at; /* seconds: when the paths' MTU is asked for again */
};

void *gw_outbound_run(void *plane);
void gw_outbound_parallel(struct padata_priv *padata);
void gw_outbound_serial(struct padata_priv *padata);

void *gw_inbound_run(void *plane);
void gw_inbound_parallel(struct padata_priv *padata);
void gw_inbound_serial(struct padata_priv *padata);

/* Any thread: asks the kernel about the peer's path, and tells if that has changed. */
void gw_learn_mtu(struct gw_plane *plane, struct gw_peer *peer);

void gw_stats_add(struct esp_stats *to, const struct esp_stats *s);
void gw_io_add(struct gw_io *to, const struct gw_io *io);

void gw_stats_add(struct esp_stats *to, const struct esp_stats *s);
void gw_io_add(struct gw_io *to, const struct gw_io *io);

/* Takes the SA at *at out of the list for good, or leaves it for the next tick; `control` is held. */
void gw_remove_sa(struct gw_plane *plane, struct gw_sa **at);

#endif

/* SPDX-License-Identifier: MIT */
/* An SA at work: an order of its own, that is a padata instance, and what became of its packets. */
#ifndef GW_SA_H
#define GW_SA_H

#include <linux/padata.h>
#include <pthread.h>
#include <stdatomic.h>

#include "esp_packet.h"
#include "peer.h"
#include "plane.h"

/* System calls of the serial stage. */
struct gw_io {
	uint64_t calls, packets, bytes;
	uint64_t drop[GW_DROP_COUNT];
};

struct gw_sa {
	/* Constant. */
	struct gw_plane *plane;
	enum gw_dir dir;
	struct esp_sa *esp; /* owned; esp->tx is the TUN reader's, esp->rx the serial stage's, under lock */
	struct gw_peer *peer;
	struct padata_instance *instance;
	uint64_t added;	   /* seconds */
	unsigned int turn; /* which of the CPUs runs its serial stage */

	/* The control side's. */
	struct gw_sa *next;
	bool out_of_use;	/* outbound: others have taken over; inbound: it lingers */
	uint64_t ends_at;	/* inbound, lingering: when it goes */
	bool soft_seconds_told; /* an event was sent for a limit in seconds */

	/* Its reader's. */
	int cb_cpu;
	bool met; /* it has had a packet */

	atomic_uint outstanding;	    /* bursts; relaxed: only to be looked at */
	atomic_bool hard_told;		    /* an event was sent; relaxed, who sets it sends it */
	_Atomic uint64_t first_at, last_at; /* seconds of its first and last burst, 0: none; relaxed */

	pthread_mutex_t lock; /* what the serial stage writes; held for one burst */
	struct esp_stats stats;
	struct gw_io io;
};

/* Takes `esp` over when it succeeds. NULL and errno. */
struct gw_sa *gw_sa_new(struct gw_plane *plane, enum gw_dir dir, struct esp_sa *esp, struct gw_peer *peer);
/* Waits until its tasks are done; no reader knows it any more. Wipes its keys everywhere. Sleeps. */
void gw_sa_free(struct gw_sa *sa);

/* The reader's: a packet goes to the serial stage. False: it does not, the CPUs are gone. Sleeps while the
 * mask is being changed. */
struct gw_burst;
bool gw_sa_submit(struct gw_sa *sa, struct gw_burst *b);
/* The reader's: waits for what is outstanding, then works on these CPUs. 0 or -errno. */
int gw_sa_set_cpus(struct gw_sa *sa, struct cpumask *cpus);

/* Tells of an SA's limit; a hard one is told once. */
void gw_sa_tell(struct gw_sa *sa, enum gw_event_kind kind);

#endif

/* SPDX-License-Identifier: MIT */
/* What a thread that runs callbacks has of its own. */
#ifndef GW_WORKER_H
#define GW_WORKER_H

#include <linux/workqueue.h>
#include <pthread.h>
#include <stdatomic.h>

#include "coalesce.h"
#include "esp_crypto.h"
#include "esp_sa.h"
#include "plane.h"

struct gw_worker {
	struct gw_worker *next;
	struct esp_crypto *crypto; /* freed when the thread ends */
	char name[48];		   /* of the crypto backend */
	unsigned int cpu;
	struct gw_merge merge;
	/* Written by the thread alone, relaxed: read for reports. */
	_Atomic uint64_t bursts, packets, parallel_ns, serial_ns;
};

struct gw_workers {
	enum esp_backend backend;
	pthread_key_t key;
	_Atomic(struct gw_worker *) first; /* all there ever were */
};

/* 0 or -errno. */
int gw_workers_init(struct gw_workers *w, enum esp_backend backend);
/* After the threads have ended. */
void gw_workers_destroy(struct gw_workers *w);

/* The calling thread's; NULL: no memory. */
struct gw_worker *gw_worker_self(struct gw_workers *w);
/* Has every worker wipe what its crypto context keeps for this SA. Sleeps. */
void gw_workers_forget(struct gw_workers *w, struct workqueue_struct *wq, uint64_t sa_id);

/* Nanoseconds, for differences. */
uint64_t gw_clock_ns(void);
/* Seconds of the same clock, cheaply; never 0. */
uint64_t gw_clock_s(void);

/* For counters that one thread writes and others read. */
static inline void gw_count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline uint64_t gw_counted(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void end_worker(void *arg)
{
	struct gw_worker *w = arg;

	esp_crypto_free(w->crypto);
	w->crypto = NULL;
}

int gw_workers_init(struct gw_workers *w, enum esp_backend backend)
{
	w->backend = backend;
	atomic_init(&w->first, NULL);
	return -pthread_key_create(&w->key, end_worker);
}

void gw_workers_destroy(struct gw_workers *w)
{
	pthread_key_delete(w->key);
	for (struct gw_worker *v = atomic_load_explicit(&w->first, memory_order_relaxed), *next; v;
	     v = next) {
		next = v->next;
		end_worker(v);
		free(v);
	}
}

struct gw_worker *gw_worker_self(struct gw_workers *w)
{
	struct gw_worker *v = pthread_getspecific(w->key);

	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->crypto = esp_crypto_alloc(w->backend);
	if (!v->crypto || pthread_setspecific(w->key, v)) {
		end_worker(v);
		free(v);
		return NULL;
	}
	strncpy(v->name, esp_crypto_name(v->crypto), sizeof(v->name) - 1);
	v->cpu = (unsigned int)sched_getcpu();
	v->next = atomic_load_explicit(&w->first, memory_order_relaxed);
	/* Release: whoever finds the worker in the list, by an acquire, finds it complete. */
	while (!atomic_compare_exchange_weak_explicit(&w->first, &v->next, v, memory_order_release,
						      memory_order_relaxed))
		;
	return v;
}

struct forget {
	struct work_struct work;
	struct gw_workers *workers;
	uint64_t sa_id;
};

static void forget(struct work_struct *work)
{
	struct forget *f = container_of(work, struct forget, work);
	struct gw_worker *w = pthread_getspecific(f->workers->key);

	if (w && w->crypto)
		esp_crypto_forget(w->crypto, f->sa_id);
}

void gw_workers_forget(struct gw_workers *w, struct workqueue_struct *wq, uint64_t sa_id)
{
	/* Acquire: pairs with the release in gw_worker_self(); without it `cpu` could be read before it was
	 * written. */
	for (struct gw_worker *v = atomic_load_explicit(&w->first, memory_order_acquire); v; v = v->next) {
		struct forget f = {.workers = w, .sa_id = sa_id};

		INIT_WORK(&f.work, forget);
		queue_work_on((int)v->cpu, wq, &f.work);
		flush_workqueue(wq);
	}
}

uint64_t gw_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t gw_clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec + 1;
}

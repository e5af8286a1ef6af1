/* SPDX-License-Identifier: MIT */
#include "burst.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Fresh pages, touched when they are first used: an idle gateway needs few. */
static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int gw_pool_init(struct gw_pool *pool, unsigned int bursts, void (*parallel)(struct padata_priv *),
		 void (*serial)(struct padata_priv *))
{
	*pool = (struct gw_pool){.total = bursts, .free = bursts};
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->some, NULL);
	pool->all = calloc(bursts, sizeof(*pool->all));
	if (!pool->all)
		return -ENOMEM;
	for (unsigned int i = 0; i < bursts; i++) {
		struct gw_burst *b = &pool->all[i];

		b->padata.parallel = parallel;
		b->padata.serial = serial;
		b->in = map(GW_IN_ROOM);
		b->out = map(GW_OUT_ROOM);
		if (!b->in || !b->out)
			return -ENOMEM;
		b->next_free = pool->first;
		pool->first = b;
	}
	return 0;
}

void gw_pool_destroy(struct gw_pool *pool)
{
	for (unsigned int i = 0; pool->all && i < pool->total; i++) {
		struct gw_burst *b = &pool->all[i];

		if (b->in)
			munmap(b->in, GW_IN_ROOM);
		if (b->out)
			munmap(b->out, GW_OUT_ROOM);
	}
	free(pool->all);
	pthread_cond_destroy(&pool->some);
	pthread_mutex_destroy(&pool->lock);
}

struct gw_burst *gw_pool_take(struct gw_pool *pool)
{
	struct gw_burst *b;

	pthread_mutex_lock(&pool->lock);
	while (!pool->first) {
		pool->waiting = true;
		pthread_cond_wait(&pool->some, &pool->lock);
	}
	pool->waiting = false;
	b = pool->first;
	pool->first = b->next_free;
	pool->free--;
	pthread_mutex_unlock(&pool->lock);
	b->sa = NULL;
	b->count = b->supers = 0;
	b->in_used = b->out_used = 0;
	return b;
}

void gw_pool_give(struct gw_pool *pool, struct gw_burst *b)
{
	bool wake;

	pthread_mutex_lock(&pool->lock);
	b->next_free = pool->first;
	pool->first = b;
	pool->free++;
	/* A wake-up costs as much as a burst: not before there is work for several. */
	wake = pool->waiting && pool->free >= pool->total / 4;
	if (wake)
		pool->waiting = false;
	pthread_mutex_unlock(&pool->lock);
	if (wake)
		pthread_cond_signal(&pool->some);
}

unsigned int gw_pool_free(struct gw_pool *pool)
{
	unsigned int n;

	pthread_mutex_lock(&pool->lock);
	n = pool->free;
	pthread_mutex_unlock(&pool->lock);
	return n;
}

/* SPDX-License-Identifier: MIT */
#include "sa.h"

#include <errno.h>
#include <stdlib.h>

#include "state.h"

/* One serial CPU for each SA, in turn. */
static int nth_cpu(const struct cpumask *cpus, unsigned int n)
{
	unsigned int cpu;

	n %= cpumask_weight(cpus);
	for_each_cpu(cpu, cpus)
		if (n-- == 0)
			break;
	return (int)cpu;
}

struct gw_sa *gw_sa_new(struct gw_plane *plane, enum gw_dir dir, struct esp_sa *esp, struct gw_peer *peer)
{
	struct gw_sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	sa->plane = plane;
	sa->dir = dir;
	sa->esp = esp;
	sa->peer = peer;
	sa->added = gw_clock_s();
	sa->instance = padata_alloc(plane->cpus, plane->wq);
	if (!sa->instance || padata_set_window(sa->instance, GW_POOL_BURSTS + 1)) {
		if (sa->instance)
			padata_free(sa->instance);
		free(sa);
		errno = ENOMEM;
		return NULL;
	}
	sa->turn = plane->sas_added++ + (dir == GW_IN);
	sa->cb_cpu = nth_cpu(plane->cpus, sa->turn);
	pthread_mutex_init(&sa->lock, NULL);
	padata_start(sa->instance);
	return sa;
}

void gw_sa_free(struct gw_sa *sa)
{
	struct gw_plane *p = sa->plane;

	padata_free(sa->instance);
	pthread_mutex_destroy(&sa->lock);
	if (sa->esp) {
		gw_workers_forget(&p->workers, p->wq, sa->esp->id);
		esp_sa_destroy(sa->esp);
		free(sa->esp);
	}
	free(sa);
}

/* The CPU of the serial stage was taken from the process; order holds on one CPU at a time only. */
static bool move_serial(struct gw_sa *sa)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpu_active_mask) {
		int old = sa->cb_cpu;

		if ((int)cpu == old)
			continue;
		padata_flush(sa->instance);
		sa->cb_cpu = (int)cpu;
		return true;
	}
	return false;
}

bool gw_sa_submit(struct gw_sa *sa, struct gw_burst *b)
{
	unsigned int moves = 0;
	int r;

	atomic_fetch_add_explicit(&sa->outstanding, 1, memory_order_relaxed);
	while ((r = padata_do_parallel(sa->instance, &b->padata, sa->cb_cpu)) != -EINPROGRESS) {
		if (r == -EBUSY && padata_wait_room(sa->instance) == 0)
			continue;
		if (r == -EINVAL && moves++ < nr_cpu_ids && move_serial(sa))
			continue;
		atomic_fetch_sub_explicit(&sa->outstanding, 1, memory_order_relaxed);
		return false;
	}
	return true;
}

int gw_sa_set_cpus(struct gw_sa *sa, struct cpumask *cpus)
{
	int error = padata_set_cpumask(sa->instance, cpus);

	/* Nobody else submits, so nothing is outstanding. */
	if (!error)
		sa->cb_cpu = nth_cpu(cpus, sa->turn);
	return error;
}

void gw_sa_tell(struct gw_sa *sa, enum gw_event_kind kind)
{
	struct gw_event e = {.kind = kind,
			     .dir = sa->dir,
			     .spi = sa->esp->spi,
			     .reqid = sa->esp->reqid,
			     .dst = sa->esp->dst,
			     .peer = gw_peer_at(sa->peer)};

	if (kind == GW_EVENT_HARD && atomic_exchange_explicit(&sa->hard_told, true, memory_order_relaxed))
		return;
	gw_events_put(&sa->plane->events, &e);
}

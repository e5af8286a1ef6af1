/* SPDX-License-Identifier: MIT */

/* Waiting for progress: a list of conditions, looked at by whoever makes progress while somebody waits. */

#include "instance.h"

#include <sched.h>

struct pd_await {
	pd_condition condition;
	const uint64_t *argument;
	struct pd_parker parker;
	struct pd_await *next;
};

static void look_at_awaits(struct padata_instance *pinst)
{
	pthread_mutex_lock(&pinst->room_lock);
	for (struct pd_await *await = pinst->awaits; await; await = await->next) {
		/* Under the lock the waiter cannot leave, and its memory with it. */
		if (await->condition(pinst, await->argument))
			pd_unpark(&await->parker);
	}
	pthread_mutex_unlock(&pinst->room_lock);
}

/* A producer is woken for half a window at once, or more, unless that takes longer than this. */
static const uint64_t coalesce_ns = 1000000;
/* So long have the workers to do with what is left until a producer that was woken has brought more. */
static const uint64_t backlog_ns = 100000;

/*
 * How many tasks are left when the producer is to come back: half of the window, or what is enough work.
 * Whoever shares the producer's CPU comes first, for whom to wake it takes no interrupt.
 */
static unsigned int tasks_left(const struct padata_instance *pinst, unsigned int size)
{
	const struct pd_lane *lane = pd_lane_self;
	unsigned int workers = atomic_load_explicit(&pinst->usable_count, memory_order_relaxed);
	uint64_t enough, least = size / 8 > 4 * workers ? size / 8 : 4 * workers;

	if (!lane || lane->instance != pinst)
		return size / 2;
	enough = backlog_ns * workers / (lane->task_ns + 1);
	enough = enough < least ? least : enough;
	enough = enough > size / 2 ? size / 2 : enough;
	return (unsigned int)(pd_shares_room_cpu(pinst) ? enough : enough - enough / 4);
}

/* Relaxed, all: hints; who misses a completion by them looks again by itself. */
static bool is_worth_waking(struct padata_instance *pinst, unsigned int room)
{
	unsigned int size = atomic_load_explicit(&pinst->size, memory_order_relaxed);

	return size - room <= tasks_left(pinst, size) ||
	       pd_now() - atomic_load_explicit(&pinst->room_since, memory_order_relaxed) >= coalesce_ns;
}

void pd_notify(struct padata_instance *pinst, bool with_room)
{
	/* Relaxed: ordered by the caller's barrier. */
	unsigned int awaited = atomic_load_explicit(&pinst->awaited, memory_order_relaxed);

	if (awaited & (PD_AWAIT_ROOM | PD_AWAIT_HALF)) {
		unsigned int room = pd_room(pinst);

		if (room && (with_room || awaited & PD_AWAIT_ROOM || is_worth_waking(pinst, room))) {
			pd_room_wake(pinst);
			/* It wants this very CPU. */
			if (pd_shares_room_cpu(pinst))
				sched_yield();
		}
	}
	if (awaited & PD_AWAIT_FD)
		pd_room_fd_update(pinst);
	if (awaited & PD_AWAIT_PROGRESS)
		look_at_awaits(pinst);
}

static void unlink_await(struct padata_instance *pinst, struct pd_await *await)
{
	struct pd_await **link = &pinst->awaits;

	while (*link != await)
		link = &(*link)->next;
	*link = await->next;
	if (!pinst->awaits)
		atomic_fetch_and_explicit(&pinst->awaited, ~PD_AWAIT_PROGRESS, memory_order_relaxed);
}

void pd_await(struct padata_instance *pinst, pd_condition condition, const uint64_t *argument)
{
	struct pd_await await = {.condition = condition, .argument = argument};
	bool holds;

	pthread_mutex_lock(&pinst->room_lock);
	await.next = pinst->awaits;
	pinst->awaits = &await;
	atomic_fetch_or_explicit(&pinst->awaited, PD_AWAIT_PROGRESS, memory_order_relaxed);
	pthread_mutex_unlock(&pinst->room_lock);
	/* Either who makes progress from here on sees that we wait, or we see the progress. */
	pd_barrier_heavy();
	for (;;) {
		pthread_mutex_lock(&pinst->room_lock);
		holds = condition(pinst, argument);
		if (holds)
			unlink_await(pinst, &await);
		pthread_mutex_unlock(&pinst->room_lock);
		if (holds)
			return;
		pd_park(&await.parker);
	}
}

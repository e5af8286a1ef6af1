/* SPDX-License-Identifier: MIT */

/* Two components alone: the crew, who is called when; and the guard, who is inside of what. */

#include "sched.h"

#include "crew.h"
#include "futex.h"
#include "guard.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static struct pd_crew crew;
static struct pd_parker parkers[2];
static atomic_uint notes[2]; /* to each worker, that it was called */
static atomic_uint tasks;    /* published and not begun */
static atomic_uint begun;
static unsigned int workers, wanted;

static void crew_begin(unsigned int n, unsigned int n_tasks)
{
	SCHED_CHECK(pd_crew_init(&crew, n) == 0);
	for (unsigned int cpu = 0; cpu < n; cpu++)
		pd_crew_add(&crew, cpu);
	workers = n;
	wanted = n_tasks;
}

/* As pd_lane_call() does: the note, then the worker is woken. */
static void call(unsigned int first)
{
	int cpu = pd_crew_call(&crew, first);

	if (cpu < 0)
		return;
	atomic_store_explicit(&notes[cpu], 1, memory_order_relaxed);
	pd_unpark(&parkers[cpu]);
}

static bool take_task(void)
{
	unsigned int left = atomic_load_explicit(&tasks, memory_order_relaxed);

	while (left)
		if (atomic_compare_exchange_weak_explicit(&tasks, &left, left - 1, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

static void look_again(unsigned int first)
{
	pd_barrier_heavy();
	if (atomic_load_explicit(&tasks, memory_order_relaxed))
		call(first);
}

/* One search for each call: a task is begun, and who searches next is called; then to rest. */
static void *search_when_called(void *number)
{
	unsigned int cpu = (unsigned int)(uintptr_t)number;

	for (;;) {
		bool searching = true;

		pd_park(&parkers[cpu]);
		if (atomic_load_explicit(&begun, memory_order_relaxed) == wanted)
			return NULL;
		SCHED_CHECK(atomic_exchange_explicit(&notes[cpu], 0, memory_order_relaxed) == 1);
		while (take_task()) {
			if (searching && pd_crew_work(&crew))
				look_again(cpu + 1);
			searching = false;
			atomic_fetch_add_explicit(&begun, 1, memory_order_release);
		}
		if (pd_crew_rest(&crew, cpu, searching))
			look_again(cpu);
	}
}

static void *publish_task(void *unused)
{
	(void)unused;
	atomic_fetch_add_explicit(&tasks, 1, memory_order_relaxed);
	pd_barrier_light();
	if (pd_crew_lacks_searcher(&crew))
		call(0);
	return NULL;
}

static void crew_end(pthread_t *threads)
{
	while (atomic_load_explicit(&begun, memory_order_acquire) < wanted)
		sched_yield();
	/* Whoever is still on its way to rest may be called by nobody else: it is told by its permit. */
	for (unsigned int cpu = 0; cpu < workers; cpu++)
		pd_unpark(&parkers[cpu]);
	for (unsigned int cpu = 0; cpu < workers; cpu++)
		pthread_join(threads[cpu], NULL);
	pd_crew_destroy(&crew);
}

/* Two producers who are done: no task is left to nobody. */
static void crew_of(unsigned int n)
{
	pthread_t threads[2], other;

	crew_begin(n, 2);
	for (unsigned int cpu = 0; cpu < n; cpu++)
		pthread_create(&threads[cpu], NULL, search_when_called, (void *)(uintptr_t)cpu);
	pthread_create(&other, NULL, publish_task, NULL);
	publish_task(NULL);
	pthread_join(other, NULL);
	crew_end(threads);
}

static void crew_of_one(void)
{
	crew_of(1);
}

static void crew_of_one_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	crew_of(1);
}

static void crew_of_two(void)
{
	crew_of(2);
}

/* A call that comes when the one before has just been answered: its note stays. */
static void *call_once(void *unused)
{
	int cpu;

	(void)unused;
	while ((cpu = pd_crew_call(&crew, 0)) < 0)
		sched_yield();
	atomic_store_explicit(&notes[cpu], 1, memory_order_relaxed);
	pd_unpark(&parkers[cpu]);
	return NULL;
}

static void *answer_twice(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		pd_park(&parkers[0]);
		SCHED_CHECK(atomic_exchange_explicit(&notes[0], 0, memory_order_relaxed) == 1);
		pd_crew_rest(&crew, 0, true);
	}
	return NULL;
}

static void crew_two_calls(void)
{
	pthread_t worker, other;

	crew_begin(1, 0);
	pthread_create(&worker, NULL, answer_twice, NULL);
	pthread_create(&other, NULL, call_once, NULL);
	call_once(NULL);
	pthread_join(other, NULL);
	pthread_join(worker, NULL);
	pd_crew_destroy(&crew);
}

/* The guard: who hands something over from inside may find it freed, but not before it has left. */

static int *thing;
static atomic_bool shut, handed_over;

static void *hand_over_from_inside(void *unused)
{
	(void)unused;
	pd_guard_enter(PD_IN_CALL, thing, 0);
	atomic_store_explicit(&handed_over, true, memory_order_release);
	(*thing)++;
	pd_guard_leave(PD_IN_CALL);
	return NULL;
}

static void hand_over(bool sleepers)
{
	pthread_t other;

	thing = calloc(1, sizeof(*thing));
	pthread_create(&other, NULL, hand_over_from_inside, NULL);
	while (!atomic_load_explicit(&handed_over, memory_order_acquire))
		sched_yield();
	pd_guard_wait(thing, sleepers);
	free(thing);
	pthread_join(other, NULL);
}

static void guard_hand_over(void)
{
	hand_over(true);
}

/* A change waits for calls alone, and looks at each until it has ended. */
static void guard_hand_over_to_a_change(void)
{
	hand_over(false);
}

/* Who was refused has published nothing: the barriers see to it. */
static void *call_unless_shut(void *unused)
{
	(void)unused;
	pd_guard_enter(PD_IN_CALL, thing, 0);
	if (!atomic_load_explicit(&shut, memory_order_relaxed)) {
		sched_yield(); /* others may run between the look and what it allows */
		(*thing)++;
	}
	pd_guard_leave(PD_IN_CALL);
	return NULL;
}

static void guard_refused(void)
{
	pthread_t other;

	thing = calloc(1, sizeof(*thing));
	pthread_create(&other, NULL, call_unless_shut, NULL);
	atomic_store_explicit(&shut, true, memory_order_relaxed);
	pd_barrier_heavy();
	pd_guard_wait(thing, true);
	free(thing);
	pthread_join(other, NULL);
}

static void guard_refused_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	guard_refused();
}

static int place; /* at an even address: the guard has a use for bit 0 */

/* A thread ends, and its memory with it, while others are looked at. */
static void *visit(void *unused)
{
	(void)unused;
	pd_guard_enter(PD_IN_CALL, &place, 0);
	pd_guard_leave(PD_IN_CALL);
	return NULL;
}

static void guard_thread_ends(void)
{
	pthread_t other;

	pthread_create(&other, NULL, visit, NULL);
	visit(NULL);
	pd_guard_wait(&place, true);
	pthread_join(other, NULL);
	pd_guard_wait(&place, true);
}

/* Each visit ends, but the next has begun whenever it is looked at. */
static void *visit_again_and_again(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&shut, memory_order_relaxed)) {
		pd_guard_enter(PD_IN_CALL, &place, 0);
		sched_yield();
		pd_guard_leave(PD_IN_CALL);
	}
	return NULL;
}

static void guard_many_visits(void)
{
	pthread_t other;

	pthread_create(&other, NULL, visit_again_and_again, NULL);
	pd_guard_wait(&place, false);
	atomic_store_explicit(&shut, true, memory_order_relaxed);
	pthread_join(other, NULL);
}

/* Who is seen in a later visit, which was refused, has left what the one before did. */
static void *call_twice_unless_shut(void *unused)
{
	(void)unused;
	call_unless_shut(NULL);
	call_unless_shut(NULL);
	return NULL;
}

static void guard_second_visit(void)
{
	pthread_t other;

	thing = calloc(1, sizeof(*thing));
	pthread_create(&other, NULL, call_twice_unless_shut, NULL);
	atomic_store_explicit(&shut, true, memory_order_relaxed);
	pd_barrier_heavy();
	pd_guard_wait(thing, false);
	(*thing)++;
	pthread_join(other, NULL);
	free(thing);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"crew_of_one", crew_of_one, 3, 0, false},
		{"crew_of_one_by_fences", crew_of_one_by_fences, 3, 0, false},
		{"crew_of_two", crew_of_two, 3, 0, false},
		{"crew_two_calls", crew_two_calls, 3, 0, false},
		{"guard_hand_over", guard_hand_over, 3, 2, false},
		{"guard_hand_over_to_a_change", guard_hand_over_to_a_change, 3, 2, false},
		{"guard_refused", guard_refused, 3, 2, false},
		{"guard_refused_by_fences", guard_refused_by_fences, 3, 2, false},
		{"guard_thread_ends", guard_thread_ends, 3, 1, false},
		{"guard_second_visit", guard_second_visit, 3, 1, false},
		{"guard_many_visits", guard_many_visits, 3, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

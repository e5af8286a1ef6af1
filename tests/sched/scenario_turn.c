/* SPDX-License-Identifier: MIT */

/*
 * The end of a turn at the source, against a lane that gives room and one that comes to rest. Whoever is at the source
 * begins a task that waits for the next one, so that somebody else has to pull that: a lane that both leave at rest is
 * a deadlock. Explored from where the turn, and the other lane, have come to a gate.
 */

#include "world.h"

#include "instance.h"

static struct world w;
static struct job pulled[2], other;
static struct padata_source source;
static unsigned int given;
static atomic_uint in_turn, beside, open_turn, open_beside, begun;

static void tell(atomic_uint *word)
{
	atomic_store_explicit(word, 1, memory_order_release);
	pd_futex_wake(word, 1);
}

static void await_word(atomic_uint *word)
{
	while (!atomic_load_explicit(word, memory_order_acquire))
		pd_futex_wait(word, 0, 0);
}

static unsigned int pull_one(struct padata_source *self, struct padata_priv **tasks, unsigned int max, int *cb_cpu)
{
	(void)self;
	SCHED_CHECK(max > 0);
	*cb_cpu = 1;
	if (given == 2)
		return 0;
	if (given == 0) {
		tell(&in_turn);
		await_word(&open_turn);
	}
	tasks[0] = &pulled[given++].padata;
	return 1;
}

static void wait_for_the_next(struct padata_priv *padata)
{
	await_word(&begun);
	job_parallel(padata);
}

static void begin_the_next(struct padata_priv *padata)
{
	tell(&begun);
	job_parallel(padata);
}

static void come_to_the_gate(void)
{
	tell(&beside);
	await_word(&open_beside);
}

static void gate_in_serial(struct job *job)
{
	if (job == &other)
		come_to_the_gate();
}

static void gate_in_parallel(struct padata_priv *padata)
{
	come_to_the_gate();
	job_parallel(padata);
}

static void *pull(void *unused)
{
	SCHED_CHECK(padata_pull(w.pinst, &source) == 0);
	SCHED_CHECK(source.accepted == 2);
	atomic_fetch_add_explicit(&w.accepted, 2, memory_order_relaxed);
	return unused;
}

static void begin(unsigned long cpus, unsigned int window)
{
	atomic_uint *const words[] = {&in_turn, &beside, &open_turn, &open_beside, &begun};

	world_begin(&w, cpus, window);
	sched_explore(false);
	for (int i = 0; i < 2; i++)
		job_init(&pulled[i], &w, i, 1);
	job_init(&other, &w, MAX_JOBS - 1, 1);
	other.producer = 1;
	other.deferred = true;
	source = (struct padata_source){.pull = pull_one};
	given = 0;
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		atomic_store_explicit(words[i], 0, memory_order_relaxed);
}

static void begin_with_a_turn(unsigned int window)
{
	begin(3, window);
	pulled[0].padata.parallel = wait_for_the_next;
	pulled[1].padata.parallel = begin_the_next;
}

static void end(void)
{
	world_end(&w);
	SCHED_CHECK(pulled[0].serial_calls == 1 && pulled[1].serial_calls == 1 && other.serial_calls == 1);
}

static void await_rest(void)
{
	for (unsigned int i = 0; i < CPUS; i++)
		while (!pd_inbox_idle(&w.pinst->lane_list[i]->inbox))
			sched_yield();
}

static void finish_other(void)
{
	while (!atomic_load_explicit(&w.deferred[other.number], memory_order_acquire))
		sched_yield();
	job_finish(&other);
}

/* Room comes from a lane that runs serial() alone, and the turn has taken the last that there was. */
static void room_as_a_turn_ends(void)
{
	pthread_t puller;

	begin_with_a_turn(2);
	w.on_serial = gate_in_serial;
	submit_all(&other, 1);
	await_rest();
	pthread_create(&puller, NULL, pull, NULL);
	await_word(&in_turn);
	job_finish(&other);
	await_word(&beside);
	sched_explore(true);
	tell(&open_turn);
	tell(&open_beside);
	pthread_join(puller, NULL);
	end();
}

/* A lane that has nothing else to do comes to rest. */
static void rest_as_a_turn_ends(void)
{
	pthread_t puller;

	begin_with_a_turn(4);
	other.padata.parallel = gate_in_parallel;
	submit_all(&other, 1);
	await_word(&beside);
	pthread_create(&puller, NULL, pull, NULL);
	await_word(&in_turn);
	sched_explore(true);
	tell(&open_turn);
	tell(&open_beside);
	pthread_join(puller, NULL);
	/* Whoever had to be called has been. */
	if (sched_is_search())
		sched_explore(false);
	finish_other();
	end();
}

/* The source comes into a full window while the only lane comes to rest, and room comes after that. */
static void rest_as_a_source_comes(void)
{
	pthread_t puller;

	begin(2, 1);
	other.padata.parallel = gate_in_parallel;
	submit_all(&other, 1);
	await_word(&beside);
	atomic_store_explicit(&open_turn, 1, memory_order_relaxed);
	sched_explore(true);
	tell(&open_beside);
	pthread_create(&puller, NULL, pull, NULL);
	while (!sched_waits(puller))
		sched_yield();
	finish_other();
	pthread_join(puller, NULL);
	end();
}

static void by_fences(void (*scenario)(void))
{
	pd_barrier_is_asymmetric = false;
	scenario();
}

static void room_as_a_turn_ends_by_fences(void)
{
	by_fences(room_as_a_turn_ends);
}

static void rest_as_a_turn_ends_by_fences(void)
{
	by_fences(rest_as_a_turn_ends);
}

static void rest_as_a_source_comes_by_fences(void)
{
	by_fences(rest_as_a_source_comes);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"room_as_a_turn_ends", room_as_a_turn_ends, 2, 0, false},
		{"rest_as_a_turn_ends", rest_as_a_turn_ends, 2, 0, false},
		{"rest_as_a_source_comes", rest_as_a_source_comes, 2, 0, false},
		{"room_as_a_turn_ends_by_fences", room_as_a_turn_ends_by_fences, 0, 0, false},
		{"rest_as_a_turn_ends_by_fences", rest_as_a_turn_ends_by_fences, 0, 0, false},
		{"rest_as_a_source_comes_by_fences", rest_as_a_source_comes_by_fences, 0, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

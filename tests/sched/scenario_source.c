/* SPDX-License-Identifier: MIT */

/* padata_pull(): tasks that the lanes fetch, against all that happens meanwhile. */

#include "world.h"

#include "instance.h"

#include <errno.h>

struct feed {
	struct padata_source source;
	struct job *jobs;
	int given, end;
	unsigned int piece;
	int inside;	     /* plain: pull() is called by one at a time, and sees what the last one did */
	unsigned int window; /* 0: others take room too */
	atomic_uint served;  /* tasks whose serial() was called */
	bool waits;	     /* pull() sleeps until another's task has completed */
	bool slow;	     /* on CPU 0 it sleeps until the first task's serial() is called elsewhere */
};

static struct world w;
static struct job jobs[MAX_JOBS];
static struct feed feed;
static atomic_uint pulling; /* the CPU that pull() sleeps on, and 1 */
static atomic_uint told;

static void tell(atomic_uint *word, unsigned int value)
{
	atomic_store_explicit(word, value, memory_order_release);
	pd_futex_wake(word, 1);
}

static unsigned int await_word(atomic_uint *word)
{
	unsigned int value;

	while (!(value = atomic_load_explicit(word, memory_order_acquire)))
		pd_futex_wait(word, 0, 0);
	return value;
}

static void count_served(struct job *job)
{
	atomic_fetch_add_explicit(&feed.served, 1, memory_order_relaxed);
	if (job->producer)
		tell(&told, 1);
	if (feed.slow && job->number == 0)
		tell(&pulling, 1);
}

static unsigned int feed_pull(struct padata_source *source, struct padata_priv **tasks, unsigned int max, int *cb_cpu)
{
	struct feed *f = container_of(source, struct feed, source);
	unsigned int n = 0;

	SCHED_CHECK(f->inside++ == 0);
	SCHED_CHECK(max > 0 && *cb_cpu == sched_getcpu());
	if (f->window) {
		unsigned int served = atomic_load_explicit(&f->served, memory_order_relaxed);

		SCHED_CHECK((unsigned int)f->given + max <= f->window + served);
	}
	if (f->waits) {
		tell(&pulling, 1 + (unsigned int)*cb_cpu);
		await_word(&told);
	}
	if (f->slow && f->given == 1 && *cb_cpu == 0)
		await_word(&pulling);
	while (n < max && n < f->piece && f->given < f->end) {
		tasks[n++] = &f->jobs[f->given].padata;
		*cb_cpu = f->jobs[f->given++].cb_cpu;
	}
	f->inside--;
	return n;
}

static void begin(int n, unsigned long cpus, unsigned int window, unsigned int piece)
{
	world_begin(&w, cpus, window);
	for (int i = 0; i < n; i++)
		job_init(&jobs[i], &w, i, cpus & 1 ? 0 : 1);
	feed = (struct feed){.source.pull = feed_pull, .jobs = jobs, .end = n, .piece = piece, .window = window};
	w.on_serial = count_served;
	atomic_store_explicit(&pulling, 0, memory_order_relaxed);
	atomic_store_explicit(&told, 0, memory_order_relaxed);
}

static void count_accepted(void)
{
	atomic_fetch_add_explicit(&w.accepted, (unsigned int)feed.source.accepted, memory_order_relaxed);
}

static void end(int n)
{
	world_end(&w);
	check_all(&w, jobs, n, 1);
}

static void pull_all(int n)
{
	SCHED_CHECK(padata_pull(w.pinst, &feed.source) == 0);
	SCHED_CHECK(feed.source.accepted == (unsigned long long)n);
	count_accepted();
}

static void pull_by_one(void)
{
	begin(2, 1, 2, 1);
	pull_all(2);
	end(2);
}

static void pull_by_two_lanes(void)
{
	begin(2, 3, 2, 1);
	pull_all(2);
	end(2);
}

/* The first turn gives a run, of which the other lane takes some. */
static void pull_a_run(void)
{
	begin(3, 3, 4, 3);
	pull_all(3);
	end(3);
}

/* More tasks than there is room for, so lanes rest between. */
static void narrow_window(void)
{
	int n = (int)search_or(2, 4);

	begin(n, search_or(1, 3), 1, 2);
	pull_all(n);
	end(n);
}

static void *stop_it(void *unused)
{
	(void)unused;
	padata_stop(w.pinst);
	return NULL;
}

/* Whether the stop was noticed or not: nothing hangs, nothing is lost. */
static void pull_against(void *(*other)(void *), unsigned int window)
{
	pthread_t id;
	int result;

	begin(2, 1, window, 1);
	pthread_create(&id, NULL, other, NULL);
	result = padata_pull(w.pinst, &feed.source);
	pthread_join(id, NULL);
	SCHED_CHECK(result == -ECANCELED || (result == 0 && feed.source.accepted == 2));
	count_accepted();
	world_end(&w);
	check_all(&w, jobs, (int)feed.source.accepted, 1);
}

static void pull_against_stop(void)
{
	pull_against(stop_it, 2);
}

static void *stop_and_start_it(void *unused)
{
	(void)unused;
	padata_stop(w.pinst);
	padata_start(w.pinst);
	return NULL;
}

static void pull_against_stop_and_start(void)
{
	pull_against(stop_and_start_it, 1);
}

static void *add_cpu(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_add_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void pull_against_mask_change(void)
{
	int n = (int)search_or(1, 3);
	pthread_t other;

	begin(n, 1, 2, 1);
	feed.window = search_or(0, 2); /* there is room for all in the search */
	w.mask = 3;
	pthread_create(&other, NULL, add_cpu, NULL);
	pull_all(n);
	pthread_join(other, NULL);
	sched_explore(!sched_is_search()); /* both have returned */
	end(n);
}

/* One order for what is pulled and what a thread submits; the room may go to either. */
static void *produce_one(void *unused)
{
	(void)unused;
	submit_all(&jobs[MAX_JOBS - 1], 1);
	return NULL;
}

static void pull_beside_a_producer(void)
{
	int n = (int)search_or(1, 2);
	pthread_t other;

	begin(n, search_or(1, 3), 1, 2);
	feed.window = 0;
	job_init(&jobs[MAX_JOBS - 1], &w, 0, 0);
	jobs[MAX_JOBS - 1].producer = 1;
	pthread_create(&other, NULL, produce_one, NULL);
	pull_all(n);
	pthread_join(other, NULL);
	world_end(&w);
	for (int i = 0; i < n; i++)
		SCHED_CHECK(jobs[i].serial_calls == 1);
	SCHED_CHECK(jobs[MAX_JOBS - 1].serial_calls == 1);
}

/* Room comes from a foreign thread, when every lane is at rest. */
static void *finish_first(void *unused)
{
	struct job *job;

	(void)unused;
	while (!(job = atomic_exchange_explicit(&w.deferred[0], NULL, memory_order_acquire)))
		sched_yield();
	job_finish(job);
	return NULL;
}

static void pull_of_unfinished(void)
{
	pthread_t foreign;

	begin(2, search_or(1, 3), 1, 1);
	jobs[0].deferred = true;
	pthread_create(&foreign, NULL, finish_first, NULL);
	pull_all(2);
	pthread_join(foreign, NULL);
	end(2);
}

/* pull() finishes a task, of its own CPU, and the lane does not search before it rests. */
static unsigned int pull_and_finish(struct padata_source *source, struct padata_priv **tasks, unsigned int max,
				    int *cb_cpu)
{
	(void)source, (void)tasks, (void)max, (void)cb_cpu;
	job_finish(&jobs[0]);
	return 0;
}

static void pull_that_finishes(void)
{
	begin(1, 1, 2, 1);
	sched_explore(false);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	flush_workqueue(w.wq);
	w.pinst->lane_list[0]->search_ns = 0;
	sched_explore(true);
	feed.source.pull = pull_and_finish;
	pull_all(0);
	end(1);
}

/* The source comes when another's task has all the room, which it gives when the lanes are at rest. */
static void pull_into_a_full_window(void)
{
	struct job *other = &jobs[MAX_JOBS - 1];
	pthread_t foreign;

	begin(1, search_or(1, 3), 1, 1);
	feed.window = 0;
	job_init(other, &w, 0, search_or(1, 3) & 1 ? 0 : 1);
	other->producer = 1;
	other->deferred = true;
	submit_all(other, 1);
	pthread_create(&foreign, NULL, finish_first, NULL);
	pull_all(1);
	pthread_join(foreign, NULL);
	world_end(&w);
	SCHED_CHECK(jobs[0].serial_calls == 1 && other->serial_calls == 1);
}

/* E6: while pull() sleeps its CPU does nothing else, and the other one all the rest. */
static void *produce_elsewhere(void *unused)
{
	struct job *job = &jobs[MAX_JOBS - 1];
	int cpu = await_word(&pulling) == 1 ? 1 : 0;
	struct cpumask there;

	(void)unused;
	mask_of(&there, 1UL << cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(there), (const cpu_set_t *)(const void *)&there);
	job_init(job, &w, 0, cpu);
	job->producer = 1;
	submit_all(job, 1);
	return NULL;
}

static void pull_that_sleeps(void)
{
	pthread_t other;

	begin(0, 3, 2, 1);
	feed.window = 0;
	feed.waits = true;
	pthread_create(&other, NULL, produce_elsewhere, NULL);
	pull_all(0);
	pthread_join(other, NULL);
	world_end(&w);
	SCHED_CHECK(jobs[MAX_JOBS - 1].serial_calls == 1);
}

/* A callback that sleeps holds its own CPU alone: the other one gives room, and pulls what comes next. */
static void parallel_waits(struct padata_priv *padata)
{
	if (sched_getcpu() == 0 || feed.end == 2)
		await_word(&told);
	job_parallel(padata);
}

static void parallel_tells(struct padata_priv *padata)
{
	tell(&told, 1);
	job_parallel(padata);
}

static void pull_while_another_sleeps(void)
{
	begin(2, 3, 2, 1);
	jobs[0].padata.parallel = parallel_waits;
	jobs[1].padata.parallel = parallel_tells;
	pull_all(2);
	end(2);
}

/* The same, where the room comes from the lane that is at rest: it runs serial() alone. */
static void room_while_another_pulls(void)
{
	pthread_t foreign;

	begin(3, 3, 2, 1);
	feed.slow = true;
	for (int i = 0; i < 3; i++)
		jobs[i].cb_cpu = 1;
	jobs[0].deferred = true;
	jobs[1].padata.parallel = parallel_waits;
	jobs[2].padata.parallel = parallel_tells;
	pthread_create(&foreign, NULL, finish_first, NULL);
	pull_all(3);
	pthread_join(foreign, NULL);
	end(3);
}

/* The next source comes as soon as the last one has gone. */
static void two_in_a_row(void)
{
	begin(2, 1, 2, 1);
	feed.end = 1;
	pull_all(1);
	feed.end = 2;
	pull_all(1);
	end(2);
}

static void *pull_too(void *result)
{
	struct feed none = {.source.pull = feed_pull, .jobs = jobs, .piece = 1};

	*(int *)result = padata_pull(w.pinst, &none.source);
	return NULL;
}

static void two_at_once(void)
{
	pthread_t other;
	int result;

	begin(1, 1, 2, 1);
	pthread_create(&other, NULL, pull_too, &result);
	while (padata_pull(w.pinst, &feed.source) == -EBUSY)
		sched_yield();
	count_accepted();
	pthread_join(other, NULL);
	SCHED_CHECK(result == 0 || result == -EBUSY);
	SCHED_CHECK(feed.source.accepted == 1);
	end(1);
}

static void *pull_one(void *unused)
{
	pull_all(1);
	return unused;
}

/* The descriptor is made while a lane takes the last room: then it does not show any. */
static void last_room_against_room_fd(void)
{
	struct job *job;
	pthread_t puller;
	int fd;

	begin(1, 1, 1, 1);
	jobs[0].deferred = true;
	pthread_create(&puller, NULL, pull_one, NULL);
	fd = padata_room_fd(w.pinst);
	while (!(job = atomic_exchange_explicit(&w.deferred[0], NULL, memory_order_acquire)))
		sched_yield();
	SCHED_CHECK(!readable(fd));
	job_finish(job);
	pthread_join(puller, NULL);
	end(1);
}

/* Where the kernel has no membarrier(2), both sides pass a fence. */
static void pull_of_unfinished_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	pull_of_unfinished();
}

static void last_room_against_room_fd_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	last_room_against_room_fd();
}

static void pull_into_a_full_window_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	pull_into_a_full_window();
}

static void pull_while_another_sleeps_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	pull_while_another_sleeps();
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"pull_by_one", pull_by_one, 2, 0, false},
		{"pull_by_two_lanes", pull_by_two_lanes, 2, 0, false},
		{"pull_a_run", pull_a_run, 2, 0, false},
		{"narrow_window", narrow_window, 2, 0, false},
		{"pull_against_stop", pull_against_stop, 2, 0, false},
		{"pull_against_stop_and_start", pull_against_stop_and_start, 2, 0, false},
		{"pull_against_mask_change", pull_against_mask_change, 2, 0, false},
		{"pull_beside_a_producer", pull_beside_a_producer, 2, 0, false},
		{"pull_that_finishes", pull_that_finishes, 2, 0, false},
		{"pull_of_unfinished", pull_of_unfinished, 2, 0, false},
		{"pull_into_a_full_window", pull_into_a_full_window, 2, 0, false},
		{"pull_that_sleeps", pull_that_sleeps, 2, 0, false},
		{"pull_while_another_sleeps", pull_while_another_sleeps, 2, 0, false},
		{"room_while_another_pulls", room_while_another_pulls, 2, 0, false},
		{"pull_of_unfinished_by_fences", pull_of_unfinished_by_fences, 0, 0, false},
		{"last_room_against_room_fd", last_room_against_room_fd, 2, 0, false},
		{"last_room_against_room_fd_by_fences", last_room_against_room_fd_by_fences, 0, 0, false},
		{"pull_into_a_full_window_by_fences", pull_into_a_full_window_by_fences, 0, 0, false},
		{"pull_while_another_sleeps_by_fences", pull_while_another_sleeps_by_fences, 0, 0, false},
		{"two_in_a_row", two_in_a_row, 2, 0, false},
		{"two_at_once", two_at_once, 2, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

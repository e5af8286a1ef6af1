/* SPDX-License-Identifier: MIT */

/* The way of a task: submission, parallel(), completion by whoever, delivery in order, room for the next. */

#include "jobs.h"

#include "futex.h"
#include "instance.h"

/* A task is submitted while the one before it is on its way out. */
static void submit_against_drain(void)
{
	begin(2, 3, 2);
	submit_all(jobs, 2);
	end(2, 1);
}

/* One worker: sleep against wake. */
static void sleep_against_wake(void)
{
	begin(2, 1, 2);
	submit_all(jobs, 2);
	end(2, 1);
}

/* All for one cb_cpu: two lanes finish tasks of which one may have to hand the token over. */
static void drain_hand_over(void)
{
	begin(3, 3, 4);
	all_on(0);
	submit_all(jobs, 3);
	end(3, 1);
}

/* More tasks than slots. */
static void wrap_around(void)
{
	int n = (int)search_or(5, 6);

	begin(n, search_or(1, 3), 2);
	submit_all(jobs, n);
	end(n, 1);
}

static void *produce_third(void *unused)
{
	(void)unused;
	submit_all(&jobs[2], 1);
	return NULL;
}

static void two_producers(void)
{
	pthread_t other;

	begin(3, search_or(1, 3), 2);
	jobs[2].producer = 1;
	jobs[2].number = 0;
	pthread_create(&other, NULL, produce_third, NULL);
	submit_all(jobs, 2);
	pthread_join(other, NULL);
	end(3, 1);
}

/* A thread of nobody's, which finishes what parallel() left, in whatever order it comes. */
static void *finish_deferred(void *count)
{
	for (uintptr_t left = (uintptr_t)count; left;) {
		for (int i = 0; i < MAX_JOBS; i++) {
			struct job *job = atomic_exchange_explicit(&w.deferred[i], NULL, memory_order_acquire);

			if (!job)
				continue;
			job_finish(job);
			left--;
		}
		sched_yield();
	}
	return NULL;
}

static void asynchronous_completion(void)
{
	pthread_t foreign;

	begin(2, 1, 2);
	jobs[0].deferred = true;
	pthread_create(&foreign, NULL, finish_deferred, (void *)1);
	submit_all(jobs, 2);
	pthread_join(foreign, NULL);
	end(2, 1);
}

static void asynchronous_completion_of_both(void)
{
	pthread_t foreign;

	begin(2, search_or(1, 3), 2);
	jobs[0].deferred = jobs[1].deferred = true;
	pthread_create(&foreign, NULL, finish_deferred, (void *)2);
	submit_all(jobs, 2);
	pthread_join(foreign, NULL);
	end(2, 1);
}

static void resubmission_from_serial(void)
{
	int n = (int)search_or(1, 2);

	begin(n, search_or(1, 3), 4);
	for (int i = 0; i < n; i++)
		jobs[i].again = 1;
	submit_all(jobs, n);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	end(n, 2);
}

/* The task is allocated, and freed by its serial(). */
static void free_it(struct job *job)
{
	free(job);
}

static void tasks_freed_in_serial(void)
{
	begin(0, 3, 2);
	w.on_serial = free_it;
	for (int i = 0; i < 2; i++) {
		struct job *job = malloc(sizeof(*job));

		job_init(job, &w, i, i & 1);
		submit_all(job, 1);
	}
	world_end(&w);
	SCHED_CHECK(w.completed[0] == 1 && w.completed[1] == 1);
}

/* A window of one: each submission against the completion that makes room for it. */
static void window_full_against_room(void)
{
	begin(3, 1, 1);
	submit_all(jobs, 3);
	end(3, 1);
}

static void wait_room(void)
{
	begin(3, 1, 1);
	for (int i = 0; i < 3; i++)
		while (job_submit(&jobs[i]) == -EBUSY)
			SCHED_CHECK(padata_wait_room(w.pinst) == 0);
	end(3, 1);
}

static void wait_room_two_workers(void)
{
	int n = (int)search_or(2, 4);

	begin(n, 3, (unsigned int)n / 2);
	for (int i = 0; i < n; i++)
		while (job_submit(&jobs[i]) == -EBUSY)
			SCHED_CHECK(padata_wait_room(w.pinst) == 0);
	end(n, 1);
}

static void flush(void)
{
	int n = (int)search_or(1, 2);

	begin(n, 3, 2);
	submit_all(jobs, n);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	/* Without another word: what serial() wrote is here. */
	check_all(&w, jobs, n, 1);
	end(n, 1);
}

/* The lane may be through with the task before who delivered it has said so. */
static void flush_against_foreign_completion(void)
{
	pthread_t foreign;

	begin(1, 3, 2);
	jobs[0].deferred = true;
	jobs[0].cb_cpu = 1;
	pthread_create(&foreign, NULL, finish_deferred, (void *)1);
	submit_all(jobs, 1);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	pthread_join(foreign, NULL);
	end(1, 1);
}

/* The flush ends by the task behind it, which the lane has come to. */
static void *finish_with_one_more(void *unused)
{
	struct job *first;

	while (!(first = atomic_exchange_explicit(&w.deferred[0], NULL, memory_order_acquire)))
		sched_yield();
	submit_all(&jobs[1], 1);
	while (!atomic_load_explicit(&w.deferred[1], memory_order_acquire))
		sched_yield();
	job_finish(&jobs[1]);
	job_finish(first);
	return unused;
}

static void flush_against_the_next(void)
{
	pthread_t foreign;

	begin(2, 1, 2);
	jobs[0].deferred = jobs[1].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&foreign, NULL, finish_with_one_more, NULL);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	SCHED_CHECK(jobs[0].serial_calls == 1);
	pthread_join(foreign, NULL);
	end(2, 1);
}

/* Where the kernel has no membarrier(2), both sides pass a fence. */
static void sleep_against_wake_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	sleep_against_wake();
}

static void drain_hand_over_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	drain_hand_over();
}

static void wait_room_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	wait_room();
}

static void flush_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	flush_against_foreign_completion();
}

static void two_instances_on_one_queue(void)
{
	static struct world other;
	static struct job job;

	begin(1, 1, 2);
	sched_explore(false);
	other = (struct world){.wq = w.wq, .pinst = instance_on(w.wq, 1, 2), .mask = 1};
	padata_start(other.pinst);
	job_init(&job, &other, 0, 0);
	sched_explore(true);
	submit_all(jobs, 1);
	submit_all(&job, 1);
	padata_free(other.pinst);
	end(1, 1);
	check_all(&other, &job, 1, 1);
}

/* All of them, a batch at a time: what there was no room for comes later. */
static void submit_batch(struct job *first, int n, int cb_cpu)
{
	struct padata_priv *tasks[MAX_JOBS];

	for (int i = 0; i < n; i++) {
		first[i].cb_cpu = cb_cpu;
		tasks[i] = &first[i].padata;
	}
	for (int done = 0; done < n;) {
		int result = padata_do_parallel_batch(w.pinst, tasks + done, (unsigned int)(n - done), cb_cpu);

		SCHED_CHECK(result == -EBUSY || (result > 0 && result <= n - done));
		if (result > 0) {
			done += result;
			atomic_fetch_add_explicit(&w.accepted, (unsigned int)result, memory_order_relaxed);
		} else {
			sched_yield();
		}
	}
}

static void batch(void)
{
	begin(3, 3, 2);
	submit_batch(jobs, 3, 0);
	end(3, 1);
}

/* Another producer's task comes before, behind, or not at all between the two. */
static void batch_against_producer(void)
{
	pthread_t other;
	int cpu = (int)search_or(0, 1);

	begin(3, search_or(1, 3), 3);
	jobs[2].producer = 1;
	jobs[2].number = 0;
	jobs[2].cb_cpu = cpu;
	pthread_create(&other, NULL, produce_third, NULL);
	submit_batch(jobs, 2, cpu);
	pthread_join(other, NULL);
	end(3, 1);
}

/* Batches of two against a window of one: each splits. */
static void batch_in_window_of_one(void)
{
	begin(4, 1, 1);
	submit_batch(jobs, 2, 0);
	submit_batch(&jobs[2], 2, 0);
	end(4, 1);
}

/* What comes behind a flush has reached the serial stage before the flush looks: it is not waited for. */
static void dawdle(struct job *job)
{
	for (int i = 0; i < 3 && job->number == 1; i++)
		sched_yield();
}

static void *submit_second(void *unused)
{
	(void)unused;
	submit_all(&jobs[1], 1);
	return NULL;
}

static void flush_against_serial(void)
{
	pthread_t other;

	begin(2, search_or(1, 3), 2);
	all_on(0);
	/* So short that both may be one run. */
	w.pinst->lane_list[0]->task_ns = 1000;
	w.on_serial = dawdle;
	jobs[1].producer = 1;
	pthread_create(&other, NULL, submit_second, NULL);
	submit_all(jobs, 1);
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	SCHED_CHECK(jobs[0].serial_calls == 1);
	pthread_join(other, NULL);
	world_end(&w);
}

/* ... as a task that was finished late has both delivered at once, with the flush asleep until then. */
static void *flush_the_first(void *unused)
{
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	SCHED_CHECK(jobs[0].serial_calls == 1);
	return unused;
}

static void flush_against_two_delivered(void)
{
	pthread_t flusher;

	begin(2, 1, 2);
	sched_explore(false);
	for (int i = 0; i < 2; i++) {
		jobs[i].deferred = true;
		submit_all(&jobs[i], 1);
		while (!atomic_load_explicit(&w.deferred[i], memory_order_acquire))
			sched_yield();
		if (i == 0)
			pthread_create(&flusher, NULL, flush_the_first, NULL);
		while (!sched_waits(flusher))
			sched_yield();
	}
	job_finish(&jobs[1]);
	flush_workqueue(w.wq);
	sched_explore(true);
	job_finish(&jobs[0]);
	pthread_join(flusher, NULL);
	end(2, 1);
}

/* A flush is told of the last task that it waits for now: its worker may come to no rest before the flush has
 * ended. */
static struct pd_parker flushed;
static atomic_bool flush_ended;

static void wait_for_the_flush(struct padata_priv *padata)
{
	pd_park(&flushed);
	job_parallel(padata);
}

static void *flush_and_say_so(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_flush(w.pinst) == 0);
	atomic_store_explicit(&flush_ended, true, memory_order_relaxed);
	pd_unpark(&flushed);
	return NULL;
}

static void flush_against_parallel(void)
{
	pthread_t flusher;

	begin(2, 1, 2);
	jobs[1].padata.parallel = wait_for_the_flush;
	submit_all(jobs, 1);
	pthread_create(&flusher, NULL, flush_and_say_so, NULL);
	/* What is submitted before the flush begins it would wait for. */
	while (!(atomic_load_explicit(&w.pinst->awaited, memory_order_relaxed) & PD_AWAIT_PROGRESS) &&
	       !atomic_load_explicit(&flush_ended, memory_order_relaxed))
		sched_yield();
	submit_all(&jobs[1], 1);
	pthread_join(flusher, NULL);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

static void flush_against_parallel_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	flush_against_parallel();
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"submit_against_drain", submit_against_drain, 2, 0, false},
		{"sleep_against_wake", sleep_against_wake, 2, 1, false},
		{"drain_hand_over", drain_hand_over, 2, 0, false},
		{"wrap_around", wrap_around, 2, 0, false},
		{"two_producers", two_producers, 2, 0, false},
		{"asynchronous_completion", asynchronous_completion, 2, 0, false},
		{"asynchronous_completion_of_both", asynchronous_completion_of_both, 2, 0, false},
		{"resubmission_from_serial", resubmission_from_serial, 2, 0, false},
		{"tasks_freed_in_serial", tasks_freed_in_serial, 2, 0, false},
		{"window_full_against_room", window_full_against_room, 2, 0, false},
		{"wait_room", wait_room, 2, 0, false},
		{"wait_room_two_workers", wait_room_two_workers, 2, 0, true},
		{"batch", batch, 2, 0, false},
		{"batch_against_producer", batch_against_producer, 2, 0, false},
		{"batch_in_window_of_one", batch_in_window_of_one, 2, 0, false},
		{"flush", flush, 2, 0, false},
		{"flush_against_foreign_completion", flush_against_foreign_completion, 2, 0, false},
		{"flush_against_the_next", flush_against_the_next, 2, 0, false},
		{"flush_against_serial", flush_against_serial, 2, 0, false},
		{"flush_against_two_delivered", flush_against_two_delivered, 2, 1, false},
		{"flush_against_parallel", flush_against_parallel, 2, 0, false},
		{"sleep_against_wake_by_fences", sleep_against_wake_by_fences, 0, 0, false},
		{"drain_hand_over_by_fences", drain_hand_over_by_fences, 0, 0, false},
		{"wait_room_by_fences", wait_room_by_fences, 0, 0, false},
		{"flush_by_fences", flush_by_fences, 0, 0, false},
		{"flush_against_parallel_by_fences", flush_against_parallel_by_fences, 0, 0, false},
		{"two_instances_on_one_queue", two_instances_on_one_queue, 2, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

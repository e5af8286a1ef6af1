/* SPDX-License-Identifier: MIT */

#include "ring.h"
#include "sched.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { MAX_TASKS = 4 };

static struct ring *ring;
static unsigned int n_tasks, n_delivered;

static void deliver(struct task *task)
{
	SCHED_CHECK(task->seq == n_delivered);
	SCHED_CHECK(task->output == task->input + 1);
	n_delivered++;
	free(task);
}

/* Worker w has every second task. */
static void *work(void *argument)
{
	struct ring *r = ring;
	unsigned int worker = (unsigned int)(uintptr_t)argument;
	unsigned int left = (n_tasks + 1 - worker) / 2;

	while (left) {
		struct task *task = ring_take(r, worker);

		while (task) {
			struct task *next = task->next;

			task->output = task->input + 1;
			ring_done(r, task);
			left--;
			task = next;
		}
	}
	return NULL;
}

static void run(unsigned int tasks)
{
	pthread_t workers[RING_WORKERS];

	ring = ring_alloc(deliver);
	n_tasks = tasks;
	for (uintptr_t i = 0; i < RING_WORKERS; i++)
		pthread_create(&workers[i], NULL, work, (void *)i);
	for (unsigned int seq = 0; seq < tasks; seq++) {
		struct task *task = malloc(sizeof(*task));

		task->seq = seq;
		task->input = (int)seq * 10;
		while (seq - atomic_load_explicit(&ring->delivered, memory_order_acquire) >= RING_SLOTS)
			sched_yield();
		ring_submit(ring, task, seq % RING_WORKERS);
	}
	ring_put(ring);
	for (int i = 0; i < RING_WORKERS; i++)
		pthread_join(workers[i], NULL);
	SCHED_CHECK(n_delivered == tasks);
}

static void two_tasks(void)
{
	run(2);
}

static void four_tasks_wrap(void)
{
	run(4);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"ring_two_tasks", two_tasks, 2, 1, false},
		{"ring_four_tasks_wrap", four_tasks_wrap, 2, 0, false},
	};

	return sched_main(argc, argv, table, 2);
}

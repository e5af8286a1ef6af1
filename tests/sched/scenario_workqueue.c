/* SPDX-License-Identifier: MIT */

/* The workqueue alone. */

#include "sched.h"

#include <linux/cpumask.h>
#include <linux/workqueue.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Work items: queued from two threads, flushed, and the queue destroyed behind them. */

static struct workqueue_struct *wq;
static struct counted {
	struct work_struct work;
	int runs;
} counted[2];

static void count_run(struct work_struct *work)
{
	container_of(work, struct counted, work)->runs++;
}

static void *queue_second(void *unused)
{
	(void)unused;
	SCHED_CHECK(queue_work_on(0, wq, &counted[1].work));
	return NULL;
}

static void workqueue(void)
{
	pthread_t other;

	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	for (int i = 0; i < 2; i++)
		INIT_WORK(&counted[i].work, count_run);
	pthread_create(&other, NULL, queue_second, NULL);
	SCHED_CHECK(queue_work_on(0, wq, &counted[0].work));
	flush_workqueue(wq);
	SCHED_CHECK(counted[0].runs == 1);
	pthread_join(other, NULL);
	destroy_workqueue(wq);
	SCHED_CHECK(counted[1].runs == 1);
}

static void workqueue_on_a_new_cpu(void)
{
	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	INIT_WORK(&counted[0].work, count_run);
	SCHED_CHECK(queue_work_on(1, wq, &counted[0].work));
	destroy_workqueue(wq);
	SCHED_CHECK(counted[0].runs == 1);
}

/* Two threads are the first to ask for a CPU's worker, and a flush comes in between. */
static void *queue_second_on_cpu_1(void *unused)
{
	(void)unused;
	SCHED_CHECK(queue_work_on(1, wq, &counted[1].work));
	return NULL;
}

static void workqueue_two_on_a_new_cpu(void)
{
	pthread_t other;

	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	for (int i = 0; i < 2; i++)
		INIT_WORK(&counted[i].work, count_run);
	pthread_create(&other, NULL, queue_second_on_cpu_1, NULL);
	SCHED_CHECK(queue_work_on(1, wq, &counted[0].work));
	pthread_join(other, NULL);
	destroy_workqueue(wq);
	SCHED_CHECK(counted[0].runs == 1 && counted[1].runs == 1);
}

static void workqueue_flush_against_a_new_cpu(void)
{
	pthread_t other;

	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	INIT_WORK(&counted[1].work, count_run);
	pthread_create(&other, NULL, queue_second_on_cpu_1, NULL);
	flush_workqueue(wq);
	pthread_join(other, NULL);
	destroy_workqueue(wq);
	SCHED_CHECK(counted[1].runs == 1);
}

/* One item from two threads: it is queued, or it was already, and then its run is still to come. */
static void *queue_first_again(void *queued)
{
	*(bool *)queued = queue_work_on(0, wq, &counted[0].work);
	return NULL;
}

static void workqueue_queued_twice(void)
{
	pthread_t other;
	bool first, second;

	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	INIT_WORK(&counted[0].work, count_run);
	pthread_create(&other, NULL, queue_first_again, &second);
	queue_first_again(&first);
	pthread_join(other, NULL);
	destroy_workqueue(wq);
	SCHED_CHECK(counted[0].runs == first + second && counted[0].runs > 0);
}

/* An item queues another on a CPU that was flushed before; its own memory is gone when it has run. */
static struct counted *chained;

static void queue_next(struct work_struct *work)
{
	free(work);
	SCHED_CHECK(queue_work_on(0, wq, &counted[0].work));
}

static void workqueue_chain(void)
{
	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	chained = malloc(sizeof(*chained));
	INIT_WORK(&counted[0].work, count_run);
	INIT_WORK(&chained->work, queue_next);
	SCHED_CHECK(queue_work_on(1, wq, &chained->work));
	destroy_workqueue(wq);
	SCHED_CHECK(counted[0].runs == 1);
}

/* ... and that another, to and fro: more of them than there are rounds, or workers left to end. */
static struct counted links[6];
static int n_links;

static void queue_link(struct work_struct *work)
{
	struct counted *link = container_of(work, struct counted, work);
	int next = (int)(link - links) + 1;

	link->runs++;
	if (next < n_links)
		SCHED_CHECK(queue_work_on(!(next & 1), wq, &links[next].work));
}

static void workqueue_long_chain(void)
{
	nr_cpu_ids = 2;
	wq = create_workqueue("s");
	n_links = sched_is_search() ? 2 : 6;
	for (int i = 0; i < n_links; i++)
		INIT_WORK(&links[i].work, queue_link);
	SCHED_CHECK(queue_work_on(1, wq, &links[0].work));
	destroy_workqueue(wq);
	for (int i = 0; i < n_links; i++)
		SCHED_CHECK(links[i].runs == 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"workqueue", workqueue, 3, 0, false},
		{"workqueue_on_a_new_cpu", workqueue_on_a_new_cpu, 3, 0, false},
		{"workqueue_two_on_a_new_cpu", workqueue_two_on_a_new_cpu, 3, 0, false},
		{"workqueue_flush_against_a_new_cpu", workqueue_flush_against_a_new_cpu, 3, 0, false},
		{"workqueue_queued_twice", workqueue_queued_twice, 3, 0, false},
		{"workqueue_chain", workqueue_chain, 3, 0, false},
		{"workqueue_long_chain", workqueue_long_chain, 3, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

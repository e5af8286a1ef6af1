/* SPDX-License-Identifier: MIT */

/*
 * What does an item cost through padata, and does that stay so with more
 * instances, more producers, other windows, masks and choices of cb_cpu?
 *
 * A lane is what one producer sends through one instance to one cb_cpu: the
 * order that the contract promises to a serial stage. Each lane has its own
 * items and its own check.
 */

#include "job.h"
#include "ours.h"

#include <linux/padata.h>

#include <pthread.h>
#include <stdio.h>

struct task {
	struct padata_priv padata;
	struct job_item item;
} __attribute__((__aligned__(64)));

struct lane {
	struct task *tasks;
	unsigned long next_task;
	unsigned int given;
	/* The serial stage's own, away from what the producer writes. */
	struct job_order order __attribute__((__aligned__(64)));
} __attribute__((__aligned__(64)));

struct producer {
	pthread_t thread;
	unsigned long first, items;
	unsigned long refused; /* submissions that found no room */
	struct lane *lanes;    /* instances times CPUs */
} __attribute__((__aligned__(64)));

static struct cb_choice cb = {.mode = "0"};
static unsigned long instances = 1, producers = 1, batch = 1, pull;
static const char *cpus = "0-1";
static unsigned long lane_tasks;
static struct padata_instance **instance;
static struct lane *lanes;

static void parallel(struct padata_priv *padata)
{
	struct job_item *item = &container_of(padata, struct task, padata)->item;
	item->value = job_work(item->value, job.loops);
	padata_do_serial(padata);
}

static void serial(struct padata_priv *padata)
{
	struct job_item *item = &container_of(padata, struct task, padata)->item;
	job_take(&lanes[item->order].order, item);
}

static void wait_for_room(struct producer *self, struct padata_instance *to, int refusal)
{
	if (refusal != -EBUSY)
		job_fail("padata_do_parallel", refusal);
	self->refused++;
	int error = padata_wait_room(to);
	if (error)
		job_fail("padata_wait_room", error);
}

static void submit(struct producer *self, struct padata_instance *to, struct padata_priv *padata, int cb_cpu)
{
	int result;
	while ((result = padata_do_parallel(to, padata, cb_cpu)) != -EINPROGRESS)
		wait_for_room(self, to, result);
}

static struct padata_priv *next_task(struct lane *lane, unsigned long value)
{
	struct task *task = &lane->tasks[lane->next_task];
	if (++lane->next_task == lane_tasks)
		lane->next_task = 0;
	task->item.number = lane->given++;
	task->item.value = value;
	return &task->padata;
}

static void *produce(void *argument)
{
	struct producer *self = argument;
	unsigned long to = 0;
	for (unsigned long i = self->first; i < self->first + self->items; i++) {
		unsigned int at = cb_choose(&cb, i);
		submit(self, instance[to], next_task(&self->lanes[to * cb.cpus + at], i), cb.cpu[at]);
		if (++to == instances)
			to = 0;
	}
	return NULL;
}

/* A pull has one cb_cpu: the choice alternates after so many items. */
enum { PULLED_TO_ONE = 96 };

static void *produce_batches(void *argument)
{
	struct producer *self = argument;
	struct padata_priv **tasks = job_memory(batch * sizeof(struct padata_priv *));
	unsigned long i = self->first, end = self->first + self->items;
	while (i < end) {
		unsigned int n = 0, accepted = 0;
		while (n < batch && i < end)
			tasks[n++] = next_task(self->lanes, i++);
		while (accepted < n) {
			int result = padata_do_parallel_batch(instance[0], tasks + accepted, n - accepted, cb.cpu[0]);
			if (result > 0)
				accepted += (unsigned int)result;
			else
				wait_for_room(self, instance[0], result);
		}
	}
	return NULL;
}

/* No producer: the workers fetch the items themselves. */
struct items {
	struct padata_source source;
	unsigned long next;
};

static unsigned int pull_items(struct padata_source *source, struct padata_priv **tasks, unsigned int max, int *cb_cpu)
{
	struct items *items = container_of(source, struct items, source);
	unsigned long left = job.items - items->next;
	unsigned int n = max < left ? max : (unsigned int)left;
	unsigned int at = cb_choose(&cb, items->next / PULLED_TO_ONE);

	for (unsigned int i = 0; i < n; i++)
		tasks[i] = next_task(&lanes[at], items->next++);
	*cb_cpu = cb.cpu[at];
	return n;
}

static void *let_pull(void *unused)
{
	static struct items items = {.source.pull = pull_items};
	int error = padata_pull(instance[0], &items.source);

	if (error || items.source.accepted != job.items)
		job_fail("padata_pull", error);
	return unused;
}

static void open_instances(struct workqueue_struct *wq, const struct cpumask *mask)
{
	instance = job_memory(instances * sizeof(*instance));
	for (unsigned long i = 0; i < instances; i++) {
		instance[i] = padata_alloc(mask, wq);
		if (!instance[i])
			job_fail("padata_alloc", errno);
		int error = padata_set_window(instance[i], (unsigned int)job.window);
		if (error)
			job_fail("padata_set_window", error);
		padata_start(instance[i]);
	}
}

static void open_lanes(void)
{
	unsigned long count = producers * instances * cb.cpus;
	/* More than may be outstanding: those that are given next are always the producer's. */
	lane_tasks = job.window + batch + (pull ? PULLED_TO_ONE : 0);
	lanes = job_memory(count * sizeof(*lanes));
	for (unsigned long l = 0; l < count; l++) {
		lanes[l].tasks = job_memory(lane_tasks * sizeof(struct task));
		for (unsigned long t = 0; t < lane_tasks; t++) {
			lanes[l].tasks[t].padata.parallel = parallel;
			lanes[l].tasks[t].padata.serial = serial;
			lanes[l].tasks[t].item.order = (unsigned int)l;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct job_option options[] = {
		{"cb", NULL, &cb.mode, "CPU of the serial stage: a number, alternate, local or away"},
		{"instances", &instances, NULL, "instances, which the producers take in turn"},
		{"producers", &producers, NULL, "threads that submit"},
		{"batch", &batch, NULL, "tasks submitted at once (one instance, one cb_cpu)"},
		{"pull", &pull, NULL, "1: the workers pull the items (one instance, no producer)"},
		{"cpus", NULL, &cpus, "the mask, as a list"},
		{NULL, NULL, NULL, NULL},
	};
	cpumask_var_t mask;

	job_options(argc, argv, options);
	if (!alloc_cpumask_var(&mask, GFP_KERNEL) || cpulist_parse(cpus, mask))
		job_fail("--cpus", 0);
	if (!instances || !producers || !batch)
		job_fail("nothing to do", 0);
	cb_prepare(&cb, mask);
	if (batch > 1 && (instances > 1 || cb.cpus > 1))
		job_fail("--batch needs one instance and one cb_cpu", (long)batch);
	if (pull && (instances > 1 || producers > 1 || batch > 1))
		job_fail("--pull needs one instance and nobody who submits", (long)pull);
	struct workqueue_struct *wq = create_workqueue("bench");
	if (!wq)
		job_fail("create_workqueue", errno);
	open_instances(wq, mask);
	open_lanes();

	struct producer *producer = job_memory(producers * sizeof(*producer));
	for (unsigned long p = 0; p < producers; p++) {
		producer[p].first = job.items * p / producers;
		producer[p].items = job.items * (p + 1) / producers - producer[p].first;
		producer[p].lanes = &lanes[p * instances * cb.cpus];
	}

	void *(*run)(void *) = pull ? let_pull : batch > 1 ? produce_batches : produce;
	job_begin();
	for (unsigned long p = 1; p < producers; p++)
		if (pthread_create(&producer[p].thread, NULL, run, &producer[p]))
			job_fail("no thread", (long)p);
	run(&producer[0]);
	for (unsigned long p = 1; p < producers; p++)
		pthread_join(producer[p].thread, NULL);
	for (unsigned long i = 0; i < instances; i++)
		padata_flush(instance[i]);
	job_end();

	unsigned long sum = 0, done = 0, refused = 0;
	for (unsigned long l = 0; l < producers * instances * cb.cpus; l++) {
		sum += lanes[l].order.sum;
		done += lanes[l].order.next;
	}
	if (done != job.items)
		job_fail("items are missing", (long)(job.items - done));
	for (unsigned long p = 0; p < producers; p++)
		refused += producer[p].refused;
	for (unsigned long i = 0; i < instances; i++)
		padata_free(instance[i]);
	destroy_workqueue(wq);
	free_cpumask_var(mask);
	job_report("padata", sum, ", \"cb\": \"%s\", \"cpus\": \"%s\", \"instances\": %lu, \"producers\": %lu, "
		   "\"batch\": %lu, \"pull\": %lu, \"refused\": %lu", cb.mode, cpus, instances, producers, batch, pull,
		   refused);
	return 0;
}

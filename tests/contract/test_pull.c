/* SPDX-License-Identifier: MIT */

/* padata_pull(): what the workers fetch themselves is submitted as if it came from a thread. */

#include "contract.h"

#include <stdlib.h>

enum { TASKS = 20000 };

/* Gives tasks in order, at most `piece` at once, until it has given `end` of them. */
struct feed {
	struct padata_source source;
	struct task *tasks;
	int given, end;
	unsigned int piece;
	int cb_cpu; /* -1: as it comes */
	int window; /* 0: others take room too */
	atomic_int inside, most, on;
	void (*at_end)(struct feed *feed);
	sem_t begun, hold;
};

static struct rig rig;

static unsigned int feed_pull(struct padata_source *source, struct padata_priv **tasks, unsigned int max, int *cb_cpu)
{
	struct feed *feed = container_of(source, struct feed, source);
	unsigned int n = 0;

	CHECK_EQ(atomic_fetch_add(&feed->inside, 1), 0);
	CHECK(max > 0);
	CHECK_EQ(*cb_cpu, sched_getcpu());
	atomic_store(&feed->on, *cb_cpu);
	if (feed->window)
		CHECK(feed->given + (int)max <= feed->window + recorded()); /* S4 */
	if (feed->cb_cpu >= 0)
		*cb_cpu = feed->cb_cpu;
	if ((int)max > atomic_load(&feed->most))
		atomic_store(&feed->most, (int)max);
	if (feed->given == feed->end && feed->at_end)
		feed->at_end(feed);
	for (; n < max && n < feed->piece && feed->given < feed->end; feed->given++) {
		feed->tasks[feed->given].cb_cpu = *cb_cpu;
		tasks[n++] = &feed->tasks[feed->given].p;
	}
	atomic_fetch_sub(&feed->inside, 1);
	return n;
}

static void feed_init(struct feed *feed, struct task *tasks, int n)
{
	memset(feed, 0, sizeof(*feed));
	feed->source.pull = feed_pull;
	feed->tasks = tasks;
	feed->end = n;
	feed->piece = 1000;
	feed->cb_cpu = usable_cpu(0);
	sem_init(&feed->begun, 0, 0);
	sem_init(&feed->hold, 0, 0);
}

static void check_recorded(int n)
{
	CHECK_EQ(recorded(), n);
	for (int i = 0; i < n; i++)
		CHECK_EQ(atomic_load(&record.ids[i]), i);
}

static void all_of_it(unsigned int window, unsigned int piece, int n)
{
	struct task *tasks = tasks_make(n, parallel_finish, serial_note);
	struct feed feed;

	rig = rig_make(window);
	record_clear();
	feed_init(&feed, tasks, n);
	feed.piece = piece;
	feed.window = (int)padata_get_window(rig.inst);
	CHECK_EQ(padata_pull(rig.inst, &feed.source), 0);
	CHECK_EQ(feed.source.accepted, (unsigned int)n);
	CHECK_EQ(padata_flush(rig.inst), 0);
	check_recorded(n);
	for (int i = 0; i < n; i++) {
		CHECK_EQ(atomic_load(&tasks[i].parallels), 1);
		CHECK_EQ(atomic_load(&tasks[i].serials), 1);
	}
	CHECK(atomic_load(&feed.most) <= (int)padata_get_window(rig.inst));
	rig_end(rig);
	free(tasks);
}

static void in_order(void)
{
	all_of_it(0, 1000, TASKS);
	all_of_it(0, 1, TASKS / 10);
	all_of_it(64, 7, TASKS);
	all_of_it(2, 2, TASKS / 10);
	all_of_it(1, 1, TASKS / 10);
	all_of_it(0, 1, 0);
}

/* Each to the CPU that pulled it: in order on that CPU, and E1. */
static void to_whoever_pulls(void)
{
	struct task *tasks = tasks_make(TASKS, parallel_finish, serial_note);
	struct feed feed;

	rig = rig_make(0);
	record_clear();
	feed_init(&feed, tasks, TASKS);
	feed.cb_cpu = -1;
	CHECK_EQ(padata_pull(rig.inst, &feed.source), 0);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), TASKS);
	for (int i = 0; i < TASKS; i++)
		CHECK_EQ(atomic_load(&tasks[i].serial_cpu), tasks[i].cb_cpu);
	rig_end(rig);
	free(tasks);
}

static void is_refused(void)
{
	struct padata_source none = {.pull = NULL};
	struct feed feed;

	rig = rig_make(0);
	feed_init(&feed, NULL, 0);
	CHECK_EQ(padata_pull(NULL, &feed.source), -EINVAL);
	CHECK_EQ(padata_pull(rig.inst, NULL), -EINVAL);
	CHECK_EQ(padata_pull(rig.inst, &none), -EINVAL);
	padata_stop(rig.inst);
	CHECK_EQ(padata_pull(rig.inst, &feed.source), -ECANCELED);
	CHECK_EQ(feed.source.accepted, 0);
	padata_start(rig.inst);
	CHECK_EQ(padata_pull(rig.inst, &feed.source), 0);
	rig_end(rig);
}

static int from_callback;

static void serial_pulls(struct padata_priv *padata)
{
	struct feed feed;

	feed_init(&feed, NULL, 0);
	from_callback = padata_pull(rig.inst, &feed.source);
	note_serial(TASK(padata));
}

static void not_in_a_callback(void)
{
	struct task t;

	rig = rig_make(0);
	record_clear();
	task_init(&t, 0, parallel_finish, serial_pulls);
	accept_task(rig.inst, &t, usable_cpu(0));
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(from_callback, -EDEADLK);
	rig_end(rig);
}

/* A task that is refused ends the source; those before it complete, and it stays the caller's. */
static void a_bad_task_ends_it(void)
{
	struct task tasks[5];
	struct feed feed;

	for (int bad = 0; bad < 2; bad++) {
		rig = rig_make(0);
		record_clear();
		for (int i = 0; i < 5; i++)
			task_init(&tasks[i], i, parallel_finish, serial_note);
		feed_init(&feed, tasks, 5);
		feed.piece = 1;
		if (bad)
			tasks[3].p.serial = NULL;
		else
			feed.cb_cpu = (int)nr_cpu_ids;
		CHECK_EQ(padata_pull(rig.inst, &feed.source), -EINVAL);
		CHECK_EQ(feed.source.accepted, bad ? 3 : 0);
		CHECK_EQ(padata_flush(rig.inst), 0);
		check_recorded(bad ? 3 : 0);
		CHECK_EQ(atomic_load(&tasks[3].parallels), 0);
		/* The place is free again. */
		feed_init(&feed, &tasks[4], 1);
		CHECK_EQ(padata_pull(rig.inst, &feed.source), 0);
		rig_end(rig);
	}
}

static unsigned int pull_too_many(struct padata_source *source, struct padata_priv **tasks, unsigned int max,
				  int *cb_cpu)
{
	(void)source, (void)tasks, (void)cb_cpu;
	return max + 1;
}

static void too_many_end_it(void)
{
	struct padata_source source = {.pull = pull_too_many};

	rig = rig_make(0);
	CHECK_EQ(padata_pull(rig.inst, &source), -EINVAL);
	CHECK_EQ(source.accepted, 0);
	rig_end(rig);
}

static void wait_at_end(struct feed *feed)
{
	sem_post(&feed->begun);
	wait_for(&feed->hold);
}

static int pulled;

static void *pull_thread(void *feed)
{
	pulled = padata_pull(rig.inst, &((struct feed *)feed)->source);
	return NULL;
}

/* A thread in padata_pull() whose source has given n tasks and is asleep, until feed->hold is posted. */
static pthread_t pull_and_hold(struct feed *feed, struct task *tasks, int n)
{
	pthread_t id;

	feed_init(feed, tasks, n);
	feed->at_end = wait_at_end;
	id = thread(pull_thread, feed);
	wait_for(&feed->begun);
	return id;
}

/* It goes on, and its source ends. */
static void let_end(struct feed *feed, pthread_t id)
{
	sem_post(&feed->hold);
	join(id);
	CHECK_EQ(pulled, 0);
}

/* S4: a second source has to wait; tasks of others go on, in one order with the source's. */
static void one_at_a_time(void)
{
	struct task tasks[3], other;
	struct feed feed, second;
	pthread_t id;

	rig = rig_make(0);
	record_clear();
	for (int i = 0; i < 3; i++)
		task_init(&tasks[i], i, parallel_finish, serial_note);
	task_init(&other, 3, parallel_finish, serial_note);
	feed_init(&second, NULL, 0);
	id = pull_and_hold(&feed, tasks, 3);
	CHECK_EQ(padata_pull(rig.inst, &second.source), -EBUSY);
	accept_task(rig.inst, &other, usable_cpu(0));
	let_end(&feed, id);
	CHECK_EQ(padata_flush(rig.inst), 0);
	check_recorded(4);
	rig_end(rig);
}

/* From the task's own CPU, so that nobody sees how busy the other one is. */
static void *accept_there(void *task)
{
	struct cpumask there;
	int cpu = ((struct task *)task)->cb_cpu;

	cpumask_copy(&there, cpumask_of(cpu));
	CHECK_EQ(pthread_setaffinity_np(pthread_self(), sizeof(there), (const cpu_set_t *)(const void *)&there), 0);
	accept_task(rig.inst, task, cpu);
	return NULL;
}

/* E6: while pull() sleeps its CPU does nothing else, and the others do all the rest. */
static void one_that_sleeps(void)
{
	struct task others[20];

	if (usable_cpus() < 2)
		SKIP("one CPU");
	for (int i = 0; i < 20; i++) {
		struct task *other = &others[i];
		struct feed feed;
		pthread_t id;

		rig = rig_make(0);
		record_clear();
		task_init(other, i, parallel_finish, serial_note);
		id = pull_and_hold(&feed, NULL, 0);
		other->cb_cpu = usable_cpu(atomic_load(&feed.on) == usable_cpu(0));
		join(thread(accept_there, other));
		EVENTUALLY(atomic_load(&other->serials) == 1);
		let_end(&feed, id);
		rig_end(rig);
	}
}

/* M1: without a CPU it waits, as nothing can run, and goes on when there is one. */
static void without_a_cpu(void)
{
	struct task *tasks = tasks_make(100, parallel_finish, serial_note);
	struct cpumask none;
	struct feed feed;
	pthread_t id;

	rig = rig_make(0);
	record_clear();
	cpumask_clear(&none);
	CHECK_EQ(padata_set_cpumask(rig.inst, &none), 0);
	feed_init(&feed, tasks, 100);
	id = thread(pull_thread, &feed);
	usleep(1000);
	CHECK_EQ(feed.given, 0);
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
	join(id);
	CHECK_EQ(pulled, 0);
	CHECK_EQ(padata_flush(rig.inst), 0);
	check_recorded(100);
	CHECK_EQ(padata_set_cpumask(rig.inst, &none), 0);
	id = thread(pull_thread, &feed);
	padata_stop(rig.inst);
	join(id);
	CHECK_EQ(pulled, -ECANCELED);
	rig_end(rig);
	free(tasks);
}

static void child_pulls(void)
{
	struct feed feed;

	feed_init(&feed, NULL, 0);
	CHECK_EQ(padata_pull(rig.inst, &feed.source), -ENODEV);
	padata_free(rig.inst);
}

/* L6: the child of a fork has no source, and the parent's goes on. */
static void forked_meanwhile(void)
{
	struct task task;
	struct feed feed;
	char text[512];
	pthread_t id;

	rig = rig_make(0);
	record_clear();
	task_init(&task, 0, parallel_finish, serial_note);
	id = pull_and_hold(&feed, &task, 1);
	CHECK_EQ(in_child(child_pulls, text, sizeof(text)), 0);
	let_end(&feed, id);
	CHECK_EQ(padata_flush(rig.inst), 0);
	check_recorded(1);
	rig_end(rig);
}

/* A thread that is cancelled in it stays until it is over, and the instance is as good as before. */
static void cancelled_meanwhile(void)
{
	struct task task;
	struct feed feed;
	pthread_t id;

	rig = rig_make(0);
	record_clear();
	task_init(&task, 0, parallel_finish, serial_note);
	pulled = 1;
	id = pull_and_hold(&feed, &task, 1);
	CHECK_EQ(pthread_cancel(id), 0);
	let_end(&feed, id);
	feed_init(&feed, NULL, 0);
	CHECK_EQ(padata_pull(rig.inst, &feed.source), 0);
	rig_end(rig);
}

/* L3, M1: stopped it ends; while the masks change it goes on. */
static void stopped_and_changed(void)
{
	struct task *tasks = tasks_make(RECORD_MAX, parallel_finish, serial_note);
	struct feed feed;
	pthread_t id;
	int accepted;

	rig = rig_make(0);
	record_clear();
	feed_init(&feed, tasks, RECORD_MAX);
	feed.piece = 3;
	id = thread(pull_thread, &feed);
	for (int i = 0; i < 20 && usable_cpus() > 1; i++) {
		CHECK_EQ(padata_remove_cpu(rig.inst, usable_cpu(1)), 0);
		CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(1)), 0);
	}
	EVENTUALLY(recorded() > 100);
	padata_stop(rig.inst);
	join(id);
	CHECK(pulled == -ECANCELED || (pulled == 0 && feed.source.accepted == RECORD_MAX));
	accepted = (int)feed.source.accepted;
	CHECK_EQ(padata_flush(rig.inst), 0);
	check_recorded(accepted);
	/* What was given and not accepted is the caller's: it can be given again. */
	padata_start(rig.inst);
	feed.given = accepted;
	CHECK_EQ(padata_pull(rig.inst, &feed.source), 0);
	CHECK_EQ(feed.source.accepted, (unsigned long long)(RECORD_MAX - accepted));
	CHECK_EQ(padata_flush(rig.inst), 0);
	check_recorded(RECORD_MAX);
	rig_end(rig);
	free(tasks);
}

/* L4: the end of the instance ends it too. */
static void freed_meanwhile(void)
{
	struct task tasks[3];
	struct feed feed;
	pthread_t id;

	rig = rig_make(2);
	record_clear();
	for (int i = 0; i < 3; i++)
		task_init(&tasks[i], i, i < 2 ? parallel_leave : parallel_finish, serial_note);
	feed_init(&feed, tasks, 3);
	feed.piece = 1;
	id = thread(pull_thread, &feed);
	EVENTUALLY(atomic_load(&tasks[0].parallels) && atomic_load(&tasks[1].parallels));
	padata_stop(rig.inst);
	padata_do_serial(&tasks[1].p);
	padata_do_serial(&tasks[0].p);
	rig_end(rig);
	join(id);
	CHECK_EQ(pulled, -ECANCELED);
	CHECK_EQ(feed.source.accepted, 2);
	check_recorded(2);
}

static const struct test_case cases[] = {
	{"E2, S1 a source is pulled in order, whatever the window", in_order},
	{"E1 tasks may stay with whoever pulls", to_whoever_pulls},
	{"S2 a source is refused, and says why", is_refused},
	{"not in a callback", not_in_a_callback},
	{"S2 a bad task ends the source", a_bad_task_ends_it},
	{"too many tasks end the source", too_many_end_it},
	{"S4 one source at a time, beside a producer", one_at_a_time},
	{"E6 a pull() that sleeps holds its own CPU alone", one_that_sleeps},
	{"M1 without a CPU it waits for one", without_a_cpu},
	{"L6 forked meanwhile", forked_meanwhile},
	{"cancelled meanwhile", cancelled_meanwhile},
	{"L3, M1 stopped, and while the masks change", stopped_and_changed},
	{"L4 freed meanwhile", freed_meanwhile},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* Changing the CPUs (M1 to M4). */

#include "contract.h"

static struct rig rig;
static int cpu_a, cpu_b;

static void rig_on_two(unsigned int window)
{
	cpu_a = usable_cpu(0);
	cpu_b = usable_cpu(1);
	rig = rig_make(window);
}

#define NEEDS_TWO_CPUS()       \
	if (usable_cpus() < 2) \
	SKIP("one CPU")

static int set_mask(const struct cpumask *mask)
{
	struct cpumask copy;
	cpumask_copy(&copy, mask);
	int result = padata_set_cpumask(rig.inst, &copy);
	memset(&copy, 0, sizeof(copy)); /* the instance has its own */
	return result;
}

/* Whether the instance has the CPU: a task for it is accepted. */
static int has_cpu(int cpu)
{
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	int result = padata_do_parallel(rig.inst, &t.p, cpu);
	CHECK(result == -EINVAL || result == -EINPROGRESS);
	CHECK_EQ(padata_flush(rig.inst), 0);
	if (result == -EINPROGRESS)
		CHECK_EQ(atomic_load(&t.serial_cpu), cpu);
	record_clear();
	return result == -EINPROGRESS;
}

static void return_values(void)
{
	rig_on_two(0);
	static const int outside[] = {-1, INT32_MIN, INT32_MAX, PADATA_NR_CPUS};
	for (size_t i = 0; i < COUNT(outside); i++) {
		CHECK_EQ(padata_add_cpu(rig.inst, outside[i]), -EINVAL);
		CHECK_EQ(padata_remove_cpu(rig.inst, outside[i]), -EINVAL);
	}
	CHECK_EQ(padata_add_cpu(rig.inst, (int)nr_cpu_ids), -EINVAL);
	CHECK_EQ(padata_remove_cpu(rig.inst, (int)nr_cpu_ids), -EINVAL);
	CHECK_EQ(padata_set_cpumask(rig.inst, NULL), -EINVAL);
	CHECK_EQ(padata_set_cpumask(NULL, NULL), -EINVAL);
	CHECK_EQ(padata_add_cpu(NULL, cpu_a), -EINVAL);
	CHECK_EQ(padata_remove_cpu(NULL, cpu_a), -EINVAL);
	CHECK(has_cpu(cpu_a));
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_a), 0); /* there already */
	CHECK(has_cpu(cpu_a));
	CHECK_EQ(padata_remove_cpu(rig.inst, cpu_a), 0);
	CHECK(!has_cpu(cpu_a));
	CHECK_EQ(padata_remove_cpu(rig.inst, cpu_a), 0); /* gone already */
	CHECK(!has_cpu(cpu_a));
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_a), 0);
	CHECK(has_cpu(cpu_a));
	rig_end(rig);
}

static void empty_and_full_masks(void)
{
	rig_on_two(0);
	struct cpumask none, all;
	cpumask_clear(&none);
	memset(&all, 0xff, sizeof(all));
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(set_mask(&none), 0);
		CHECK(!has_cpu(cpu_a));
		CHECK_EQ(set_mask(&all), 0);
		for (int c = 0; c < usable_cpus(); c++)
			CHECK(has_cpu(usable_cpu((unsigned int)c)));
	}
	for (int c = 0; c < usable_cpus(); c++)
		CHECK_EQ(padata_remove_cpu(rig.inst, usable_cpu((unsigned int)c)), 0);
	CHECK(!has_cpu(cpu_a));
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_a), 0);
	CHECK(has_cpu(cpu_a));
	rig_end(rig);
}

static void while_stopped(void)
{
	NEEDS_TWO_CPUS();
	rig_on_two(0);
	padata_stop(rig.inst);
	CHECK_EQ(set_mask(cpumask_of(cpu_a)), 0);
	padata_start(rig.inst);
	CHECK(has_cpu(cpu_a));
	CHECK(!has_cpu(cpu_b));
	padata_stop(rig.inst);
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_b), 0);
	CHECK_EQ(padata_remove_cpu(rig.inst, cpu_a), 0);
	padata_start(rig.inst);
	CHECK(!has_cpu(cpu_a));
	CHECK(has_cpu(cpu_b));
	rig_end(rig);
}

static void mask_calls_fail(void)
{
	struct cpumask mask;
	cpumask_clear(&mask);
	CHECK_EQ(padata_set_cpumask(rig.inst, &mask), -EDEADLK);
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_a), -EDEADLK);
	CHECK_EQ(padata_remove_cpu(rig.inst, cpu_a), -EDEADLK);
}

static void parallel_changes(struct padata_priv *padata)
{
	mask_calls_fail();
	padata_do_serial(padata);
}

static void serial_changes(struct padata_priv *padata)
{
	mask_calls_fail();
	note_serial(TASK(padata));
}

static void in_callbacks(void)
{
	rig_on_two(0);
	struct task t;
	task_init(&t, 0, parallel_changes, serial_changes);
	for (int i = 0; i < 50; i++) {
		accept_task(rig.inst, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	CHECK_EQ(atomic_load(&t.serials), 50);
	CHECK(has_cpu(cpu_a));
	rig_end(rig);
}

static void serial_changes_the_rig(struct padata_priv *padata)
{
	CHECK_EQ(padata_remove_cpu(rig.inst, cpu_a), 0);
	CHECK_EQ(padata_add_cpu(rig.inst, cpu_a), 0);
	CHECK_EQ(padata_flush(rig.inst), 0);
	note_serial(TASK(padata));
}

static void in_callbacks_of_another_instance(void)
{
	rig_on_two(0);
	struct padata_instance *other = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(other);
	padata_start(other);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_changes_the_rig);
	for (int i = 0; i < 20; i++) {
		accept_task(other, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(other), 0);
	}
	padata_free(other);
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.serials), 20);
}

static atomic_int change_result;
enum { PENDING = 1 };

static void *remove_b(void *unused)
{
	(void)unused;
	atomic_store(&change_result, padata_remove_cpu(rig.inst, cpu_b));
	return NULL;
}

/* Submits until the answer is -EBUSY, which says that the change has begun. Tasks are leaked to the record. */
static int submit_until_busy(struct task *t, int max)
{
	for (int i = 0; i < max; i++) {
		int result = padata_do_parallel(rig.inst, &t[i].p, cpu_a);
		if (result == -EBUSY)
			return i;
		CHECK_EQ(result, -EINPROGRESS);
		usleep(20);
	}
	CHECK(!"no -EBUSY");
	return 0;
}

static void a_change_is_atomic(void)
{
	NEEDS_TWO_CPUS();
	enum { OLD = 50, MAX = 100000, NEW = 50 };
	rig_on_two(MAX + 2 * OLD);
	record_clear();
	struct task *old = tasks_make(OLD, parallel_leave, serial_note);
	struct task *more = tasks_make(MAX, parallel_finish, serial_note);
	struct task *fresh = tasks_make(NEW, parallel_finish, serial_note);
	/* Some are still waiting for their parallel() when the change begins, some have had it. */
	for (int i = 0; i < OLD / 2; i++)
		accept_task(rig.inst, &old[i], cpu_b);
	for (int i = 0; i < OLD / 2; i++)
		EVENTUALLY(atomic_load(&old[i].parallels) == 1);
	struct holder h[2];
	hold_cpu(&h[0], rig.wq, cpu_a);
	hold_cpu(&h[1], rig.wq, cpu_b);
	for (int i = OLD / 2; i < OLD; i++)
		accept_task(rig.inst, &old[i], cpu_b);
	atomic_store(&change_result, PENDING);
	pthread_t id = thread(remove_b, NULL);
	int accepted = submit_until_busy(more, MAX);
	release_cpu(&h[0]);
	release_cpu(&h[1]);
	for (int i = OLD - 1; i > 0; i--) {
		EVENTUALLY(atomic_load(&old[i].parallels) == 1);
		padata_do_serial(&old[i].p);
	}
	settle(rig.wq, cpu_a);
	struct task refused;
	task_init(&refused, 0, parallel_finish, serial_note);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(padata_do_parallel(rig.inst, &refused.p, cpu_a), -EBUSY);
		CHECK_EQ(padata_do_parallel(rig.inst, &refused.p, cpu_b), -EBUSY);
	}
	CHECK_EQ(atomic_load(&change_result), PENDING);
	padata_do_serial(&old[0].p);
	join(id);
	CHECK_EQ(atomic_load(&change_result), 0);
	CHECK_EQ(recorded(), OLD + accepted);
	for (int i = 0; i < OLD; i++) {
		CHECK_EQ(atomic_load(&old[i].serials), 1);
		CHECK_EQ(atomic_load(&old[i].serial_cpu), cpu_b);
	}
	CHECK_EQ(padata_do_parallel(rig.inst, &refused.p, cpu_b), -EINVAL);
	for (int i = 0; i < NEW; i++)
		accept_task(rig.inst, &fresh[i], cpu_a);
	CHECK_EQ(padata_flush(rig.inst), 0);
	for (int i = 0; i < NEW; i++) {
		CHECK_EQ(atomic_load(&fresh[i].parallel_cpu), cpu_a);
		CHECK_EQ(record.ids[OLD + accepted + i], i);
	}
	rig_end(rig);
	free(old);
	free(more);
	free(fresh);
}

static atomic_int waiter, waiter_result;

static void *wait_room(void *unused)
{
	(void)unused;
	atomic_store(&waiter, gettid());
	atomic_store(&waiter_result, padata_wait_room(rig.inst));
	return NULL;
}

/* There are places enough; what keeps a submission from succeeding is the change. */
static void waiting_for_room_during_a_change(void)
{
	NEEDS_TWO_CPUS();
	rig_on_two(100000);
	struct task first, *more = tasks_make(99999, parallel_finish, serial_note);
	task_init(&first, 0, parallel_leave, serial_note);
	accept_task(rig.inst, &first, cpu_b);
	EVENTUALLY(atomic_load(&first.parallels) == 1);
	pthread_t id = thread(remove_b, NULL);
	submit_until_busy(more, 99999);
	atomic_store(&waiter, 0);
	atomic_store(&waiter_result, PENDING);
	pthread_t w = thread(wait_room, NULL);
	until_asleep(&waiter);
	usleep(50000); /* past its one look by itself: from then on it has to be woken */
	until_asleep(&waiter);
	CHECK_EQ(atomic_load(&waiter_result), PENDING);
	padata_do_serial(&first.p);
	join(w);
	join(id);
	CHECK_EQ(atomic_load(&waiter_result), 0);
	rig_end(rig);
	free(more);
}

/* The one who changes is the one who submits: each batch knows its mask. */
static void batches_keep_their_masks(void)
{
	NEEDS_TWO_CPUS();
	enum { BATCHES = 300, BATCH = 20 };
	rig_on_two(0);
	record_clear();
	struct cpumask masks[3];
	cpumask_copy(&masks[0], cpumask_of(cpu_a));
	cpumask_copy(&masks[1], cpumask_of(cpu_b));
	cpumask_or(&masks[2], &masks[0], &masks[1]);
	struct task *t = tasks_make(BATCHES * BATCH, parallel_finish, serial_note);
	for (int i = 0; i < BATCHES * BATCH; i++) {
		int which = i / BATCH % 3;
		if (i % BATCH == 0)
			CHECK_EQ(set_mask(&masks[which]), 0);
		accept_task(rig.inst, &t[i], which == 1 ? cpu_b : cpu_a);
	}
	rig_end(rig);
	for (int i = 0; i < BATCHES * BATCH; i++) {
		CHECK_EQ(record.ids[i], i);
		CHECK(cpumask_test_cpu(atomic_load(&t[i].parallel_cpu), &masks[i / BATCH % 3]));
		CHECK_EQ(atomic_load(&t[i].serial_cpu), t[i].cb_cpu);
	}
	free(t);
}

/* M3 under load: once the call has returned, CPU B is out of bounds. */
static atomic_int banned, inside_b, enough;

static void enter(void)
{
	if (sched_getcpu() == cpu_b) {
		atomic_fetch_add(&inside_b, 1);
		CHECK(!atomic_load(&banned));
	}
}

static void leave(void)
{
	if (sched_getcpu() == cpu_b) {
		CHECK(!atomic_load(&banned));
		atomic_fetch_sub(&inside_b, 1);
	}
}

static void parallel_watched(struct padata_priv *padata)
{
	enter();
	for (atomic_int i = 0; i < 100; i++)
		;
	leave();
	padata_do_serial(padata);
}

static void serial_watched(struct padata_priv *padata)
{
	enter();
	atomic_fetch_add(&TASK(padata)->serials, 1);
	leave();
}

static void *load(void *argument)
{
	struct task *t = argument;
	while (!atomic_load(&enough)) {
		int accepted = 0;
		for (int i = 0; i < 40; i++) {
			int result = padata_do_parallel(rig.inst, &t[i].p, i % 3 ? cpu_a : cpu_b);
			CHECK(result == -EINPROGRESS || result == -EINVAL || result == -EBUSY || result == 0);
			accepted += result == -EINPROGRESS;
		}
		CHECK_EQ(padata_flush(rig.inst), 0);
		atomic_fetch_add(&t[0].parallels, accepted);
	}
	return NULL;
}

static void a_cpu_taken_out_is_left(void)
{
	NEEDS_TWO_CPUS();
	rig_on_two(64);
	atomic_store(&enough, 0);
	atomic_store(&banned, 0);
	atomic_store(&inside_b, 0);
	struct task *t = tasks_make(3 * 40, parallel_watched, serial_watched);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		threads[i] = thread(load, t + i * 40);
	for (int i = 0; i < 1500; i++) {
		CHECK_EQ(padata_remove_cpu(rig.inst, cpu_b), 0);
		CHECK_EQ(atomic_load(&inside_b), 0);
		atomic_store(&banned, 1);
		if (i % 4 == 0)
			settle(rig.wq, cpu_b);
		atomic_store(&banned, 0);
		CHECK_EQ(padata_add_cpu(rig.inst, cpu_b), 0);
	}
	atomic_store(&enough, 1);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	int accepted = 0, done = 0;
	rig_end(rig);
	for (int i = 0; i < 3 * 40; i++) {
		accepted += atomic_load(&t[i].parallels);
		done += atomic_load(&t[i].serials);
	}
	CHECK_EQ(done, accepted);
	CHECK(done > 0);
	free(t);
}

static const struct test_case cases[] = {
	{"M1 0 and -EINVAL", return_values},
	{"M1 empty masks, and masks with every bit", empty_and_full_masks},
	{"M1 while stopped", while_stopped},
	{"M1 -EDEADLK in a callback of the instance", in_callbacks},
	{"M1 a callback of another instance may change the mask", in_callbacks_of_another_instance},
	{"M2 M3 old tasks on the old mask, -EBUSY meanwhile, new tasks on the new mask, one order",
	 a_change_is_atomic},
	{"M3 S4 padata_wait_room waits for the end of a change", waiting_for_room_during_a_change},
	{"M2 each batch runs on the mask that it was submitted under", batches_keep_their_masks},
	{"M3 no callback on a CPU that was taken out, under load", a_cpu_taken_out_is_left},
};

TEST_MAIN(cases)

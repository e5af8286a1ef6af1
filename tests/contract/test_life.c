/* SPDX-License-Identifier: MIT */
/* Life of an instance: alloc, start, stop, free (L1 to L4). */

#include "contract.h"

CHILD_MAY_START_THREADS

static void alloc_copies_the_mask(void)
{
	struct workqueue_struct *wq = create_workqueue("life");
	struct cpumask mask;
	cpumask_copy(&mask, cpu_active_mask);
	struct padata_instance *inst = padata_alloc(&mask, wq);
	CHECK(inst);
	memset(&mask, 0, sizeof(mask));
	padata_start(inst);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(inst, &t, usable_cpu(0));
	padata_free(inst);
	CHECK_EQ(atomic_load(&t.serials), 1);
	destroy_workqueue(wq);
}

static void alloc_copies_absence_too(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	struct workqueue_struct *wq = create_workqueue("life");
	struct cpumask mask;
	cpumask_clear(&mask);
	cpumask_set_cpu((unsigned int)usable_cpu(0), &mask);
	struct padata_instance *inst = padata_alloc(&mask, wq);
	CHECK(inst);
	cpumask_set_cpu((unsigned int)usable_cpu(1), &mask);
	padata_start(inst);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	CHECK_EQ(padata_do_parallel(inst, &t.p, usable_cpu(1)), -EINVAL);
	padata_free(inst);
	destroy_workqueue(wq);
}

static void alloc_refuses_null(void)
{
	struct workqueue_struct *wq = create_workqueue("life");
	errno = 0;
	CHECK(!padata_alloc(NULL, wq));
	CHECK_EQ(errno, EINVAL);
	errno = 0;
	CHECK(!padata_alloc(cpu_active_mask, NULL));
	CHECK_EQ(errno, EINVAL);
	destroy_workqueue(wq);
}

static void empty_mask(void)
{
	struct workqueue_struct *wq = create_workqueue("life");
	struct cpumask mask;
	cpumask_clear(&mask);
	struct padata_instance *inst = padata_alloc(&mask, wq);
	CHECK(inst);
	padata_start(inst);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	CHECK_EQ(padata_do_parallel(inst, &t.p, usable_cpu(0)), -EINVAL);
	CHECK_EQ(padata_add_cpu(inst, usable_cpu(0)), 0);
	accept_task(inst, &t, usable_cpu(0));
	CHECK_EQ(padata_flush(inst), 0);
	CHECK_EQ(atomic_load(&t.serials), 1);
	padata_free(inst);
	destroy_workqueue(wq);
}

static void mask_with_every_bit(void)
{
	struct workqueue_struct *wq = create_workqueue("life");
	struct cpumask mask;
	memset(&mask, 0xff, sizeof(mask));
	struct padata_instance *inst = padata_alloc(&mask, wq);
	CHECK(inst);
	padata_start(inst);
	struct task t[300];
	for (int i = 0; i < 300; i++) {
		task_init(&t[i], i, parallel_finish, serial_note);
		accept_task(inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	}
	struct task refused;
	task_init(&refused, 0, parallel_finish, serial_note);
	CHECK_EQ(padata_do_parallel(inst, &refused.p, (int)nr_cpu_ids), -EINVAL);
	CHECK_EQ(padata_do_parallel(inst, &refused.p, PADATA_NR_CPUS - 1), -EINVAL);
	padata_free(inst);
	for (int i = 0; i < 300; i++) {
		CHECK_EQ(atomic_load(&t[i].serials), 1);
		CHECK(cpumask_test_cpu(atomic_load(&t[i].parallel_cpu), cpu_active_mask));
	}
	destroy_workqueue(wq);
}

static void mask_of_unusable_cpus_only(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	int first = usable_cpu(0), second = usable_cpu(1);
	cpu_set_t before, only;
	CHECK_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&only);
	CPU_SET(first, &only);
	CHECK_EQ(sched_setaffinity(0, sizeof(only), &only), 0);

	struct workqueue_struct *wq = create_workqueue("life");
	struct padata_instance *inst = padata_alloc(cpumask_of(second), wq);
	CHECK(inst);
	padata_start(inst);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	CHECK_EQ(padata_do_parallel(inst, &t.p, second), -EINVAL);
	CHECK_EQ(padata_do_parallel(inst, &t.p, first), -EINVAL);
	padata_free(inst);
	destroy_workqueue(wq);
	CHECK_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* A task that carries a pattern in its private part, to see that nothing writes there. */
static void patterned(struct padata_priv *p, unsigned char pattern)
{
	memset(p, pattern, sizeof(*p));
	p->parallel = parallel_finish;
	p->serial = serial_note;
}

static void stopped_refuses(struct padata_instance *inst)
{
	struct task t;
	struct padata_priv before;
	task_init(&t, 0, parallel_finish, serial_note);
	for (int pattern = 0; pattern < 256; pattern += 85) {
		patterned(&t.p, (unsigned char)pattern);
		before = t.p;
		CHECK_EQ(padata_do_parallel(inst, &t.p, usable_cpu(0)), 0);
		CHECK_EQ(memcmp(&before, &t.p, sizeof(before)), 0);
	}
	CHECK_EQ(atomic_load(&t.parallels), 0);
	CHECK_EQ(atomic_load(&t.serials), 0);
}

static void new_instance_is_stopped(void)
{
	struct rig rig;
	rig.wq = create_workqueue("life");
	rig.inst = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(rig.inst);
	stopped_refuses(rig.inst);
	settle(rig.wq, usable_cpu(0));
	rig_end(rig);
}

static void not_started_comes_back(void)
{
	struct rig rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	CHECK_EQ(padata_flush(rig.inst), 0);
	padata_stop(rig.inst);
	stopped_refuses(rig.inst);

	struct padata_priv before = t.p;
	CHECK_EQ(padata_do_parallel(rig.inst, &t.p, usable_cpu(0)), 0);
	CHECK_EQ(memcmp(&before, &t.p, sizeof(before)), 0);
	CHECK_EQ(atomic_load(&t.parallels), 1);

	padata_start(rig.inst);
	accept_task(rig.inst, &t, usable_cpu(0));
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.serials), 2);
}

static void start_and_stop_are_a_flag(void)
{
	struct rig rig = rig_make(0);
	padata_start(rig.inst);
	padata_start(rig.inst);
	padata_stop(rig.inst);
	stopped_refuses(rig.inst); /* one stop undoes any number of starts */
	padata_stop(rig.inst);
	padata_start(rig.inst);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0)); /* and one start any number of stops */
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.serials), 1);
}

static struct padata_instance *toggled;

static void *toggle(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		padata_stop(toggled);
		padata_start(toggled);
	}
	return NULL;
}

static void any_thread_starts_and_stops(void)
{
	struct rig rig = rig_make(7);
	toggled = rig.inst;
	record_clear();
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		threads[i] = thread(toggle, NULL);
	struct task *t = tasks_make(5000, parallel_finish, serial_note);
	int accepted = 0;
	for (int i = 0; i < 5000; i++) {
		t[i].id = accepted;
		int result = padata_do_parallel(rig.inst, &t[i].p, usable_cpu(0));
		CHECK(result == 0 || result == -EBUSY || result == -EINPROGRESS);
		accepted += result == -EINPROGRESS;
	}
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	rig_end(rig);
	CHECK_EQ(recorded(), accepted);
	for (int i = 0; i < accepted; i++)
		CHECK_EQ(record.ids[i], i);
	free(t);
}

static void parallel_toggles(struct padata_priv *padata)
{
	padata_stop(toggled);
	padata_start(toggled);
	padata_stop(toggled);
	padata_do_serial(padata);
}

static void serial_toggles(struct padata_priv *padata)
{
	padata_start(toggled);
	padata_stop(toggled);
	note_serial(TASK(padata));
	padata_start(toggled);
}

static void callbacks_start_and_stop(void)
{
	struct rig rig = rig_make(0);
	toggled = rig.inst;
	struct task t;
	task_init(&t, 0, parallel_toggles, serial_toggles);
	for (int i = 0; i < 100; i++) {
		accept_task(rig.inst, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	CHECK_EQ(atomic_load(&t.serials), 100);
	rig_end(rig);
}

static void stop_lets_tasks_complete(void)
{
	struct rig rig = rig_make(0);
	record_clear();
	struct task *t = tasks_make(500, parallel_leave, serial_note);
	for (int i = 0; i < 500; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	padata_stop(rig.inst);
	stopped_refuses(rig.inst);
	for (int i = 499; i >= 0; i--) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		padata_do_serial(&t[i].p);
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), 500);
	for (int i = 0; i < 500; i++)
		CHECK_EQ(record.ids[i], i);
	rig_end(rig);
	free(t);
}

static void mask_call_on_a_stopped_instance_leaves_it_stopped(void)
{
	struct rig rig = rig_make(0);
	padata_stop(rig.inst);
	struct cpumask mask;
	cpumask_copy(&mask, cpu_active_mask);
	CHECK_EQ(padata_set_cpumask(rig.inst, &mask), 0);
	CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
	stopped_refuses(rig.inst);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"L1 padata_alloc copies the mask", alloc_copies_the_mask},
	{"L1 a CPU set in the caller's mask later is not in the instance's", alloc_copies_absence_too},
	{"L1 padata_alloc refuses NULL with EINVAL", alloc_refuses_null},
	{"L1 an empty mask is legal", empty_mask},
	{"L1 a mask with CPUs that do not exist is legal", mask_with_every_bit},
	{"L1 a mask of unusable CPUs only is legal", mask_of_unusable_cpus_only},
	{"L1 L2 a new instance is stopped: 0, nothing called, the task as it was", new_instance_is_stopped},
	{"L2 a stopped instance refuses again", not_started_comes_back},
	{"L3 start and stop set and clear a flag, any number of times", start_and_stop_are_a_flag},
	{"L3 any thread may start and stop", any_thread_starts_and_stops},
	{"L3 callbacks may start and stop", callbacks_start_and_stop},
	{"L3 tasks accepted before a stop complete, in order", stop_lets_tasks_complete},
	{"L3 only padata_start() starts", mask_call_on_a_stopped_instance_leaves_it_stopped},
};

TEST_MAIN(cases)

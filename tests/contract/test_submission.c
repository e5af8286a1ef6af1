/* SPDX-License-Identifier: MIT */
/* What padata_do_parallel() answers, and whose the task is (S1, S2, S5). */

#include "contract.h"

/* Submit what must be refused: the answer, no callback, not a byte of the task changed. */
static void refused(struct padata_instance *inst, callback *parallel, callback *serial, int cpu, int answer)
{
	for (int pattern = 0; pattern < 256; pattern += 51) {
		struct padata_priv p, before;
		memset(&p, pattern, sizeof(p));
		p.parallel = parallel;
		p.serial = serial;
		before = p;
		CHECK_EQ(padata_do_parallel(inst, &p, cpu), answer);
		CHECK_EQ(memcmp(&p, &before, sizeof(p)), 0);
	}
}

static void never(struct padata_priv *padata)
{
	(void)padata;
	CHECK(!"a refused task was run");
}

static void einval(void)
{
	struct rig rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	int cpu = usable_cpu(0);
	CHECK_EQ(padata_do_parallel(NULL, &t.p, cpu), -EINVAL);
	CHECK_EQ(padata_do_parallel(rig.inst, NULL, cpu), -EINVAL);
	CHECK_EQ(padata_do_parallel(NULL, NULL, cpu), -EINVAL);
	refused(rig.inst, NULL, never, cpu, -EINVAL);
	refused(rig.inst, never, NULL, cpu, -EINVAL);
	refused(rig.inst, NULL, NULL, cpu, -EINVAL);
	static const int outside[] = {-1, -2, INT32_MIN, INT32_MAX, PADATA_NR_CPUS, PADATA_NR_CPUS - 1};
	for (size_t i = 0; i < COUNT(outside); i++)
		if (!cpumask_test_cpu(outside[i], cpu_active_mask))
			refused(rig.inst, never, never, outside[i], -EINVAL);
	refused(rig.inst, never, never, (int)nr_cpu_ids, -EINVAL);
	settle(rig.wq, cpu);
	rig_end(rig);
}

static void cb_cpu_outside_the_mask(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	struct workqueue_struct *wq = create_workqueue("submission");
	struct padata_instance *inst = padata_alloc(cpumask_of(usable_cpu(1)), wq);
	CHECK(inst);
	padata_start(inst);
	refused(inst, never, never, usable_cpu(0), -EINVAL);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(inst, &t, usable_cpu(1));
	padata_free(inst);
	CHECK_EQ(atomic_load(&t.parallel_cpu), usable_cpu(1));
	destroy_workqueue(wq);
}

static void ebusy_when_full(void)
{
	static const unsigned int windows[] = {1, 2, 3, 5, 7, 64, 1000, PADATA_DEFAULT_WINDOW};
	for (size_t w = 0; w < COUNT(windows); w++) {
		int n = (int)windows[w];
		struct rig rig = rig_make(windows[w]);
		struct task *t = tasks_make(n, parallel_leave, serial_note);
		for (int round = 0; round < 3; round++) {
			record_clear();
			for (int i = 0; i < n; i++)
				accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
			refused(rig.inst, never, never, usable_cpu(0), -EBUSY);
			for (int i = n - 1; i >= 0; i--) {
				EVENTUALLY(atomic_load(&t[i].parallels) == round + 1);
				if (i == 0)
					refused(rig.inst, never, never, usable_cpu(0), -EBUSY);
				padata_do_serial(&t[i].p);
			}
			CHECK_EQ(padata_flush(rig.inst), 0);
			CHECK_EQ(recorded(), n);
		}
		rig_end(rig);
		free(t);
	}
}

static struct padata_instance *inst;

/* With both arguments bad, the answer is one of those that S1 has for them, and nothing is touched. */
static void stopped_comes_before_the_window(void)
{
	struct rig rig = rig_make(1);
	struct task t;
	task_init(&t, 0, parallel_leave, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	padata_stop(rig.inst);
	refused(rig.inst, never, never, usable_cpu(0), 0);
	padata_start(rig.inst);
	refused(rig.inst, never, never, usable_cpu(0), -EBUSY);
	EVENTUALLY(atomic_load(&t.parallels) == 1);
	padata_do_serial(&t.p);
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.serials), 1);
}

/* Each generation submits the next from its own callbacks; the window is never too small for two. */
static struct task *children;
static atomic_int next_child;
enum { CHILDREN = 3000 };

static void submit_child(void)
{
	int n = atomic_fetch_add(&next_child, 1);
	if (n >= CHILDREN)
		return;
	int result = padata_do_parallel(inst, &children[n].p, children[n].cb_cpu);
	CHECK_EQ(result, -EINPROGRESS);
}

static void parallel_submits(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	submit_child();
	padata_do_serial(padata);
}

static void serial_submits(struct padata_priv *padata)
{
	note_serial(TASK(padata));
	submit_child();
}

static void callbacks_submit(void)
{
	struct rig rig = rig_make(2 * CHILDREN);
	inst = rig.inst;
	record_clear();
	children = tasks_make(CHILDREN, parallel_submits, serial_submits);
	for (int i = 0; i < CHILDREN; i++)
		children[i].cb_cpu = usable_cpu((unsigned int)(i % usable_cpus()));
	atomic_store(&next_child, 0);
	submit_child();
	EVENTUALLY(recorded() == CHILDREN);
	rig_end(rig);
	for (int i = 0; i < CHILDREN; i++) {
		CHECK_EQ(atomic_load(&children[i].parallels), 1);
		CHECK_EQ(atomic_load(&children[i].serials), 1);
	}
	free(children);
}

/* Every worker and every callback is held: a submission still answers at once. */
static void never_blocks(void)
{
	struct rig rig = rig_make(7);
	struct holder h[64];
	int n = usable_cpus();
	n = n < 64 ? n : 64;
	for (int i = 0; i < n; i++)
		hold_cpu(&h[i], rig.wq, usable_cpu((unsigned int)i));
	struct task t[7];
	for (int i = 0; i < 7; i++) {
		task_init(&t[i], i, parallel_finish, serial_note);
		accept_task(rig.inst, &t[i], usable_cpu(0));
	}
	refused(rig.inst, never, never, usable_cpu(0), -EBUSY);
	for (int i = 0; i < n; i++)
		release_cpu(&h[i]);
	rig_end(rig);
	for (int i = 0; i < 7; i++)
		CHECK_EQ(atomic_load(&t[i].serials), 1);
}

static sem_t begun, hold;

static void serial_ends_itself(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	note_serial(t);
	if (t->id < 0)
		return;
	if (atomic_load(&t->serials) < 1000)
		CHECK_EQ(padata_do_parallel(inst, padata, t->cb_cpu), -EINPROGRESS);
}

static void serial_resubmits_itself(void)
{
	struct rig rig = rig_make(2);
	inst = rig.inst;
	record_clear();
	struct task t;
	task_init(&t, 0, parallel_finish, serial_ends_itself);
	accept_task(rig.inst, &t, usable_cpu(0));
	EVENTUALLY(recorded() == 1000);
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.parallels), 1000);
	CHECK_EQ(atomic_load(&t.serials), 1000);
}

static atomic_int refusals;

static void serial_tries_itself(struct padata_priv *padata)
{
	struct padata_priv before = *padata;
	CHECK_EQ(padata_do_parallel(inst, padata, TASK(padata)->cb_cpu), -EBUSY);
	CHECK_EQ(memcmp(&before, padata, sizeof(before)), 0);
	atomic_fetch_add(&refusals, 1);
}

/* A task is outstanding until its serial() has returned, and a window of 1 holds no second. */
static void outstanding_until_serial_returns(void)
{
	struct rig rig = rig_make(1);
	inst = rig.inst;
	struct task t;
	task_init(&t, 0, parallel_finish, serial_tries_itself);
	atomic_store(&refusals, 0);
	for (int i = 0; i < 100; i++) {
		accept_task(rig.inst, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	rig_end(rig);
	CHECK_EQ(atomic_load(&refusals), 100);
}

static void serial_changes_the_task(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	sem_post(&begun);
	wait_for(&hold);
	note_serial(t);
}

/* serial() has begun and has not returned; another thread submits the same memory, zeroed anew. */
static void another_thread_resubmits(void)
{
	enum { ROUNDS = 300 };
	for (unsigned int which = 0; which < 2 && (int)which < usable_cpus(); which++) {
		struct rig rig = rig_make(2);
		sem_init(&begun, 0, 0);
		sem_init(&hold, 0, 0);
		record_clear();
		struct task t;
		task_init(&t, 0, parallel_finish, serial_changes_the_task);
		accept_task(rig.inst, &t, usable_cpu(which));
		for (int i = 0; i < ROUNDS; i++) {
			wait_for(&begun);
			memset(&t.p, 0, sizeof(t.p));
			t.p.parallel = parallel_finish;
			t.p.serial = i == ROUNDS - 1 ? serial_note : serial_changes_the_task;
			accept_in_time(rig.inst, &t, usable_cpu(which));
			if (i % 2)
				EVENTUALLY(usable_cpus() == 1 || atomic_load(&t.parallels) == i + 2);
			sem_post(&hold);
		}
		rig_end(rig);
		CHECK_EQ(recorded(), ROUNDS + 1);
	}
}

static atomic_int gone;

static void serial_frees_itself(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	memset(t, 0xa5, sizeof(*t));
	free(t);
	atomic_fetch_add(&gone, 1);
}

static void serial_frees_its_memory(void)
{
	struct rig rig = rig_make(64);
	atomic_store(&gone, 0);
	for (int i = 0; i < 20000; i++) {
		struct task *t = tasks_make(1, parallel_finish, serial_frees_itself);
		accept_in_time(rig.inst, t, usable_cpu((unsigned int)(i % usable_cpus())));
	}
	rig_end(rig);
	CHECK_EQ(atomic_load(&gone), 20000);
}

static void serial_scribbles(struct padata_priv *padata)
{
	memset(padata, 0xa5, sizeof(*padata));
}

/* What serial() leaves in the task is still there when nothing more can come. */
static void nothing_is_written_after_serial_began(void)
{
	enum { N = 300 };
	struct rig rig = rig_make(0);
	struct padata_priv scribbled;
	memset(&scribbled, 0xa5, sizeof(scribbled));
	struct task *t = tasks_make(N, parallel_finish, serial_scribbles);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i / 7 % usable_cpus())));
	rig_end(rig);
	for (int i = 0; i < N; i++)
		CHECK_EQ(memcmp(&t[i].p, &scribbled, sizeof(scribbled)), 0);
	free(t);
}

static struct padata_instance *other;

static void serial_moves_on(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	note_serial(t);
	int n = atomic_load(&t->serials);
	if (n < 500)
		CHECK_EQ(padata_do_parallel(n & 1 ? other : inst, padata, t->cb_cpu), -EINPROGRESS);
}

static void a_task_goes_to_another_instance(void)
{
	struct rig rig = rig_make(2);
	inst = rig.inst;
	other = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(other);
	padata_start(other);
	record_clear();
	struct task t;
	task_init(&t, 0, parallel_finish, serial_moves_on);
	accept_task(inst, &t, usable_cpu(0));
	EVENTUALLY(recorded() == 500);
	padata_free(other);
	rig_end(rig);
	CHECK_EQ(atomic_load(&t.parallels), 500);
}

static const struct test_case cases[] = {
	{"S1 -EINVAL for NULL, a missing callback, a CPU that is none", einval},
	{"S1 -EINVAL for a cb_cpu outside the mask", cb_cpu_outside_the_mask},
	{"S1 S4 -EBUSY at exactly the maximum, the task untouched", ebusy_when_full},
	{"S1 0 when stopped, -EBUSY when full", stopped_comes_before_the_window},
	{"S2 parallel() and serial() submit", callbacks_submit},
	{"S2 a submission answers while every worker is held", never_blocks},
	{"S5 serial() submits its own task again", serial_resubmits_itself},
	{"S4 S5 a task counts as outstanding until its serial() has returned", outstanding_until_serial_returns},
	{"S5 another thread submits the task while its serial() runs", another_thread_resubmits},
	{"S5 serial() frees its task's memory", serial_frees_its_memory},
	{"S5 nothing is written to a task whose serial() has begun", nothing_is_written_after_serial_began},
	{"S5 serial() submits its task to another instance", a_task_goes_to_another_instance},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/* Which callback runs where, how often, and what it sees (E1, E5, E7). */

#include "contract.h"

static struct rig rig;

struct placed {
	struct padata_priv p;
	int cb_cpu;
	atomic_int parallels, serials;
	pid_t parallel_tid, serial_tid;
};

/* The thread may run on this CPU and no other. */
static void pinned_here(int cpu)
{
	cpu_set_t set;
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	CHECK(CPU_ISSET((unsigned int)cpu, &set));
}

static void parallel_placed(struct padata_priv *padata)
{
	int cpu = sched_getcpu();
	struct placed *t = container_of(padata, struct placed, p);
	CHECK(cpumask_test_cpu(cpu, cpu_active_mask));
	pinned_here(cpu);
	t->parallel_tid = gettid();
	atomic_fetch_add(&t->parallels, 1);
	for (atomic_int i = 0; i < 200; i++)
		;
	CHECK_EQ(sched_getcpu(), cpu);
	padata_do_serial(padata);
}

static void serial_placed(struct padata_priv *padata)
{
	int cpu = sched_getcpu();
	struct placed *t = container_of(padata, struct placed, p);
	CHECK_EQ(cpu, t->cb_cpu);
	pinned_here(cpu);
	CHECK_EQ(atomic_load(&t->parallels), 1);
	t->serial_tid = gettid();
	atomic_fetch_add(&t->serials, 1);
	CHECK_EQ(sched_getcpu(), cpu);
}

static void once_each_and_in_place(void)
{
	enum { N = 20000 };
	rig = rig_make(0);
	struct placed *t = calloc(N, sizeof(*t));
	CHECK(t);
	for (int i = 0; i < N; i++) {
		t[i].p.parallel = parallel_placed;
		t[i].p.serial = serial_placed;
		t[i].cb_cpu = usable_cpu((unsigned int)(i % usable_cpus()));
		int result;
		while ((result = padata_do_parallel(rig.inst, &t[i].p, t[i].cb_cpu)) == -EBUSY)
			CHECK_EQ(padata_wait_room(rig.inst), 0);
		CHECK_EQ(result, -EINPROGRESS);
	}
	rig_end(rig);
	for (int i = 0; i < N; i++) {
		CHECK_EQ(atomic_load(&t[i].parallels), 1);
		CHECK_EQ(atomic_load(&t[i].serials), 1);
		CHECK(t[i].parallel_tid != getpid());
		CHECK_EQ(t[i].serial_tid, t[i % usable_cpus()].serial_tid); /* one worker a CPU */
	}
	free(t);
}

/* As many tasks as there are CPUs meet: each runs on one of its own. */
static pthread_barrier_t meeting;

static void parallel_meets(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	pthread_barrier_wait(&meeting);
	padata_do_serial(padata);
}

static void every_cpu_at_once(void)
{
	int n = usable_cpus();
	n = n < 64 ? n : 64;
	struct cpumask mask, seen;
	cpumask_clear(&mask);
	for (int i = 0; i < n; i++)
		cpumask_set_cpu((unsigned int)usable_cpu((unsigned int)i), &mask);
	rig = rig_make(0);
	CHECK_EQ(padata_set_cpumask(rig.inst, &mask), 0);
	CHECK_EQ(pthread_barrier_init(&meeting, NULL, (unsigned int)n), 0);
	for (int round = 0; round < 500; round++) {
		struct task *t = tasks_make(n, parallel_meets, serial_note);
		for (int i = 0; i < n; i++)
			accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(round % n)));
		CHECK_EQ(padata_flush(rig.inst), 0);
		record_clear();
		cpumask_clear(&seen);
		for (int i = 0; i < n; i++)
			cpumask_set_cpu((unsigned int)atomic_load(&t[i].parallel_cpu), &seen);
		CHECK(cpumask_equal(&seen, &mask));
		free(t);
	}
	pthread_barrier_destroy(&meeting);
	rig_end(rig);
}

/* E5: plain memory all the way; the thread sanitizer checks what the values cannot show. */
struct visible {
	struct padata_priv p;
	int cb_cpu;
	unsigned long submitted, computed;
};

static unsigned long sums[PADATA_NR_CPUS];

static void parallel_reads(struct padata_priv *padata)
{
	struct visible *t = container_of(padata, struct visible, p);
	t->computed = t->submitted * 3 + 1;
	padata_do_serial(padata);
}

static void serial_sums(struct padata_priv *padata)
{
	struct visible *t = container_of(padata, struct visible, p);
	sums[t->cb_cpu] += t->computed;
	t->computed = 0;
}

static void writes_are_seen(void)
{
	enum { TASKS = 50, N = 20000 };
	rig = rig_make(TASKS);
	memset(sums, 0, sizeof(sums));
	struct visible *t = calloc(TASKS, sizeof(*t));
	CHECK(t);
	unsigned long expected[2] = {0};
	for (int i = 0; i < N; i++) {
		struct visible *v = &t[i % TASKS];
		if (i % TASKS == 0)
			CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(v->computed, 0); /* the flush shows what serial() wrote */
		int which = i % 2 % usable_cpus();
		memset(&v->p, 0, sizeof(v->p));
		v->p.parallel = parallel_reads;
		v->p.serial = serial_sums;
		v->submitted = (unsigned long)i;
		v->cb_cpu = usable_cpu((unsigned int)which);
		expected[which] += (unsigned long)i * 3 + 1;
		CHECK_EQ(padata_do_parallel(rig.inst, &v->p, v->cb_cpu), -EINPROGRESS);
	}
	rig_end(rig);
	for (int which = 0; which < 2 && which < usable_cpus(); which++)
		CHECK_EQ(sums[usable_cpu((unsigned int)which)], expected[which]);
	free(t);
}

/* E7: a callback that sleeps holds the worker of its own CPU, and nothing else. */
static sem_t begun, hold;

static void hold_init(struct task *t, callback *parallel, callback *serial)
{
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	task_init(t, -1, parallel, serial);
	t->begun = &begun;
	t->hold = &hold;
}

static void sleeping_parallel(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	enum { N = 400 };
	rig = rig_make(0);
	record_clear();
	struct task sleeper, *t = tasks_make(N, parallel_finish, serial_note);
	/* Submitted before and after the sleeper has begun: none is bound to its worker. */
	hold_init(&sleeper, parallel_hold, serial_note);
	accept_task(rig.inst, &sleeper, usable_cpu(0));
	for (int i = 0; i < N / 2; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % 2)));
	wait_for(&begun);
	for (int i = N / 2; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % 2)));
	for (int i = 0; i < N; i++) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		CHECK(atomic_load(&t[i].parallel_cpu) != atomic_load(&sleeper.parallel_cpu) || i < N / 2);
	}
	CHECK_EQ(recorded(), 0);
	sem_post(&hold);
	rig_end(rig);
	CHECK_EQ(recorded(), N + 1);
	free(t);
}

/*
 * The tasks after the sleeper get their parallel() elsewhere, and their serial() where it is not held. The sleeper is
 * finished by this thread in every other round, so that its worker is found at work, looking for some, or at rest.
 */
static void sleeping_serial_on(int held, int open, int round)
{
	enum { N = 50 };
	struct task sleeper, *t = tasks_make(N, parallel_finish, serial_note);
	record_clear();
	hold_init(&sleeper, round % 2 ? parallel_leave : parallel_finish, serial_hold);
	accept_task(rig.inst, &sleeper, held);
	if (round % 2) {
		while (!atomic_load(&sleeper.parallels))
			sched_yield();
		padata_do_serial(&sleeper.p);
	}
	wait_for(&begun);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], i % 2 ? held : open);
	for (int i = 0; i < N; i++) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		CHECK_EQ(atomic_load(&t[i].parallel_cpu), open);
	}
	for (int i = 0; i < N; i += 2)
		EVENTUALLY(atomic_load(&t[i].serials) == 1);
	for (int i = 1; i < N; i += 2)
		CHECK_EQ(atomic_load(&t[i].serials), 0);
	sem_post(&hold);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), N + 1);
	free(t);
}

static void sleeping_serial(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	for (unsigned int which = 0; which < 2; which++) {
		rig = rig_make(0);
		for (int round = 0; round < 300; round++)
			sleeping_serial_on(usable_cpu(which), usable_cpu(1 - which), round);
		rig_end(rig);
	}
}

/* A worker held by a work item, not by a callback of the instance, is the same. */
static void held_worker(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	enum { N = 400 };
	for (unsigned int which = 0; which < 2; which++) {
		int open = usable_cpu(1 - which);
		rig = rig_make(0);
		record_clear();
		struct task *t = tasks_make(N, parallel_finish, serial_note);
		struct holder h;
		hold_cpu(&h, rig.wq, usable_cpu(which));
		for (int i = 0; i < N; i++)
			accept_task(rig.inst, &t[i], open);
		for (int i = 0; i < N; i++) {
			EVENTUALLY(atomic_load(&t[i].serials) == 1);
			CHECK_EQ(atomic_load(&t[i].parallel_cpu), open);
		}
		release_cpu(&h);
		rig_end(rig);
		CHECK_EQ(recorded(), N);
		free(t);
	}
}

static sem_t begun_meanwhile;
static struct task submitted_meanwhile;

static void parallel_tell(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	sem_post(&begun_meanwhile);
	padata_do_serial(padata);
}

/* A submitter that has slept calls its own CPU first; and this one goes on to sleep until its task has begun. */
static void serial_submits_and_sleeps(struct padata_priv *padata)
{
	usleep(5000);
	task_init(&submitted_meanwhile, 1, parallel_tell, serial_note);
	accept_task(rig.inst, &submitted_meanwhile, sched_getcpu());
	wait_for(&begun_meanwhile);
	note_serial(TASK(padata));
}

static void submitted_by_a_sleeper(void)
{
	if (usable_cpus() < 2)
		SKIP("one CPU");
	rig = rig_make(0);
	record_clear();
	sem_init(&begun_meanwhile, 0, 0);
	for (int i = 0; i < 40; i++) {
		struct task t;

		task_init(&t, 0, parallel_finish, serial_submits_and_sleeps);
		usleep(2000); /* the lanes are at rest */
		accept_task(rig.inst, &t, usable_cpu(i & 1));
		CHECK_EQ(padata_flush(rig.inst), 0);
		/* Again: what it submits meanwhile is accepted later than the first one begins to wait. */
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	CHECK_EQ(recorded(), 80);
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"E1 one parallel(), one serial(), pinned to their CPUs from begin to end", once_each_and_in_place},
	{"E1 tasks run on every CPU of the mask at once", every_cpu_at_once},
	{"E5 plain writes are seen by parallel(), serial(), the next serial() and after a flush", writes_are_seen},
	{"E7 a sleeping parallel() holds its own worker only", sleeping_parallel},
	{"E7 a sleeping serial() holds its own worker only", sleeping_serial},
	{"E7 what a serial() submits begins while it sleeps", submitted_by_a_sleeper},
	{"E7 a worker held by other work holds nobody else", held_worker},
};

TEST_MAIN(cases)

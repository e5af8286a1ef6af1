/* SPDX-License-Identifier: MIT */
/* padata_do_serial(): from anywhere, in any order, exactly once (E3, E4, E6, E8). */

#include "contract.h"

CHILD_MAY_START_THREADS

static struct rig rig;

/* Thousands unfinished at once, finished in random order by three threads. */
static struct task **shuffled;
static atomic_int next_shuffled;
enum { THOUSANDS = 6000 };

static void *finish_shuffled(void *unused)
{
	(void)unused;
	for (int i; (i = atomic_fetch_add(&next_shuffled, 1)) < THOUSANDS;) {
		EVENTUALLY(atomic_load(&shuffled[i]->parallels) == 1);
		padata_do_serial(&shuffled[i]->p);
	}
	return NULL;
}

static void foreign_threads_in_random_order(void)
{
	uint64_t seed = random_seed();
	rig = rig_make(THOUSANDS);
	record_clear();
	struct task *t = tasks_make(THOUSANDS, parallel_leave, serial_note);
	shuffled = calloc(THOUSANDS, sizeof(struct task *));
	CHECK(shuffled);
	for (int i = 0; i < THOUSANDS; i++) {
		accept_task(rig.inst, &t[i], usable_cpu(0));
		int j = (int)(random_next(&seed) % (uint64_t)(i + 1));
		shuffled[i] = shuffled[j];
		shuffled[j] = &t[i];
	}
	for (int i = 0; i < THOUSANDS; i++)
		EVENTUALLY(atomic_load(&t[i].parallels) == 1); /* all of them are unfinished now */
	CHECK_EQ(recorded(), 0);
	atomic_store(&next_shuffled, 0);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		threads[i] = thread(finish_shuffled, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	rig_end(rig);
	CHECK_EQ(recorded(), THOUSANDS);
	for (int i = 0; i < THOUSANDS; i++) {
		CHECK_EQ(record.ids[i], i);
		CHECK_EQ(atomic_load(&t[i].serials), 1);
	}
	free(shuffled);
	free(t);
}

/* A task is left unfinished by its parallel() and finished by that of the next. */
static _Atomic(struct padata_priv *) pending;

static void parallel_finishes_another(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	struct padata_priv *other = atomic_exchange(&pending, padata);
	if (other)
		padata_do_serial(other);
}

static void workers_finish_for_each_other(void)
{
	enum { N = 10000 };
	rig = rig_make(N);
	record_clear();
	atomic_store(&pending, NULL);
	struct task *t = tasks_make(N, parallel_finishes_another, serial_note);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	for (int i = 0; i < N; i++)
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	padata_do_serial(atomic_load(&pending));
	rig_end(rig);
	CHECK_EQ(recorded(), N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(record.ids[i], i);
	free(t);
}

/* serial() of one instance finishes the task of another, and submits to it: nested users. */
static struct padata_instance *inner;

struct nested {
	struct task outer, inner;
};

static void outer_serial(struct padata_priv *padata)
{
	struct nested *n = container_of(TASK(padata), struct nested, outer);
	note_serial(&n->outer);
}

static void inner_serial(struct padata_priv *padata)
{
	struct nested *n = container_of(TASK(padata), struct nested, inner);
	atomic_fetch_add(&n->inner.serials, 1);
	padata_do_serial(&n->outer.p);
}

static void outer_parallel(struct padata_priv *padata)
{
	struct nested *n = container_of(TASK(padata), struct nested, outer);
	note_parallel(&n->outer);
	CHECK_EQ(padata_do_parallel(inner, &n->inner.p, n->outer.cb_cpu), -EINPROGRESS);
}

static void nested_instances(void)
{
	enum { N = 5000 };
	rig = rig_make(64);
	inner = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(inner);
	CHECK_EQ(padata_set_window(inner, 128), 0);
	padata_start(inner);
	record_clear();
	struct nested *n = calloc(N, sizeof(*n));
	CHECK(n);
	for (int i = 0; i < N; i++) {
		task_init(&n[i].outer, i, outer_parallel, outer_serial);
		task_init(&n[i].inner, i, parallel_finish, inner_serial);
		accept_in_time(rig.inst, &n[i].outer, usable_cpu((unsigned int)(i / 3 % usable_cpus())));
	}
	CHECK_EQ(padata_flush(rig.inst), 0);
	padata_free(inner);
	rig_end(rig);
	CHECK_EQ(recorded(), N);
	for (int i = 0; i < N; i++) {
		CHECK_EQ(atomic_load(&n[i].outer.serials), 1);
		CHECK_EQ(atomic_load(&n[i].inner.serials), 1);
	}
	free(n);
}

/* E4: the lock that serial() takes is held around padata_do_serial(). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int in_do_serial;

static void finish_locked(struct padata_priv *padata)
{
	pthread_mutex_lock(&lock);
	in_do_serial = 1;
	padata_do_serial(padata);
	in_do_serial = 0;
	pthread_mutex_unlock(&lock);
}

static void serial_locks(struct padata_priv *padata)
{
	CHECK_EQ(in_do_serial, 0);
	pthread_mutex_lock(&lock);
	note_serial(TASK(padata));
	pthread_mutex_unlock(&lock);
}

static void do_serial_in_parallel_with_the_lock(void)
{
	enum { N = 5000 };
	rig = rig_make(N);
	record_clear();
	struct task *t = tasks_make(N, finish_locked, serial_locks);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	rig_end(rig);
	CHECK_EQ(recorded(), N);
	free(t);
}

static void do_serial_in_a_thread_with_the_lock(void)
{
	enum { N = 2000 };
	rig = rig_make(N);
	record_clear();
	struct task *t = tasks_make(N, parallel_leave, serial_locks);
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = N - 1; i >= 0; i--) {
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		finish_locked(&t[i].p);
	}
	rig_end(rig);
	CHECK_EQ(recorded(), N);
	free(t);
}

static struct task *chain;
enum { CHAIN = 2000 };

static void serial_finishes_the_next(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	CHECK_EQ(in_do_serial, 0);
	note_serial(t);
	if (t->id + 1 < CHAIN)
		finish_locked(&chain[t->id + 1].p);
}

/* A chain that would overflow a stack if serial() were called from padata_do_serial(). */
static void do_serial_in_serial(void)
{
	rig = rig_make(CHAIN);
	record_clear();
	chain = tasks_make(CHAIN, parallel_leave, serial_finishes_the_next);
	for (int i = 0; i < CHAIN; i++)
		accept_task(rig.inst, &chain[i], usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = 0; i < CHAIN; i++)
		EVENTUALLY(atomic_load(&chain[i].parallels) == 1);
	padata_do_serial(&chain[0].p);
	EVENTUALLY(recorded() == CHAIN);
	rig_end(rig);
	for (int i = 0; i < CHAIN; i++)
		CHECK_EQ(record.ids[i], i);
	free(chain);
}

/* E6: every order in which a few tasks can finish, on every pattern of two CPUs. */
static void permute(int *order, int n, int at, void (*use)(const int *, int))
{
	if (at == n) {
		use(order, n);
		return;
	}
	for (int i = at; i < n; i++) {
		int x = order[at];
		order[at] = order[i];
		order[i] = x;
		permute(order, n, at + 1, use);
		x = order[at];
		order[at] = order[i];
		order[i] = x;
	}
}

static void finish_in(const int *order, int n)
{
	static unsigned int pattern;
	struct task t[5];
	record_clear();
	pattern = pattern * 5 + 3;
	for (int i = 0; i < n; i++) {
		task_init(&t[i], i, parallel_leave, serial_note);
		accept_task(rig.inst, &t[i], usable_cpu((pattern >> i & 1) % (unsigned int)usable_cpus()));
	}
	for (int i = 0; i < n; i++) {
		EVENTUALLY(atomic_load(&t[order[i]].parallels) == 1);
		padata_do_serial(&t[order[i]].p);
	}
	EVENTUALLY(recorded() == n); /* and no call that could help it on */
	CHECK_EQ(padata_flush(rig.inst), 0);
}

static void every_order_of_completion(void)
{
	rig = rig_make(0);
	int order[] = {0, 1, 2, 3, 4};
	for (int n = 1; n <= 5; n++)
		for (int again = 0; again < 8; again++)
			permute(order, n, 0, finish_in);
	rig_end(rig);
}

/* Two tasks are finished at the same instant: neither completion is lost. */
static struct task race[2];
static pthread_barrier_t race_begin, race_end;
enum { RACES = 10000 };

static void *race_finish(void *argument)
{
	struct task *t = argument;
	for (int i = 0; i < RACES; i++) {
		pthread_barrier_wait(&race_begin);
		EVENTUALLY(atomic_load(&t->parallels) == 1);
		padata_do_serial(&t->p);
		pthread_barrier_wait(&race_end);
	}
	return NULL;
}

static void completions_at_the_same_instant(void)
{
	rig = rig_make(2);
	pthread_barrier_init(&race_begin, NULL, 3);
	pthread_barrier_init(&race_end, NULL, 3);
	pthread_t a = thread(race_finish, &race[0]), b = thread(race_finish, &race[1]);
	for (int i = 0; i < RACES; i++) {
		record_clear();
		for (int k = 0; k < 2; k++) {
			task_init(&race[k], k, parallel_leave, serial_note);
			accept_in_time(rig.inst, &race[k], usable_cpu((unsigned int)((i >> k) % usable_cpus())));
		}
		for (int k = 0; k < 2; k++)
			EVENTUALLY(atomic_load(&race[k].parallels) == 1);
		pthread_barrier_wait(&race_begin);
		while (recorded() != 2)
			sched_yield();
		pthread_barrier_wait(&race_end);
		CHECK_EQ(padata_flush(rig.inst), 0);
	}
	join(a);
	join(b);
	rig_end(rig);
	pthread_barrier_destroy(&race_begin);
	pthread_barrier_destroy(&race_end);
}

/* The other CPUs' workers are all in callbacks: the one of cb_cpu is enough. */
static void one_free_worker_is_enough(void)
{
	for (unsigned int which = 0; which < 2 && (int)which < usable_cpus(); which++) {
		rig = rig_make(0);
		record_clear();
		struct task t[3];
		for (int i = 0; i < 3; i++) {
			task_init(&t[i], i, parallel_leave, serial_note);
			accept_task(rig.inst, &t[i], usable_cpu(which));
			EVENTUALLY(atomic_load(&t[i].parallels) == 1);
		}
		struct holder h[64];
		int held = 0;
		for (int i = 0; i < usable_cpus() && i < 64; i++)
			if (i != (int)which)
				hold_cpu(&h[held++], rig.wq, usable_cpu((unsigned int)i));
		for (int i = 2; i >= 0; i--)
			padata_do_serial(&t[i].p);
		EVENTUALLY(recorded() == 3);
		for (int i = 0; i < held; i++)
			release_cpu(&h[i]);
		rig_end(rig);
	}
}

/* E8 */
static void nothing(struct padata_priv *padata)
{
	(void)padata;
}

static void twice_while_it_waits(void)
{
	rig = rig_make(0);
	struct task t[2];
	for (int i = 0; i < 2; i++) {
		task_init(&t[i], i, parallel_leave, nothing);
		accept_task(rig.inst, &t[i], usable_cpu(0));
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	}
	padata_do_serial(&t[1].p);
	padata_do_serial(&t[1].p);
}

static void twice_in_parallel(struct padata_priv *padata)
{
	padata_do_serial(padata);
	padata_do_serial(padata);
}

/* The oldest task is left unfinished, so that the second one's serial() cannot have begun. */
static void twice_in_its_parallel(void)
{
	rig = rig_make(0);
	struct task t[2];
	task_init(&t[0], 0, parallel_leave, nothing);
	task_init(&t[1], 1, twice_in_parallel, nothing);
	accept_task(rig.inst, &t[0], usable_cpu(0));
	accept_task(rig.inst, &t[1], usable_cpu(0));
	for (;;)
		pause();
}

static void after_its_serial(void)
{
	rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	padata_flush(rig.inst);
	padata_do_serial(&t.p);
}

static void never_submitted(void)
{
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	padata_do_serial(&t.p);
}

static void was_refused(void)
{
	rig = rig_make(0);
	padata_stop(rig.inst);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	if (padata_do_parallel(rig.inst, &t.p, usable_cpu(0)) == 0)
		padata_do_serial(&t.p);
}

static void misuse_in_serial(struct padata_priv *padata)
{
	padata_do_serial(padata);
}

static void in_its_serial(void)
{
	rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel_finish, misuse_in_serial);
	accept_task(rig.inst, &t, usable_cpu(0));
	for (;;)
		pause();
}

static void nobody(void)
{
	padata_do_serial(NULL);
}

/* The second of two calls at once, which both find the task unfinished: so the task is put back to what it was. */
static void two_at_once(void)
{
	rig = rig_make(0);
	struct task t[2];
	for (int i = 0; i < 2; i++) {
		task_init(&t[i], i, parallel_leave, nothing);
		accept_task(rig.inst, &t[i], usable_cpu(0));
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	}
	struct padata_priv found = t[1].p;
	padata_do_serial(&t[1].p);
	t[1].p = found;
	padata_do_serial(&t[1].p);
}

static void misuse_aborts(void)
{
	static void (*const misuses[])(void) = {twice_while_it_waits, twice_in_its_parallel, after_its_serial,
						never_submitted,      was_refused,	     in_its_serial,
						nobody,		      two_at_once};
	for (size_t i = 0; i < COUNT(misuses); i++) {
		printf("# misuse %zu\n", i);
		must_abort(misuses[i], "padata_do_serial");
	}
}

static const struct test_case cases[] = {
	{"E8 a second or an uncalled-for padata_do_serial() aborts, and says so", misuse_aborts},
	{"E3 thousands unfinished, finished by other threads in random order", foreign_threads_in_random_order},
	{"E3 workers finish each other's tasks", workers_finish_for_each_other},
	{"E3 an instance is used from another's callbacks", nested_instances},
	{"E4 padata_do_serial() in parallel() under a lock that serial() takes", do_serial_in_parallel_with_the_lock},
	{"E4 padata_do_serial() in a thread under a lock that serial() takes", do_serial_in_a_thread_with_the_lock},
	{"E4 padata_do_serial() in serial() calls nothing", do_serial_in_serial},
	{"E6 every order of completion ends by itself", every_order_of_completion},
	{"E6 two completions at the same instant", completions_at_the_same_instant},
	{"E6 the worker of cb_cpu is enough", one_free_worker_is_enough},
};

TEST_MAIN(cases)

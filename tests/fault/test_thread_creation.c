/* SPDX-License-Identifier: MIT */
/* Threads that cannot be had: each creation of a whole life, and each step of it, fails once. */

#include "debug.h"
#include "fault.h"

int __real_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __real_pthread_attr_init(pthread_attr_t *attr);
int __real_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set);
int __real_pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set);
int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __wrap_pthread_attr_init(pthread_attr_t *attr);
int __wrap_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set);
int __wrap_pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set);

static struct countdown creation, init, affinity, signals;

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*body)(void *), void *argument)
{
	return fails_here(&creation) ? EAGAIN : __real_pthread_create(id, attr, body, argument);
}

int __wrap_pthread_attr_init(pthread_attr_t *attr)
{
	return fails_here(&init) ? ENOMEM : __real_pthread_attr_init(attr);
}

int __wrap_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set)
{
	return fails_here(&affinity) ? ENOMEM : __real_pthread_attr_setaffinity_np(attr, size, set);
}

int __wrap_pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set)
{
	return fails_here(&signals) ? ENOMEM : __real_pthread_attr_setsigmask_np(attr, set);
}

/* The places where it may fail: only the library's calls are between arm() and disarm(). */
static const struct {
	struct countdown *countdown;
	int error;
} steps[] = {{&creation, EAGAIN}, {&init, ENOMEM}, {&affinity, ENOMEM}, {&signals, ENOMEM}};

static unsigned int step;
static long place;
static int failures, threads_asked;

static void arm(void)
{
	countdown_set(steps[step].countdown, place);
}

static void disarm(void)
{
	long left = atomic_load(&steps[step].countdown->left);

	if (countdown_end(steps[step].countdown)) {
		threads_asked++;
		place = 0;
	} else {
		place = left;
	}
}

#define TRY(succeeds, error_of_it)                                     \
	for (bool done = false; !done;) {                              \
		errno = 0;                                             \
		arm();                                                 \
		done = (succeeds);                                     \
		int error = error_of_it;                               \
		disarm();                                              \
		if (!done) {                                           \
			CHECK_EQ(error, steps[step].error);            \
			CHECK_EQ(++failures, 1);                       \
		}                                                      \
	}

static void whole_life(void)
{
	static struct stream s;
	struct workqueue_struct *wq = NULL;
	struct padata_instance *inst = NULL;
	struct cpumask all;
	int threads = thread_count(), first = usable_cpu(0), last = usable_cpu((unsigned int)usable_cpus() - 1);
	int result = 0;

	cpumask_copy(&all, cpu_active_mask);
	TRY(wq = create_workqueue("fault"), errno)
	TRY(inst = padata_alloc(cpumask_of(first), wq), errno)
	padata_start(inst);
	stream_open(&s, inst);
	atomic_store(&s.may_refuse, true);
	s.producer = thread(stream_produce, &s);
	TRY((result = padata_add_cpu(inst, last)) == 0, -result)
	stream_flows(&s, 20);
	TRY((result = padata_set_cpumask(inst, &all)) == 0, -result)
	stream_flows(&s, 20);
	stream_end(&s);
	padata_free(inst);
	destroy_workqueue(wq);
	EVENTUALLY(thread_count() == threads);
}

static void each_thread(void)
{
	destroy_workqueue(create_workqueue("fault")); /* a sanitizer's own thread is there after this */
	for (step = 0; step < COUNT(steps); step++) {
		long n = 1;

		for (;; n++) {
			failures = threads_asked = 0;
			place = n;
			whole_life();
			CHECK_EQ(failures, threads_asked);
			if (!threads_asked)
				break;
		}
		CHECK_EQ(n - 1, usable_cpus()); /* one worker each */
	}
}

/* queue_work_on() has no answer for it: the queue's first worker does the work. */
static void work_all_the_same(void)
{
	struct workqueue_struct *wq = create_workqueue("fault");

	CHECK(wq);
	for (int i = 0; i < usable_cpus(); i++) {
		struct knock k;

		sem_init(&k.done, 0, 0);
		INIT_WORK(&k.work, knock_run);
		countdown_set(&creation, 1);
		CHECK(queue_work_on(usable_cpu((unsigned int)i), wq, &k.work));
		countdown_end(&creation);
		wait_for(&k.done);
		sem_destroy(&k.done);
	}
	destroy_workqueue(wq);
}

/* PADATA_DEBUG=stall, as the library has read it when it was loaded. */
static void nobody_watches(void)
{
	struct workqueue_struct *wq = create_workqueue("fault");
	struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
	int threads = thread_count();

	CHECK(inst);
	padata_free(inst);
	pd_debug |= PD_DEBUG_STALL;
	countdown_set(&creation, 1);
	inst = padata_alloc(cpu_active_mask, wq);
	CHECK(countdown_end(&creation));
	CHECK(inst);
	CHECK_EQ(thread_count(), threads);
	padata_free(inst);
	pd_debug = 0;
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"L1 M1 each worker's start fails once, at each step: the cause, the old mask, no task lost", each_thread},
	{"E7 the thread that watches for stalls cannot be started: nobody watches", nobody_watches},
	{"L5 queue_work_on where no worker can be started", work_all_the_same},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/*
 * Sleeps that end early: signals without SA_RESTART for every thread that calls the library, and futexes that
 * return for no reason, or say that the word has changed when it has not, in every thread, the workers' too.
 */

#include "fault.h"
#include "wrap_syscall.h"

#include <linux/futex.h>

static atomic_bool early;
static atomic_long returned_early;

/* Before it slept, or after at most a few microseconds of sleep. */
static long return_early(const long a[6])
{
	static const int errors[] = {0, EINTR, EAGAIN, ETIMEDOUT};
	struct timespec little = {.tv_nsec = 1000};
	int error = errors[chance(COUNT(errors))];

	atomic_fetch_add(&returned_early, 1);
	if (chance(2))
		__real_syscall(SYS_futex, a[0], a[1], a[2], &little, 0L, 0L);
	errno = error;
	return error ? -1 : 0;
}

static long on_syscall(long number, const long a[6])
{
	if (number == SYS_futex && a[1] == FUTEX_WAIT_PRIVATE && atomic_load(&early) && chance(4))
		return return_early(a);
	return pass_on(number, a);
}

static struct rig rig;
static struct stream s;
static atomic_bool enough;

static void *flush(void *unused)
{
	while (!atomic_load(&enough)) {
		unsigned long completed = atomic_load(&s.completed);

		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK(atomic_load(&s.completed) >= completed);
		usleep(200);
	}
	return unused;
}

struct item {
	struct work_struct work;
	atomic_bool ran;
};

static void run_item(struct work_struct *work)
{
	usleep(100);
	atomic_store(&container_of(work, struct item, work)->ran, true);
}

static void *flush_the_queue(void *unused)
{
	while (!atomic_load(&enough)) {
		struct item item = {.ran = false};

		INIT_WORK(&item.work, run_item);
		CHECK(queue_work_on(usable_cpu(chance((unsigned int)usable_cpus())), rig.wq, &item.work));
		flush_workqueue(rig.wq);
		CHECK(atomic_load(&item.ran));
		usleep(200);
	}
	return unused;
}

static void *change(void *unused)
{
	int cpu = usable_cpu(0), result;

	while (!atomic_load(&enough)) {
		result = padata_add_cpu(rig.inst, cpu);
		CHECK_EQ(result, 0);
		usleep(1000);
	}
	return unused;
}

static void under(void (*storm)(pthread_t *threads, int n))
{
	pthread_t threads[5];

	atomic_store(&enough, false);
	rig = rig_make(7);
	stream_begin(&s, rig.inst);
	threads[0] = s.producer;
	threads[1] = s.finisher;
	threads[2] = thread(flush, NULL);
	threads[3] = thread(change, NULL);
	threads[4] = thread(flush_the_queue, NULL);
	storm(threads, COUNT(threads));
	atomic_store(&enough, true);
	for (int i = 2; i < 5; i++)
		join(threads[i]);
	stream_end(&s);
	rig_end(rig);
}

static atomic_long interrupted;

static void interrupt(int sig)
{
	(void)sig;
	atomic_fetch_add(&interrupted, 1);
}

static void signals(pthread_t *threads, int n)
{
	struct sigaction action = {.sa_handler = interrupt}; /* no SA_RESTART */
	unsigned long until = atomic_load(&s.completed) + 3000;

	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	atomic_store(&interrupted, 0);
	while (atomic_load(&s.completed) < until || atomic_load(&interrupted) < 2000) {
		for (int i = 0; i < n; i++)
			pthread_kill(threads[i], SIGUSR1);
		usleep(100);
	}
}

static void signal_storm(void)
{
	under(signals);
}

static void early_returns(pthread_t *threads, int n)
{
	(void)threads;
	(void)n;
	atomic_store(&returned_early, 0);
	atomic_store(&early, true);
	stream_flows(&s, 3000);
	EVENTUALLY(atomic_load(&returned_early) > 1000);
	atomic_store(&early, false);
}

static void futexes_that_return_early(void)
{
	under(early_returns);
}

static const struct test_case cases[] = {
	{"E6 S4 M3 signals interrupt every thread that sleeps: nothing is lost, nothing hangs", signal_storm},
	{"E6 S4 M3 futexes return early, workers' too: nothing is lost, nothing hangs", futexes_that_return_early},
};

TEST_MAIN(cases)

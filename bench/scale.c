/* SPDX-License-Identifier: MIT */

/*
 * Does an item cost more where there are more workers? This machine need not
 * have the CPUs: the program is linked so that the library sees --workers of
 * them (ld's --wrap), while the threads share the CPUs that there are. Work is
 * a sleep, in which a worker is as busy to the library as if it computed.
 *
 * With --bare 1 as many plain threads sleep the same sleeps: what that costs
 * is the system's, and the difference is the library's.
 */

#include "job.h"

#include <linux/padata.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PRETENDED 256

/* The machine that the library sees: PRETENDED CPUs, one for each of its threads. */

static _Thread_local int cpu_of_thread, cpu_of_next_thread;

struct start {
	void *(*function)(void *);
	void *argument;
	int cpu;
};

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *argument);
int __real_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set);
int __wrap_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set);
int __wrap_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getcpu(void);

int __wrap_open(const char *path, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
	va_end(arguments);
	if (strncmp(path, "/sys/devices/system/cpu/", 24))
		return __real_open(path, flags, mode);
	int fd = memfd_create("cpus", MFD_CLOEXEC);
	if (fd < 0 || dprintf(fd, "0-%d\n", PRETENDED - 1) < 0 || lseek(fd, 0, SEEK_SET))
		job_fail("memfd_create", errno);
	return fd;
}

static int first_of(size_t size, const cpu_set_t *set)
{
	for (int cpu = 0; cpu < PRETENDED; cpu++)
		if (CPU_ISSET_S((size_t)cpu, size, set))
			return cpu;
	return 0;
}

int __wrap_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set)
{
	cpu_set_t one;
	cpu_of_next_thread = first_of(size, set);
	CPU_ZERO(&one);
	CPU_SET((size_t)(cpu_of_next_thread % sysconf(_SC_NPROCESSORS_ONLN)), &one);
	return __real_pthread_attr_setaffinity_np(attr, sizeof(one), &one);
}

int __wrap_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	if (pid == 0)
		cpu_of_thread = first_of(size, set);
	return 0;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	(void)pid;
	CPU_ZERO_S(size, set);
	for (int cpu = 0; cpu < PRETENDED; cpu++)
		CPU_SET_S((size_t)cpu, size, set);
	return 0;
}

int __wrap_sched_getcpu(void)
{
	return cpu_of_thread;
}

static void *start_on_its_cpu(void *argument)
{
	struct start start = *(struct start *)argument;
	free(argument);
	cpu_of_thread = start.cpu;
	return start.function(start.argument);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *), void *argument)
{
	struct start *start = malloc(sizeof(*start));
	if (!start)
		return EAGAIN;
	*start = (struct start){function, argument, cpu_of_next_thread};
	int error = __real_pthread_create(thread, attr, start_on_its_cpu, start);
	if (error)
		free(start);
	return error;
}

/* The job. */

struct task {
	struct padata_priv padata;
	struct job_item item;
} __attribute__((__aligned__(64)));

static unsigned long workers = 2, bare, sleep_ns = 100000;
static struct job_order order;
static _Atomic unsigned long bare_next, bare_sum;

static void work(void)
{
	struct timespec time = {(time_t)(sleep_ns / 1000000000), (long)(sleep_ns % 1000000000)};
	if (sleep_ns)
		nanosleep(&time, NULL);
}

static void parallel(struct padata_priv *padata)
{
	work();
	padata_do_serial(padata);
}

static void serial(struct padata_priv *padata)
{
	job_take(&order, &container_of(padata, struct task, padata)->item);
}

static void through_padata(void)
{
	struct workqueue_struct *wq = create_workqueue("bench");
	cpumask_var_t mask;
	if (!wq || !zalloc_cpumask_var(&mask, GFP_KERNEL))
		job_fail("create_workqueue", errno);
	for (unsigned int cpu = 0; cpu < workers; cpu++)
		cpumask_set_cpu(cpu, mask);
	if (cpumask_weight(mask) != workers)
		job_fail("the library does not see so many CPUs", (long)cpumask_weight(mask));
	struct padata_instance *instance = padata_alloc(mask, wq);
	if (!instance || padata_set_window(instance, (unsigned int)job.window))
		job_fail("padata_alloc", errno);
	padata_start(instance);
	unsigned long next = 0, tasks = job.window + 1;
	struct task *task = job_memory(tasks * sizeof(*task));

	job_begin();
	for (unsigned long i = 0; i < job.items; i++) {
		int error;
		task[next].padata.parallel = parallel;
		task[next].padata.serial = serial;
		task[next].item.number = (unsigned int)i;
		task[next].item.value = i;
		while ((error = padata_do_parallel(instance, &task[next].padata, 0)) == -EBUSY)
			padata_wait_room(instance);
		if (error != -EINPROGRESS)
			job_fail("padata_do_parallel", error);
		if (++next == tasks)
			next = 0;
	}
	padata_flush(instance);
	job_end();
	padata_free(instance);
	destroy_workqueue(wq);
	free_cpumask_var(mask);
}

static void *sleep_bare(void *argument)
{
	pthread_barrier_t *barrier = argument;
	unsigned long i, sum = 0;
	pthread_barrier_wait(barrier);
	while ((i = atomic_fetch_add(&bare_next, 1)) < job.items) {
		work();
		sum += i;
	}
	atomic_fetch_add(&bare_sum, sum);
	pthread_barrier_wait(barrier);
	return NULL;
}

static void through_nothing(void)
{
	pthread_t *thread = job_memory(workers * sizeof(*thread));
	pthread_barrier_t barrier;
	pthread_attr_t attributes;
	pthread_barrier_init(&barrier, NULL, (unsigned int)workers + 1);
	pthread_attr_init(&attributes);
	for (unsigned long i = 0; i < workers; i++) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		pthread_attr_setaffinity_np(&attributes, sizeof(one), &one);
		if (pthread_create(&thread[i], &attributes, sleep_bare, &barrier))
			job_fail("no thread", (long)i);
	}
	/* Starting and ending threads is not what is asked. */
	job_begin();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	job_end();
	for (unsigned long i = 0; i < workers; i++)
		pthread_join(thread[i], NULL);
	order.sum = bare_sum;
}

int main(int argc, char **argv)
{
	static const struct job_option options[] = {
		{"workers", &workers, NULL, "how many, 1 to 256"},
		{"sleep", &sleep_ns, NULL, "ns that an item sleeps"},
		{"bare", &bare, NULL, "1: plain threads instead of padata"},
		{NULL, NULL, NULL, NULL},
	};
	job.work = 0;
	job_options(argc, argv, options);
	if (workers < 1 || workers > PRETENDED)
		job_fail("--workers", (long)workers);
	/* Threads inherit it: a sleep ends when it was asked to. */
	prctl(PR_SET_TIMERSLACK, 1ul);
	if (bare)
		through_nothing();
	else
		through_padata();
	job_report(bare ? "bare" : "padata", order.sum, ", \"workers\": %lu, \"sleep\": %lu", workers, sleep_ns);
	return 0;
}

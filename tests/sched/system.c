/* SPDX-License-Identifier: MIT */

/*
 * The rest of the machine: CPUs, the clock, thread-specific data, and what
 * ends the program. Time passes when it is asked for, or when every thread
 * waits and one of them not for ever.
 */

#include "explore.h"
#include "internal.h"
#include "snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_KEYS = 16 };

OF_SCHEDULE struct past cpus_past;
OF_SCHEDULE uint64_t now_ns;
OF_SCHEDULE unsigned long allowed_cpus = 3;

/* Keys are made by constructors, once; values belong to one schedule. */
static void (*destructors[MAX_KEYS])(void *);
static OF_SCHEDULE void *values[MAX_THREADS][MAX_KEYS];
static OF_SCHEDULE unsigned int n_keys;
static unsigned int n_keys_before;

void system_reset(void)
{
	if (!n_keys_before)
		n_keys_before = n_keys;
	n_keys = n_keys_before;
	memset(values, 0, sizeof(values));
	now_ns = 1000000000;
	allowed_cpus = 3;
	cpus_past = (struct past){0};
	for (unsigned int i = 0; i < MAX_THREADS; i++)
		fibers[i].time = now_ns;
}

/* What libc does when a thread ends. */
void system_thread_ends(void)
{
	bool again = true;

	for (int round = 0; again && round < 4; round++) {
		again = false;
		for (unsigned int key = 0; key < n_keys; key++) {
			void *value = values[self][key];

			if (!value || !destructors[key])
				continue;
			values[self][key] = NULL;
			destructors[key](value);
			again = true;
		}
	}
}

int sched_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	if (n_keys == MAX_KEYS)
		return EAGAIN;
	destructors[n_keys] = destructor;
	*key = n_keys++;
	return 0;
}

int sched_pthread_key_delete(pthread_key_t key)
{
	destructors[key] = NULL;
	return 0;
}

int sched_pthread_setspecific(pthread_key_t key, const void *value)
{
	values[self][key] = (void *)(uintptr_t)value;
	return 0;
}

void *sched_pthread_getspecific(pthread_key_t key)
{
	return values[self][key];
}

int sched_pthread_setcancelstate(int state, int *old)
{
	(void)state;
	if (old)
		*old = PTHREAD_CANCEL_ENABLE;
	return 0;
}

/* Attributes of threads: the CPU mask alone. Those of libc allocate, which no snapshot would see. */

int sched_pthread_attr_init(pthread_attr_t *attr)
{
	memset(attr, 0, sizeof(*attr));
	return running ? 0 : pthread_attr_init(attr);
}

int sched_pthread_attr_destroy(pthread_attr_t *attr)
{
	return running ? 0 : pthread_attr_destroy(attr);
}

int sched_pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *set)
{
	if (!running)
		return pthread_attr_setaffinity_np(attr, size, set);
	memcpy(attr, set, sizeof(unsigned long));
	return 0;
}

int sched_pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set)
{
	return running ? 0 : pthread_attr_setsigmask_np(attr, set);
}

/* CPUs. */

void sched_allow_cpus(unsigned long cpus)
{
	allowed_cpus = cpus;
	past_write(&cpus_past);
	for (unsigned int i = 0; i < n_fibers; i++) {
		unsigned long left = fibers[i].affinity & cpus;

		/* Silently, as the kernel moves a thread whose CPU was taken away. */
		fibers[i].affinity = left ? left : cpus;
		if (!(fibers[i].affinity >> fibers[i].cpu & 1))
			fibers[i].cpu = __builtin_ctzl(fibers[i].affinity);
	}
}

int sched_sched_getcpu(void)
{
	if (!running)
		return sched_getcpu();
	past_read(&cpus_past);
	return fibers[self].cpu;
}

int sched_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	unsigned long cpus;

	if (!running)
		return sched_getaffinity(pid, size, set);
	past_read(&cpus_past);
	cpus = pid == 0 ? fibers[self].affinity : allowed_cpus;
	memset(set, 0, size);
	memcpy(set, &cpus, sizeof(cpus));
	return 0;
}

static int set_affinity(unsigned int id, const cpu_set_t *set)
{
	unsigned long cpus;

	past_write(&cpus_past);
	memcpy(&cpus, set, sizeof(cpus));
	if (!(cpus & allowed_cpus))
		return EINVAL;
	fibers[id].affinity = cpus & allowed_cpus;
	if (!(fibers[id].affinity >> fibers[id].cpu & 1))
		fibers[id].cpu = __builtin_ctzl(fibers[id].affinity);
	return 0;
}

int sched_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	if (!running)
		return sched_setaffinity(pid, size, set);
	errno = set_affinity(self, set);
	return errno ? -1 : 0;
}

int sched_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *set)
{
	(void)size;
	return set_affinity((unsigned int)thread - 1, set);
}

int sched_sched_yield(void)
{
	point_yield();
	return 0;
}

/* Time. */

uint64_t *system_clock(void)
{
	return explore_by_choices() ? &fibers[self].time : &now_ns;
}

int sched_clock_gettime(clockid_t clock, struct timespec *t)
{
	uint64_t *now = system_clock();

	if (!running)
		return clock_gettime(clock, t);
	*now += explore.clock_step_ns;
	*t = (struct timespec){.tv_sec = (time_t)(*now / 1000000000), .tv_nsec = (long)(*now % 1000000000)};
	return 0;
}

static void sleep_until(uint64_t deadline)
{
	point();
	if (deadline <= *system_clock())
		return;
	fibers[self].deadline = deadline;
	block(WAITS_SLEEP, 0);
}

int sched_nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	sleep_until(*system_clock() + (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec);
	return 0;
}

int sched_usleep(useconds_t us)
{
	sleep_until(*system_clock() + us * 1000ull);
	return 0;
}

/* Ends. */

void sched_abort(void)
{
	if (!running)
		abort();
	finding_at(__builtin_return_address(0), NULL);
	sched_fail("abort() was called");
}

void sched___assert_fail(const char *expression, const char *file, unsigned int line, const char *function)
{
	sched_fail("%s:%u: %s: assertion %s failed", file, line, function, expression);
}

/* What the program says is for nobody. */
int sched_fprintf(FILE *file, const char *format, ...)
{
	va_list ap;
	int used;

	if (running)
		return 0;
	va_start(ap, format);
	used = vfprintf(file, format, ap);
	va_end(ap);
	return used;
}

void sched_exit(int status)
{
	if (!running)
		exit(status);
	sched_fail("exit(%d) was called", status);
}

/* SPDX-License-Identifier: MIT */
/*
 * A worker that stops, whatever it is doing: the order waits for it, and for nothing else. Once by the system,
 * which stops exactly one thread at any instruction (the freezer cgroup, version 1); once by every thread's being
 * late at each place where it calls libc.
 */

#include "fault.h"
#include "wrap_syscall.h"

#include <sys/stat.h>

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __real_sched_getcpu(void);
int __real_sched_yield(void);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_sched_getcpu(void);
int __wrap_sched_yield(void);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);

static atomic_bool late;

/* Now and then, up to two milliseconds: longer than a wake-up, a search, a run and a whole window take. */
static void be_late(void)
{
	static _Thread_local unsigned int calls;

	if (atomic_load(&late) && ++calls % 64 == 0 && chance(3) == 0) {
		struct timespec t = {.tv_nsec = 1000L * chance(2000)};
		int error = errno;

		nanosleep(&t, NULL);
		errno = error;
	}
}

static long on_syscall(long number, const long a[6])
{
	long result;

	be_late();
	result = pass_on(number, a);
	be_late();
	return result;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = __real_clock_gettime(clock, now);

	be_late();
	return result;
}

int __wrap_sched_getcpu(void)
{
	int cpu = __real_sched_getcpu();

	be_late();
	return cpu;
}

int __wrap_sched_yield(void)
{
	be_late();
	return __real_sched_yield();
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	int result;

	be_late();
	result = __real_pthread_mutex_lock(lock);
	be_late();
	return result;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	int result = __real_pthread_mutex_unlock(lock);

	be_late();
	return result;
}

static struct stream s;

static void every_thread_is_late(void)
{
	static const unsigned int windows[] = {1, 2, 5, 64};

	for (unsigned int i = 0; i < COUNT(windows); i++) {
		struct rig rig = rig_make(windows[i]);

		atomic_store(&late, true);
		stream_begin(&s, rig.inst);
		for (int change = 0; change < 5; change++) {
			stream_flows(&s, 50);
			CHECK_EQ(padata_add_cpu(rig.inst, usable_cpu(0)), 0);
			CHECK_EQ(padata_flush(rig.inst), 0);
		}
		stream_end(&s);
		rig_end(rig);
		atomic_store(&late, false);
	}
}

/* The freezer: a group below the process's own, so that whoever freezes that still freezes us. */
static char group[512], own_group[512];

static int write_to(const char *dir, const char *file, const char *text)
{
	char path[600];
	FILE *f;
	int written;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "w");
	if (!f)
		return 0;
	written = fputs(text, f) >= 0;
	return fclose(f) == 0 && written;
}

static int make_group(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/cgroup", "r");

	own_group[0] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		char *path = strstr(line, ":freezer:");

		if (!path)
			continue;
		path[strcspn(path, "\n")] = 0;
		snprintf(own_group, sizeof(own_group), "/sys/fs/cgroup/freezer%.400s", path + 9);
	}
	if (f)
		fclose(f);
	snprintf(group, sizeof(group), "%.400s/padata-%d", own_group, getpid());
	return own_group[0] && mkdir(group, 0755) == 0;
}

static int state_of_group(const char *wanted)
{
	char path[600], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/freezer.state", group);
	f = fopen(path, "r");
	if (!f)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	return !strncmp(text, wanted, strlen(wanted));
}

struct ask {
	struct work_struct work;
	atomic_int tid;
};

static void say_tid(struct work_struct *work)
{
	atomic_store(&container_of(work, struct ask, work)->tid, gettid());
}

static int worker_tid(struct workqueue_struct *wq, int cpu)
{
	struct ask ask = {.tid = 0};

	INIT_WORK(&ask.work, say_tid);
	CHECK(queue_work_on(cpu, wq, &ask.work));
	EVENTUALLY(atomic_load(&ask.tid) != 0);
	return atomic_load(&ask.tid);
}

static void frozen_at_any_instruction(void)
{
	struct rig rig;
	int stops = 0;

	if (!make_group())
		SKIP("no freezer cgroup of version 1 can be made");
	rig = rig_make(16);
	stream_begin(&s, rig.inst);
	for (int i = 0; i < usable_cpus(); i++) {
		int cpu = usable_cpu((unsigned int)i);
		char tid[32];

		snprintf(tid, sizeof(tid), "%d", worker_tid(rig.wq, cpu));
		CHECK(write_to(group, "tasks", tid));
		for (int stop = 0; stop < 150; stop++, stops++) {
			usleep(chance(1500));
			CHECK(write_to(group, "freezer.state", "FROZEN"));
			for (int look = 0; look < 50 && !state_of_group("FROZEN"); look++)
				usleep(100);
			usleep(chance(4000));
			CHECK(write_to(group, "freezer.state", "THAWED"));
			/* It comes out of it: what it held goes on. */
			stream_flows(&s, 1);
		}
		stream_flows(&s, 100);
		CHECK(write_to(own_group, "tasks", tid));
	}
	stream_end(&s);
	rig_end(rig);
	rmdir(group);
	printf("# stopped %d times\n", stops);
}

static const struct test_case cases[] = {
	{"E2 E6 every thread is late at each of its calls: no task is lost, the order holds", every_thread_is_late},
	{"E2 E6 a worker is stopped at any instruction: the order waits, and goes on", frozen_at_any_instruction},
};

TEST_MAIN(cases)

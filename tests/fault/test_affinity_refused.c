/* SPDX-License-Identifier: MIT */
/* A system that says nothing of the process's CPUs, or lets no thread be pinned: the stream goes on without. */

#include "fault.h"
#include "wrap_syscall.h"

int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __real_pthread_setaffinity_np(pthread_t id, size_t size, const cpu_set_t *set);
int __real_sched_getcpu(void);
int __real_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_pthread_setaffinity_np(pthread_t id, size_t size, const cpu_set_t *set);
int __wrap_sched_getcpu(void);
int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*body)(void *), void *argument);

static atomic_bool no_getaffinity, no_setaffinity, no_getcpu, no_getattr;
static atomic_int excluded = -1; /* pthread_create() on this CPU alone: EINVAL */
static atomic_long refusals;

static bool refuse(atomic_bool *which)
{
	if (!atomic_load(which))
		return false;
	atomic_fetch_add(&refusals, 1);
	return true;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	if (!refuse(&no_getaffinity))
		return __real_sched_getaffinity(pid, size, set);
	errno = EPERM;
	return -1;
}

int __wrap_pthread_setaffinity_np(pthread_t id, size_t size, const cpu_set_t *set)
{
	return refuse(&no_setaffinity) ? EINVAL : __real_pthread_setaffinity_np(id, size, set);
}

int __wrap_sched_getcpu(void)
{
	if (!refuse(&no_getcpu))
		return __real_sched_getcpu();
	errno = ENOSYS;
	return -1;
}

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*body)(void *), void *argument)
{
	cpu_set_t set;
	int cpu = atomic_load(&excluded);

	if (attr && cpu >= 0 && pthread_attr_getaffinity_np(attr, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 &&
	    CPU_ISSET((unsigned int)cpu, &set)) {
		atomic_fetch_add(&refusals, 1);
		return EINVAL;
	}
	return __real_pthread_create(id, attr, body, argument);
}

static long on_syscall(long number, const long a[6])
{
	if ((number == SYS_sched_getattr || number == SYS_sched_setattr) && refuse(&no_getattr)) {
		errno = ENOSYS;
		return -1;
	}
	return pass_on(number, a);
}

static void stream_while(atomic_bool *refused)
{
	static struct stream s;
	struct cpumask all;
	struct rig rig;

	cpumask_copy(&all, cpu_active_mask);
	atomic_store(&refusals, 0);
	atomic_store(refused, true);
	rig = rig_make(20);
	stream_begin(&s, rig.inst);
	stream_flows(&s, 500);
	CHECK_EQ(padata_set_cpumask(rig.inst, &all), 0);
	stream_flows(&s, 500);
	atomic_store(refused, false);
	stream_flows(&s, 500);
	atomic_store(refused, true);
	stream_flows(&s, 500);
	stream_end(&s);
	rig_end(rig);
	atomic_store(refused, false);
	CHECK(atomic_load(&refusals) > 0);
}

static void getaffinity_refused(void)
{
	stream_while(&no_getaffinity);
}

static void setaffinity_refused(void)
{
	stream_while(&no_setaffinity);
}

static void getcpu_refused(void)
{
	stream_while(&no_getcpu);
}

static void getattr_refused(void)
{
	stream_while(&no_getattr);
}

/* The process lost the CPU between the look and the start: it is not usable, and may be later. */
static void each_cpu_excluded(void)
{
	static struct stream s;
	int cpus = usable_cpus();

	if (cpus < 2)
		SKIP("one CPU");
	for (int i = 0; i < cpus; i++) {
		int cpu = usable_cpu((unsigned int)i);
		struct task t;
		struct rig rig;

		atomic_store(&refusals, 0);
		atomic_store(&excluded, cpu);
		rig = rig_make(0);
		task_init(&t, 0, parallel_finish, serial_note);
		CHECK_EQ(padata_do_parallel(rig.inst, &t.p, cpu), -EINVAL);
		stream_open(&s, rig.inst);
		atomic_store(&s.may_refuse, true);
		s.producer = thread(stream_produce, &s);
		stream_flows(&s, 200);
		atomic_store(&excluded, -1);
		CHECK(atomic_load(&refusals) > 0);
		CHECK_EQ(padata_add_cpu(rig.inst, cpu), 0);
		stream_flows(&s, 200);
		stream_end(&s);
		record_clear();
		CHECK_EQ(padata_do_parallel(rig.inst, &t.p, cpu), -EINPROGRESS);
		rig_end(rig);
		CHECK_EQ(atomic_load(&t.serial_cpu), cpu);
	}
}

static const struct test_case cases[] = {
	{"E1 E2 sched_getaffinity is refused: the stream goes on", getaffinity_refused},
	{"E1 E2 a worker cannot be pinned again: the stream goes on", setaffinity_refused},
	{"E1 E2 sched_getcpu is refused: the stream goes on", getcpu_refused},
	{"E1 E2 sched_getattr is refused: the stream goes on", getattr_refused},
	{"L1 S1 M5 a CPU that may have no thread is not usable, until it may", each_cpu_excluded},
};

TEST_MAIN(cases)

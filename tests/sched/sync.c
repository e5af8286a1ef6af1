/* SPDX-License-Identifier: MIT */

/*
 * Threads, mutexes, condition variables and futexes. A futex gives no
 * happens-before of its own; its wait compares the newest value, as the
 * kernel does under its lock, and may return early, as the kernel may.
 */

#include "snapshot.h"
#include "views.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct sync {
	unsigned int owner; /* thread + 1, or 0 */
	unsigned int depth;
	bool recursive, done;
	struct view view;
	uint64_t time;
	struct past past;
};

enum { MAX_SYNCS = 4096 };
static struct sync syncs[MAX_SYNCS];
static OF_SCHEDULE uint32_t n_syncs = 1;
static OF_SCHEDULE struct past unknown; /* of what was not touched yet */

void sync_init(void)
{
	snapshot_table(syncs, &n_syncs, sizeof(syncs[0]));
}

void sync_reset(void)
{
	n_syncs = 1;
	unknown = (struct past){0};
}

static struct sync *sync_at(const void *address, const char *what, void *pc)
{
	struct word *word;

	alloc_check((uintptr_t)address, sizeof(int), what, pc);
	word = shadow_word((uintptr_t)address);
	if (!word)
		sched_fail("%s of a mutex at %p, which is nobody's memory", what, address);
	if (!word->sync) {
		if (n_syncs == MAX_SYNCS)
			sched_fail("too many mutexes in one schedule");
		memset(&syncs[n_syncs], 0, sizeof(syncs[0]));
		word->sync = n_syncs++;
	}
	return &syncs[word->sync];
}

/* The threads that sleep at an address, and those that wake them. Never NULL: to wake is no access. */
static struct past *sleepers_at(const void *address)
{
	struct word *word = shadow_peek((uintptr_t)address);

	if (!word)
		return &unknown;
	if (!word->sync) {
		if (n_syncs == MAX_SYNCS)
			sched_fail("too many futexes in one schedule");
		memset(&syncs[n_syncs], 0, sizeof(syncs[0]));
		word->sync = n_syncs++;
	}
	return &syncs[word->sync].past;
}

static uint64_t nanoseconds(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

/* Threads. */

int sched_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument)
{
	unsigned long mask = 0;
	int id;

	if (!running)
		return pthread_create(thread, attr, start, argument);
	point();
	if (attr)
		memcpy(&mask, attr, sizeof(mask));
	if (mask && !(mask & allowed_cpus))
		return EINVAL;
	id = fiber_create(start, argument);
	if (mask) {
		fibers[id].affinity = mask & allowed_cpus;
		fibers[id].cpu = __builtin_ctzl(fibers[id].affinity);
	}
	*thread = (pthread_t)(unsigned long)(id + 1);
	if (unlikely(tracing))
		trace("pthread_create", (uintptr_t)id, 0, __builtin_return_address(0));
	return 0;
}

int sched_pthread_join(pthread_t thread, void **result)
{
	unsigned int id = (unsigned int)thread - 1;

	if (!running)
		return pthread_join(thread, result);
	point();
	if (id >= n_fibers || fibers[id].joined || fibers[id].detached)
		sched_fail("pthread_join of what is no thread, or was joined");
	while (fibers[id].wait != FINISHED)
		block(WAITS_JOIN, id);
	view_join(&fibers[self].now, &fibers[id].now);
	time_join(&fibers[self].time, fibers[id].time);
	past_learn(self, fibers[id].past);
	fibers[id].joined = true;
	if (result)
		*result = fibers[id].result;
	return 0;
}

int sched_pthread_detach(pthread_t thread)
{
	fibers[(unsigned int)thread - 1].detached = true;
	return 0;
}

bool sched_waits(pthread_t thread)
{
	enum wait wait = fibers[(unsigned int)thread - 1].wait;
	bool waits = wait != RUNS && wait != FINISHED;

	past_learn(self, waits);
	return waits;
}

pthread_t sched_pthread_self(void)
{
	return running ? (pthread_t)(self + 1) : pthread_self();
}

void sched_pthread_exit(void *result)
{
	fiber_exit(result);
}

int sched_pthread_setname_np(pthread_t thread, const char *name)
{
	if (!running)
		return pthread_setname_np(thread, name);
	strncpy(fibers[(unsigned int)thread - 1].name, name, 15);
	return 0;
}

int sched_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	if (old)
		sigemptyset(old);
	return 0;
}

/* Mutexes. */

static void lock(pthread_mutex_t *mutex, void *pc)
{
	struct sync *s = sync_at(mutex, "lock", pc);

	if (s->owner == self + 1) {
		if (!s->recursive)
			sched_fail("a thread locks a mutex twice: %p", (void *)mutex);
		s->depth++;
		return;
	}
	past_read(&s->past);
	while (s->owner)
		block(WAITS_MUTEX, (uintptr_t)mutex);
	s = sync_at(mutex, "lock", pc);
	s->owner = self + 1;
	view_join(&fibers[self].now, &s->view);
	time_join(&fibers[self].time, s->time);
	past_write(&s->past);
	if (unlikely(tracing))
		trace("lock", (uintptr_t)mutex, 0, pc);
}

static void unlock(pthread_mutex_t *mutex, void *pc)
{
	struct sync *s = sync_at(mutex, "unlock", pc);

	if (s->owner != self + 1)
		sched_fail("a thread unlocks a mutex that it does not hold: %p", (void *)mutex);
	if (s->depth) {
		s->depth--;
		return;
	}
	s->owner = 0;
	s->view = fibers[self].now;
	s->time = fibers[self].time;
	past_write(&s->past);
	tick();
	for (unsigned int i = 0; i < n_fibers; i++)
		if (fibers[i].wait == WAITS_MUTEX && fibers[i].wait_on == (uintptr_t)mutex)
			wake(i);
	if (unlikely(tracing))
		trace("unlock", (uintptr_t)mutex, 0, pc);
}

int sched_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	struct sync *s;
	int type = PTHREAD_MUTEX_DEFAULT;

	if (attr)
		pthread_mutexattr_gettype(attr, &type);
	if (!running)
		return pthread_mutex_init(mutex, attr);
	memset(mutex, 0, sizeof(*mutex));
	s = sync_at(mutex, "init", __builtin_return_address(0));
	memset(s, 0, sizeof(*s));
	s->recursive = type == PTHREAD_MUTEX_RECURSIVE;
	shadow_access((uintptr_t)mutex, 8, true, __builtin_return_address(0));
	return 0;
}

int sched_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	if (!running)
		return pthread_mutex_destroy(mutex);
	if (sync_at(mutex, "destroy", __builtin_return_address(0))->owner)
		sched_fail("a mutex is destroyed while it is held: %p", (void *)mutex);
	return 0;
}

int sched_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (!running)
		return pthread_mutex_lock(mutex);
	point_before((uintptr_t)mutex, true);
	lock(mutex, __builtin_return_address(0));
	shadow_access((uintptr_t)mutex, 8, false, __builtin_return_address(0));
	return 0;
}

int sched_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	struct sync *s;

	if (!running)
		return pthread_mutex_trylock(mutex);
	point_before((uintptr_t)mutex, true);
	s = sync_at(mutex, "trylock", __builtin_return_address(0));
	if (s->owner) {
		past_read(&s->past);
		fibers[self].idle_loads++;
		return EBUSY;
	}
	lock(mutex, __builtin_return_address(0));
	return 0;
}

int sched_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (!running)
		return pthread_mutex_unlock(mutex);
	point_before((uintptr_t)mutex, true);
	unlock(mutex, __builtin_return_address(0));
	return 0;
}

/* Condition variables. */

static int cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until, void *pc)
{
	struct fiber *f = &fibers[self];

	point();
	alloc_check((uintptr_t)cond, sizeof(*cond), "wait", pc);
	past_write(sleepers_at(cond));
	unlock(mutex, pc);
	if (until && choose(CHOOSE_EVENT, 2)) {
		f->timed_out = true;
		time_join(&now_ns, nanoseconds(until));
	} else if (!choose(CHOOSE_EVENT, 2)) { /* else: woken for no reason */
		f->deadline = until ? nanoseconds(until) + 1 : 0;
		block(WAITS_COND, (uintptr_t)cond);
		alloc_check((uintptr_t)cond, sizeof(*cond), "wait", pc);
	} else {
		point();
	}
	lock(mutex, pc);
	return until && f->timed_out ? ETIMEDOUT : 0;
}

int sched_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
	return pthread_cond_init(cond, attr);
}

int sched_pthread_cond_destroy(pthread_cond_t *cond)
{
	for (unsigned int i = 0; running && i < n_fibers; i++)
		if (fibers[i].wait == WAITS_COND && fibers[i].wait_on == (uintptr_t)cond)
			sched_fail("a condition variable is destroyed while thread %u waits on it", i);
	return 0;
}

int sched_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return cond_wait(cond, mutex, NULL, __builtin_return_address(0));
}

int sched_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	return cond_wait(cond, mutex, until, __builtin_return_address(0));
}

int sched_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
				 const struct timespec *until)
{
	(void)clock;
	return cond_wait(cond, mutex, until, __builtin_return_address(0));
}

static unsigned int wake_waiters(enum wait why, uintptr_t on, uint32_t bits, unsigned int max)
{
	unsigned int woken = 0;

	past_write(sleepers_at((const void *)on));

	while (woken < max) {
		unsigned int waiting[MAX_THREADS], n = 0;

		for (unsigned int i = 0; i < n_fibers; i++)
			if (fibers[i].wait == why && fibers[i].wait_on == on && (fibers[i].wait_bits & bits))
				waiting[n++] = i;
		if (!n)
			break;
		wake(waiting[n > max - woken ? choose(CHOOSE_FREE, n) : 0]);
		woken++;
	}
	return woken;
}

static int cond_wake(pthread_cond_t *cond, unsigned int max)
{
	if (!running)
		return 0;
	point();
	alloc_check((uintptr_t)cond, sizeof(*cond), "signal", __builtin_return_address(0));
	fibers[self].idle_loads = 0;
	wake_waiters(WAITS_COND, (uintptr_t)cond, ~0u, max);
	return 0;
}

int sched_pthread_cond_signal(pthread_cond_t *cond)
{
	return cond_wake(cond, 1);
}

int sched_pthread_cond_broadcast(pthread_cond_t *cond)
{
	return cond_wake(cond, MAX_THREADS);
}

int sched_pthread_once(pthread_once_t *once, void (*init)(void))
{
	struct sync *s;

	if (!running)
		return pthread_once(once, init);
	point();
	lock((pthread_mutex_t *)(void *)once, __builtin_return_address(0));
	s = sync_at(once, "once", __builtin_return_address(0));
	if (!s->done)
		init();
	s->done = true;
	unlock((pthread_mutex_t *)(void *)once, __builtin_return_address(0));
	return 0;
}

/* System calls by number. */

static long failed(int error)
{
	errno = error;
	return -1;
}

static long futex_wait(uint32_t *word, uint32_t value, uint64_t deadline, uint32_t bits, void *pc)
{
	struct fiber *f = &fibers[self];
	unsigned int early;

	if (*word != value)
		return failed(EAGAIN);
	early = choose(CHOOSE_EVENT, deadline ? 4 : 3);
	f->idle_loads++;
	past_write(sleepers_at(word));
	if (early == 1)
		return 0; /* meant for somebody who slept here before */
	if (early == 2)
		return failed(EINTR);
	if (early == 3) {
		time_join(&now_ns, deadline);
		return failed(ETIMEDOUT);
	}
	if (unlikely(tracing))
		trace("futex wait", (uintptr_t)word, value, pc);
	f->deadline = deadline;
	f->wait_bits = bits;
	block(WAITS_FUTEX, (uintptr_t)word);
	return f->timed_out ? failed(ETIMEDOUT) : 0;
}

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout, uint32_t bits, void *pc)
{
	uint64_t deadline;

	point_before((uintptr_t)word, true);
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		deadline = timeout ? *system_clock() + nanoseconds(timeout) + 1 : 0;
		alloc_check((uintptr_t)word, sizeof(*word), "futex wait", pc);
		return futex_wait(word, value, deadline, ~0u, pc);
	case FUTEX_WAIT_BITSET:
		deadline = timeout ? nanoseconds(timeout) + 1 : 0;
		alloc_check((uintptr_t)word, sizeof(*word), "futex wait", pc);
		return futex_wait(word, value, deadline, bits, pc);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		/* No access: to wake at an address that was freed harms nobody. */
		fibers[self].idle_loads = 0;
		if (unlikely(tracing))
			trace("futex wake", (uintptr_t)word, value, pc);
		return wake_waiters(WAITS_FUTEX, (uintptr_t)word, (op & FUTEX_CMD_MASK) == FUTEX_WAKE ? ~0u : bits,
				    value);
	default:
		sched_fail("futex operation %d is not known here", op);
	}
}

long sched_syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!running)
		return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	switch (number) {
	case SYS_futex:
		return futex((uint32_t *)a[0], (int)a[1], (uint32_t)a[2], (const struct timespec *)a[3], (uint32_t)a[5],
			     __builtin_return_address(0));
	case SYS_membarrier:
		if (a[0] == MEMBARRIER_CMD_PRIVATE_EXPEDITED || a[0] == MEMBARRIER_CMD_GLOBAL) {
			memory_barrier_all();
			if (unlikely(tracing))
				trace("membarrier", 0, 0, __builtin_return_address(0));
		}
		return a[0] == MEMBARRIER_CMD_QUERY ? MEMBARRIER_CMD_PRIVATE_EXPEDITED |
							      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
						    : 0;
	case SYS_gettid:
		return 1000 + (long)self;
	case SYS_read:
	case SYS_write:
		return event_transfer((int)a[0], number == SYS_write, (uint64_t *)a[1]);
	case SYS_sched_getattr:
	case SYS_sched_setattr:
		return failed(ENOSYS); /* nothing depends on it, and it is not for the scheduler's own thread */
	default:
		sched_fail("system call %ld is not known here", number);
	}
}

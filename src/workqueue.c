/* SPDX-License-Identifier: MIT */

/* One pinned worker thread for each CPU, work items, flush, destroy. Knows nothing of padata. */

#include "workqueue.h"
#include "compiler.h"
#include "cpumask.h"
#include "init.h"

#include <linux/cpumask.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The shortest turn that the kernel grants. */
static const uint64_t turn_ns = 100000;

struct workqueue_struct {
	char name[64];
	unsigned int generation;	     /* of the process that made it */
	pthread_mutex_t lock;		     /* starting workers */
	atomic_ulong queued;		     /* by queue_work() and queue_work_on() */
	struct pd_worker *fallback;	     /* the first worker: runs what has no other */
	struct pd_worker *_Atomic workers[]; /* nr_cpu_ids of them, NULL until started */
};

static _Thread_local struct pd_worker *current __attribute__((__tls_model__("initial-exec")));

static struct work_struct *work_of(void **link)
{
	return container_of((void *)link, struct work_struct, padata_next);
}

static void run_taken(struct pd_worker *worker)
{
	while (worker->taken) {
		struct work_struct *work = work_of(worker->taken);

		worker->taken = *worker->taken;
		/*
		 * Release: pairs with the acquire in queue_work_on(): who queues it again from here on may
		 * write to what the function reads, but our reading of the link above is over.
		 */
		__atomic_store_n(&work->padata_pending, 0, __ATOMIC_RELEASE);
		work->func(work);
	}
}

/* As in <linux/sched/types.h>, which does not go together with <sched.h>. */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/*
 * Ask the scheduler for short turns, so that a worker that wakes on its producer's CPU runs now and not when
 * the producer's turn ends. Kernels before 6.12 have no such thing, nor the need; then nothing changes.
 */
static void ask_for_short_turns(void)
{
	struct scheduling scheduling = {.size = sizeof(scheduling)};

	if (syscall(SYS_sched_getattr, 0, &scheduling, sizeof(scheduling), 0) ||
	    scheduling.policy != SCHED_OTHER)
		return;
	scheduling.size = sizeof(scheduling);
	scheduling.runtime = turn_ns;
	syscall(SYS_sched_setattr, 0, &scheduling, 0);
}

static void *worker_main(void *arg)
{
	struct pd_worker *worker = arg;
	char name[16];

	current = worker;
	snprintf(name, sizeof(name), "%.*s/%d", worker->cpu < 1000 ? 11 : 10, worker->wq->name, worker->cpu);
	pthread_setname_np(pthread_self(), name);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ask_for_short_turns();
	for (;;) {
		worker->taken = pd_inbox_take(&worker->inbox);
		if (worker->taken) {
			run_taken(worker);
			continue;
		}
		/* Relaxed: set before the poke that made us look, and the take acquired that. */
		if (atomic_load_explicit(&worker->stopping, memory_order_relaxed))
			return NULL;
		if (pd_inbox_rest(&worker->inbox))
			pd_park(&worker->parker);
	}
}

static const cpu_set_t *only(int cpu, struct cpumask *mask)
{
	cpumask_clear(mask);
	cpumask_set_cpu((unsigned int)cpu, mask);
	return (const cpu_set_t *)(const void *)mask;
}

static int start_thread(struct pd_worker *worker)
{
	struct cpumask mask;
	pthread_attr_t attr;
	sigset_t all;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	sigfillset(&all);
	error = pthread_attr_setaffinity_np(&attr, sizeof(mask), only(worker->cpu, &mask));
	if (!error)
		error = pthread_attr_setsigmask_np(&attr, &all);
	if (!error)
		error = pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_attr_destroy(&attr);
	return error;
}

static void free_worker(struct pd_worker *worker)
{
	if (worker)
		pthread_mutex_destroy(&worker->lend_lock);
	free(worker);
}

static struct pd_worker *start_worker(struct workqueue_struct *wq, int cpu)
{
	struct pd_worker *worker = aligned_alloc(PD_CACHE_LINE, sizeof(*worker));
	int error = ENOMEM;

	if (worker) {
		*worker = (struct pd_worker){.cpu = cpu, .wq = wq};
		pthread_mutex_init(&worker->lend_lock, NULL);
		/* It begins by looking, so it counts as active. */
		atomic_init(&worker->inbox.head, PD_INBOX_ACTIVE);
		error = start_thread(worker);
	}
	if (error) {
		free_worker(worker);
		errno = error;
		return NULL;
	}
	return worker;
}

struct pd_worker *pd_worker_get(struct workqueue_struct *wq, int cpu)
{
	/* Acquire: pairs with the release below; without it the worker might be seen before it is filled. */
	struct pd_worker *worker = atomic_load_explicit(&wq->workers[cpu], memory_order_acquire);

	if (worker)
		return worker;
	pthread_mutex_lock(&wq->lock);
	worker = atomic_load_explicit(&wq->workers[cpu], memory_order_relaxed);
	if (!worker) {
		worker = start_worker(wq, cpu);
		/* Release: pairs with the acquire above, see there. */
		if (worker)
			atomic_store_explicit(&wq->workers[cpu], worker, memory_order_release);
	}
	pthread_mutex_unlock(&wq->lock);
	return worker;
}

bool pd_worker_queue(struct pd_worker *worker, struct work_struct *work)
{
	bool slept = pd_inbox_push(&worker->inbox, &work->padata_next);

	if (slept)
		pd_unpark(&worker->parker);
	return slept;
}

void pd_worker_pin(struct pd_worker *worker)
{
	struct cpumask mask;

	pthread_setaffinity_np(worker->thread, sizeof(mask), only(worker->cpu, &mask));
}

bool pd_workqueue_inherited(const struct workqueue_struct *wq)
{
	return wq->generation != pd_generation();
}

void pd_worker_forget_self(void)
{
	current = NULL;
}

struct pd_worker *pd_worker_self(void)
{
	return current;
}

/* Who has the queue: what has been pushed to the end of what is taken. */
static void take_all(struct pd_worker *worker)
{
	void **more = pd_inbox_take(&worker->inbox), **link = worker->taken;

	while (link && *link)
		link = *link;
	if (link)
		*link = more;
	else
		worker->taken = more;
}

void pd_worker_lend(struct pd_worker *self, const void *item, void (*each)(struct work_struct *work))
{
	pthread_mutex_lock(&self->lend_lock);
	/* Relaxed: a fence follows. */
	atomic_store_explicit(&self->lent, item, memory_order_relaxed);
	/*
	 * Pairs with the fence in lane_run(): a lane that has queued another here, and comes to rest, sees that we lend,
	 * or we see that other. It is a light barrier too, for those that each() tells: they pass a heavy one.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	take_all(self);
	for (void **link = self->taken; link; link = *link)
		each(work_of(link));
	pthread_mutex_unlock(&self->lend_lock);
}

void pd_worker_reclaim(struct pd_worker *self)
{
	pthread_mutex_lock(&self->lend_lock);
	atomic_store_explicit(&self->lent, NULL, memory_order_relaxed);
	pthread_mutex_unlock(&self->lend_lock);
}

bool pd_worker_unqueue(struct pd_worker *worker, struct work_struct *work)
{
	void **link;

	take_all(worker);
	if (worker->taken == &work->padata_next) {
		worker->taken = work->padata_next;
		return true;
	}
	for (link = worker->taken; link; link = *link) {
		if (*link == &work->padata_next) {
			*link = work->padata_next;
			return true;
		}
	}
	return false;
}

static bool is_self(const struct workqueue_struct *wq)
{
	return current && current->wq == wq;
}

/* The first CPU that will have a worker; those of the process come first. */
static struct pd_worker *start_first(struct workqueue_struct *wq)
{
	struct cpumask active;
	struct pd_worker *worker = NULL;
	unsigned int cpu;

	pd_cpumask_active(&active);
	errno = EAGAIN;
	for_each_cpu(cpu, &active) {
		worker = pd_worker_get(wq, (int)cpu);
		if (worker || errno != EINVAL)
			break;
	}
	return worker;
}

PD_EXPORT struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq;
	va_list args;

	(void)flags;
	if (!fmt) {
		errno = EINVAL;
		return NULL;
	}
	wq = calloc(1, sizeof(*wq) + nr_cpu_ids * sizeof(wq->workers[0]));
	if (!wq)
		return NULL;
	va_start(args, max_active);
	vsnprintf(wq->name, sizeof(wq->name), fmt, args);
	va_end(args);
	wq->generation = pd_generation();
	pthread_mutex_init(&wq->lock, NULL);
	wq->fallback = start_first(wq);
	if (!wq->fallback) {
		int error = errno;

		free(wq);
		errno = error;
		return NULL;
	}
	return wq;
}

PD_EXPORT struct workqueue_struct *create_workqueue(const char *name)
{
	if (!name) {
		errno = EINVAL;
		return NULL;
	}
	return alloc_workqueue("%s", 0, 1, name);
}

struct flush_work {
	struct work_struct work;
	struct pd_parker parker;
};

static void flush_one(struct work_struct *work)
{
	pd_unpark(&container_of(work, struct flush_work, work)->parker);
}

static void refuse_self(const struct workqueue_struct *wq, const char *function)
{
	if (is_self(wq))
		pd_die("%s: called from a worker of the workqueue \"%s\", which it would wait for for ever",
		       function, wq->name);
}

PD_EXPORT void flush_workqueue(struct workqueue_struct *wq)
{
	if (!wq || pd_workqueue_inherited(wq))
		return;
	refuse_self(wq, "flush_workqueue");
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
		/* Acquire: pairs with the release in pd_worker_get(), see there. */
		struct pd_worker *worker = atomic_load_explicit(&wq->workers[cpu], memory_order_acquire);
		struct flush_work flush = {0};

		if (!worker)
			continue;
		INIT_WORK(&flush.work, flush_one);
		pd_worker_queue(worker, &flush.work);
		pd_park(&flush.parker);
	}
}

PD_EXPORT void destroy_workqueue(struct workqueue_struct *wq)
{
	bool inherited;
	int cancel;

	if (!wq)
		return;
	/* pthread_join() is a cancellation point, and nothing may be left half done. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	inherited = pd_workqueue_inherited(wq);
	if (!inherited) {
		refuse_self(wq, "destroy_workqueue");
		/*
		 * An item may queue another, on a CPU that was flushed already: until a round in which
		 * none did. Twice, since one that is counted may not be in its queue yet: it is when the item
		 * that queues it has been flushed, and has run after another flush.
		 */
		unsigned long queued;

		do {
			queued = atomic_load_explicit(&wq->queued, memory_order_relaxed);
			flush_workqueue(wq);
			flush_workqueue(wq);
		} while (queued != atomic_load_explicit(&wq->queued, memory_order_relaxed));
	}
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
		/* Relaxed: nobody starts one now, and the flushes have shown us those that the items started. */
		struct pd_worker *worker = atomic_load_explicit(&wq->workers[cpu], memory_order_relaxed);

		if (!worker)
			continue;
		if (!inherited) {
			/* Relaxed: the poke that follows is a release. */
			atomic_store_explicit(&worker->stopping, true, memory_order_relaxed);
			if (pd_inbox_poke(&worker->inbox))
				pd_unpark(&worker->parker);
			pthread_join(worker->thread, NULL);
		}
		free_worker(worker);
	}
	pthread_mutex_destroy(&wq->lock);
	free(wq);
	pthread_setcancelstate(cancel, NULL);
}

PD_EXPORT bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work)
{
	struct pd_worker *worker = NULL;

	if (pd_workqueue_inherited(wq))
		return false;
	/* Acquire: pairs with the release in run_taken(), see there. */
	if (__atomic_exchange_n(&work->padata_pending, 1, __ATOMIC_ACQUIRE))
		return false;
	if (cpu >= 0 && (unsigned int)cpu < nr_cpu_ids)
		worker = pd_worker_get(wq, cpu);
	/* Relaxed: destroy_workqueue() compares it only after the item that we are called from has returned.
	 */
	atomic_fetch_add_explicit(&wq->queued, 1, memory_order_relaxed);
	pd_worker_queue(worker ? worker : wq->fallback, work);
	return true;
}

PD_EXPORT bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	return queue_work_on(sched_getcpu(), wq, work);
}

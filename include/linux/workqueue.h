/* SPDX-License-Identifier: MIT */
#ifndef PADATA_LINUX_WORKQUEUE_H
#define PADATA_LINUX_WORKQUEUE_H

/*
 * Workqueues, by the kernel's names and signatures: one worker thread for each
 * CPU, pinned to it, named after the queue and the CPU, all signals blocked. A
 * worker sleeps while it has nothing to do.
 */

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct workqueue_struct;
struct work_struct;

typedef void (*work_func_t)(struct work_struct *work);

/* The caller's memory, set up by INIT_WORK(); its fields are the library's. */
struct work_struct {
	void *padata_next;
	work_func_t func;
	unsigned int padata_pending;
};

#define INIT_WORK(work, function)                  \
	do {                                       \
		(work)->padata_next = NULL;        \
		(work)->func = (function);         \
		(work)->padata_pending = 0;        \
	} while (0)

/* Accepted for the kernel's sake; every queue here is multithreaded, bound and can always make progress. */
#define WQ_UNBOUND (1u << 1)
#define WQ_FREEZABLE (1u << 2)
#define WQ_MEM_RECLAIM (1u << 3)
#define WQ_HIGHPRI (1u << 4)
#define WQ_CPU_INTENSIVE (1u << 5)

/*
 * Create a queue; NULL and errno: EINVAL (NULL name), ENOMEM, EAGAIN (no
 * thread could be started). One worker is started at once, so that there is
 * always one to run what is queued; the others when their CPU is first used.
 * fmt and the arguments after max_active make the name, as printf(3) does;
 * max_active is ignored: a CPU runs one item at a time. The queue is the
 * caller's, until destroy_workqueue(). Any thread; sleeps.
 */
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
	__asm__("padata_alloc_workqueue") __attribute__((__format__(__printf__, 1, 4)));
struct workqueue_struct *create_workqueue(const char *name) __asm__("padata_create_workqueue");

/*
 * Finish what is queued, join the workers, free everything. Sleeps. No other
 * call on the queue may be under way, and every padata instance on it must
 * have been freed. NULL is a no-op. From one of its own workers it cannot
 * succeed: it says so on standard error and aborts.
 */
void destroy_workqueue(struct workqueue_struct *wq) __asm__("padata_destroy_workqueue");

/*
 * Sleep until all that was queued before the call has run. Any thread but the
 * queue's own workers, from which it aborts with a message. NULL is a no-op.
 */
void flush_workqueue(struct workqueue_struct *wq) __asm__("padata_flush_workqueue");

/*
 * Queue the work on the caller's CPU, or on the given one: func is called once,
 * there, by the worker. Any thread, work functions included; never sleeps
 * unless the CPU's worker has to be started first. False when the work is
 * queued already and has not begun. The work may be queued again, or its
 * memory freed, as soon as func has begun. Where the CPU is not usable, or its
 * worker cannot be started, another worker runs it.
 */
bool queue_work(struct workqueue_struct *wq, struct work_struct *work) __asm__("padata_queue_work");
bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work)
	__asm__("padata_queue_work_on");

#ifndef container_of
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif

#ifdef __cplusplus
}
#endif

#endif

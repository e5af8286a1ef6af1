/* SPDX-License-Identifier: MIT */
#ifndef PADATA_LINUX_PADATA_H
#define PADATA_LINUX_PADATA_H

/*
 * Parallel, but in order: tasks run on every CPU of a mask at once, and are
 * completed in the order in which they were submitted.
 *
 * The interface is that of the Linux kernel's document of 2.6.34; what user
 * space needs beyond it follows in a section of its own. The numbers in
 * parentheses are those of the promises in doc/contract.md.
 *
 * Any thread may call any function, while others do; only padata_free() has to
 * be the last. Those that may sleep say so: called in a callback of another
 * instance on the same workqueue they hold up that CPU, so if they wait for a
 * task whose serial() has to run there they wait for ever (E7). Errors are
 * returned as negative numbers of <errno.h>.
 */

#include <errno.h>
#include <linux/cpumask.h>
#include <linux/workqueue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct padata_instance;

/*
 * One task, in the caller's memory, usually embedded in a larger structure:
 * zero it, then set parallel and serial. From its acceptance until serial()
 * begins it belongs to the library; after that it is the caller's again, to
 * be submitted anew or freed, from serial() too (S5).
 */
struct padata_priv {
	void (*parallel)(struct padata_priv *padata);
	void (*serial)(struct padata_priv *padata);
	union {
		void *link;
		unsigned long long space[3];
	} padata_private; /* the library's alone: what it keeps there may change with any version */
};

/*
 * Make a stopped instance that runs on the CPUs of cpumask, by the workers of
 * wq. The mask is copied; it may be empty, or name CPUs that are not usable.
 * The workqueue stays the caller's and must outlive the instance. NULL and
 * errno: EINVAL for a NULL argument, ENOMEM, ENODEV for a workqueue inherited
 * over fork(), or why a worker could not be started (EAGAIN). Sleeps. (L1)
 */
struct padata_instance *padata_alloc(const struct cpumask *cpumask, struct workqueue_struct *wq);

/*
 * Wait until every outstanding task has completed, then free the instance, but
 * not the workqueue. The caller ensures that no call of another thread on the
 * instance begins from now on; those under way are waited for. NULL is a no-op.
 * From a callback of the instance it aborts with a message. (L4)
 */
void padata_free(struct padata_instance *pinst);

/* Set and clear the flag that padata_do_parallel() asks for. Any thread, callbacks too; never sleeps. (L3) */
void padata_start(struct padata_instance *pinst);
void padata_stop(struct padata_instance *pinst);

/*
 * Change the CPUs: to the mask given, or by one CPU. Sleeps until the tasks
 * accepted before have completed; meanwhile padata_do_parallel() returns
 * -EBUSY. 0, -EINVAL (NULL, or a CPU number out of range), -ENOMEM or -EAGAIN
 * (a worker could not be started; the old mask stays), -EDEADLK (called from a
 * callback of the instance), -ENODEV (after fork, in the child). (M1 to M4)
 */
int padata_set_cpumask(struct padata_instance *pinst, cpumask_var_t cpumask);
int padata_add_cpu(struct padata_instance *pinst, int cpu);
int padata_remove_cpu(struct padata_instance *pinst, int cpu);

/*
 * Submit a task whose serial() is to run on cb_cpu. Any thread, callbacks
 * included; never sleeps, never allocates memory. (S1 to S5) A task that comes
 * alone is completed soonest if cb_cpu is the caller's own, sched_getcpu().
 *
 *   -EINPROGRESS  accepted: the task is the library's until its serial() begins
 *   0             the instance is not started
 *   -EBUSY        the CPU mask is being changed, or as many tasks are
 *                 outstanding as padata_get_window() allows
 *   -EINVAL       a NULL argument, no parallel() or serial(), or cb_cpu is not
 *                 a usable CPU of the mask
 *   -ENODEV       the instance was inherited over fork()
 *
 * In every case but the first the task stays with the caller, untouched.
 */
int padata_do_parallel(struct padata_instance *pinst, struct padata_priv *padata, int cb_cpu);

/*
 * Say that a task is finished: exactly once for each, from parallel() or,
 * later, from any thread. Runs no callback itself, so locks that serial()
 * takes may be held. A second call for one task, or one for a task that was
 * not submitted, aborts with a message. (E1 to E4, E8)
 */
void padata_do_serial(struct padata_priv *padata);

/* Beyond the document: what user space needs. */

/*
 * Submit n tasks at once, for less than n calls cost: those accepted are consecutive in the order, and
 * serial() of each is called on cb_cpu. Returns how many of them, from the first on, were accepted, which
 * is less than n where the room ends; or, when none was, what padata_do_parallel() returns. -EINVAL also
 * for n of 0, and when any of the tasks is NULL or lacks a function: then none is accepted. Tasks not
 * accepted stay with the caller, untouched. (S1 to S5)
 */
int padata_do_parallel_batch(struct padata_instance *pinst, struct padata_priv *const *tasks, unsigned int n,
			     int cb_cpu);

/*
 * Where tasks come from when the workers fetch them themselves. pull() puts up to max tasks into tasks[],
 * which become consecutive in the order, sets *cb_cpu if it is not to be the CPU that it is called on, and
 * returns how many they are; 0 says that there will be no more. It is called on any CPU of the mask, but
 * never twice at once and each time with all visible that the last call did. It may sleep, as parallel()
 * may: then its CPU does nothing else, and a change of the masks and padata_free() wait for it. It is not
 * called while there is no room, or the masks are being changed, but for a call that is about to begin.
 */
struct padata_source {
	unsigned int (*pull)(struct padata_source *source, struct padata_priv **tasks, unsigned int max,
			     int *cb_cpu);
	unsigned long long accepted; /* set by padata_pull(): how many of the tasks were accepted */
};

/*
 * Have the workers pull tasks from a source, and sleep until it ends. No thread submits then, and none is
 * woken: for short tasks it is the fastest way in. Others may submit meanwhile. (S1 to S5)
 *
 *   0           the source has ended, and all its tasks are accepted: padata_flush() waits for them
 *   -ECANCELED  the instance is not started, or was stopped
 *   -EINVAL     a NULL argument, no pull(); or pull() returned more than max, or tasks that
 *               padata_do_parallel() would refuse so
 *   -EBUSY      the instance has a source
 *   -EDEADLK    in a callback of the instance
 *   -ENODEV     the instance was inherited over fork()
 *
 * The source is the library's until the call returns. In every case but the first, tasks that pull() gave
 * after the first source->accepted are the caller's again, untouched.
 */
int padata_pull(struct padata_instance *pinst, struct padata_source *source);

/* The maximum of outstanding tasks that a new instance has. */
#define PADATA_DEFAULT_WINDOW 1024u

/*
 * Set the maximum of outstanding tasks: 0, -EINVAL for 0 or more than 2^30, -ENOMEM (the old one
 * stays), -EBUSY while the instance is started or tasks are outstanding, -ENODEV (after fork, in
 * the child). Sleeps, while a mask is being changed for example. (S4)
 */
int padata_set_window(struct padata_instance *pinst, unsigned int tasks);
/* That maximum, at least 1; 0 for NULL. Never sleeps. */
unsigned int padata_get_window(struct padata_instance *pinst);

/*
 * Sleep until a submission can succeed: 0; -EINVAL for NULL, or an instance that
 * is stopped or being stopped, -EDEADLK in a callback of the instance, -ENODEV.
 * Another thread may take the room first, so call it in a loop with
 * padata_do_parallel(). To spare wake-ups it may sleep some milliseconds
 * longer, until half of the window is free, or more. (S4)
 */
int padata_wait_room(struct padata_instance *pinst);

/*
 * A descriptor for poll(2) and its kin, readable while there is room; -errno
 * when none can be had. It belongs to the instance: do not read, write or
 * close it. The same one is returned at every call, callbacks included; sleeps
 * at most for others that do the same. (S4)
 */
int padata_room_fd(struct padata_instance *pinst);

/*
 * Sleep until all tasks accepted before the call have completed: 0, -EINVAL
 * (NULL), -EDEADLK in a callback of the instance, -ENODEV. (S4)
 */
int padata_flush(struct padata_instance *pinst);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
#ifndef PD_TASK_H
#define PD_TASK_H

/* What the library keeps of a task, in the place that struct padata_priv has for it. */

#include <linux/padata.h>

#include <stdint.h>

/* The header declares the place without these fields, so that they are nobody else's business. */
struct pd_task {
	struct padata_instance *instance;
	uint64_t seq;
	int cb_cpu;
	unsigned int state; /* enum pd_task_state */
} __attribute__((__may_alias__));

_Static_assert(sizeof(struct pd_task) <= sizeof(((struct padata_priv *)NULL)->padata_private), "it fits");
_Static_assert(sizeof(struct padata_priv) <= 64, "a task is at most a cache line");

enum pd_task_state {
	PD_TASK_CALLER,	   /* the caller's; 0, as zeroed memory is */
	PD_TASK_SUBMITTED, /* not begun */
	PD_TASK_RUNNING,   /* parallel() was called */
	PD_TASK_FINISHED,  /* padata_do_serial() was called */
};

static inline struct pd_task *pd_task(struct padata_priv *task)
{
	return (struct pd_task *)(void *)&task->padata_private;
}

/* Relaxed, both: what orders them is the window; they are atomic for the sake of a second, erroneous call. */
static inline unsigned int pd_task_state(struct padata_priv *task)
{
	return __atomic_load_n(&pd_task(task)->state, __ATOMIC_RELAXED);
}

static inline void pd_task_set_state(struct padata_priv *task, enum pd_task_state state)
{
	__atomic_store_n(&pd_task(task)->state, state, __ATOMIC_RELAXED);
}

#endif

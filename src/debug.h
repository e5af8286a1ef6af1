/* SPDX-License-Identifier: MIT */
#ifndef PD_DEBUG_H
#define PD_DEBUG_H

/*
 * Diagnosis, asked for by the environment: PADATA_DEBUG=sleep,stall.
 *
 *   sleep  names each callback that slept, and for how long
 *   stall  names the oldest task, its stage and its CPU, when nothing has moved for a second
 *
 * Off, it costs one test of a variable for each callback.
 */

#include "instance.h"

enum pd_stage { PD_PARALLEL, PD_SERIAL };

#define PD_DEBUG_SLEEP 1u
#define PD_DEBUG_STALL 2u

/* Set when the library is loaded, then constant. */
extern unsigned int pd_debug;
void pd_debug_init(void);

void pd_debug_call_observed(struct pd_lane *lane, struct padata_priv *task, enum pd_stage stage);

/* The worker. Call the task's parallel() or serial(); the task is not touched after. */
static inline void pd_debug_call(struct pd_lane *lane, struct padata_priv *task, enum pd_stage stage)
{
	if (pd_unlikely(pd_debug))
		pd_debug_call_observed(lane, task, stage);
	else if (stage == PD_PARALLEL)
		task->parallel(task);
	else
		task->serial(task);
}

/* Watch over an instance while it lives, if asked for: one thread each. */
void pd_debug_watch(struct padata_instance *pinst);
void pd_debug_unwatch(struct padata_instance *pinst);

#endif

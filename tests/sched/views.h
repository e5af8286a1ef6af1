/* SPDX-License-Identifier: MIT */
#ifndef SCHED_VIEWS_H
#define SCHED_VIEWS_H

/* What a thread knows of the others, and how it learns more: from a message, a fence, membarrier(2). */

#include "internal.h"

extern uint32_t now_step;		/* the time of seq_cst events */
extern uint32_t sc_fences[MAX_THREADS]; /* all that the threads knew when they passed a seq_cst fence */

static inline void view_join(struct view *into, const struct view *from)
{
	for (unsigned int i = 0; i < MAX_THREADS; i++) {
		into->hb[i] = into->hb[i] > from->hb[i] ? into->hb[i] : from->hb[i];
		into->coh[i] = into->coh[i] > from->coh[i] ? into->coh[i] : from->coh[i];
	}
	into->sc = into->sc > from->sc ? into->sc : from->sc;
}

static inline bool acquires(enum order order)
{
	return order == ACQUIRE || order == CONSUME || order == ACQ_REL || order == SEQ_CST;
}

static inline bool releases(enum order order)
{
	return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

#endif

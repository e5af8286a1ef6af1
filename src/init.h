/* SPDX-License-Identifier: MIT */
#ifndef PD_INIT_H
#define PD_INIT_H

/* What is done once, when the library is loaded; and how a programming error ends the program. */

#include <stdatomic.h>

extern atomic_uint pd_forks;

/*
 * Changes in the child of every fork(). What was made before is inherited: its workers are not there.
 */
static inline unsigned int pd_generation(void)
{
	/* Relaxed: written only while the process has a single thread. */
	return atomic_load_explicit(&pd_forks, memory_order_relaxed);
}

/* Print "padata: " and the message as one line on standard error, and abort. */
_Noreturn void pd_die(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

#endif

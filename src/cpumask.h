/* SPDX-License-Identifier: MIT */
#ifndef PD_CPUMASK_H
#define PD_CPUMASK_H

/* What the library itself asks, beyond <linux/cpumask.h>. */

#include <linux/cpumask.h>

/* cpu_active_mask, in the caller's memory: allocates nothing. */
void pd_cpumask_active(struct cpumask *mask);

#endif

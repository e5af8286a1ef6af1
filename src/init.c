/* SPDX-License-Identifier: MIT */

#include "init.h"
#include "debug.h"
#include "futex.h"
#include "guard.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

atomic_uint pd_forks;

/* In the child, whose only thread may have been a worker in a callback: it is none any more. */
static void count_fork(void)
{
	pd_lane_self = NULL;
	pd_worker_forget_self();
	atomic_fetch_add_explicit(&pd_forks, 1, memory_order_relaxed);
}

/* Behind the CPUs' constructor (101), ahead of the program's own. */
__attribute__((__constructor__(102))) static void load(void)
{
	pd_barrier_init();
	pd_guard_init();
	pd_debug_init();
	pthread_atfork(NULL, NULL, count_fork);
}

void pd_die(const char *fmt, ...)
{
	char line[512] = "padata: ";
	int used = 8;
	va_list args;

	va_start(args, fmt);
	used += vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);
	va_end(args);
	if (used > (int)sizeof(line) - 2)
		used = (int)sizeof(line) - 2;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		used = 0; /* nowhere left to say it */
	abort();
}

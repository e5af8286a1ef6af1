/* SPDX-License-Identifier: MIT */
#ifndef PD_COMPILER_H
#define PD_COMPILER_H

/* What the compiler has to be told, and nothing else. */

#include <stdalign.h>
#include <stdint.h>

#define PD_EXPORT __attribute__((__visibility__("default")))
#define PD_CACHE_LINE 64
/* Kept out of what calls it, which is often run, and this is not. */
#define PD_COLD __attribute__((__noinline__, __cold__))
#define pd_likely(x) __builtin_expect(!!(x), 1)
#define pd_unlikely(x) __builtin_expect(!!(x), 0)

/* Fetch a cache line that is about to be written, so that it need not be asked for twice. */
static inline void pd_prefetch_write(const void *line)
{
#if defined(__x86_64__)
	/*
	 * By name: compilers give it out only for processors that report it, and the others take it
	 * for a no-op.
	 */
	__asm__("prefetchw %0" ::"m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/*
 * Fetch a task that another CPU had last. What a callback works on most likely follows the task itself, and
 * begins in its line or the next.
 */
static inline void pd_prefetch_task(const void *task)
{
	pd_prefetch_write(task);
	/* No pointer arithmetic: before the first lap it is none. */
	pd_prefetch_write((const void *)((uintptr_t)task + PD_CACHE_LINE));
}

/* A turn of a loop that waits for another CPU: lets a sibling hardware thread run. */
static inline void pd_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("isb" ::: "memory");
#endif
}

#endif

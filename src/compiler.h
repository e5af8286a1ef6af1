/* SPDX-License-Identifier: MIT */
#ifndef PD_COMPILER_H
#define PD_COMPILER_H

/* What the compiler has to be told, and nothing else. */

#include <stdalign.h>

#define PD_EXPORT __attribute__((__visibility__("default")))
#define PD_CACHE_LINE 64
#define pd_likely(x) __builtin_expect(!!(x), 1)
#define pd_unlikely(x) __builtin_expect(!!(x), 0)

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

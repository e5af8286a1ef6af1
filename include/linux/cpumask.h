/* SPDX-License-Identifier: MIT */
#ifndef PADATA_LINUX_CPUMASK_H
#define PADATA_LINUX_CPUMASK_H

/*
 * Sets of CPUs, by the kernel's names and signatures.
 *
 * None of these functions waits for another thread; but alloc_cpumask_var(),
 * zalloc_cpumask_var(), cpumask_of() and the masks of the system (cpu_*_mask)
 * allocate memory, and the last ask the kernel. A mask is the caller's memory:
 * two threads may read one mask at once; a thread that writes it must be alone.
 * Bits at and above nr_cpu_ids are ignored where they are found; cpumask_copy()
 * copies them, and no other function sets one.
 */

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest number of CPUs that a mask can hold. */
#define PADATA_NR_CPUS 8192

#define PADATA_BITS_PER_LONG (8 * sizeof(unsigned long))

struct cpumask {
	unsigned long bits[PADATA_NR_CPUS / (8 * sizeof(unsigned long))];
};

/* As the kernel has it with CONFIG_CPUMASK_OFFSTACK: a pointer to be allocated. */
typedef struct cpumask *cpumask_var_t;

#ifndef GFP_KERNEL
typedef unsigned int gfp_t;
#define GFP_KERNEL 0u
#endif

/*
 * One more than the highest CPU number that this machine can have: 1 to
 * PADATA_NR_CPUS. Set when the library is loaded; only to be read.
 */
extern unsigned int nr_cpu_ids __asm__("padata_nr_cpu_ids");

/*
 * Allocate a mask: true, or false when memory is short (*mask is then NULL).
 * zalloc_cpumask_var() clears it as well. Free it with free_cpumask_var(),
 * which accepts NULL.
 */
bool alloc_cpumask_var(cpumask_var_t *mask, gfp_t flags) __asm__("padata_alloc_cpumask_var");
bool zalloc_cpumask_var(cpumask_var_t *mask, gfp_t flags) __asm__("padata_zalloc_cpumask_var");
void free_cpumask_var(cpumask_var_t mask) __asm__("padata_free_cpumask_var");

void cpumask_clear(struct cpumask *dst) __asm__("padata_cpumask_clear");
/* Sets the bits 0 to nr_cpu_ids - 1. */
void cpumask_setall(struct cpumask *dst) __asm__("padata_cpumask_setall");
void cpumask_copy(struct cpumask *dst, const struct cpumask *src) __asm__("padata_cpumask_copy");

/* dst may be a or b. cpumask_and() and cpumask_andnot() return whether dst holds any CPU. */
bool cpumask_and(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
	__asm__("padata_cpumask_and");
void cpumask_or(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
	__asm__("padata_cpumask_or");
bool cpumask_andnot(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
	__asm__("padata_cpumask_andnot");

bool cpumask_equal(const struct cpumask *a, const struct cpumask *b) __asm__("padata_cpumask_equal");
/* Whether every CPU of a is in b. */
bool cpumask_subset(const struct cpumask *a, const struct cpumask *b) __asm__("padata_cpumask_subset");
bool cpumask_empty(const struct cpumask *mask) __asm__("padata_cpumask_empty");
/* The number of CPUs in the mask. */
unsigned int cpumask_weight(const struct cpumask *mask) __asm__("padata_cpumask_weight");

/* The first CPU, and the first one after n (n may be -1); nr_cpu_ids or more when there is none. */
unsigned int cpumask_first(const struct cpumask *mask) __asm__("padata_cpumask_first");
unsigned int cpumask_next(int n, const struct cpumask *mask) __asm__("padata_cpumask_next");

/* A CPU number outside 0 to nr_cpu_ids - 1 is ignored by set and clear, and tests false. */
void cpumask_set_cpu(unsigned int cpu, struct cpumask *dst) __asm__("padata_cpumask_set_cpu");
void cpumask_clear_cpu(int cpu, struct cpumask *dst) __asm__("padata_cpumask_clear_cpu");
bool cpumask_test_cpu(int cpu, const struct cpumask *mask) __asm__("padata_cpumask_test_cpu");

#define for_each_cpu(cpu, mask)                                                         \
	for ((cpu) = cpumask_first(mask); (unsigned int)(cpu) < nr_cpu_ids;             \
	     (cpu) = cpumask_next((int)(cpu), (mask)))

/*
 * The mask of one CPU. The memory is the calling thread's: it holds until the
 * thread's eighth further call, or its end. An empty mask for a CPU out of range,
 * or when memory is short.
 */
const struct cpumask *cpumask_of(int cpu) __asm__("padata_cpumask_of");

/*
 * The CPUs that the machine can have, those that are on line, and those that
 * the process may run on (sched_getaffinity(2) of its main thread), as they
 * are at the moment of use. The memory of each is the calling thread's, and
 * the next use of the same name in that thread refreshes it; it is empty when
 * memory is short.
 */
#define cpu_possible_mask (padata_cpu_possible_mask())
#define cpu_online_mask (padata_cpu_online_mask())
#define cpu_active_mask (padata_cpu_active_mask())
const struct cpumask *padata_cpu_possible_mask(void);
const struct cpumask *padata_cpu_online_mask(void);
const struct cpumask *padata_cpu_active_mask(void);

/*
 * Parse a list ("0-3,8", "0-6:2/4", "all", blank for none) or the hexadecimal words of
 * the kernel ("ff", "1,00000000"); a trailing newline is allowed. 0, -EINVAL
 * for what cannot be read, -ERANGE or -EOVERFLOW (cpumask_parse) for a CPU at or above nr_cpu_ids;
 * *dst is changed only on success.
 */
int cpulist_parse(const char *list, struct cpumask *dst) __asm__("padata_cpulist_parse");
int cpumask_parse(const char *hex, struct cpumask *dst) __asm__("padata_cpumask_parse");

/*
 * Write the mask as a list ("0-3,8") into buf, of size bytes, always ended by
 * a NUL when size is not 0; returns the length that the whole list has, as
 * snprintf(3) does.
 */
int padata_cpulist_print(char *buf, size_t size, const struct cpumask *mask);

#ifdef __cplusplus
}
#endif

#endif

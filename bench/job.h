/* SPDX-License-Identifier: MIT */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

/*
 * The one job that every program here does: N items from one producer, the
 * same work on each, in parallel, then a serial stage that sees them in order.
 * A program parses its options, does the job between job_begin() and
 * job_end(), and prints one line of JSON with job_report().
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct job {
	unsigned long work;  /* ns for one item */
	unsigned long items; /* 0 until chosen: about half a second on two CPUs */
	unsigned long window; /* items outstanding at most */
	unsigned long loops;  /* turns of job_work() for one item */
	unsigned long per_us; /* turns in a microsecond; measured unless given */
};
extern struct job job;

struct job_item {
	unsigned int number; /* its place in its order */
	unsigned int order;  /* which order, where there are several */
	unsigned long value; /* the work's input, then its result */
};

struct job_order {
	unsigned long sum;
	unsigned int next;
};

/* An option "--name VALUE" of one program beside those of the job. */
struct job_option {
	const char *name;
	unsigned long *number; /* either this one is set, */
	const char **text;     /* or this one */
	const char *help;
};

/* Parse the command line; the table ends with a NULL name and may be NULL. Exits on a mistake. */
void job_options(int argc, char **argv, const struct job_option *options);

void job_begin(void);
void job_end(void);

struct job_cost {
	double wall;     /* ns from begin to end */
	double cpu;      /* ns of this process */
	double foreign;  /* ns of everybody else, the hypervisor included */
	double resolution; /* of foreign, ns */
	long switches;   /* of context, in this process */
};
extern struct job_cost job_cost;

/* Print the result: what all programs have in common, then the program's own fields, as in ", \"x\": 1". */
void job_report(const char *program, unsigned long sum, const char *fields, ...)
	__attribute__((__format__(__printf__, 3, 4)));

/* Run it twice at once, on CPU 0 and on CPU 1, each with its argument; returns when both have ended. */
void job_on_two_cpus(void *(*run)(void *), void *first, void *second);

unsigned long long job_now(void);
void job_fail(const char *why, long value) __attribute__((__noreturn__, __cold__));
/* Memory that starts on a cache line, zeroed, for the life of the process. */
void *job_memory(size_t size);

/*
 * Multiplications that each need the one before: no compiler and no CPU can do them at once. Not inline: the loop
 * takes an eighth longer where it lies across two cache lines, so all programs have the same one.
 */
unsigned long job_work(unsigned long value, unsigned long loops);

static inline void job_take(struct job_order *order, const struct job_item *item)
{
	if (__builtin_expect(item->number != order->next, 0))
		job_fail("out of order", (long)item->number);
	order->next++;
	order->sum += item->value;
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SCHED_INTERNAL_H
#define SCHED_INTERNAL_H

/* What the files of the scheduler share. Everything runs in one kernel thread, so nothing here is atomic. */

#include "sched.h"

#include <stddef.h>
#include <stdint.h>

enum { MAX_THREADS = 8 };
#define NEVER 0xffffffffu

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * What a thread, or a message from one, knows of the others. Each count is an
 * epoch: the thread's events up to it are known.
 *   hb   they happen before
 *   coh  they may not be missed: hb, and what the order of the seq_cst fences adds to it
 *   sc   the time of the last seq_cst fence that happens before; seq_cst accesses up to it may not be missed
 */
struct view {
	uint32_t hb[MAX_THREADS];
	uint32_t coh[MAX_THREADS];
	uint32_t sc;
};

enum wait { RUNS, WAITS_FUTEX, WAITS_MUTEX, WAITS_COND, WAITS_JOIN, WAITS_SLEEP, FINISHED };

struct fiber {
	struct view now; /* what the thread knows */
	struct view rel; /* what its last release fence published */
	struct view acq; /* what an acquire fence would learn from the relaxed loads so far */
	void *sp;
	char *tp;
	void *stack;
	void *(*start)(void *);
	void *argument, *result;
	enum wait wait;
	uintptr_t wait_on;
	uint32_t wait_bits;
	uint64_t deadline; /* 0: none */
	uint64_t time;	   /* in the exhaustive search: what the clock shows the thread next, at least */
	uint64_t past;	   /* see past.c */
	bool timed_out;
	bool joined, detached;
	int cpu;
	unsigned long affinity;
	unsigned int idle_loads; /* loads since it last changed anything: it spins */
	unsigned int stale_run;
	uint32_t priority; /* for PCT */
	char name[16];
};

extern struct fiber fibers[MAX_THREADS];
extern unsigned int self;	/* the thread that runs */
extern unsigned int n_fibers;	/* how many were made in this schedule */
extern uint32_t runnable;	/* a bit for each */
extern bool running;		/* inside of a schedule, rather than before, between or after */
extern bool quiet;		/* sched_explore(false) */
extern uint64_t now_ns;		/* the simulated clock */
extern unsigned long allowed_cpus;

/* fibers.c */
void fibers_init(void);
void fibers_begin(void (*run)(void)); /* a schedule */
bool fibers_go_on(void); /* until it is over; true if it only pauses */
void fiber_pause(void);
size_t fiber_memory(unsigned int fiber, unsigned int part, void **memory); /* that has a size; 0: no more parts */
int fiber_create(void *(*start)(void *), void *argument);
void fiber_exit(void *result) __attribute__((__noreturn__));
void fiber_abandon(void) __attribute__((__noreturn__)); /* end the schedule as it stands */
void fiber_switch(unsigned int to);
bool fiber_is_gone(uintptr_t address); /* the stack or the thread-local memory of a thread that has ended */

/* explore.c: the points of choice */
enum choice { CHOOSE_THREAD, CHOOSE_STALE, CHOOSE_EVENT, CHOOSE_FREE };
void point(void);			/* another thread may run here */
void point_before(uintptr_t address, bool write); /* ... if the object is shared */
void point_fence(void);			/* ... if something may be stale: nobody notices a fence but by that */
void point_yield(void);			/* another one has to, if it can */
void block(enum wait why, uintptr_t on); /* until somebody calls wake() */
void wake(unsigned int fiber);
unsigned int choose(enum choice kind, unsigned int n); /* 0 is what happens by default */
void thread_begins(unsigned int fiber);
void thread_gone(void) __attribute__((__noreturn__));

/* past.c: which states the exhaustive search has seen, and which objects are shared */
struct past {
	uint64_t wrote, reads;
};
void past_begin_search(void);
bool past_grew(void); /* since it was last asked an object was found to be shared */
void past_begin_again(void); /* ... and what was found counts from now on */
void past_reset(void);
void past_read(struct past *object);
void past_write(struct past *object);
void past_learn(unsigned int fiber, uint64_t what);
bool past_is_new(unsigned int kind, unsigned int used); /* reached by so many preemptions */
bool past_shared(uintptr_t address, bool write);
extern struct past cpus_past; /* which CPUs there are, and where the threads are */

/* memory.c */
__extension__ typedef unsigned __int128 value_t;
enum order { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };
enum op { OP_XCHG, OP_ADD, OP_SUB, OP_AND, OP_OR, OP_XOR, OP_NAND };
void memory_reset(void);
value_t memory_load(void *address, unsigned int size, enum order order, void *pc);
void memory_store(void *address, unsigned int size, value_t value, enum order order, void *pc);
value_t memory_rmw(void *address, unsigned int size, enum op op, value_t operand, enum order order, void *pc);
value_t memory_cas(void *address, unsigned int size, value_t expected, value_t desired, enum order order,
		   enum order failure, void *pc);
static inline void time_join(uint64_t *into, uint64_t from)
{
	*into = *into > from ? *into : from;
}
static inline void tick(void)
{
	fibers[self].now.hb[self]++;
	fibers[self].now.coh[self]++;
}

/* views.c */
void views_reset(void);
void memory_fence(enum order order);
void memory_barrier_all(void); /* membarrier(2) */
void memory_synchronise_all(void); /* as if every thread had met all others */

/* shadow.c: plain accesses */
struct word {
	uint32_t plain; /* the accesses, by the bytes that they touched */
	uint32_t loc;	/* the atomic objects that begin in it */
	uint32_t sync;	/* the mutex, condition variable or futex */
};
void shadow_reset(void);
void shadow_forget(void); /* where the words are */
void shadow_remember(void);
void shadow_init(void);
struct word *shadow_word(uintptr_t address); /* NULL: not memory that is watched */
size_t shadow_words(void);
size_t shadow_number(uintptr_t address); /* of the word, below shadow_words(); 0 where nothing is watched */
struct word *shadow_peek(uintptr_t address); /* ... or not touched yet */
void shadow_access(uintptr_t address, size_t size, bool write, void *pc);
/* While nothing is explored all is taken as ordered; but what was atomic begins anew where it is written. */
void shadow_write_quietly(uintptr_t address, size_t size);
/* An atomic access: is it ordered after the plain ones? */
void shadow_against_atomic(struct word *word, uintptr_t address, unsigned int size, bool write, void *pc);
/* A plain access: is it ordered after the atomic ones? A write ends their history. */
void memory_against_plain(struct word *word, uintptr_t address, unsigned int mask, bool write, void *pc);
void shadow_freed(uintptr_t address, size_t size, void *pc);

/* alloc.c */
#define ARENA_BASE 0x100000000000u
#define ARENA_SIZE (64u << 20)	     /* the heap, then the threads' stacks and thread-local blocks */
#define ARENA_HEAP (48u << 20)
void alloc_init(void);
void alloc_reset(void);
void alloc_forget(void); /* whose each place is */
void alloc_check(uintptr_t address, size_t size, const char *what, void *pc);
bool alloc_owner(uintptr_t address, unsigned int *thread, uint32_t *epoch);
void alloc_report_leaks(void);
void *arena_carve(size_t size, size_t alignment); /* for ever, outside of the heap */

/* sync.c */
void sync_init(void);
void sync_reset(void);

/* system.c */
void system_reset(void);
uint64_t *system_clock(void); /* as the thread that runs has it */
void system_thread_ends(void);

/* events.c */
void events_reset(void);
long event_transfer(int fd, bool write, uint64_t *count); /* read(2) and write(2) */
void events_report_leaks(void);

/* report.c */
extern bool tracing;
extern char finding[1024]; /* empty: nothing was found in this schedule */
void finding_at(void *pc1, void *pc2);
void trace(const char *what, uintptr_t address, unsigned long long value, void *pc);
void trace_reset(void);
void report_finding(void);
void report_trace(unsigned long last);

#endif

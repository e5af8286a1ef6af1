/* SPDX-License-Identifier: MIT */
#ifndef PD_INSTANCE_H
#define PD_INSTANCE_H

/*
 * The parts of an instance, shared by the files that make it up. Data flows from submit.c through
 * run.c and lane.c to room.c.
 */

#include "compiler.h"
#include "crew.h"
#include "futex.h"
#include "guard.h"
#include "inbox.h"
#include "init.h"
#include "serialq.h"
#include "span.h"
#include "task.h"
#include "window.h"
#include "workqueue.h"

#include <linux/padata.h>

#include <pthread.h>

/* A run of tasks, which a lane claims at once: how many at most, and about how long it takes, ns. */
#define PD_RUN_MAX 96
#define PD_RUN_NS 10000u

/* What a CPU is to an instance: it runs tasks in parallel, and those whose cb_cpu it is in order. */
enum pd_lane_call {
	PD_NOT_CALLED,
	PD_CALLED,   /* and counted as a searcher */
	PD_SUMMONED, /* and not counted, since its worker is busy elsewhere */
	PD_COUNTED,  /* it has come, and counts as a searcher */
};
enum pd_lane_mode { PD_LANE_RESTING, PD_LANE_SEARCHING, PD_LANE_WORKING };

struct pd_lane {
	/* Delivered, and serial() not begun: put by the holder of the window's token, taken by the worker. */
	struct pd_serialq serialq;

	/* Whether the worker is to look around. Nothing is pushed. */
	alignas(PD_CACHE_LINE) struct pd_inbox inbox;
	atomic_uint called; /* enum pd_lane_call */
	atomic_bool usable; /* may search */
	atomic_bool absent; /* has left the crew, because it was not usable */

	/* What is claimed and not begun. Taken from by the worker and by thieves. */
	alignas(PD_CACHE_LINE) struct pd_span run;

	/* The worker's. */
	alignas(PD_CACHE_LINE) _Atomic uint64_t completed; /* written by the worker, read by producers */
	_Atomic uint64_t serving; /* the task whose serial() comes next or runs; written by the worker */
	enum pd_lane_mode mode;
	bool in_serial;	       /* in its serial stage, where it may sleep */
	uint64_t task_ns;      /* what one parallel() takes, as measured */
	uint64_t now;	       /* the last time that it looked at the clock */
	uint64_t search_until; /* when the search is given up */
	uint64_t search_ns;    /* how long it lasts, as learned */
	unsigned int victim;   /* whom to rob next */
	_Atomic uint64_t
	    running; /* for diagnosis: sequence number << 2 | 1 + enum pd_stage; 0 between callbacks */

	/* Constant. */
	struct work_struct work;
	struct pd_worker *worker;
	struct padata_instance *instance;
	int cpu;
};

/* Who waits for what: bits of padata_instance.awaited. */
#define PD_AWAIT_ROOM 1u     /* padata_wait_room(): any room */
#define PD_AWAIT_HALF 2u     /* padata_wait_room(): half of the window */
#define PD_AWAIT_FD 4u	     /* the descriptor is not readable */
#define PD_AWAIT_PROGRESS 8u /* somebody has a struct pd_await in the list */
#define PD_AWAIT_SOURCE 16u  /* a lane went to rest while there was a source: call one when there is room */

struct padata_instance {
	struct pd_window window;
	struct pd_crew crew;

	alignas(PD_CACHE_LINE) atomic_uint awaited;
	atomic_bool quiescing;		/* searchers are to rest */
	atomic_uint size;		/* the maximum of outstanding tasks */
	unsigned int generation;	/* of the process that made it */
	struct pd_lane *_Atomic *lanes; /* by CPU; NULL until it was in the mask once */
	struct pd_lane **lane_list;	/* those that are there, lane_count of them */
	atomic_uint lane_count;
	atomic_ulong *usable; /* a bit for each CPU that may be a cb_cpu */
	atomic_uint usable_count;
	atomic_bool has_absentee; /* a lane has left the crew since the masks were applied: nobody goes on without a look */

	pthread_mutex_t change_lock; /* masks, size; taken before room_lock */
	struct cpumask cpumask;	     /* as the user gave it */
	struct workqueue_struct *wq;
	_Atomic uint64_t looked;  /* when the process's CPUs were last looked up, ns */
	_Atomic uint64_t skipped; /* sequence numbers that passed without a task */

	pthread_mutex_t room_lock; /* the list of struct pd_await, the descriptor */
	struct pd_await *awaits;
	atomic_uint room_turn;	       /* futex: changes when there is room again */
	_Atomic uint64_t room_since;   /* when a producer last began to wait for room */
	atomic_int room_cpu;	       /* where it did */
	atomic_int seldom_cpu;	       /* a hint: the CPU of the producer that called last, if it calls seldom; or -1 */
	atomic_bool is_brief;	       /* a hint: to run a task takes less than to wake a CPU */
	_Atomic uint64_t room_wait_ns; /* how long padata_wait_room() took last time */
	/* Read at each submission. */
	alignas(PD_CACHE_LINE) atomic_int room_fd;
	bool room_fd_shows;	     /* room; the updater's */
	atomic_uint room_fd_updates; /* asked for and not done; who raises it from 0 does them */
	struct pd_stall *stall;	     /* PADATA_DEBUG=stall */

	alignas(PD_CACHE_LINE) atomic_uint source_state; /* source.c */
	struct pd_source *source;
};

/* The lane whose callback the calling thread is in, or about to be; NULL outside. */
extern _Thread_local struct pd_lane *pd_lane_self __attribute__((__tls_model__("initial-exec")));

static inline struct pd_lane *pd_instance_lane(const struct padata_instance *pinst, int cpu)
{
	/*
	 * Acquire: pairs with the release in add_lane(); without it a new lane might be seen
	 * before it is filled.
	 */
	return atomic_load_explicit(&pinst->lanes[cpu], memory_order_acquire);
}

/* How many there are in lane_list; they only grow in number. */
static inline unsigned int pd_instance_lanes(const struct padata_instance *pinst)
{
	/* Acquire: pairs with the release in add_lane(); without it a new lane might be seen before it is
	 * filled. */
	return atomic_load_explicit(&pinst->lane_count, memory_order_acquire);
}

static inline bool pd_instance_usable(const struct padata_instance *pinst, int cpu)
{
	unsigned int n = (unsigned int)cpu;

	/*
	 * Acquire: pairs with the release in set_usable(); without it whoever delivers the task that follows
	 * might not see the lane that pd_mask_look() has made for this CPU. A mask that changes meanwhile
	 * makes the reservation fail.
	 */
	return n < nr_cpu_ids &&
	       atomic_load_explicit(&pinst->usable[n / PADATA_BITS_PER_LONG], memory_order_acquire) >>
		       (n % PADATA_BITS_PER_LONG) &
		   1;
}

/* Whether the calling thread is in a lane of the instance, on the CPU of the producer that last waited for
 * room. */
static inline bool pd_shares_room_cpu(const struct padata_instance *pinst)
{
	return pd_lane_self && pd_lane_self->instance == pinst &&
	       pd_lane_self->cpu == atomic_load_explicit(&pinst->room_cpu, memory_order_relaxed);
}

static inline bool pd_instance_inherited(const struct padata_instance *pinst)
{
	return pinst->generation != pd_generation();
}

/*
 * A worker, in a callback or another item, that is about to sleep in a call: lend its queue, so that no change of
 * any instance waits for a lane in there; and have it back. Any other thread: nothing.
 */
void pd_lane_lend(void);
void pd_lane_reclaim(void);

/*
 * Into a call that may sleep until the instance makes progress, and out of it by pd_leave_from_sleep():
 * 0; or the refusal, -EINVAL (NULL), -ENODEV (inherited), -EDEADLK (in a callback of the instance).
 */
static inline int pd_enter_to_sleep(const struct padata_instance *pinst)
{
	if (!pinst)
		return -EINVAL;
	if (pd_instance_inherited(pinst))
		return -ENODEV;
	if (pd_lane_self && pd_lane_self->instance == pinst)
		return -EDEADLK;
	pd_guard_enter(PD_IN_CALL, pinst, PD_GUARD_SLEEPER);
	pd_lane_lend();
	return 0;
}

static inline void pd_leave_from_sleep(void)
{
	pd_lane_reclaim();
	pd_guard_leave(PD_IN_CALL);
}

/* lane.c */
struct pd_lane *pd_lane_alloc(struct padata_instance *pinst, struct pd_worker *worker, int cpu);
void pd_lane_free(struct pd_lane *lane);
/*
 * Any thread for which the instance is kept: if the token lies at a task that is done, deliver that and what is
 * done behind it to their lanes, in order. Whether there was any; a hint, but behind a barrier.
 */
bool pd_lane_deliver(struct padata_instance *pinst);
/* The worker, if it searches: from here on it works, and whoever now has to search is called. */
void pd_lane_stop_searching(struct pd_lane *lane);
/*
 * A change, with nothing outstanding and the lanes to rest: if the lane waits behind an item in which its worker
 * sleeps, and lends its queue, have it come to rest in our hands.
 */
void pd_lane_rest_here(struct pd_lane *lane);

/* run.c */
/*
 * The worker: a run of tasks to begin. Returns how many, 0 for none; *first is the first. last: the lane
 * rests if there is none, so that few are better than nothing, and all the other lanes are looked at.
 */
unsigned int pd_run_find(struct pd_lane *lane, bool last, uint64_t *first);
/* The worker: run it, or what thieves leave of it. */
void pd_run_parallel(struct pd_lane *lane, uint64_t first, unsigned int n);
/*
 * The worker, in a callback, with a task marked done: whether it may go on without a look for the token until the end
 * of its run. Only while it has more to begin: so somebody searches, who looks for the token, or nobody rests, and
 * whoever is to run serial() is in a callback, and looks after it; and who sees the run empty sees what was finished in
 * it. Not when a lane has left, which looks once. Nor while somebody rests, who could run serial() meanwhile.
 */
static inline bool pd_run_goes_on(struct pd_lane *lane)
{
	struct padata_instance *pinst = lane->instance;

	return pd_span_goes_on(&lane->run) && lane->task_ns <= PD_RUN_NS && pd_crew_is_awake(&pinst->crew) &&
	       !atomic_load_explicit(&pinst->has_absentee, memory_order_relaxed);
}

/* Any thread, behind a barrier: whether there is a task that nobody has begun, one to be pulled, or one to be
 * delivered. */
bool pd_run_pending(struct padata_instance *pinst);

/* source.c */
/* Any thread, a hint: whether there is a source. */
static inline bool pd_source_exists(const struct padata_instance *pinst)
{
	return atomic_load_explicit(&pinst->source_state, memory_order_relaxed) != 0;
}
/* Any thread, behind a barrier: whether there is a source that nobody pulls from, and room. */
bool pd_source_ready(struct padata_instance *pinst);
/*
 * A worker in its lane: pull up to max tasks, unless there is room for fewer than `least`, and submit them.
 * Returns how many of them it has claimed as well, all or none; *first is the first.
 */
unsigned int pd_source_fetch(struct pd_lane *lane, unsigned int least, unsigned int max, uint64_t *first);
/*
 * A worker in its lane, which is not at rest, when PD_AWAIT_SOURCE is set: call a lane to pull if there is
 * room for half of the window; with_room: if there is any.
 */
void pd_source_call(struct pd_lane *lane, bool with_room);

/* submit.c */
/*
 * A lane: submit tasks, as padata_do_parallel_batch() does. -EINPROGRESS, and the first *n are accepted;
 * *claimed: they are the caller's to begin, from *first on. Or the refusal of all.
 */
int pd_submit(struct padata_instance *pinst, struct padata_priv *const *tasks, unsigned int *n, int cb_cpu,
	      uint64_t *first, bool *claimed);

/* call.c */
/* Any thread: the lane is to look around. True when its worker slept, and so comes to it at once. */
bool pd_lane_wake(struct pd_lane *lane);
/* Any thread, behind a barrier: call a CPU, from the given one on, if the crew's rule asks for one. */
void pd_lane_call(struct padata_instance *pinst, unsigned int first);
/*
 * Any thread: if the lane of the CPU that it runs on counts as a searcher, and so cannot search now, call
 * another.
 */
void pd_lane_call_other(struct padata_instance *pinst);
/* Any thread: have a lane that left the crew join it again. */
void pd_lane_summon(struct pd_lane *lane);

/* mask.c */
/*
 * With change_lock held: which CPUs of the mask are usable; each gets a lane and its worker. 0,
 * -ENOMEM, -EAGAIN.
 */
int pd_mask_prepare_locked(struct padata_instance *pinst, const struct cpumask *mask, struct cpumask *usable);
/* With change_lock held and everything at rest: they become the instance's. */
void pd_mask_apply_locked(struct padata_instance *pinst, const struct cpumask *mask,
			  const struct cpumask *usable);
/*
 * A worker, between callbacks: see whether the process's CPUs have changed, if `now` is a quarter of a
 * second later.
 */
void pd_mask_look(struct padata_instance *pinst, uint64_t now);

/* quiesce.c */
/*
 * With change_lock held: shut the gate with the flag too, and sleep until nothing is outstanding and
 * no lane is awake.
 */
void pd_quiesce_locked(struct padata_instance *pinst, unsigned int flag);
/* With change_lock held: undo that. */
void pd_resume_locked(struct padata_instance *pinst);

/* room.c */
/* Any thread: how many tasks are outstanding, and how many more may be; what is missed counts as outstanding. */
unsigned int pd_outstanding(struct padata_instance *pinst);
unsigned int pd_room(struct padata_instance *pinst);
/*
 * A producer inside its call, for which a change of the window waits: raise the window's limit by what has
 * completed. Whether there is room.
 */
bool pd_room_allow(struct padata_instance *pinst);
/* Wake who sleeps in padata_wait_room() or padata_pull(), to look again: room, gate or source has changed. */
void pd_room_wake(struct padata_instance *pinst);
void pd_room_fd_update(struct padata_instance *pinst);

/* await.c */
/*
 * Something completed or was delivered, or a lane rests: see who waits for it. with_room: tell who waits
 * for half of the window even if less is free.
 */
void pd_notify(struct padata_instance *pinst, bool with_room);
/* Sleep until the condition holds. It is asked, by any thread, under room_lock, and may read what is atomic.
 */
typedef bool (*pd_condition)(struct padata_instance *pinst, const uint64_t *argument);
void pd_await(struct padata_instance *pinst, pd_condition condition, const uint64_t *argument);

#endif

/* SPDX-License-Identifier: MIT */

/*
 * What a worker does for one instance, in a work item of that worker's queue:
 *
 *   first    serial() of what has been delivered to this CPU, in order
 *   then     parallel() of a run of tasks (run.c)
 *   else     search for a while, then rest
 *
 * Between two runs it lets other work items of its worker pass.
 */

#include "debug.h"
#include "instance.h"

#include <sched.h>
#include <stdlib.h>

enum {
	SERIAL_MAX = 64, /* serial() calls before others have their turn, if any wait */
};

/* A search that finds nothing costs a processor, one that is given up too early costs a wake-up. */
static const uint64_t search_first_ns = 4000, search_least_ns = 1000, search_most_ns = 8000, wake_ns = 10000;

_Thread_local struct pd_lane *pd_lane_self __attribute__((__tls_model__("initial-exec")));

static void lane_run(struct work_struct *work);

struct pd_lane *pd_lane_alloc(struct padata_instance *pinst, struct pd_worker *worker, int cpu)
{
	struct pd_lane *lane = aligned_alloc(PD_CACHE_LINE, sizeof(*lane));

	if (!lane)
		return NULL;
	*lane = (struct pd_lane){.instance = pinst,
				 .worker = worker,
				 .cpu = cpu,
				 .task_ns = PD_RUN_NS,
				 .search_ns = search_first_ns,
				 .absent = true};
	if (pd_serialq_init(&lane->serialq, atomic_load_explicit(&pinst->size, memory_order_relaxed))) {
		free(lane);
		return NULL;
	}
	pd_inbox_init(&lane->inbox);
	pd_span_init(&lane->run);
	INIT_WORK(&lane->work, lane_run);
	return lane;
}

void pd_lane_free(struct pd_lane *lane)
{
	pd_serialq_destroy(&lane->serialq);
	free(lane);
}

/* The worker, once it is counted. */
static void search(struct pd_lane *lane)
{
	lane->mode = PD_LANE_SEARCHING;
	atomic_store_explicit(&lane->called, PD_COUNTED, memory_order_relaxed);
}

/* The worker, when it has searched: whether it still counts, as it does unless pd_lane_call_other() has
 * changed that. */
static bool counts(struct pd_lane *lane)
{
	return atomic_exchange_explicit(&lane->called, PD_NOT_CALLED, memory_order_relaxed) == PD_COUNTED;
}

/* Behind a change after which the crew's rule may not hold: see whether it does. */
static void look_again(struct padata_instance *pinst, int first)
{
	/*
	 * Pairs with the fence of whoever makes something to do: in submit(), pd_run_parallel(), look_for_token(),
	 * pd_source_fetch() and pull(). He sees that change, or we see what he made.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (pd_unlikely(pd_source_exists(pinst))) {
		atomic_fetch_or_explicit(&pinst->awaited, PD_AWAIT_SOURCE, memory_order_relaxed);
		/* Who makes room from here on calls a lane, or we see the room. */
		pd_barrier_heavy();
	}
	if (pd_run_pending(pinst))
		pd_lane_call(pinst, (unsigned int)first);
}

/* The serial stage */

/* Of what was delivered, until now unseen. A lane that delivers to itself looks again anyway. */
static void show(struct pd_lane *lane, struct pd_lane **to_wake)
{
	pd_serialq_publish(&lane->serialq);
	if (lane == pd_lane_self || lane == *to_wake)
		return;
	if (*to_wake)
		pd_lane_wake(*to_wake);
	*to_wake = lane;
}

bool pd_lane_deliver(struct padata_instance *pinst)
{
	uint64_t seq;

	if (!pd_window_pick_up(&pinst->window, &seq))
		return false;
	do {
		struct pd_lane *lane = NULL, *to_wake = NULL;
		struct padata_priv *task;
		uint16_t cpu;

		for (; (task = pd_window_take(&pinst->window, seq, &cpu)); seq++) {
			if (!lane || lane->cpu != cpu) {
				if (lane)
					show(lane, &to_wake);
				lane = pd_instance_lane(pinst, cpu);
			}
			pd_serialq_put(&lane->serialq, task);
		}
		if (lane)
			show(lane, &to_wake);
		if (to_wake)
			pd_lane_wake(to_wake);
		pd_window_taken(&pinst->window, seq);
	} while (!pd_window_park(&pinst->window, &seq));
	/* The fence in there is a light barrier too: who waits for this has passed a heavy one, in pd_await(). */
	if (pd_unlikely(atomic_load_explicit(&pinst->awaited, memory_order_relaxed) & PD_AWAIT_PROGRESS))
		pd_notify(pinst, false);
	return true;
}

/* The task whose serial() comes next, or NULL; then a poke is answered. */
static inline struct padata_priv *look(struct pd_lane *lane)
{
	struct padata_priv *task = pd_serialq_look(&lane->serialq);

	if (task)
		return task;
	pd_inbox_take(&lane->inbox);
	/* Again: what was put before the poke that was taken is to be seen. */
	return pd_serialq_look(&lane->serialq);
}

/* Tell who waits for room, and whoever waits for what has completed. */
static void tell(struct pd_lane *lane, unsigned int awaited)
{
	if (awaited & PD_AWAIT_SOURCE)
		pd_source_call(lane, false);
	if (awaited & ~PD_AWAIT_SOURCE)
		pd_notify(lane->instance, false);
}

/* Say how far the serial stage has come, and see who waits for that. */
static inline struct padata_priv *report(struct pd_lane *lane, uint64_t completed)
{
	struct padata_instance *pinst = lane->instance;
	struct padata_priv *next = look(lane);
	unsigned int awaited;

	if (next)
		/*
		 * Release: pairs with the acquire in has_completed(): what the earlier serial() did is
		 * seen by who waited for them.
		 */
		atomic_store_explicit(&lane->serving, pd_task(next)->seq, memory_order_release);
	pd_barrier_light();
	awaited = atomic_load_explicit(&pinst->awaited, memory_order_relaxed);
	/* Who waits for half of the window need not be thought of at each. */
	if (pd_unlikely(awaited) && (awaited & ~(PD_AWAIT_HALF | PD_AWAIT_SOURCE) || !(completed % 16) ||
				     lane->task_ns > PD_RUN_NS))
		tell(lane, awaited);
	return next;
}

static bool is_called(const struct pd_lane *lane)
{
	/* Relaxed, here and in answer_call(): set before a poke, and our look at the inbox acquired that. */
	unsigned int called = atomic_load_explicit(&lane->called, memory_order_relaxed);

	return called == PD_CALLED || called == PD_SUMMONED;
}

/* Whether somebody else wants the worker: other work items, or a call to search. */
static bool is_wanted(const struct pd_lane *lane)
{
	return pd_worker_pending(lane->worker) || is_called(lane);
}

/* True while there is more to run. */
static bool run_serial(struct pd_lane *lane)
{
	uint64_t completed = atomic_load_explicit(&lane->completed, memory_order_relaxed);
	struct padata_priv *task;

	lane->in_serial = true;
	task = report(lane, completed);
	for (unsigned int n = 1; task; n++) {
		pd_serialq_take(&lane->serialq);
		pd_task_set_state(task, PD_TASK_CALLER);
		pd_debug_call(lane, task, PD_SERIAL);
		/* Release: pairs with the acquire in pd_room(); the slot and the task may then be used again.
		 */
		atomic_store_explicit(&lane->completed, ++completed, memory_order_release);
		task = report(lane, completed);
		if (n % SERIAL_MAX == 0 && is_wanted(lane))
			break;
	}
	lane->in_serial = false;
	return task;
}

/* A lane whose CPU the process has lost works on only while there is no other. */
static bool may_search(struct pd_lane *lane)
{
	return atomic_load_explicit(&lane->usable, memory_order_relaxed) ||
	       !atomic_load_explicit(&lane->instance->usable_count, memory_order_relaxed);
}

/*
 * Leave the crew, for a CPU that the process has lost. Not if it has come back this moment: either
 * pd_mask_look() sees that we are absent and has us join again, or we see the CPU usable, and stay.
 */
static bool leave(struct pd_lane *lane)
{
	if (may_search(lane))
		return false;
	/* Release: pairs with the acquire in join_absent(): the lane has taken its last call. */
	atomic_store_explicit(&lane->absent, true, memory_order_release);
	atomic_store_explicit(&lane->instance->has_absentee, true, memory_order_relaxed);
	/* Pairs with the fence in pd_mask_look(). */
	atomic_thread_fence(memory_order_seq_cst);
	return !may_search(lane) || !atomic_exchange_explicit(&lane->absent, false, memory_order_relaxed);
}

static void rest(struct pd_lane *lane)
{
	struct padata_instance *pinst = lane->instance;
	bool look, was_searching = lane->mode == PD_LANE_SEARCHING && counts(lane);

	lane->mode = PD_LANE_RESTING;
	if (leave(lane)) {
		look = was_searching && pd_crew_work(&pinst->crew);
		/*
		 * Pairs with the light one in pd_span_goes_on(): who finishes a task and looks for no token sees that
		 * we have left, or we see the task.
		 */
		pd_barrier_heavy();
		pd_lane_deliver(pinst);
	} else {
		look = pd_crew_rest(&pinst->crew, (unsigned int)lane->cpu, was_searching);
	}
	if (look)
		look_again(pinst, lane->cpu);
	lane->search_until = pd_now();
	atomic_store_explicit(&pinst->is_brief, lane->task_ns < wake_ns, memory_order_relaxed);
	if (atomic_load_explicit(&pinst->awaited, memory_order_relaxed))
		pd_notify(pinst, true);
}

void pd_lane_stop_searching(struct pd_lane *lane)
{
	if (lane->mode != PD_LANE_SEARCHING)
		return;
	lane->mode = PD_LANE_WORKING;
	if (counts(lane) && pd_crew_work(&lane->instance->crew))
		look_again(lane->instance, lane->cpu + 1);
}

/* Called again soon after it gave up it had better have searched longer; where calls are rare, not at all. */
static void adapt_search(struct pd_lane *lane, bool soon)
{
	uint64_t longer = 2 * lane->search_ns + search_least_ns, shorter = lane->search_ns / 2;

	if (soon)
		lane->search_ns = longer > search_most_ns ? search_most_ns : longer;
	else
		lane->search_ns = shorter < search_least_ns ? 0 : shorter;
}

static void answer_call(struct pd_lane *lane)
{
	unsigned int called;

	if (pd_likely(!is_called(lane)))
		return;
	called = atomic_exchange_explicit(&lane->called, PD_NOT_CALLED, memory_order_relaxed);
	if (called == PD_SUMMONED)
		pd_crew_search(&lane->instance->crew);
	search(lane);
	adapt_search(lane, pd_now() - lane->search_until < wake_ns);
	lane->search_until = 0;
}

/*
 * Who shares the CPU with a producer of few tasks would only be in its way; and the call that wakes a sleeper
 * takes the processor for it at once, while who has offered it waits until the producer's turn ends.
 */
static bool is_in_the_way(const struct pd_lane *lane)
{
	/* Relaxed: a hint. */
	return atomic_load_explicit(&lane->instance->seldom_cpu, memory_order_relaxed) == lane->cpu;
}

/* Look for work, once. False: there is none, and it is time to rest. */
static bool work(struct pd_lane *lane)
{
	struct padata_instance *pinst = lane->instance;
	bool last = pd_worker_pending(lane->worker) || !lane->search_ns || is_in_the_way(lane) ||
		    (lane->search_until && pd_now() >= lane->search_until);
	uint64_t first, now;
	unsigned int n;

	if (pd_lane_deliver(pinst))
		return true;
	n = may_search(lane) ? pd_run_find(lane, last, &first) : 0;
	if (n) {
		pd_lane_stop_searching(lane);
		lane->search_until = 0;
		pd_run_parallel(lane, first, n);
		return true;
	}
	if (last || !may_search(lane) || atomic_load_explicit(&pinst->quiescing, memory_order_relaxed))
		return false;
	if (lane->mode == PD_LANE_WORKING) {
		pd_crew_search(&pinst->crew);
		search(lane);
	}
	if (!lane->search_until)
		lane->search_until = pd_now() + lane->search_ns;
	for (int i = 0; i < 16 && !pd_serialq_stirs(&lane->serialq); i++)
		pd_cpu_relax();
	/* The producer may be waiting for this very CPU. */
	now = pd_now();
	sched_yield();
	/* What others did with the CPU meanwhile was no search. */
	lane->search_until += pd_now() - now;
	return true;
}

/* The system has moved the worker: the process has lost the CPU, or has it again. */
static void go_home(struct pd_lane *lane)
{
	if (!atomic_load_explicit(&lane->usable, memory_order_relaxed))
		return;
	pd_mask_look(lane->instance, UINT64_MAX);
	if (atomic_load_explicit(&lane->usable, memory_order_relaxed))
		pd_worker_pin(lane->worker);
}

/*
 * The work item. It is queued when the inbox comes out of rest, and ends by
 * putting it to rest, or by queueing itself anew; nothing of the lane is touched after that.
 */
static void lane_run(struct work_struct *item)
{
	struct pd_lane *lane = container_of(item, struct pd_lane, work);
	struct padata_instance *pinst = lane->instance;

	pd_guard_enter(PD_IN_LANE, pinst, 0);
	pd_lane_self = lane;
	for (;;) {
		bool more;

		if (pd_unlikely(sched_getcpu() != lane->cpu))
			go_home(lane);
		more = look(lane);
		answer_call(lane);
		if (more) {
			pd_lane_stop_searching(lane);
			more = run_serial(lane);
			/* A call that came meanwhile was taken from the inbox with what else was there. */
			answer_call(lane);
		}
		if (lane->mode != PD_LANE_RESTING && !work(lane))
			rest(lane);
		if (pd_unlikely(atomic_load_explicit(&pinst->awaited, memory_order_relaxed) & PD_AWAIT_HALF))
			pd_notify(pinst, false);
		pd_mask_look(pinst, lane->now);
		if (pd_worker_pending(lane->worker) && (more || lane->mode != PD_LANE_RESTING)) {
			/* First: one that waits behind others is busy, and is not to call itself. */
			pd_lane_self = NULL;
			if (lane->mode == PD_LANE_SEARCHING)
				rest(lane);
			pd_worker_queue(lane->worker, &lane->work);
			break;
		}
		/* Nobody pokes a lane for what it has delivered to itself: in pull(), or as it left the crew. */
		if (more || lane->mode != PD_LANE_RESTING || pd_serialq_stirs(&lane->serialq))
			continue;
		/* Now: a lane that is at rest calls nobody, so that all can come to rest. */
		if (pd_unlikely(atomic_load_explicit(&pinst->awaited, memory_order_relaxed) &
				PD_AWAIT_SOURCE)) {
			/* Pairs with the fence in pd_source_fetch(), see there. */
			atomic_thread_fence(memory_order_seq_cst);
			pd_source_call(lane, true);
		}
		pd_lane_self = NULL;
		if (pd_inbox_rest(&lane->inbox)) {
			/*
			 * Pairs with the fence in sleep_for_room(): a producer that is about to sleep sees all
			 * that we completed, or we see it. It is a light barrier too, for those that pass a
			 * heavy one.
			 */
			atomic_thread_fence(memory_order_seq_cst);
			if (atomic_load_explicit(&pinst->awaited, memory_order_relaxed))
				pd_notify(pinst, true);
			break;
		}
		pd_lane_self = lane;
		/* Somebody pushed or poked: the next round takes it. */
	}
	pd_guard_leave(PD_IN_LANE);
}

void pd_lane_rest_here(struct pd_lane *lane)
{
	struct pd_worker *worker = lane->worker;
	struct pd_lane *outer = pd_lane_self;

	pthread_mutex_lock(&worker->lend_lock);
	if (pd_worker_is_lent(worker, lane) && pd_worker_unqueue(worker, &lane->work)) {
		lane_run(&lane->work);
		if (outer)
			pd_guard_enter(PD_IN_LANE, outer->instance, 0);
		pd_lane_self = outer;
	}
	pthread_mutex_unlock(&worker->lend_lock);
}

/* A change that waits for a lane need no longer do so. */
static void show_lent(struct work_struct *item)
{
	if (item->func == lane_run)
		pd_notify(container_of(item, struct pd_lane, work)->instance, false);
}

void pd_lane_lend(void)
{
	struct pd_worker *self = pd_worker_self();

	if (pd_unlikely(self))
		pd_worker_lend(self, pd_lane_self ? (const void *)pd_lane_self : self, show_lent);
}

void pd_lane_reclaim(void)
{
	struct pd_worker *self = pd_worker_self();

	if (pd_unlikely(self))
		pd_worker_reclaim(self);
}

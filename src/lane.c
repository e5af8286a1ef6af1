/* SPDX-License-Identifier: MIT */

/*
 * What a worker does for one instance, in a work item of that worker's queue:
 *
 *   first    serial() of what has been delivered to this CPU, in order
 *   then     parallel() of a run of tasks: claimed from the window, or robbed from a lane that is busy
 *   else     search for a while, then rest
 *
 * Between two runs it lets other work items of its worker pass.
 */

#include "debug.h"
#include "instance.h"

#include <sched.h>
#include <stdlib.h>

enum {
	RUN_BITS = 7,	 /* how many are left of a run, below its first sequence number */
	RUN_MAX = 96,	 /* tasks claimed at once, at most */
	AHEAD = 4,	 /* tasks of a run that are fetched in advance */
	SERIAL_MAX = 64, /* serial() calls before others have their turn, if any wait */
};

/*
 * A run is about as long as waking another CPU takes, since a shorter one costs claims and lets two CPUs
 * meet in each other's cache lines; and longer while there is enough for everybody.
 */
static const uint64_t run_ns = 10000;
enum { RUN_SHARE = 4 }; /* of what each CPU could have of the backlog, a run is one part in so many */
/* A search that finds nothing costs a processor, one that is given up too early costs a wake-up. */
static const uint64_t search_min_ns = 4000, search_max_ns = 8000, wake_ns = 10000;

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
				 .task_ns = run_ns,
				 .search_ns = search_min_ns,
				 .absent = true};
	if (pd_serialq_init(&lane->serialq, atomic_load_explicit(&pinst->size, memory_order_relaxed))) {
		free(lane);
		return NULL;
	}
	pd_inbox_init(&lane->inbox);
	INIT_WORK(&lane->work, lane_run);
	return lane;
}

void pd_lane_free(struct pd_lane *lane)
{
	pd_serialq_destroy(&lane->serialq);
	free(lane);
}

/* Runs: first << RUN_BITS | left. Its owner takes from the front, thieves from the end. */

static void run_put(struct pd_lane *lane, uint64_t first, unsigned int n)
{
	/* Release: pairs with the acquire in run_rob(); without it the thief might read the last lap's task.
	 */
	atomic_store_explicit(&lane->run, first << RUN_BITS | n, memory_order_release);
}

static bool run_next(struct pd_lane *lane, uint64_t *seq)
{
	uint64_t run = atomic_load_explicit(&lane->run, memory_order_relaxed);

	do {
		if (!(run & ((1 << RUN_BITS) - 1)))
			return false;
		/* Relaxed: what it counts was claimed by this thread. */
	} while (!atomic_compare_exchange_weak_explicit(&lane->run, &run, run + (1 << RUN_BITS) - 1,
							memory_order_relaxed, memory_order_relaxed));
	*seq = run >> RUN_BITS;
	return true;
}

static unsigned int run_rob(struct pd_lane *victim, uint64_t *first)
{
	uint64_t run = atomic_load_explicit(&victim->run, memory_order_relaxed);
	unsigned int left, taken;

	do {
		left = run & ((1 << RUN_BITS) - 1);
		if (!left)
			return 0;
		taken = (left + 1) / 2;
		/* Acquire: pairs with the release in run_put(), see there. */
	} while (!atomic_compare_exchange_weak_explicit(&victim->run, &run, run - taken, memory_order_acquire,
							memory_order_relaxed));
	*first = (run >> RUN_BITS) + left - taken;
	return taken;
}

static bool run_left(const struct pd_lane *lane)
{
	return atomic_load_explicit(&lane->run, memory_order_relaxed) & ((1 << RUN_BITS) - 1);
}

/* Whether there is a task that nobody has begun. */
static bool pending(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	if (pd_window_claimable(&pinst->window))
		return true;
	for (unsigned int i = 0; i < lanes; i++) {
		if (run_left(pinst->lane_list[i]))
			return true;
	}
	return false;
}

/* Calling */

/* True when its worker slept, and so comes to it at once. */
static bool wake(struct pd_lane *lane)
{
	return pd_inbox_poke(&lane->inbox) && pd_worker_queue(lane->worker, &lane->work);
}

void pd_lane_summon(struct pd_lane *lane)
{
	/* Relaxed: the poke releases it. */
	atomic_store_explicit(&lane->called, PD_SUMMONED, memory_order_relaxed);
	wake(lane);
}

/*
 * A CPU whose worker is busy, for another instance it may be, and asleep in a callback there, does not
 * count as a searcher: it is called, and the next one too.
 */
void pd_lane_call(struct padata_instance *pinst, unsigned int first)
{
	int cpu;

	while ((cpu = pd_crew_call(&pinst->crew, first)) >= 0) {
		struct pd_lane *lane = pd_instance_lane(pinst, cpu);
		unsigned int called = PD_CALLED;

		atomic_store_explicit(&lane->called, PD_CALLED, memory_order_relaxed);
		/* A lane that calls itself looks again before it rests. */
		if (wake(lane) || lane == pd_lane_self)
			return;
		if (!atomic_compare_exchange_strong_explicit(&lane->called, &called, PD_SUMMONED,
							     memory_order_relaxed, memory_order_relaxed))
			return; /* it has come already */
		if (!pd_crew_work(&pinst->crew))
			return;
		first = (unsigned int)cpu + 1;
	}
}

/*
 * A worker that shares its CPU with a producer that does not sleep runs when the producer's turn ends, some
 * milliseconds later; and as long as it counts as a searcher nobody else is called.
 */
void pd_lane_call_other(struct padata_instance *pinst)
{
	int here = sched_getcpu();
	struct pd_lane *lane =
	    here < 0 || (unsigned int)here >= nr_cpu_ids ? NULL : pd_instance_lane(pinst, here);
	unsigned int called;

	if (!lane || lane == pd_lane_self)
		return;
	/* Relaxed, both: as in pd_lane_call(). */
	called = atomic_load_explicit(&lane->called, memory_order_relaxed);
	if ((called == PD_CALLED || called == PD_COUNTED) &&
	    atomic_compare_exchange_strong_explicit(&lane->called, &called,
						    called == PD_CALLED ? PD_SUMMONED : PD_NOT_CALLED,
						    memory_order_relaxed, memory_order_relaxed) &&
	    pd_crew_work(&pinst->crew))
		pd_lane_call(pinst, (unsigned int)here + 1);
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
	pd_barrier_heavy();
	if (pending(pinst))
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
		wake(*to_wake);
	*to_wake = lane;
}

void pd_lane_deliver(struct padata_instance *pinst, uint64_t seq)
{
	do {
		struct pd_lane *lane = NULL, *to_wake = NULL;
		struct padata_priv *task;
		uint16_t cpu;

		while ((task = pd_window_take(&pinst->window, seq, &cpu))) {
			seq++;
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
			wake(to_wake);
		pd_window_taken(&pinst->window, seq);
	} while (!pd_window_park(&pinst->window, seq));
	pd_barrier_light();
	if (pd_unlikely(atomic_load_explicit(&pinst->awaited, memory_order_relaxed) & PD_AWAIT_PROGRESS))
		pd_notify(pinst, false);
}

/* The task whose serial() comes next, or NULL; then a poke is answered. */
static struct padata_priv *look(struct pd_lane *lane)
{
	struct padata_priv *task = pd_serialq_look(&lane->serialq);

	if (task)
		return task;
	pd_inbox_take(&lane->inbox);
	/* Again: what was put before the poke that was taken is to be seen. */
	return pd_serialq_look(&lane->serialq);
}

/* Say how far the serial stage has come, and see who waits for that. */
static struct padata_priv *report(struct pd_lane *lane, uint64_t completed)
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
	if (pd_unlikely(awaited) && (awaited != PD_AWAIT_HALF || !(completed % 16) || lane->task_ns > run_ns))
		pd_notify(pinst, false);
	return next;
}

/* True while there is more to run. */
static bool run_serial(struct pd_lane *lane)
{
	uint64_t completed = atomic_load_explicit(&lane->completed, memory_order_relaxed);
	struct padata_priv *task = report(lane, completed);

	for (unsigned int n = 0; task && n < SERIAL_MAX; n++) {
		pd_serialq_take(&lane->serialq);
		pd_task_set_state(task, PD_TASK_CALLER);
		pd_debug_call(lane, task, PD_SERIAL);
		/* Release: pairs with the acquire in pd_room(); the slot and the task may then be used again.
		 */
		atomic_store_explicit(&lane->completed, ++completed, memory_order_release);
		task = report(lane, completed);
	}
	return task;
}

/* The parallel stage */

static void run_parallel(struct pd_lane *lane, uint64_t first, unsigned int n)
{
	struct padata_instance *pinst = lane->instance;
	uint64_t begin = pd_now(), seq = first;
	unsigned int done = 0;

	for (unsigned int i = 0; i < n; i += PD_STATES_PER_LINE)
		pd_window_prefetch(&pinst->window, first + i);
	for (unsigned int i = 0; i < n && i < AHEAD; i++)
		pd_prefetch_task(pd_window_task(&pinst->window, first + i));
	if (n > 1) {
		run_put(lane, first + 1, n - 1);
		pd_barrier_light();
		if (pd_unlikely(pd_crew_lacks_searcher(&pinst->crew)))
			pd_lane_call(pinst, (unsigned int)lane->cpu + 1);
	}
	do {
		struct padata_priv *task = pd_window_task(&pinst->window, seq);

		/* No further than the run: what lies behind is another CPU's. */
		if (++done + AHEAD <= n)
			pd_prefetch_task(pd_window_task(&pinst->window, seq + AHEAD));
		pd_task_set_state(task, PD_TASK_RUNNING);
		pd_debug_call(lane, task, PD_PARALLEL);
	} while (n > 1 && run_next(lane, &seq));
	lane->now = pd_now();
	lane->task_ns = (3 * lane->task_ns + (lane->now - begin) / done) / 4;
}

static unsigned int rob(struct pd_lane *lane, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	unsigned int lanes = pd_instance_lanes(pinst);
	struct pd_lane *victim = pinst->lane_list[lane->victim++ % lanes];

	return victim == lane ? 0 : run_rob(victim, first);
}

static unsigned int find(struct pd_lane *lane, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	unsigned int usable = atomic_load_explicit(&pinst->usable_count, memory_order_relaxed);
	unsigned int claimers = usable ? usable : 1, n;
	uint64_t max = run_ns / (lane->task_ns + 1);
	uint64_t share = pd_window_backlog(&pinst->window) / (RUN_SHARE * claimers);

	max = max > share ? max : share;
	max = max < 1 ? 1 : max > RUN_MAX ? RUN_MAX : max;
	n = pd_window_claim(&pinst->window, (unsigned int)max, claimers, first);
	return n ? n : rob(lane, first);
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
	/* Release: pairs with the acquire in pd_mask_look(): the lane has taken its last call. */
	atomic_store_explicit(&lane->absent, true, memory_order_release);
	/* Pairs with the fence in pd_mask_look(). */
	atomic_thread_fence(memory_order_seq_cst);
	return !may_search(lane) || !atomic_exchange_explicit(&lane->absent, false, memory_order_relaxed);
}

static void rest(struct pd_lane *lane)
{
	struct padata_instance *pinst = lane->instance;
	bool look, was_searching = lane->mode == PD_LANE_SEARCHING && counts(lane);

	lane->mode = PD_LANE_RESTING;
	if (leave(lane))
		look = was_searching && pd_crew_work(&pinst->crew);
	else
		look = pd_crew_rest(&pinst->crew, (unsigned int)lane->cpu, was_searching);
	if (look)
		look_again(pinst, lane->cpu);
	lane->search_until = pd_now();
	if (atomic_load_explicit(&pinst->awaited, memory_order_relaxed))
		pd_notify(pinst, true);
}

/* From searching to working, and whoever now has to search is called. */
static void stop_searching(struct pd_lane *lane)
{
	if (lane->mode != PD_LANE_SEARCHING)
		return;
	lane->mode = PD_LANE_WORKING;
	if (counts(lane) && pd_crew_work(&lane->instance->crew))
		look_again(lane->instance, lane->cpu + 1);
}

static void answer_call(struct pd_lane *lane)
{
	unsigned int called;

	/* Relaxed, both: set before a poke, and our look at the inbox acquired that. */
	called = atomic_load_explicit(&lane->called, memory_order_relaxed);
	if (pd_likely(called != PD_CALLED && called != PD_SUMMONED))
		return;
	called = atomic_exchange_explicit(&lane->called, PD_NOT_CALLED, memory_order_relaxed);
	if (called == PD_SUMMONED)
		pd_crew_search(&lane->instance->crew);
	search(lane);
	/* Called again soon after it gave up: search longer next time. */
	if (pd_now() - lane->search_until < wake_ns)
		lane->search_ns = lane->search_ns * 2 > search_max_ns ? search_max_ns : lane->search_ns * 2;
	else
		lane->search_ns = lane->search_ns / 2 < search_min_ns ? search_min_ns : lane->search_ns / 2;
	lane->search_until = 0;
}

/* Look for work, once. False: there is none, and it is time to rest. */
static bool work(struct pd_lane *lane)
{
	struct padata_instance *pinst = lane->instance;
	uint64_t first, now;
	unsigned int n = may_search(lane) ? find(lane, &first) : 0;

	if (n) {
		stop_searching(lane);
		lane->search_until = 0;
		run_parallel(lane, first, n);
		return true;
	}
	if (!may_search(lane) || pd_worker_pending(lane->worker) ||
	    atomic_load_explicit(&pinst->quiescing, memory_order_relaxed))
		return false;
	if (lane->mode == PD_LANE_WORKING) {
		pd_crew_search(&pinst->crew);
		search(lane);
	}
	now = pd_now();
	if (!lane->search_until)
		lane->search_until = now + lane->search_ns;
	if (now >= lane->search_until)
		return false;
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
			stop_searching(lane);
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
			if (lane->mode == PD_LANE_SEARCHING)
				rest(lane);
			pd_lane_self = NULL;
			pd_worker_queue(lane->worker, &lane->work);
			break;
		}
		if (more || lane->mode != PD_LANE_RESTING)
			continue;
		pd_lane_self = NULL;
		if (pd_inbox_rest(&lane->inbox)) {
			/*
			 * Pairs with the fence in wait_room(): a producer that is about to sleep sees all
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
	struct pd_lane *outer = pd_lane_self;

	if (!pd_worker_unqueue(lane->worker, &lane->work))
		return;
	lane_run(&lane->work);
	if (outer)
		pd_guard_enter(PD_IN_LANE, outer->instance, 0);
	pd_lane_self = outer;
}

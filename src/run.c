/* SPDX-License-Identifier: MIT */

/*
 * Runs of tasks, the parallel stage: claimed from the window, pulled from the source, or robbed from a lane
 * that is busy. Its owner takes from a run's front, thieves from its end.
 */

#include "debug.h"
#include "instance.h"

enum {
	RUN_BITS = 7,  /* how many are left of a run, below its first sequence number */
	AHEAD = 4,     /* tasks of a run that are fetched in advance */
	PULL_RUNS = 8, /* so many runs are pulled at once: a pull moves more cache lines than a claim */
	RUN_SHARE = 4, /* of what each CPU could have of the backlog, or of the window, one part in so many */
};

_Static_assert(PD_RUN_MAX < 1 << RUN_BITS, "a run can be written down");

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

static unsigned int rob(struct pd_lane *lane, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	unsigned int lanes = pd_instance_lanes(pinst);
	struct pd_lane *victim = pinst->lane_list[lane->victim++ % lanes];

	return victim == lane ? 0 : run_rob(victim, first);
}

/*
 * A run is about as long as waking another CPU takes, since a shorter one costs claims and lets two CPUs
 * meet in each other's cache lines; and longer while there is enough for everybody.
 */
static unsigned int run_length(const struct pd_lane *lane, unsigned int claimers)
{
	uint64_t length = PD_RUN_NS / (lane->task_ns + 1);
	uint64_t share = pd_window_backlog(&lane->instance->window) / (RUN_SHARE * claimers);

	length = length > share ? length : share;
	return length < 1 ? 1 : length > PD_RUN_MAX ? PD_RUN_MAX : (unsigned int)length;
}

/* Pulled tasks are there for thieves, which even out what a long run leaves undone. */
static unsigned int pull_length(const struct pd_lane *lane, unsigned int claimers)
{
	unsigned int length = PULL_RUNS * run_length(lane, claimers);
	unsigned int size = atomic_load_explicit(&lane->instance->size, memory_order_relaxed);
	unsigned int most = size / (RUN_SHARE * claimers);

	most = most < 1 ? 1 : most > PD_RUN_MAX ? PD_RUN_MAX : most;
	return length < most ? length : most;
}

/*
 * Nobody rests, searches or has left: whoever is to run serial() is in a callback, and looks around after it.
 */
static bool is_manned(const struct padata_instance *pinst)
{
	return pd_crew_all_work(&pinst->crew) && !atomic_load_explicit(&pinst->has_absentee, memory_order_relaxed);
}

bool pd_run_keeps(struct pd_lane *lane, struct padata_priv *task)
{
	struct padata_instance *pinst = lane->instance;

	if (!run_left(lane) || lane->task_ns > PD_RUN_NS || !is_manned(pinst))
		return false;
	pd_window_keep(&pinst->window, task);
	/* Pairs with the fences in look_again() and leave(): a lane that stops working sees it, or we see that. */
	atomic_thread_fence(memory_order_seq_cst);
	/* What lies there by now may be another one's, with a later task: ours was taken over. */
	if (!is_manned(pinst))
		pd_run_deliver(pinst);
	return true;
}

bool pd_run_deliver(struct padata_instance *pinst)
{
	struct padata_priv *task = pd_window_take_over(&pinst->window);

	if (task)
		pd_lane_deliver(pinst, task);
	return task;
}

unsigned int pd_run_find(struct pd_lane *lane, bool last, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	unsigned int usable = atomic_load_explicit(&pinst->usable_count, memory_order_relaxed);
	unsigned int claimers = usable ? usable : 1;
	unsigned int n = pd_window_claim(&pinst->window, run_length(lane, claimers), claimers, first);

	if (!n && pd_unlikely(pd_source_exists(pinst))) {
		unsigned int length = pull_length(lane, claimers);

		n = pd_source_fetch(lane, last ? 1 : (length + 1) / 2, length, first);
	}
	return n ? n : rob(lane, first);
}

void pd_run_parallel(struct pd_lane *lane, uint64_t first, unsigned int n)
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
		/* Pairs with the fence in look_again(): a lane that stops searching sees the run, or we see
		 * that. */
		atomic_thread_fence(memory_order_seq_cst);
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
	pd_run_deliver(pinst);
	lane->now = pd_now();
	lane->task_ns = (3 * lane->task_ns + (lane->now - begin) / done) / 4;
}

bool pd_run_pending(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	if (pd_window_claimable(&pinst->window) || pd_window_is_kept(&pinst->window) || pd_source_ready(pinst))
		return true;
	for (unsigned int i = 0; i < lanes; i++) {
		if (run_left(pinst->lane_list[i]))
			return true;
	}
	return false;
}

/* SPDX-License-Identifier: MIT */

/*
 * Runs of tasks, the parallel stage: claimed from the window, pulled from the source, or robbed from a lane
 * that is busy. Its owner takes from a run's front, thieves from its end.
 */

#include "debug.h"
#include "instance.h"

enum {
	AHEAD = 4,     /* tasks of a run that are fetched in advance */
	PULL_RUNS = 32, /* so many runs are pulled at once: a pull moves more cache lines than a claim */
	RUN_SHARE = 4, /* of what each CPU could have of the backlog, or of the window, one part in so many */
};

_Static_assert(PD_RUN_MAX <= PD_SPAN_MAX, "a run is a span");

/* A heavy barrier is worth it for as much work as waking a CPU takes; before a rest, for any, and whoever has it. */
static unsigned int rob(struct pd_lane *lane, bool last, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	unsigned int lanes = pd_instance_lanes(pinst), n = 0;

	for (unsigned int tries = last ? lanes : 1; tries > 0 && !n; tries--) {
		struct pd_lane *victim = pinst->lane_list[lane->victim++ % lanes];
		unsigned int left = victim == lane ? 0 : pd_span_left(&victim->run);

		if (left && (last || left * lane->task_ns > PD_RUN_NS))
			n = pd_span_rob(&victim->run, first);
	}
	return n;
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
	return n ? n : rob(lane, last, first);
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
		pd_span_put(&lane->run, first + 1, n - 1);
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
	} while (n > 1 && pd_span_next(&lane->run, &seq));
	/* A hint: nobody rests unless he has seen what was finished without a look. */
	pd_lane_deliver(pinst);
	lane->now = pd_now();
	lane->task_ns = (3 * lane->task_ns + (lane->now - begin) / done) / 4;
}

bool pd_run_pending(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	if (pd_window_claimable(&pinst->window) || pd_source_ready(pinst))
		return true;
	for (unsigned int i = 0; i < lanes; i++) {
		if (pd_span_left(&pinst->lane_list[i]->run))
			return true;
	}
	/*
	 * Last: with the spans empty, all that was finished in them without a look for the token is seen here. Pairs
	 * with the fence in pd_window_park(): who holds the token sees that as well, or we see where it lies.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return pd_window_deliverable(&pinst->window);
}

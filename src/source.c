/* SPDX-License-Identifier: MIT */

/*
 * padata_pull(): tasks that the lanes fetch themselves.
 *
 * A lane that looks for a run and finds nothing to claim takes the source's turn, pulls a run, submits it
 * and claims it at once. So a task begins on the CPU that made it, and no thread has to be woken, or to
 * sleep, for the room that there is. The thread in padata_pull() only waits for the end, and calls a lane
 * where nobody else could: at the beginning, and when the gate is opened again.
 */

#include "instance.h"

/* Bits of source_state. */
enum {
	ACTIVE = 1,  /* there is a source */
	BUSY = 2,    /* a lane has its turn; alone: padata_pull() makes it ready */
	ENDED = 4,   /* it has no more, or what it gave was refused */
	CLOSING = 8, /* padata_pull() wants to leave */
};

/* Tries for a turn that another lane has: pulling a run takes less than waking anybody. */
enum { TRIES = 64 };

/* What one pull() gave. */
struct pulled {
	struct padata_priv *tasks[PD_RUN_MAX];
	unsigned int n;
	int cb_cpu;
};

/* On the stack of padata_pull(). */
struct pd_source {
	struct padata_source *user;
	struct pulled kept; /* refused for now, because room or gate went meanwhile */
	int result;
};

static bool is_open(const struct padata_instance *pinst)
{
	return !(pd_window_gate(&pinst->window) & (PD_GATE_STOPPED | PD_GATE_CHANGING));
}

bool pd_source_ready(struct padata_instance *pinst)
{
	/* Relaxed: ordered by the caller's barrier. */
	return atomic_load_explicit(&pinst->source_state, memory_order_relaxed) == ACTIVE && is_open(pinst) &&
	       pd_room(pinst) > 0;
}

static bool take_turn(struct padata_instance *pinst)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		unsigned int state = atomic_load_explicit(&pinst->source_state, memory_order_relaxed);

		/* Acquire: pairs with the release in end_turn(), and in pull(): the source as it was left. */
		if (state == ACTIVE &&
		    atomic_compare_exchange_strong_explicit(&pinst->source_state, &state, ACTIVE | BUSY,
							    memory_order_acquire, memory_order_relaxed))
			return true;
		if (state != (ACTIVE | BUSY))
			break;
		pd_cpu_relax();
	}
	return false;
}

/* Away from the source, which its owner may then have back. */
static void end_turn(struct padata_instance *pinst)
{
	/* Release: pairs with the acquire in take_turn(), and in see_it_through(). */
	unsigned int state = atomic_fetch_xor_explicit(&pinst->source_state, BUSY, memory_order_release);

	if (pd_unlikely(state & (ENDED | CLOSING)))
		pd_room_wake(pinst);
}

static void end_source(struct padata_instance *pinst, int result)
{
	pinst->source->result = result;
	/* Relaxed: the turn's end releases it. */
	atomic_fetch_or_explicit(&pinst->source_state, ENDED, memory_order_relaxed);
}

/* What was not accepted comes before anything else that is pulled. */
static void keep(struct pd_source *source, const struct pulled *pulled, unsigned int accepted)
{
	source->kept.n = pulled->n - accepted;
	source->kept.cb_cpu = pulled->cb_cpu;
	for (unsigned int i = accepted; i < pulled->n; i++)
		source->kept.tasks[i - accepted] = pulled->tasks[i];
}

/* In our turn: pull, and submit. True: *first and the *n - 1 behind it are ours to begin. */
static bool pull_once(struct pd_lane *lane, unsigned int *n, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	struct pd_source *source = pinst->source;
	struct pulled pulled;
	bool claimed = false;
	int result;

	if (pd_unlikely(source->kept.n)) {
		pulled = source->kept;
	} else {
		pulled.cb_cpu = lane->cpu;
		pulled.n = source->user->pull(source->user, pulled.tasks, *n, &pulled.cb_cpu);
		if (pd_unlikely(pulled.n == 0 || pulled.n > *n)) {
			end_source(pinst, pulled.n ? -EINVAL : 0);
			return false;
		}
	}
	*n = pulled.n;
	result = pd_submit(pinst, pulled.tasks, n, pulled.cb_cpu, first, &claimed);
	if (pd_unlikely(result == -EINVAL)) {
		end_source(pinst, result);
		return false;
	}
	if (result != -EINPROGRESS)
		*n = 0;
	source->user->accepted += *n;
	if (pd_unlikely(*n < pulled.n || source->kept.n))
		keep(source, &pulled, *n);
	return claimed;
}

unsigned int pd_source_fetch(struct pd_lane *lane, unsigned int least, unsigned int max, uint64_t *first)
{
	struct padata_instance *pinst = lane->instance;
	unsigned int room, n;
	bool claimed;

	if (!is_open(pinst) || pd_room(pinst) < least || !take_turn(pinst))
		return 0;
	/* pull() may sleep: from here on another lane has to search. */
	pd_lane_stop_searching(lane);
	/* Again: the last turn may have taken it. */
	room = pd_room(pinst);
	n = room < max ? room : max;
	claimed = room && pull_once(lane, &n, first);
	end_turn(pinst);
	/*
	 * The source is anybody's again, and so may the tasks be. Pairs with the fence in look_again(): a lane
	 * that stops searching sees that, or we see it at rest; and with the one in lane_run(): a lane that gave
	 * room sees that our turn is over, or we see the room.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (pd_unlikely(pd_crew_lacks_searcher(&pinst->crew)) && (!claimed || pd_source_ready(pinst)))
		pd_lane_call(pinst, (unsigned int)lane->cpu + 1);
	return claimed ? n : 0;
}

void pd_source_call(struct pd_lane *lane, bool with_room)
{
	struct padata_instance *pinst = lane->instance;

	if (!pd_source_ready(pinst))
		return;
	/* Relaxed, both: hints. */
	if (!with_room && pd_room(pinst) < atomic_load_explicit(&pinst->size, memory_order_relaxed) / 2)
		return;
	if (atomic_fetch_and_explicit(&pinst->awaited, ~PD_AWAIT_SOURCE, memory_order_relaxed) &
	    PD_AWAIT_SOURCE)
		pd_lane_call(pinst, (unsigned int)lane->cpu + 1);
}

/* As a call that does not sleep: a change that has shut the gate waits for it, then has the lanes rest. */
static void call_a_lane(struct padata_instance *pinst)
{
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	if (is_open(pinst) && pd_crew_lacks_searcher(&pinst->crew))
		pd_lane_call(pinst, 0);
	pd_guard_enter(PD_IN_CALL, pinst, PD_GUARD_SLEEPER);
}

static int see_it_through(struct padata_instance *pinst, const struct pd_source *source)
{
	for (;;) {
		/* Acquire: pairs with the release in pd_room_wake(). */
		unsigned int turn = atomic_load_explicit(&pinst->room_turn, memory_order_acquire);
		/* Acquire: pairs with the release in end_turn(): what the lanes did to the source. */
		unsigned int state = atomic_load_explicit(&pinst->source_state, memory_order_acquire);

		if (!(state & BUSY) && state & (ENDED | CLOSING))
			return state & ENDED ? source->result : -ECANCELED;
		if (!(state & CLOSING) && pd_window_gate(&pinst->window) & PD_GATE_STOPPED) {
			/* Relaxed: from here on nobody takes a turn. */
			atomic_fetch_or_explicit(&pinst->source_state, CLOSING, memory_order_relaxed);
			continue;
		}
		call_a_lane(pinst);
		pd_futex_wait(&pinst->room_turn, turn, 0);
	}
}

static int pull(struct padata_instance *pinst, struct padata_source *user)
{
	struct pd_source source;
	unsigned int none = 0;
	int result;

	/* Acquire: pairs with the release below: the last source is gone. */
	if (!atomic_compare_exchange_strong_explicit(&pinst->source_state, &none, BUSY, memory_order_acquire,
						     memory_order_relaxed))
		return -EBUSY;
	source.user = user;
	source.kept.n = 0;
	source.result = 0;
	user->accepted = 0;
	pinst->source = &source;
	/* Relaxed: a hint. There is no lack of tasks now. */
	atomic_store_explicit(&pinst->seldom_cpu, -1, memory_order_relaxed);
	/* Release: pairs with the acquire in take_turn(), see there. */
	atomic_store_explicit(&pinst->source_state, ACTIVE, memory_order_release);
	/* Pairs with the fence in look_again(): a lane that goes to rest sees the source, or we see it at rest. */
	atomic_thread_fence(memory_order_seq_cst);
	result = see_it_through(pinst, &source);
	pinst->source = NULL;
	atomic_store_explicit(&pinst->source_state, 0, memory_order_release);
	return result;
}

PD_EXPORT int padata_pull(struct padata_instance *pinst, struct padata_source *source)
{
	int result = source && source->pull ? pd_enter_to_sleep(pinst) : -EINVAL;

	if (result)
		return result;
	result = pull(pinst, source);
	pd_leave_from_sleep();
	return result;
}

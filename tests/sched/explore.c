/* SPDX-License-Identifier: MIT */

/*
 * Who runs next, and every other choice, by one of four strategies.
 *
 *   random      at each point, now and then another thread
 *   PCT         fixed random priorities, lowered at two random points: depth 3
 *   exhaustive  depth first through all choices, within a budget of preemptions
 *               and one of stale reads and early stores
 *   replay      the choices that led to a finding
 */

#include "explore.h"
#include "internal.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A snapshot costs as much as some dozens of steps. */
enum { SNAPSHOT_STEPS = 48 };
enum { SPIN = 24, PCT_DEPTH = 3, MAX_CHOICES = 1 << 18, TIMER_EVERY = 16 };

struct decision {
	uint8_t kind, n, chosen;
	uint32_t step;
};

OF_SCHEDULE struct exploration explore = {.max_steps = 50000};
OF_SCHEDULE bool quiet;

static OF_SCHEDULE uint64_t rng;
static OF_SCHEDULE unsigned int switch_one_in, stale_one_in, event_one_in;
static struct decision decisions[MAX_CHOICES];
static OF_SCHEDULE uint32_t n_decisions;
static uint32_t prefix;
static OF_SCHEDULE unsigned int preemptions, stale;
static uint32_t next_snapshot; /* the step of the schedule from which on it would be worth it */
static OF_SCHEDULE bool alone; /* nobody could notice what the thread does next */
static OF_SCHEDULE uint32_t change_points[PCT_DEPTH - 1], lowest_priority;

static uint64_t random_next(void)
{
	uint64_t z = (rng += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned int random_below(unsigned int n)
{
	return (unsigned int)((random_next() >> 32) * n >> 32);
}

static bool one_in(unsigned int n)
{
	return n && random_below(n) == 0;
}

void explore_begin(void)
{
	static const uint32_t clocks[] = {200, 1000, 5000, 50000};
	static const unsigned int switches[] = {2, 4, 8, 16, 32, 64}, others[] = {0, 2, 4, 8, 16, 32};

	explore.steps = 0;
	n_decisions = 0;
	preemptions = stale = 0;
	quiet = explore.cut = alone = false;
	rng = explore.seed;
	switch_one_in = switches[random_below(6)];
	stale_one_in = others[random_below(6)];
	event_one_in = one_in(2) ? 0 : 8 << random_below(3);
	explore.clock_step_ns = explore.strategy == RANDOM || explore.strategy == PCT ? clocks[random_below(4)] : 5000;
	for (int i = 0; i < PCT_DEPTH - 1; i++)
		change_points[i] = 1 + random_below(explore.pct_steps ? explore.pct_steps : 1);
	lowest_priority = 1000;
}

/* The next leaf of the tree; false when there is none. */
bool explore_next_leaf(void)
{
	while (n_decisions && decisions[n_decisions - 1].chosen + 1 >= decisions[n_decisions - 1].n)
		n_decisions--;
	if (!n_decisions)
		return false;
	decisions[n_decisions - 1].chosen++;
	prefix = n_decisions;
	return true;
}

void explore_first_leaf(void)
{
	prefix = 0;
}

/*
 * The last choice of the prefix is the next to be changed, then those before it: half the way there, half the rest of
 * it, and so on.
 */
static void plan_snapshot(uint32_t from)
{
	uint32_t to = prefix ? decisions[prefix - 1].step : 0;

	next_snapshot = to > from + SNAPSHOT_STEPS && snapshot_room() ? from + (to - from) / 2 : UINT32_MAX;
}

bool explore_resume(void)
{
	plan_snapshot(snapshot_keep(prefix));
	return snapshot_restore();
}

void explore_pause(void)
{
	snapshot_take(n_decisions);
}

static unsigned int decide_exhaustively(enum choice kind, unsigned int n)
{
	struct decision *d = &decisions[n_decisions];
	unsigned int allowed = n;

	if (explore.steps >= next_snapshot && n_decisions < prefix) {
		fiber_pause();
		plan_snapshot(explore.steps);
	}
	if (n_decisions + 1 == MAX_CHOICES)
		sched_fail("too many choices in one schedule");
	if (kind == CHOOSE_THREAD ? preemptions >= explore.max_preemptions
				  : kind != CHOOSE_FREE && stale >= explore.max_stale)
		allowed = 1;
	if (alone)
		allowed = 1;
	if (explore.learns) {
		*d = (struct decision){(uint8_t)kind, (uint8_t)allowed, 0, explore.steps};
		if (allowed > 1 && one_in(kind == CHOOSE_FREE ? 2 : switch_one_in))
			d->chosen = (uint8_t)(1 + random_below(allowed - 1));
	} else if (n_decisions < prefix) {
		if (d->kind != kind || d->n != allowed)
			sched_fail("the scenario is not deterministic: choice %u", n_decisions);
	} else if (!alone && explore.fresh && !past_is_new(kind, preemptions)) {
		explore.cut = true;
		fiber_abandon();
	} else {
		*d = (struct decision){(uint8_t)kind, (uint8_t)allowed, 0, explore.steps};
	}
	n_decisions++;
	if (d->chosen && kind == CHOOSE_THREAD)
		preemptions++;
	else if (d->chosen && kind != CHOOSE_FREE)
		stale++;
	return d->chosen;
}

static unsigned int decide_by_list(enum choice kind, unsigned int n)
{
	unsigned int at = n_decisions++;

	(void)kind;
	for (unsigned int i = 0; i < explore.n_listed; i++)
		if (explore.listed[i].at == at)
			return explore.listed[i].chosen < n ? explore.listed[i].chosen : 0;
	return 0;
}

static unsigned int decide(enum choice kind, unsigned int n)
{
	unsigned int rare = kind == CHOOSE_THREAD ? switch_one_in : kind == CHOOSE_STALE ? stale_one_in : event_one_in;

	switch (explore.strategy) {
	case EXHAUSTIVE:
		return decide_exhaustively(kind, n);
	case REPLAY:
		return decide_by_list(kind, n);
	default:
		if (kind == CHOOSE_FREE)
			return random_below(n);
		return one_in(rare) ? 1 + random_below(n - 1) : 0;
	}
}

unsigned int choose(enum choice kind, unsigned int n)
{
	return n < 2 || (quiet && kind != CHOOSE_FREE) || !running ? 0 : decide(kind, n);
}

bool sched_is_search(void)
{
	return explore_by_choices();
}

unsigned int sched_choose(unsigned int n)
{
	unsigned int chosen = choose(CHOOSE_FREE, n);

	past_learn(self, chosen);
	return chosen;
}

void sched_explore(bool on)
{
	if (quiet && on)
		memory_synchronise_all();
	quiet = !on;
}

/* The choices of this schedule that were not the default, for explore.listed. */
void explore_print_choices(char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < n_decisions && used + 24 < size; i++)
		if (decisions[i].chosen)
			used += (size_t)snprintf(out + used, size - used, "%s%u:%u", used ? "," : "", i,
						 decisions[i].chosen);
}

static unsigned int nth_bit(uint32_t bits, unsigned int n)
{
	while (n--)
		bits &= bits - 1;
	return (unsigned int)__builtin_ctz(bits);
}

static unsigned int highest_priority(uint32_t among)
{
	unsigned int best = (unsigned int)__builtin_ctz(among);

	for (; among; among &= among - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(among);

		if (fibers[i].priority > fibers[best].priority)
			best = i;
	}
	return best;
}

static uint64_t earliest_deadline(unsigned int *who)
{
	uint64_t earliest = 0;

	for (unsigned int i = 0; i < n_fibers; i++)
		if (fibers[i].wait != RUNS && fibers[i].wait != FINISHED && fibers[i].deadline &&
		    (!earliest || fibers[i].deadline < earliest)) {
			earliest = fibers[i].deadline;
			*who = i;
		}
	return earliest;
}

static bool fire_timer(void)
{
	unsigned int who = 0;
	uint64_t deadline = earliest_deadline(&who);

	if (!deadline)
		return false;
	time_join(&now_ns, deadline);
	wake(who);
	time_join(&fibers[who].time, deadline);
	fibers[who].timed_out = true;
	return true;
}

static void step(void)
{
	/* The next choice is another state, even if the thread does nothing meanwhile. */
	past_learn(self, 0);
	if (++explore.steps > explore.max_steps)
		sched_fail("livelock: no end after %u steps", explore.max_steps);
}

static void point_if(bool shared)
{
	uint32_t others = runnable & ~(1u << self);
	unsigned int next;

	if (!running)
		return;
	step();
	if (unlikely(fibers[self].idle_loads >= SPIN)) {
		fibers[self].idle_loads = SPIN / 2;
		point_yield();
		return;
	}
	if (!explore_by_choices() && explore.steps % TIMER_EVERY == 0 && explore.timed &&
	    choose(CHOOSE_EVENT, 2)) {
		fire_timer();
		others = runnable & ~(1u << self);
	}
	if (!others || quiet)
		return;
	if (explore.strategy == PCT) {
		for (int i = 0; i < PCT_DEPTH - 1; i++)
			if (explore.steps == change_points[i])
				fibers[self].priority = lowest_priority--;
		next = highest_priority(runnable);
	} else {
		unsigned int chosen;

		alone = !shared;
		chosen = choose(CHOOSE_THREAD, 1 + (unsigned int)__builtin_popcount(others));
		alone = false;
		next = chosen ? nth_bit(others, chosen - 1) : self;
	}
	if (next != self)
		fiber_switch(next);
}

void point(void)
{
	point_if(true);
}

void point_fence(void)
{
	point_if(!explore.fresh);
}

void point_before(uintptr_t address, bool write)
{
	point_if(explore.strategy != EXHAUSTIVE || quiet || past_shared(address, write) || explore.learns);
}

/* The runnable threads but this one, the next by number first: so that all get their turn. */
static unsigned int turn(unsigned int n)
{
	unsigned int next = self;

	for (;;) {
		next = (next + 1) % MAX_THREADS;
		if (next != self && (runnable >> next & 1) && n-- == 0)
			return next;
	}
}

void point_yield(void)
{
	uint32_t others = runnable & ~(1u << self);

	if (!running)
		return;
	step();
	if (!others) {
		/* It waits for somebody who sleeps: let the time pass. */
		if (!explore.timed || !fire_timer())
			return;
		others = runnable & ~(1u << self);
	}
	if (explore.strategy == PCT) {
		fibers[self].priority = lowest_priority--;
		fiber_switch(highest_priority(others));
	} else if (explore.strategy == EXHAUSTIVE || explore.strategy == REPLAY) {
		fiber_switch(turn(choose(CHOOSE_THREAD, (unsigned int)__builtin_popcount(others))));
	} else {
		fiber_switch(nth_bit(others, random_below((unsigned int)__builtin_popcount(others))));
	}
}

static void deadlock(void)
{
	static const char *const doing[] = {"runs",	    "waits on a futex", "waits for a mutex", "waits on a condition",
					    "joins thread", "sleeps",		"has ended"};
	static const bool on_what[] = {[WAITS_FUTEX] = true, [WAITS_MUTEX] = true, [WAITS_COND] = true, [FINISHED] = false};
	char text[600];
	size_t used = 0;

	for (unsigned int i = 0; i < n_fibers; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u%s%s%s %s", i ? ", " : "", i,
					 fibers[i].name[0] ? " (" : "", fibers[i].name, fibers[i].name[0] ? ")" : "",
					 doing[fibers[i].wait]);
		if (fibers[i].wait == WAITS_JOIN)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %lu", (unsigned long)fibers[i].wait_on);
		else if (on_what[fibers[i].wait])
			used += (size_t)snprintf(text + used, sizeof(text) - used, " at %#lx", (unsigned long)fibers[i].wait_on);
	}
	sched_fail("deadlock: every thread waits: %s", text);
}

/* The current thread cannot go on. */
static unsigned int pick_other(void)
{
	unsigned int who, n;

	while (!runnable) {
		bool sleeper = false;

		if (!earliest_deadline(&who))
			deadlock();
		sleeper = fibers[who].wait == WAITS_SLEEP;
		if (!sleeper && !explore.timers)
			sched_fail("lost wake-up: only a timeout, of thread %u, lets the program go on", who);
		fire_timer();
	}
	n = (unsigned int)__builtin_popcount(runnable);
	if (explore.strategy == PCT)
		return highest_priority(runnable);
	if (explore.strategy == RANDOM)
		return nth_bit(runnable, random_below(n));
	/* A timer may have made the current thread itself runnable. */
	return runnable == 1u << self ? self : turn(choose(CHOOSE_FREE, n - (runnable >> self & 1)));
}

void block(enum wait why, uintptr_t on)
{
	struct fiber *f = &fibers[self];
	unsigned int next;

	step();
	f->wait = why;
	f->wait_on = on;
	f->timed_out = false;
	if (why != WAITS_FUTEX)
		f->wait_bits = NEVER;
	if (why == WAITS_MUTEX || why == WAITS_JOIN)
		f->deadline = 0;
	explore.timed += f->deadline != 0;
	runnable &= ~(1u << self);
	next = pick_other();
	if (next != self)
		fiber_switch(next);
}

void wake(unsigned int fiber)
{
	struct fiber *f = &fibers[fiber];

	explore.timed -= f->deadline != 0;
	f->deadline = 0;
	f->wait = RUNS;
	f->idle_loads = 0;
	time_join(&f->time, fibers[self].time);
	past_learn(fiber, fibers[self].past);
	runnable |= 1u << fiber;
}

void thread_begins(unsigned int fiber)
{
	/* Above all that the change points give. */
	fibers[fiber].priority = 2000 + random_below(1 << 20);
}

void thread_gone(void)
{
	fiber_switch(pick_other());
	__builtin_unreachable();
}

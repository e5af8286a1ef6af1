/* SPDX-License-Identifier: MIT */

/*
 * Atomic objects as C11 (with C++20's release sequences and fences, as
 * compilers implement it) has them, short of out-of-thin-air and load
 * buffering: reads come from stores that were executed before.
 *
 * Each object has its stores in modification order. A load may return any
 * store but those that are older than one that it may not miss: one that the
 * thread knows of, by happens-before, because it was written or read there, or
 * by the order of the seq_cst fences and accesses, which is the order
 * in which they are executed. A store or read-modify-write may land, in
 * modification order, behind stores that were executed earlier, by the same rule;
 * a read-modify-write right after the store that it reads.
 * See README.md for why this is sound and what it leaves out.
 */

#include "explore.h"
#include "internal.h"
#include "snapshot.h"
#include "views.h"

#include <string.h>
#include <sys/mman.h>

struct store {
	value_t value;
	uint32_t older;
	uint64_t time; /* of the thread that wrote it */
	uint32_t sc;		     /* when a seq_cst access first wrote or read it */
	uint32_t seen[MAX_THREADS]; /* the epoch in which each thread first wrote or read it */
	bool rmw;		     /* nothing may come between it and the one before */
	bool message;		     /* has one: what an acquiring reader learns */
	struct view view;
};

struct loc {
	uint32_t next;
	uint32_t newest;
	uint8_t offset, size;
	uint32_t written[MAX_THREADS], read[MAX_THREADS]; /* the last epochs, for races with plain accesses */
	void *written_pc, *read_pc;
	struct past past;
};

/* No more stores than this are looked at for a stale read. */
enum { DEPTH = 12, MAX_STORES = 1 << 18, MAX_LOCS = 1 << 17, STALE_RUN = 8 };

static struct store *stores;
static struct loc *locs;
static OF_SCHEDULE uint32_t n_stores = 1, n_locs = 1;

void memory_reset(void)
{
	if (!stores) {
		stores = mmap(NULL, sizeof(*stores) * MAX_STORES + sizeof(*locs) * MAX_LOCS, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		locs = (struct loc *)(stores + MAX_STORES);
		snapshot_table(stores, &n_stores, sizeof(*stores));
		snapshot_table(locs, &n_locs, sizeof(*locs));
	}
	n_stores = n_locs = 1;
}

static value_t raw_read(const void *address, unsigned int size)
{
	value_t value = 0;

	memcpy(&value, address, size);
	return value;
}

static value_t truncated(value_t value, unsigned int size)
{
	return size == 16 ? value : value & (((value_t)1 << 8 * size) - 1);
}

static struct store *new_store(value_t value)
{
	struct store *s = &stores[n_stores++];

	if (n_stores == MAX_STORES)
		sched_fail("too many stores in one schedule");
	s->value = value;
	s->older = 0;
	s->time = 0;
	s->sc = NEVER;
	s->rmw = s->message = false;
	memset(s->seen, 0xff, sizeof(s->seen));
	return s;
}

static struct loc *new_loc(struct word *word, void *address, unsigned int size)
{
	struct loc *loc = &locs[n_locs];
	struct store *base;

	if (n_locs + 1 == MAX_LOCS)
		sched_fail("too many atomic objects in one schedule");
	memset(loc, 0, sizeof(*loc));
	loc->offset = (uintptr_t)address & 7;
	loc->size = (uint8_t)size;
	loc->next = word->loc;
	/* What is there already was written plainly: nobody may miss it, or there is a race. */
	base = new_store(raw_read(address, size));
	memset(base->seen, 0, sizeof(base->seen));
	loc->newest = n_stores - 1;
	word->loc = n_locs++;
	return loc;
}

/* An object that is accessed in two sizes keeps no history from the one to the other, but all that was published. */
static struct loc *resized(struct word *word, struct loc *old, void *address, unsigned int size)
{
	struct store *from = &stores[old->newest];
	struct loc *loc;

	word->loc = 0;
	loc = new_loc(word, address, size);
	memcpy(loc->written, old->written, sizeof(loc->written));
	memcpy(loc->read, old->read, sizeof(loc->read));
	stores[loc->newest].message = from->message;
	stores[loc->newest].view = from->view;
	stores[loc->newest].time = from->time;
	loc->past = old->past;
	return loc;
}

static struct loc *find_loc(struct word *word, void *address, unsigned int size)
{
	unsigned int offset = (uintptr_t)address & 7;

	for (uint32_t i = word->loc; i; i = locs[i].next) {
		struct loc *loc = &locs[i];

		if (likely(loc->offset == offset && loc->size == size))
			return loc;
		if (loc->offset < offset + size && offset < (unsigned int)loc->offset + loc->size)
			return resized(word, loc, address, size);
	}
	return new_loc(word, address, size);
}

/* Whether the order of seq_cst events, or happens-before, forbids this thread to miss the store. */
static bool known(const struct store *s, enum order order)
{
	const struct fiber *f = &fibers[self];

	for (unsigned int i = 0; i < n_fibers; i++)
		if (s->seen[i] <= f->now.coh[i])
			return true;
	if (order != SEQ_CST)
		return s->sc <= f->now.sc;
	if (s->sc != NEVER)
		return true;
	for (unsigned int i = 0; i < n_fibers; i++)
		if (s->seen[i] <= sc_fences[i])
			return true;
	return false;
}

/* A point of choice, then the object; NULL where the access needs no history. */
static struct loc *enter(void *address, unsigned int size, bool write, bool may_write, void *pc)
{
	struct fiber *f = &fibers[self];
	struct word *word;
	struct loc *loc;

	if (!running)
		return NULL;
	point_before((uintptr_t)address, may_write);
	alloc_check((uintptr_t)address, size, write ? "atomic write" : "atomic read", pc);
	if (n_fibers == 1 || (quiet && !shadow_peek((uintptr_t)address)) || !(word = shadow_word((uintptr_t)address)))
		return NULL;
	now_step++;
	shadow_against_atomic(word, (uintptr_t)address, size, write, pc);
	loc = find_loc(word, address, size);
	if (write) {
		loc->written[self] = f->now.hb[self];
		loc->written_pc = pc;
	}
	loc->read[self] = f->now.hb[self];
	loc->read_pc = pc;
	return loc;
}

static void observe(struct store *s, enum order order)
{
	struct fiber *f = &fibers[self];

	time_join(&f->time, s->time);
	if (s->seen[self] == NEVER)
		s->seen[self] = f->now.hb[self];
	if (order == SEQ_CST && s->sc == NEVER)
		s->sc = now_step;
	if (s->message) {
		view_join(&f->acq, &s->view);
		if (acquires(order))
			view_join(&f->now, &s->view);
	}
}

/* Put a new store right behind the given one (0: as the newest). source: what a read-modify-write read. */
static void publish(struct loc *loc, void *address, struct store *s, struct store *newer, enum order order,
		    const struct store *source)
{
	struct fiber *f = &fibers[self];

	s->time = f->time;
	s->seen[self] = f->now.hb[self];
	s->sc = order == SEQ_CST ? now_step : NEVER;
	s->view = releases(order) ? f->now : f->rel;
	s->message = true;
	if (source) {
		s->rmw = true;
		if (source->message)
			view_join(&s->view, &source->view);
	}
	if (newer) {
		s->older = newer->older;
		newer->older = (uint32_t)(s - stores);
	} else {
		s->older = loc->newest;
		loc->newest = (uint32_t)(s - stores);
		memcpy(address, &s->value, loc->size);
	}
	tick();
}

/* Stale reads do not go on for ever: a store becomes visible in finite time. */
static unsigned int choose_stale(unsigned int n)
{
	struct fiber *f = &fibers[self];
	unsigned int chosen;

	if (n == 1 || quiet)
		return 0;
	if (f->stale_run >= STALE_RUN) {
		f->stale_run = 0;
		return 0;
	}
	chosen = choose(CHOOSE_STALE, n);
	f->stale_run = chosen ? f->stale_run + 1 : 0;
	return chosen;
}

value_t memory_load(void *address, unsigned int size, enum order order, void *pc)
{
	struct loc *loc = enter(address, size, false, false, pc);
	struct store *candidates[DEPTH], *s;
	unsigned int n = 0, chosen;

	fibers[self].idle_loads++;
	if (!loc)
		return raw_read(address, size);
	for (uint32_t i = loc->newest; i && n < DEPTH; i = s->older) {
		s = &stores[i];
		candidates[n++] = s;
		if (known(s, order))
			break;
	}
	chosen = choose_stale(n);
	s = candidates[chosen];
	observe(s, order);
	past_read(&loc->past);
	if (unlikely(tracing))
		trace(chosen ? "load (stale)" : "load", (uintptr_t)address, (unsigned long long)s->value, pc);
	return s->value;
}

void memory_store(void *address, unsigned int size, value_t value, enum order order, void *pc)
{
	struct loc *loc = enter(address, size, true, true, pc);
	struct store *places[DEPTH] = {NULL}, *s;
	unsigned int n = 1, chosen;

	fibers[self].idle_loads = 0;
	if (!loc) {
		memcpy(address, &value, size);
		return;
	}
	for (uint32_t i = loc->newest; i && n < DEPTH; i = s->older) {
		s = &stores[i];
		if (known(s, order))
			break;
		if (!s->rmw)
			places[n++] = s;
	}
	chosen = choose_stale(n);
	publish(loc, address, new_store(truncated(value, size)), places[chosen], order, NULL);
	past_write(&loc->past);
	if (unlikely(tracing))
		trace(chosen ? "store (early)" : "store", (uintptr_t)address, (unsigned long long)value, pc);
}

static value_t apply(enum op op, value_t a, value_t b)
{
	switch (op) {
	case OP_ADD:
		return a + b;
	case OP_SUB:
		return a - b;
	case OP_AND:
		return a & b;
	case OP_OR:
		return a | b;
	case OP_XOR:
		return a ^ b;
	case OP_NAND:
		return ~(a & b);
	case OP_XCHG:
		break;
	}
	return b;
}

/* The order of the reading half, and of the writing half. */
static enum order reading(enum order order)
{
	return order == ACQ_REL ? ACQUIRE : order == RELEASE ? RELAXED : order;
}

static void modify(struct loc *loc, void *address, struct store *source, struct store *newer, value_t value,
		   enum order order)
{
	struct fiber *f = &fibers[self];

	value = truncated(value, loc->size);
	f->idle_loads = value == source->value ? f->idle_loads + 1 : 0;
	observe(source, reading(order));
	publish(loc, address, new_store(value), newer, order, source);
	past_write(&loc->past);
}

value_t memory_rmw(void *address, unsigned int size, enum op op, value_t operand, enum order order, void *pc)
{
	struct loc *loc = enter(address, size, true, true, pc);
	struct store *sources[DEPTH], *newers[DEPTH], *s, *newer = NULL;
	unsigned int n = 0, chosen;

	if (!loc) {
		value_t old = raw_read(address, size), new = apply(op, old, operand);

		fibers[self].idle_loads = 0;
		memcpy(address, &new, size);
		return old;
	}
	for (uint32_t i = loc->newest; i && n < DEPTH; i = s->older) {
		s = &stores[i];
		if (!newer || !newer->rmw) {
			sources[n] = s;
			newers[n++] = newer;
		}
		if (known(s, order))
			break;
		newer = s;
	}
	chosen = choose_stale(n);
	s = sources[chosen];
	modify(loc, address, s, newers[chosen], apply(op, s->value, operand), order);
	if (unlikely(tracing))
		trace(chosen ? "rmw (early), was" : "rmw, was", (uintptr_t)address, (unsigned long long)s->value, pc);
	return s->value;
}

value_t memory_cas(void *address, unsigned int size, value_t expected, value_t desired, enum order order,
		   enum order failure, void *pc)
{
	struct loc *loc;
	struct store *sources[DEPTH], *newers[DEPTH], *s, *newer = NULL;
	unsigned int n = 0, chosen;
	bool done, may_write = true;

	expected = truncated(expected, size);
	loc = enter(address, size, false, true, pc);
	if (!loc) {
		value_t old = raw_read(address, size);

		if (old == expected)
			memcpy(address, &desired, size);
		return old;
	}
	for (uint32_t i = loc->newest; i && n < DEPTH; i = s->older) {
		bool equal;

		s = &stores[i];
		equal = s->value == expected;
		if (equal ? may_write && !(newer && newer->rmw) : true) {
			sources[n] = s;
			newers[n++] = newer;
		}
		if (known(s, failure))
			break;
		may_write = may_write && !known(s, order);
		newer = s;
	}
	chosen = choose_stale(n);
	s = sources[chosen];
	done = s->value == expected;
	if (done) {
		struct word *word = shadow_word((uintptr_t)address);

		shadow_against_atomic(word, (uintptr_t)address, size, true, pc);
		loc->written[self] = fibers[self].now.hb[self];
		loc->written_pc = pc;
		modify(loc, address, s, newers[chosen], desired, order);
	} else {
		fibers[self].idle_loads++;
		observe(s, failure);
		past_read(&loc->past);
	}
	if (unlikely(tracing))
		trace(done ? "cas, was" : "cas fails, is", (uintptr_t)address, (unsigned long long)s->value, pc);
	return s->value;
}

void memory_against_plain(struct word *word, uintptr_t address, unsigned int mask, bool write, void *pc)
{
	const struct fiber *f = &fibers[self];

	for (uint32_t l = word->loc; l; l = locs[l].next) {
		struct loc *loc = &locs[l];
		unsigned int bytes = (((loc->size >= 8 ? 256u : 1u << loc->size) - 1) << loc->offset) & 0xff;

		if (!(bytes & mask))
			continue;
		for (unsigned int i = 0; i < n_fibers; i++) {
			bool unordered = loc->written[i] > f->now.hb[i] || (write && loc->read[i] > f->now.hb[i]);

			if (likely(!unordered))
				continue;
			finding_at(pc, loc->written[i] > f->now.hb[i] ? loc->written_pc : loc->read_pc);
			sched_fail("data race: plain %s after atomic %s, at %#lx, thread %u and before it thread %u",
				   write ? "write" : "read", loc->written[i] > f->now.hb[i] ? "write" : "read",
				   (unsigned long)address + loc->offset, self, i);
		}
	}
	if (!write)
		return;
	/* What was atomic begins anew with what is written now. */
	for (uint32_t *link = &word->loc; *link;) {
		struct loc *loc = &locs[*link];
		unsigned int bytes = (((loc->size >= 8 ? 256u : 1u << loc->size) - 1) << loc->offset) & 0xff;

		if (bytes & mask)
			*link = loc->next;
		else
			link = &loc->next;
	}
}

/* SPDX-License-Identifier: MIT */

/*
 * The heap of the program under test. Memory that was freed is not given out
 * again in the same schedule, unless the strategy chooses to recycle it with
 * its old contents; every access is checked against the live blocks, and
 * what is live at the end is a leak.
 */

#include "internal.h"
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <stdio.h>

enum { GRANULE = 16, MAX_BLOCKS = 1 << 16 };

struct block {
	uintptr_t address;
	size_t size;
	uint32_t epoch;
	uint8_t thread;
	bool live;
	void *alloc_pc, *free_pc;
};

static uint32_t *owner; /* the block of each granule of the heap, 0 for none */
static struct block *blocks;
static OF_SCHEDULE uint32_t n_blocks = 1;
static OF_SCHEDULE uint32_t used; /* granules */
static size_t carved = ARENA_HEAP;

void alloc_init(void)
{
	void *arena = mmap((void *)ARENA_BASE, ARENA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	owner = mmap(NULL, ARENA_HEAP / GRANULE * sizeof(*owner) + MAX_BLOCKS * sizeof(*blocks), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena != (void *)ARENA_BASE || owner == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	blocks = (struct block *)(owner + ARENA_HEAP / GRANULE);
	snapshot_table(arena, &used, GRANULE);
	snapshot_table(owner, &used, sizeof(*owner));
	snapshot_table(blocks, &n_blocks, sizeof(*blocks));
}

void *arena_carve(size_t size, size_t alignment)
{
	carved = (carved + alignment - 1) / alignment * alignment + size;
	if (carved > ARENA_SIZE) {
		fprintf(stderr, "the arena is too small\n");
		exit(2);
	}
	return (void *)(ARENA_BASE + carved - size);
}

void alloc_forget(void)
{
	memset(owner, 0, used * sizeof(*owner));
}

void alloc_reset(void)
{
	alloc_forget();
	n_blocks = 1;
	used = 0;
}

static struct block *block_of(uintptr_t address)
{
	return address - ARENA_BASE < ARENA_HEAP ? &blocks[owner[(address - ARENA_BASE) / GRANULE]] : NULL;
}

void alloc_check(uintptr_t address, size_t size, const char *what, void *pc)
{
	struct block *b;

	if (address < 4096) {
		finding_at(pc, NULL);
		sched_fail("%s at %#lx", what, (unsigned long)address);
	}
	b = block_of(address);
	if (!running)
		return;
	if (!b) {
		if (unlikely(address - ARENA_BASE < ARENA_SIZE && fiber_is_gone(address))) {
			finding_at(pc, NULL);
			sched_fail("%s at %#lx, in the memory of a thread that has ended", what, (unsigned long)address);
		}
		return;
	}
	if (unlikely(b == blocks || address + size > b->address + b->size)) {
		finding_at(pc, b == blocks ? NULL : b->alloc_pc);
		sched_fail("%s of %zu bytes at %#lx, outside of any block", what, size, (unsigned long)address);
	}
	if (unlikely(!b->live)) {
		finding_at(pc, b->free_pc);
		sched_fail("%s at %#lx after it was freed (%zu bytes into %zu)", what, (unsigned long)address,
			   (size_t)(address - b->address), b->size);
	}
}

bool alloc_owner(uintptr_t address, unsigned int *thread, uint32_t *epoch)
{
	struct block *b = block_of(address);

	if (!b || b == blocks)
		return false;
	*thread = b->thread;
	*epoch = b->epoch;
	return true;
}

void alloc_report_leaks(void)
{
	unsigned int n = 0;
	size_t bytes = 0;
	struct block *first = NULL;

	for (uint32_t i = 1; i < n_blocks; i++) {
		if (!blocks[i].live)
			continue;
		if (!first)
			first = &blocks[i];
		n++;
		bytes += blocks[i].size;
	}
	if (!n)
		return;
	finding_at(first->alloc_pc, NULL);
	sched_fail("leak: %u blocks, %zu bytes; the first has %zu", n, bytes, first->size);
}

static void taken(struct block *b, void *pc)
{
	b->thread = (uint8_t)self;
	b->epoch = fibers[self].now.hb[self];
	b->live = true;
	b->alloc_pc = pc;
}

/* A block of this size that was freed, if the strategy will have it. */
static struct block *recycled(size_t size, size_t alignment)
{
	for (uint32_t i = n_blocks - 1; i > 0 && i + 8 > n_blocks; i--) {
		struct block *b = &blocks[i];

		if (!b->live && b->size == size && b->address % alignment == 0)
			return choose(CHOOSE_EVENT, 2) ? b : NULL;
	}
	return NULL;
}

static void *allocate(size_t size, size_t alignment, void *pc)
{
	struct block *b = recycled(size, alignment);
	uint32_t begin, granules;

	if (!b) {
		alignment = alignment < GRANULE ? GRANULE : alignment;
		alignment /= GRANULE;
		begin = (uint32_t)((used + alignment - 1) / alignment * alignment);
		if (size > ARENA_HEAP || begin + size / GRANULE + 2 > ARENA_HEAP / GRANULE || n_blocks == MAX_BLOCKS)
			sched_fail("the heap of a schedule is too small");
		granules = (uint32_t)((size + GRANULE - 1) / GRANULE);
		used = begin + granules + 1; /* the last belongs to nobody */
		for (uint32_t i = 0; i < granules; i++)
			owner[begin + i] = n_blocks;
		b = &blocks[n_blocks++];
		b->address = ARENA_BASE + (uintptr_t)begin * GRANULE;
		b->size = size;
		memset((void *)b->address, 0xa5, size < 4096 ? size : 4096);
	}
	taken(b, pc);
	if (unlikely(tracing))
		trace("malloc", b->address, size, pc);
	return (void *)b->address;
}

void *sched_malloc(size_t size)
{
	return running ? allocate(size, GRANULE, __builtin_return_address(0)) : malloc(size);
}

void *sched_calloc(size_t n, size_t size)
{
	void *p;

	if (!running)
		return calloc(n, size);
	p = allocate(n * size, GRANULE, __builtin_return_address(0));
	memset(p, 0, n * size);
	return p;
}

void *sched_aligned_alloc(size_t alignment, size_t size)
{
	return running ? allocate(size, alignment, __builtin_return_address(0)) : aligned_alloc(alignment, size);
}

int sched_posix_memalign(void **p, size_t alignment, size_t size)
{
	if (!running)
		return posix_memalign(p, alignment, size);
	*p = allocate(size, alignment, __builtin_return_address(0));
	return 0;
}

void sched_free(void *p)
{
	struct block *b = block_of((uintptr_t)p);
	void *pc = __builtin_return_address(0);

	if (!b) {
		free(p);
		return;
	}
	if (!running)
		return;
	if (b == blocks || b->address != (uintptr_t)p) {
		finding_at(pc, NULL);
		sched_fail("free of %p, which was not allocated", p);
	}
	if (!b->live) {
		finding_at(pc, b->free_pc);
		sched_fail("free of %p, which was freed before", p);
	}
	point();
	past_learn(self, b->address);
	shadow_freed(b->address, b->size, pc);
	b->live = false;
	b->free_pc = pc;
	if (unlikely(tracing))
		trace("free", b->address, b->size, pc);
}

void *sched_realloc(void *p, size_t size)
{
	struct block *b = block_of((uintptr_t)p);
	void *q;

	if (!running || (p && !b))
		return realloc(p, size);
	q = allocate(size, GRANULE, __builtin_return_address(0));
	if (p) {
		memcpy(q, p, b->size < size ? b->size : size);
		sched_free(p);
	}
	return q;
}

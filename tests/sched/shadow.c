/* SPDX-License-Identifier: MIT */

/*
 * Data races. Each 8-byte word that was touched in this schedule remembers its
 * plain accesses, by the bytes that they touched: who wrote it last, and when
 * each thread read it last. An access that is not ordered after a conflicting
 * one by happens-before is a race, whichever of the two ran first.
 */

#include "internal.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct plain {
	uint32_t next;
	uint8_t mask, writer;
	uint32_t written;
	uint32_t read[MAX_THREADS];
	void *write_pc, *read_pc;
};

enum { MAX_WORDS = 1 << 20, MAX_PLAIN = 1 << 20 };

extern char __data_start[], _end[]; /* the program's own variables, by the linker */

static uint32_t *arena_index; /* of the word in words[], 0 for none */
static uint32_t *program_index;
static uintptr_t program_base, program_size;
static struct word *words;
static uint32_t *words_at; /* where the index of each word lies, to clear it */
static struct plain *plains;
static OF_SCHEDULE uint32_t n_words, n_plains;
static uint32_t nowhere; /* no place has this index */

static void *pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

void shadow_init(void)
{
	program_base = (uintptr_t)__data_start & ~(uintptr_t)7;
	program_size = (uintptr_t)_end - program_base;
	/* One table, the arena's words first, so that one number names a place. */
	arena_index = pages(((size_t)ARENA_SIZE + program_size) / 8 * 4 + 64);
	program_index = arena_index + ARENA_SIZE / 8;
	words = pages(sizeof(*words) * MAX_WORDS);
	words_at = pages(sizeof(*words_at) * MAX_WORDS);
	plains = pages(sizeof(*plains) * MAX_PLAIN);
	n_words = n_plains = 1;
	nowhere = (uint32_t)shadow_words();
	snapshot_table(words, &n_words, sizeof(*words));
	snapshot_table(words_at, &n_words, sizeof(*words_at));
	snapshot_table(plains, &n_plains, sizeof(*plains));
}

void shadow_forget(void)
{
	for (uint32_t i = 1; i < n_words; i++)
		arena_index[words_at[i]] = 0;
}

void shadow_remember(void)
{
	for (uint32_t i = 1; i < n_words; i++)
		arena_index[words_at[i]] = i;
}

void shadow_reset(void)
{
	shadow_forget();
	n_words = n_plains = 1;
}

static uint32_t *index_of(uintptr_t address)
{
	if (address - ARENA_BASE < ARENA_SIZE)
		return &arena_index[(address - ARENA_BASE) / 8];
	if (address - program_base < program_size)
		return &program_index[(address - program_base) / 8];
	return NULL;
}

size_t shadow_words(void)
{
	return ((size_t)ARENA_SIZE + program_size) / 8 + 1;
}

size_t shadow_number(uintptr_t address)
{
	uint32_t *index = index_of(address);

	return index ? (size_t)(index - arena_index) + 1 : 0;
}

static struct plain *new_plain(struct word *word, unsigned int mask)
{
	struct plain *p = &plains[n_plains];

	if (n_plains + 1 == MAX_PLAIN)
		sched_fail("too much memory touched in one schedule");
	memset(p, 0, sizeof(*p));
	p->mask = (uint8_t)mask;
	p->next = word->plain;
	word->plain = n_plains++;
	return p;
}

struct word *shadow_peek(uintptr_t address)
{
	uint32_t *index = index_of(address);

	return index && *index ? &words[*index] : NULL;
}

struct word *shadow_word(uintptr_t address)
{
	uint32_t *index = index_of(address);
	unsigned int thread;
	uint32_t epoch;
	struct word *word;

	if (!index)
		return NULL;
	if (likely(*index))
		return &words[*index];
	if (n_words + 1 == MAX_WORDS)
		sched_fail("too much memory touched in one schedule");
	words_at[n_words] = (uint32_t)(index - arena_index);
	*index = n_words;
	word = &words[n_words++];
	memset(word, 0, sizeof(*word));
	/* To allocate is to write: who was not told of the memory may not read it. */
	if (alloc_owner(address, &thread, &epoch)) {
		struct plain *p = new_plain(word, 0xff);

		p->writer = (uint8_t)thread;
		p->written = epoch;
	}
	return word;
}

static bool knows(unsigned int thread, uint32_t epoch)
{
	return epoch <= fibers[self].now.hb[thread];
}

static void race(const char *kinds, uintptr_t address, unsigned int other, void *pc, void *other_pc)
{
	finding_at(pc, other_pc);
	sched_fail("data race: %s, at %#lx, thread %u and before it thread %u", kinds, (unsigned long)address, self,
		   other);
}

static void against_plain(const struct plain *p, uintptr_t address, bool write, bool atomic, void *pc)
{
	if (unlikely(!knows(p->writer, p->written)))
		race(atomic ? "atomic access after plain write" : write ? "write after write" : "read after write",
		     address, p->writer, pc, p->write_pc);
	if (!write)
		return;
	for (unsigned int i = 0; i < n_fibers; i++)
		if (unlikely(!knows(i, p->read[i])))
			race(atomic ? "atomic write after plain read" : "write after read", address, i, pc, p->read_pc);
}

static void access_word(uintptr_t address, unsigned int mask, bool write, void *pc)
{
	uint32_t *index = index_of(address);
	struct fiber *f = &fibers[self];
	struct plain *exact = NULL;
	unsigned int thread;
	struct word *word;
	uint32_t epoch;

	/* Whoever allocated it and has published nothing since: the allocation says it all. */
	if (!index || (!*index && alloc_owner(address, &thread, &epoch) && thread == self && epoch == f->now.hb[self]))
		return;
	word = shadow_word(address);
	for (uint32_t i = word->plain; i; i = plains[i].next) {
		if (!(plains[i].mask & mask))
			continue;
		against_plain(&plains[i], address, write, false, pc);
		if (plains[i].mask == mask)
			exact = &plains[i];
	}
	if (unlikely(word->loc))
		memory_against_plain(word, address & ~(uintptr_t)7, mask, write, pc);
	if (!exact)
		exact = new_plain(word, mask);
	if (write) {
		exact->writer = (uint8_t)self;
		exact->written = f->now.hb[self];
		exact->write_pc = pc;
	} else {
		exact->read[self] = f->now.hb[self];
		exact->read_pc = pc;
	}
}

void shadow_write_quietly(uintptr_t address, size_t size)
{
	for (uintptr_t a = address & ~(uintptr_t)7; a < address + size; a += 8) {
		struct word *word = shadow_peek(a);

		if (word)
			word->loc = 0;
	}
}

void shadow_access(uintptr_t address, size_t size, bool write, void *pc)
{
	if (!running)
		return;
	if (quiet) {
		if (write)
			shadow_write_quietly(address, size);
		return;
	}
	alloc_check(address, size, write ? "write" : "read", pc);
	if (write)
		fibers[self].idle_loads = 0;
	/* What the first thread does alone, all others know. */
	if (n_fibers == 1)
		return;
	while (size) {
		unsigned int offset = address & 7;
		unsigned int n = size < 8 - offset ? (unsigned int)size : 8 - offset;

		access_word(address, ((1u << n) - 1) << offset, write, pc);
		address += n;
		size -= n;
	}
}

void shadow_against_atomic(struct word *word, uintptr_t address, unsigned int size, bool write, void *pc)
{
	unsigned int mask = (((size >= 8 ? 256u : 1u << size) - 1) << (address & 7)) & 0xff;

	if (quiet)
		return;
	for (uint32_t i = word->plain; i; i = plains[i].next)
		if (plains[i].mask & mask)
			against_plain(&plains[i], address, write, true, pc);
}

/* To free is to write all of it. */
void shadow_freed(uintptr_t address, size_t size, void *pc)
{
	for (uintptr_t a = address; a < address + size; a += 8) {
		uint32_t *index = index_of(a);
		struct word *word;

		if (!index || !*index)
			continue;
		word = &words[*index];
		for (uint32_t i = word->plain; i && !quiet; i = plains[i].next)
			against_plain(&plains[i], a, true, false, pc);
		if (word->loc && !quiet)
			memory_against_plain(word, a, 0xff, true, pc);
		words_at[*index] = nowhere;
		*index = 0; /* what is allocated here next begins with its own allocation */
	}
}

/* SPDX-License-Identifier: MIT */

/*
 * Snapshots of a schedule, so that the exhaustive search need not run anew what the next one begins with like the
 * last. All that a schedule changes is in the variables marked OF_SCHEDULE, in the tables given to
 * snapshot_table(), in the heap, the program's own variables, and in the stacks and thread-local blocks.
 */

#include "snapshot.h"

#include "explore.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SNAPSHOTS = 16, MAX_TABLES = 12, MAX_PARTS = 2 };

struct snapshot {
	uint32_t decisions, steps; /* how far the schedule was */
	char *bytes;
	size_t size, room;
};

struct table {
	void *base;
	const uint32_t *n;
	size_t size; /* of one */
};

extern char __start_of_schedule[], __stop_of_schedule[];

static struct snapshot snapshots[MAX_SNAPSHOTS];
static unsigned int n_snapshots;
static struct table tables[MAX_TABLES];
static unsigned int n_tables;
static struct {
	char *base;
	size_t size;
} parts[MAX_PARTS];
static unsigned int n_parts;

void snapshot_table(void *base, const uint32_t *n, size_t size)
{
	if (n_tables == MAX_TABLES)
		abort();
	tables[n_tables++] = (struct table){base, n, size};
}

void snapshot_part(void *base, size_t size)
{
	if (n_parts == MAX_PARTS)
		abort();
	parts[n_parts++].base = base;
	parts[n_parts - 1].size = size;
}

enum direction { SAVE, RESTORE };

static void copy(struct snapshot *s, enum direction direction, void *memory, size_t size)
{
	if (s->size + size > s->room) {
		s->room = (s->size + size) * 2;
		s->bytes = realloc(s->bytes, s->room);
		if (!s->bytes) {
			perror("realloc");
			exit(2);
		}
	}
	if (direction == SAVE)
		memcpy(s->bytes + s->size, memory, size);
	else
		memcpy(memory, s->bytes + s->size, size);
	s->size += size;
}

/* Both ways the same, so that what is put back is what was kept: the counts come first. */
static void copy_all(struct snapshot *s, enum direction direction)
{
	s->size = 0;
	copy(s, direction, __start_of_schedule, (size_t)(__stop_of_schedule - __start_of_schedule));
	for (unsigned int i = 0; i < n_tables; i++)
		copy(s, direction, tables[i].base, *tables[i].n * tables[i].size);
	for (unsigned int i = 0; i < n_parts; i++)
		copy(s, direction, parts[i].base, parts[i].size);
	for (unsigned int i = 0; i < n_fibers; i++) {
		void *memory;
		size_t size;

		for (unsigned int part = 0; (size = fiber_memory(i, part, &memory)); part++)
			copy(s, direction, memory, size);
	}
}

void snapshot_take(uint32_t decisions)
{
	struct snapshot *s = &snapshots[n_snapshots++];

	s->decisions = decisions;
	s->steps = explore.steps;
	copy_all(s, SAVE);
}

uint32_t snapshot_keep(uint32_t decisions)
{
	while (n_snapshots && snapshots[n_snapshots - 1].decisions >= decisions)
		n_snapshots--;
	return n_snapshots ? snapshots[n_snapshots - 1].steps : 0;
}

bool snapshot_restore(void)
{
	if (!n_snapshots)
		return false;
	shadow_forget();
	alloc_forget();
	copy_all(&snapshots[n_snapshots - 1], RESTORE);
	shadow_remember();
	return true;
}

bool snapshot_room(void)
{
	return n_snapshots < MAX_SNAPSHOTS;
}

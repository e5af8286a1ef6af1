/* SPDX-License-Identifier: MIT */
#ifndef SCHED_SNAPSHOT_H
#define SCHED_SNAPSHOT_H

/* What a schedule changes is kept and put back by snapshot.c; so it has to know of all of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A variable of the scheduler that belongs to the schedule that runs. */
#define OF_SCHEDULE __attribute__((__section__("of_schedule")))

/* A table of which the first *n entries are in use (n is OF_SCHEDULE), and memory of a fixed size. */
void snapshot_table(void *base, const uint32_t *n, size_t size);
void snapshot_part(void *base, size_t size);

/* Those that were taken when fewer than so many choices had been made; returns the step of the last, 0: none. */
uint32_t snapshot_keep(uint32_t decisions);
bool snapshot_room(void);
void snapshot_take(uint32_t decisions); /* by the host, while the fiber that asked for it stands still */
bool snapshot_restore(void);		/* false: there is none, and the schedule has to begin at its beginning */

#endif

/* SPDX-License-Identifier: MIT */
#ifndef STREAM_SPAWN_H
#define STREAM_SPAWN_H

/* Starting a program at the least cost: the caller's memory is shared until the exec, nothing is copied. */

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct spawn {
	const char *path;
	char *const *words;
	int in, out, err; /* become 0, 1 and 2; all descriptors are 3 or more and close on exec */
	const cpu_set_t *cpus;
	size_t cpus_size;
	const sigset_t *signals; /* those that stay blocked */
	bool ignore_sigpipe;
};

/*
 * Start it in a process group of its own, on the given CPUs: its process, and
 * in *pidfd a descriptor of it; or -errno. The calling thread has all signals
 * blocked, and sleeps until the exec.
 */
pid_t spawn_start(const struct spawn *spawn, int *pidfd);

/* Find a program as execvp(3) would: memory to free, or NULL and errno. */
char *spawn_find(const char *name);

#endif

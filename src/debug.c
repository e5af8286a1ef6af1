/* SPDX-License-Identifier: MIT */

#include "debug.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const uint64_t stall_look_ns = 250000000, stall_ns = 1000000000;

unsigned int pd_debug;

void pd_debug_init(void)
{
	const char *asked = getenv("PADATA_DEBUG");

	if (!asked)
		return;
	while (*asked) {
		size_t length = strcspn(asked, ",");

		if (length == 5 && !memcmp(asked, "sleep", length))
			pd_debug |= PD_DEBUG_SLEEP;
		else if (length == 5 && !memcmp(asked, "stall", length))
			pd_debug |= PD_DEBUG_STALL;
		else if (length)
			fprintf(stderr, "padata: PADATA_DEBUG: \"%.*s\" is not known, use sleep and stall\n",
				(int)length, asked);
		asked += length + (asked[length] == ',');
	}
}

static long voluntary_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* A function's name where the linker knows one, and where it lies in its file, for addr2line(1). */
static void say_function(char *text, size_t size, void (*function)(struct padata_priv *))
{
	Dl_info info;
	void *address;

	memcpy(&address, &function, sizeof(address));
	if (!dladdr(address, &info) || !info.dli_fname)
		snprintf(text, size, "%p", address);
	else
		snprintf(text, size, "%s (%s+0x%lx)", info.dli_sname ? info.dli_sname : "?", info.dli_fname,
			 (unsigned long)((char *)address - (char *)info.dli_fbase));
}

void pd_debug_call_observed(struct pd_lane *lane, struct padata_priv *task, enum pd_stage stage)
{
	void (*callback)(struct padata_priv *) = stage == PD_PARALLEL ? task->parallel : task->serial;
	uint64_t seq = pd_task(task)->seq;
	uint64_t began = pd_now(), used = thread_cpu_ns();
	long switches = voluntary_switches();

	atomic_store_explicit(&lane->running, seq << 2 | (1 + stage), memory_order_relaxed);
	callback(task);
	atomic_store_explicit(&lane->running, 0, memory_order_relaxed);
	if (pd_debug & PD_DEBUG_SLEEP && voluntary_switches() > switches) {
		uint64_t slept = pd_now() - began, busy = thread_cpu_ns() - used;
		char name[512];

		slept = slept > busy ? slept - busy : 0;
		say_function(name, sizeof(name), callback);
		fprintf(stderr, "padata: sleep: %s %s slept %llu.%03llu ms, task %llu, CPU %d\n",
			stage == PD_PARALLEL ? "parallel()" : "serial()", name,
			(unsigned long long)(slept / 1000000), (unsigned long long)(slept / 1000 % 1000),
			(unsigned long long)seq, lane->cpu);
	}
}

struct pd_stall {
	pthread_t thread;
	atomic_uint stop;
};

/* In words: where the oldest task that has not been delivered is. */
static void say_stage(struct padata_instance *pinst, uint64_t seq, char *text, size_t size)
{
	unsigned int lanes = pd_instance_lanes(pinst);

	if (seq >= atomic_load_explicit(&pinst->window.claimed, memory_order_relaxed)) {
		snprintf(text, size, "submitted, parallel() not begun");
		return;
	}
	if (pd_window_deliverable(&pinst->window)) {
		snprintf(text, size, "finished, serial() not begun: all workers are in callbacks");
		return;
	}
	for (unsigned int i = 0; i < lanes; i++) {
		struct pd_lane *lane = pinst->lane_list[i];

		if (atomic_load_explicit(&lane->running, memory_order_relaxed) ==
		    (seq << 2 | (1 + PD_PARALLEL))) {
			snprintf(text, size, "in parallel() on CPU %d", lane->cpu);
			return;
		}
	}
	snprintf(text, size, "parallel() has returned, padata_do_serial() has not been called");
}

/* The serial stages that have tasks, which are older than any that has not come so far; whether one has. */
static bool say_serial(struct padata_instance *pinst, unsigned int outstanding)
{
	unsigned int lanes = pd_instance_lanes(pinst);
	bool said = false;

	for (unsigned int i = 0; i < lanes; i++) {
		struct pd_lane *lane = pinst->lane_list[i];
		uint64_t running = atomic_load_explicit(&lane->running, memory_order_relaxed);
		char text[128];

		if (atomic_load_explicit(&lane->completed, memory_order_relaxed) >=
		    pd_serialq_count(&lane->serialq))
			continue;
		if ((running & 3) == 1 + PD_SERIAL)
			snprintf(text, sizeof(text), "task %llu: in serial()",
				 (unsigned long long)(running >> 2));
		else
			snprintf(text, sizeof(text), "serial() not begun%s",
				 running ? ", the worker is in parallel()" : "");
		fprintf(stderr, "padata: stall: nothing moves, %u outstanding; %s, CPU %d\n", outstanding,
			text, lane->cpu);
		said = true;
	}
	return said;
}

static void say_stall(struct padata_instance *pinst, uint64_t taken, unsigned int outstanding)
{
	char text[128];

	if (say_serial(pinst, outstanding) || taken >= pd_window_next(&pinst->window))
		return;
	say_stage(pinst, taken, text, sizeof(text));
	fprintf(stderr, "padata: stall: nothing moves, %u outstanding; the oldest, task %llu: %s\n",
		outstanding, (unsigned long long)taken, text);
}

static void *watch(void *arg)
{
	struct padata_instance *pinst = arg;
	uint64_t moved = pd_now(), last_taken = 0;
	unsigned int last_outstanding = 0;
	bool said = false;

	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL); /* the program's signals are its own */
	pthread_setname_np(pthread_self(), "padata/stall");
	while (!atomic_load_explicit(&pinst->stall->stop, memory_order_relaxed)) {
		unsigned int outstanding = pd_outstanding(pinst);
		uint64_t taken = atomic_load_explicit(&pinst->window.taken, memory_order_relaxed);

		if (!outstanding || outstanding != last_outstanding || taken != last_taken) {
			moved = pd_now();
			said = false;
		} else if (!said && pd_now() - moved >= stall_ns) {
			/*
			 * The window stays as long as this is a call with something outstanding. The gate may be shut:
			 * what a change waits for is worth to be told.
			 */
			pd_guard_enter(PD_IN_CALL, pinst, 0);
			if (pd_outstanding(pinst) == outstanding)
				say_stall(pinst, taken, outstanding);
			pd_guard_leave(PD_IN_CALL);
			said = true;
		}
		last_outstanding = outstanding;
		last_taken = taken;
		pd_futex_wait(&pinst->stall->stop, 0, stall_look_ns);
	}
	return NULL;
}

void pd_debug_watch(struct padata_instance *pinst)
{
	if (!(pd_debug & PD_DEBUG_STALL))
		return;
	pinst->stall = calloc(1, sizeof(*pinst->stall));
	if (pinst->stall && pthread_create(&pinst->stall->thread, NULL, watch, pinst)) {
		free(pinst->stall);
		pinst->stall = NULL;
	}
}

void pd_debug_unwatch(struct padata_instance *pinst)
{
	int cancel;

	if (!pinst->stall)
		return;
	/* Relaxed, here and in watch(): it passes nothing. */
	atomic_store_explicit(&pinst->stall->stop, 1, memory_order_relaxed);
	pd_futex_wake(&pinst->stall->stop, 1);
	/* It is a cancellation point, and nothing may be left half done. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_join(pinst->stall->thread, NULL);
	pthread_setcancelstate(cancel, NULL);
	free(pinst->stall);
	pinst->stall = NULL;
}

/* SPDX-License-Identifier: MIT */

#include "futex.h"
#include "init.h"

#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool pd_barrier_is_asymmetric;

void pd_futex_wait(atomic_uint *word, unsigned int value, uint64_t timeout_ns)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
				   .tv_nsec = (long)(timeout_ns % 1000000000)};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns ? &timeout : NULL, NULL, 0);
}

void pd_futex_wake(atomic_uint *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void pd_park(struct pd_parker *parker)
{
	/*
	 * Acquire: pairs with the release in pd_unpark(); what the waker did before is what the owner
	 * woke for.
	 */
	while (!atomic_exchange_explicit(&parker->permit, 0, memory_order_acquire))
		pd_futex_wait(&parker->permit, 0, 0);
}

void pd_unpark(struct pd_parker *parker)
{
	/* Release: pairs with the acquire in pd_park(), see there. */
	atomic_store_explicit(&parker->permit, 1, memory_order_release);
	pd_futex_wake(&parker->permit, 1);
}

uint64_t pd_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool membarrier_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static bool membarrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* Before the first instance: from then on the light side's meaning is fixed. */
void pd_barrier_init(void)
{
	pd_barrier_is_asymmetric = membarrier_register();
}

void pd_barrier_heavy(void)
{
	/* Pairs with the fence in pd_barrier_light(), where that is one. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!pd_barrier_is_asymmetric)
		return;
	/* A child of fork() has to register anew. */
	if (membarrier() || (membarrier_register() && membarrier()))
		return;
	/* The light side counts on it: to go on without would lose wake-ups. */
	pd_die("membarrier(2) worked when the library was loaded and is refused now: allow it in the seccomp "
	       "filter");
}

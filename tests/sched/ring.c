/* SPDX-License-Identifier: MIT */

#include "ring.h"

#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef BUG
#define BUG 0
#endif

struct ring *ring_alloc(void (*deliver)(struct task *task))
{
	struct ring *ring = calloc(1, sizeof(*ring));

	ring->refs = 1;
	ring->deliver = deliver;
	return ring;
}

static void get(struct ring *ring)
{
	atomic_fetch_add_explicit(&ring->refs, 1, memory_order_relaxed);
}

void ring_put(struct ring *ring)
{
	/* Both: what each holder did happens before the last one frees. */
	if (atomic_fetch_sub_explicit(&ring->refs, 1, BUG == 7 ? memory_order_relaxed : memory_order_acq_rel) == 1)
		free(ring);
}

static void notify(struct inbox *inbox)
{
	/* Between the push and the look at waiting; pairs with the one in ring_take(). */
	if (BUG != 3)
		atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&inbox->waiting, memory_order_relaxed))
		return;
	atomic_fetch_add_explicit(&inbox->epoch, 1, memory_order_release);
	syscall(SYS_futex, &inbox->epoch, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void ring_submit(struct ring *ring, struct task *task, unsigned int worker)
{
	struct inbox *inbox = &ring->inboxes[worker];
	struct task *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);

	get(ring); /* the task's own, until it is delivered */
	do {
		task->next = head;
		/* Release: the worker sees what is in the task. */
	} while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, task,
							BUG == 1 ? memory_order_relaxed : memory_order_release,
							memory_order_relaxed));
	notify(inbox);
}

static struct task *take(struct inbox *inbox)
{
	return atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
}

struct task *ring_take(struct ring *ring, unsigned int worker)
{
	struct inbox *inbox = &ring->inboxes[worker];
	struct task *task;

	for (;;) {
		unsigned int key;

		task = take(inbox);
		if (task)
			return task;
		atomic_store_explicit(&inbox->waiting, true, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		key = atomic_load_explicit(&inbox->epoch, memory_order_acquire);
		if (BUG != 2) {
			task = take(inbox);
			if (task)
				break;
		}
		syscall(SYS_futex, &inbox->epoch, FUTEX_WAIT_PRIVATE, key, NULL, NULL, 0);
	}
	atomic_store_explicit(&inbox->waiting, false, memory_order_relaxed);
	return task;
}

static unsigned int drain(struct ring *ring)
{
	struct task *task;

	/* Acquire: the delivery sees what the worker wrote to the task. */
	while ((task = atomic_load_explicit(&ring->slots[ring->next % RING_SLOTS],
					    BUG == 8 ? memory_order_relaxed : memory_order_acquire))) {
		atomic_store_explicit(&ring->slots[ring->next % RING_SLOTS], NULL, memory_order_relaxed);
		ring->next++;
		ring->deliver(task);
		/* Release: the slot is empty for who sees it. */
		atomic_store_explicit(&ring->delivered, ring->next, memory_order_release);
		ring_put(ring);
	}
	return ring->next;
}

void ring_done(struct ring *ring, struct task *task)
{
	unsigned int next;

	/* Another thread may deliver the task, and with it the last reference, while we are still here. */
	if (BUG != 6 && BUG != 10)
		get(ring);
	atomic_store_explicit(&ring->slots[task->seq % RING_SLOTS], task, memory_order_release);
	if (BUG == 10)
		get(ring);
	for (;;) {
		/* Between the slot and the look at draining; pairs with the one below. */
		if (BUG != 9)
			atomic_thread_fence(memory_order_seq_cst);
		if (atomic_exchange_explicit(&ring->draining, true,
					     BUG == 9 ? memory_order_seq_cst : memory_order_acquire))
			break;
		next = drain(ring);
		atomic_store_explicit(&ring->draining, false, memory_order_release);
		if (BUG != 4)
			atomic_thread_fence(memory_order_seq_cst);
		if (BUG == 5 || !atomic_load_explicit(&ring->slots[next % RING_SLOTS], memory_order_relaxed))
			break;
	}
	if (BUG != 6)
		ring_put(ring);
}

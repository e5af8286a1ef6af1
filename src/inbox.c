/* SPDX-License-Identifier: MIT */

#include "inbox.h"

#include <stddef.h>

void pd_inbox_init(struct pd_inbox *inbox)
{
	atomic_init(&inbox->head, PD_INBOX_IDLE);
}

/*
 * One word holds the newest node, from which the older ones hang, and the consumer's state: that is why no
 * push can slip between the consumer's last look and its rest.
 */
bool pd_inbox_push(struct pd_inbox *inbox, void **node)
{
	uintptr_t old = atomic_load_explicit(&inbox->head, memory_order_relaxed);

	do {
		*node = old > PD_INBOX_POKED ? (void *)old : NULL;
		/*
		 * Release: pairs with the acquire in pd_inbox_take(); without it the consumer could read a
		 * node before it is filled. Acquire: pairs with the release in pd_inbox_rest(); who starts
		 * the consumer anew must not write to what it still used on its way to rest.
		 */
	} while (!atomic_compare_exchange_weak_explicit(&inbox->head, &old, (uintptr_t)node,
							memory_order_acq_rel, memory_order_relaxed));
	return old == PD_INBOX_IDLE;
}

bool pd_inbox_poke(struct pd_inbox *inbox)
{
	uintptr_t old = atomic_load_explicit(&inbox->head, memory_order_relaxed);
	uintptr_t new;

	do {
		new = old == PD_INBOX_IDLE ? PD_INBOX_ACTIVE : old == PD_INBOX_ACTIVE ? PD_INBOX_POKED : old;
		/*
		 * Release: pairs with the acquire in pd_inbox_take(); without it the
		 * consumer would look again and still not see what it was poked for. A chain or an earlier
		 * poke is written back unchanged for the same reason. Acquire: as in pd_inbox_push().
		 */
	} while (!atomic_compare_exchange_weak_explicit(&inbox->head, &old, new, memory_order_acq_rel,
							memory_order_relaxed));
	return old == PD_INBOX_IDLE;
}

void **pd_inbox_take(struct pd_inbox *inbox)
{
	uintptr_t old = atomic_load_explicit(&inbox->head, memory_order_relaxed);
	void **node, **oldest = NULL;

	if (old == PD_INBOX_ACTIVE)
		return NULL;
	/* Acquire: pairs with the release in pd_inbox_push() and pd_inbox_poke(), see there. */
	old = atomic_exchange_explicit(&inbox->head, PD_INBOX_ACTIVE, memory_order_acquire);
	if (old <= PD_INBOX_POKED)
		return NULL;
	node = (void **)old;
	while (node) {
		void **next = *node;

		*node = oldest;
		oldest = node;
		node = next;
	}
	return oldest;
}

bool pd_inbox_rest(struct pd_inbox *inbox)
{
	uintptr_t old = PD_INBOX_ACTIVE;

	/*
	 * Release: pairs with the acquire in pd_inbox_idle(), pd_inbox_push() and pd_inbox_poke(), see there.
	 * Relaxed when it fails: who is still active takes next, and that acquires.
	 */
	return atomic_compare_exchange_strong_explicit(&inbox->head, &old, PD_INBOX_IDLE,
						       memory_order_release, memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT */

#include "crew.h"

#include <errno.h>
#include <stdlib.h>

#define BITS (8 * (unsigned int)sizeof(unsigned long))
#define SEARCHER ((uint32_t)1 << 16)
#define RESTING ((uint32_t)1)

/*
 * The balance alone decides who is called and who looks again; where the rule needs it a barrier follows its
 * changes, and they are relaxed.
 */

int pd_crew_init(struct pd_crew *crew, unsigned int cpus)
{
	crew->words = (cpus + BITS - 1) / BITS;
	crew->resting = calloc(crew->words, sizeof(*crew->resting));
	if (!crew->resting)
		return -ENOMEM;
	atomic_init(&crew->balance, 0);
	return 0;
}

void pd_crew_destroy(struct pd_crew *crew)
{
	free(crew->resting);
}

void pd_crew_clear(struct pd_crew *crew)
{
	for (unsigned int i = 0; i < crew->words; i++)
		atomic_store_explicit(&crew->resting[i], 0, memory_order_relaxed);
	atomic_store_explicit(&crew->balance, 0, memory_order_relaxed);
}

static void set_bit(struct pd_crew *crew, unsigned int cpu)
{
	/* Release: pairs with the acquire in take_bit(), see there. */
	atomic_fetch_or_explicit(&crew->resting[cpu / BITS], 1UL << (cpu % BITS), memory_order_release);
}

static bool take_bit(struct pd_crew *crew, unsigned int cpu)
{
	unsigned long bit = 1UL << (cpu % BITS);

	/*
	 * Acquire: pairs with the release in set_bit(); without it the caller's note to the lane could come
	 * to lie before the lane's taking of the last one, and be wiped out by it.
	 */
	return atomic_fetch_and_explicit(&crew->resting[cpu / BITS], ~bit, memory_order_acquire) & bit;
}

void pd_crew_add(struct pd_crew *crew, unsigned int cpu)
{
	set_bit(crew, cpu);
	atomic_fetch_add_explicit(&crew->balance, RESTING, memory_order_relaxed);
}

int pd_crew_call(struct pd_crew *crew, unsigned int first)
{
	uint32_t balance = atomic_load_explicit(&crew->balance, memory_order_relaxed);
	unsigned long seen = ~0UL << (first % BITS);

	do {
		if (balance >> 16 || !balance)
			return -1;
	} while (!atomic_compare_exchange_weak_explicit(&crew->balance, &balance,
							balance + SEARCHER - RESTING, memory_order_relaxed,
							memory_order_relaxed));
	/*
	 * There are as many bits as were counted, or soon will be; others may take ours first and
	 * leave us theirs.
	 */
	for (unsigned int i = first / BITS % crew->words;; i = (i + 1) % crew->words, seen = ~0UL) {
		unsigned long word = atomic_load_explicit(&crew->resting[i], memory_order_relaxed) & seen;

		while (word) {
			unsigned int cpu = i * BITS + (unsigned int)__builtin_ctzl(word);

			if (take_bit(crew, cpu))
				return (int)cpu;
			word &= word - 1;
		}
	}
}

void pd_crew_search(struct pd_crew *crew)
{
	atomic_fetch_add_explicit(&crew->balance, SEARCHER, memory_order_relaxed);
}

bool pd_crew_work(struct pd_crew *crew)
{
	uint32_t balance =
	    atomic_fetch_sub_explicit(&crew->balance, SEARCHER, memory_order_relaxed) - SEARCHER;

	return balance >> 16 == 0 && balance != 0;
}

bool pd_crew_rest(struct pd_crew *crew, unsigned int cpu, bool was_searching)
{
	uint32_t change = was_searching ? RESTING - SEARCHER : RESTING;
	uint32_t balance;

	set_bit(crew, cpu);
	balance = atomic_fetch_add_explicit(&crew->balance, change, memory_order_relaxed);
	/* Who worked while others rested and none searched leaves that as it was, with its barrier passed. */
	return was_searching ? balance >> 16 == 1 : balance == 0;
}

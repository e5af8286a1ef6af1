/* SPDX-License-Identifier: MIT */
/*
 * The replay window of RFC 6479: a ring of words, indexed by the sequence number itself.
 *
 * The ring has room for one word more than the window, rounded up to a power of two: when the top moves
 * into a new word, that word can be cleared while every number still inside the window keeps its bit.
 */
#include "esp_replay.h"

#include <errno.h>
#include <stdlib.h>

#define WORD_BITS 64u

/*
 * All accesses are relaxed: one thread writes, and what other threads read (esp_replay_top,
 * esp_replay_peek) only saves work; nothing else is published through these words.
 */
static uint64_t load(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void store(_Atomic uint64_t *p, uint64_t v)
{
	atomic_store_explicit(p, v, memory_order_relaxed);
}

int esp_replay_init(struct esp_replay *r, uint32_t window, uint64_t top)
{
	uint32_t words = 1;

	if (window > ESP_REPLAY_MAX)
		return -EINVAL;
	r->bits = NULL;
	r->mask = 0;
	r->window = 0;
	atomic_init(&r->top, top);
	if (window == 0)
		return 0;
	r->window =
	    window < ESP_REPLAY_MIN ? ESP_REPLAY_MIN : (window + WORD_BITS - 1) / WORD_BITS * WORD_BITS;
	while (words < r->window / WORD_BITS + 1)
		words *= 2;
	r->bits = malloc(words * sizeof(*r->bits));
	if (!r->bits)
		return -ENOMEM;
	for (uint32_t i = 0; i < words; i++)
		atomic_init(&r->bits[i], 0);
	r->mask = words - 1;
	return 0;
}

void esp_replay_destroy(struct esp_replay *r)
{
	free(r->bits);
	r->bits = NULL;
}

static enum esp_drop look_up(const struct esp_replay *r, uint64_t top, uint64_t seq)
{
	if (seq == 0)
		return ESP_DROP_ZERO_SEQ;
	if (r->window == 0 || seq > top)
		return ESP_OK;
	if (top - seq >= r->window)
		return ESP_DROP_TOO_OLD;
	if (load(&r->bits[seq / WORD_BITS & r->mask]) >> seq % WORD_BITS & 1)
		return ESP_DROP_REPLAY;
	return ESP_OK;
}

enum esp_drop esp_replay_check(const struct esp_replay *r, uint64_t seq)
{
	return look_up(r, load(&r->top), seq);
}

bool esp_replay_peek(const struct esp_replay *r, uint64_t seq)
{
	return look_up(r, load(&r->top), seq) != ESP_OK;
}

enum esp_drop esp_replay_advance(struct esp_replay *r, uint64_t seq)
{
	uint64_t top = load(&r->top);
	enum esp_drop verdict = look_up(r, top, seq);

	if (verdict != ESP_OK)
		return verdict;
	if (r->window != 0) {
		uint64_t word = seq / WORD_BITS;

		if (seq > top) {
			uint64_t new_words = word - top / WORD_BITS;

			if (new_words > (uint64_t)r->mask + 1)
				new_words = (uint64_t)r->mask + 1;
			for (uint64_t i = 0; i < new_words; i++)
				store(&r->bits[(word - i) & r->mask], 0);
		}
		store(&r->bits[word & r->mask],
		      load(&r->bits[word & r->mask]) | (uint64_t)1 << seq % WORD_BITS);
	}
	if (seq > top)
		store(&r->top, seq);
	return ESP_OK;
}

uint64_t esp_replay_guess(uint64_t top, uint32_t window, uint32_t low)
{
	uint32_t w = window ? window : ESP_REPLAY_MIN;
	uint32_t top_low = (uint32_t)top, epoch = (uint32_t)(top >> 32);
	uint32_t bottom = top_low - w + 1; /* wraps when the window spans two epochs */

	if (top_low >= w - 1) {
		/* Left of the window it must be the next epoch; in the last epoch there is no next
		 * one, and the number is merely too old. */
		if (low < bottom && epoch != UINT32_MAX)
			epoch++;
	} else if (low >= bottom && epoch != 0) {
		epoch--;
	}
	return (uint64_t)epoch << 32 | low;
}

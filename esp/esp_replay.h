/* SPDX-License-Identifier: MIT */
/*
 * The replay window: which sequence numbers were received.
 *
 * The method of RFC 6479: a ring of 64-bit words, one word larger than the window, so that moving the
 * window clears whole words and never shifts. Sequence numbers are 64 bits wide throughout; without
 * ESN the upper half is 0.
 *
 * One thread at a time may call esp_replay_check and esp_replay_advance (the serial stage).
 * esp_replay_top and esp_replay_peek may be called from any thread at any time. What esp_replay_top
 * returns may be out of date, never too large.
 */
#ifndef ESP_REPLAY_H
#define ESP_REPLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "esp_count.h"

#define ESP_REPLAY_MIN 64u
#define ESP_REPLAY_MAX 8192u
#define ESP_REPLAY_DEFAULT 1024u

struct esp_replay {
	_Atomic uint64_t top; /* highest sequence number received; 0: none yet */
	uint32_t window;      /* in packets, a multiple of 64; 0: no check */
	uint32_t mask;	      /* words in the ring - 1 */
	_Atomic uint64_t *bits;
};

/*
 * A window of `window` packets whose highest number is `top`; what is at or below `top` counts as not
 * received (the history is unknown), except 0. 0 switches the check off; 1 to 63 become 64, and other values
 * are rounded up to a multiple of 64. 0, -EINVAL above ESP_REPLAY_MAX, -ENOMEM. Freed by esp_replay_destroy,
 * which may be called on a zeroed struct.
 */
int esp_replay_init(struct esp_replay *r, uint32_t window, uint64_t top);
void esp_replay_destroy(struct esp_replay *r);

/* ESP_OK, or ESP_DROP_REPLAY, ESP_DROP_TOO_OLD, ESP_DROP_ZERO_SEQ. Changes nothing. */
enum esp_drop esp_replay_check(const struct esp_replay *r, uint64_t seq);

/*
 * The same look-up from another thread: true, the number was probably received or is too old. May err
 * both ways while the window moves, so it only saves work and never decides.
 */
bool esp_replay_peek(const struct esp_replay *r, uint64_t seq);

/* The same verdict as esp_replay_check, and after ESP_OK the number is marked as received. Only for a
 * verified packet. */
enum esp_drop esp_replay_advance(struct esp_replay *r, uint64_t seq);

static inline uint64_t esp_replay_top(const struct esp_replay *r)
{
	/* Relaxed: the value is a hint for the submission stage, which the serial stage checks again;
	 * nothing else is read on the strength of it. */
	return atomic_load_explicit(&r->top, memory_order_relaxed);
}

/*
 * RFC 4303 appendix A2: the 64-bit number that the 32 bits on the wire most likely stand for, given the
 * highest number received. `window` is the window's size (0 counts as 64). Never guesses before the first
 * epoch: where the rule would give epoch -1 it gives 0.
 */
uint64_t esp_replay_guess(uint64_t top, uint32_t window, uint32_t low);

#endif

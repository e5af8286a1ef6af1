/* SPDX-License-Identifier: MIT */
/*
 * Linked into a gateway of the tests' own, in front of the parallel stages: one burst in four takes up to 1
 * ms longer, so that bursts finish in any order but the one in which they came.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "esp_packet.h"

void __real_esp_seal_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n);
void __real_esp_open_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n);
void __wrap_esp_seal_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n);
void __wrap_esp_open_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n);

static void dawdle(void)
{
	static _Atomic uint64_t calls;
	const char *seed = getenv("PADATA_GATEWAY_SEED");
	uint64_t x =
	    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + (seed ? strtoull(seed, NULL, 0) : 0);

	/* The finalizer of splitmix64: a random number for each call. */
	x *= 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	if (x % 4 == 0)
		nanosleep(&(struct timespec){0, (long)(x / 4 % 1000000)}, NULL);
}

void __wrap_esp_seal_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n)
{
	dawdle();
	__real_esp_seal_burst(c, pkts, n);
}

void __wrap_esp_open_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n)
{
	dawdle();
	__real_esp_open_burst(c, pkts, n);
}

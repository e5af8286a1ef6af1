/* SPDX-License-Identifier: MIT */
/* Lifetimes in bytes and packets. */
#include "lifetime.h"

enum esp_drop esp_lifetime_spend(struct esp_use *use, const struct esp_limits *l, uint32_t bytes, bool *soft)
{
	if (use->expired)
		return ESP_DROP_HARD_SECONDS;
	if (use->packets >= l->hard_packets) {
		use->hard = true;
		return ESP_DROP_HARD_PACKETS;
	}
	if (use->hard || bytes > l->hard_bytes || use->bytes > l->hard_bytes - bytes) {
		use->hard = true;
		return ESP_DROP_HARD_BYTES;
	}
	use->packets++;
	use->bytes += bytes;
	if (!use->soft && (use->packets >= l->soft_packets || use->bytes >= l->soft_bytes))
		use->soft = *soft = true;
	return ESP_OK;
}

/* SPDX-License-Identifier: MIT */
/* What an SA may still carry. */
#ifndef ESP_LIFETIME_H
#define ESP_LIFETIME_H

#include "esp_sa.h"

/*
 * Takes one packet of `bytes` from the lifetime. ESP_OK, ESP_DROP_HARD_SECONDS, _PACKETS or _BYTES:
 * a hard limit is never exceeded, and once hit it stays hit, or small packets would pass where large
 * ones no longer do. *soft is set when this packet crosses a soft limit. The owner of `use` calls.
 */
enum esp_drop esp_lifetime_spend(struct esp_use *use, const struct esp_limits *l, uint32_t bytes, bool *soft);

#endif

/* SPDX-License-Identifier: MIT */
/* One line that shows how far the work is: on a terminal only. */
#ifndef ESP_PROGRESS_H
#define ESP_PROGRESS_H

#include <stdint.h>

void esp_progress_start(void);
/* From the main thread, as often as one likes. done of total: total 0 where it is not known. */
void esp_progress_show(uint64_t packets, uint64_t bytes, uint64_t done, uint64_t total);
/* Takes the line away; any thread. */
void esp_progress_clear(void);

#endif

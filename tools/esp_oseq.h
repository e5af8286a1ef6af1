/* SPDX-License-Identifier: MIT */
/*
 * The outbound sequence numbers of an SA file, kept in FILE.oseq so that no run repeats a nonce.
 *
 * Numbers are reserved in ranges: the file says, on disk, that a range may have been used before a
 * packet of it can be seen. A run that ends well gives the rest of its range back; after any other, the rest
 * is skipped.
 */
#ifndef ESP_OSEQ_H
#define ESP_OSEQ_H

#include "esp_sa.h"

struct esp_oseq;

/*
 * Sets each SA's next number. Holds a lock on the SA file: a second run at the same time is refused.
 * `override`: the last number used, for every SA, or NULL. Ends the program where the numbers cannot be kept.
 */
struct esp_oseq *esp_oseq_open(const char *sa_file, struct esp_sadb *db, const uint64_t *override);

/* Before `packets` more get numbers. */
void esp_oseq_reserve(struct esp_oseq *o, unsigned int packets);

/* All packets have their numbers. */
void esp_oseq_close(struct esp_oseq *o);

#endif

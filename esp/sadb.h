/* SPDX-License-Identifier: MIT */
/* The inside of a set of SAs, for the files that build one. */
#ifndef ESP_SADB_H
#define ESP_SADB_H

#include "esp_sa.h"

struct esp_sadb {
	struct esp_sa **sa; /* in the order of the file */
	size_t count, room;
	struct esp_sa **hash; /* by SPI, open addressing, at most half full */
	uint32_t hash_mask;
	uint8_t ports[65536 / 8]; /* UDP ports that some SA receives on */
};

struct esp_sadb *esp_sadb_new(void);
/* The set owns the SA after success only. 0 or -ENOMEM. */
int esp_sadb_add(struct esp_sadb *db, struct esp_sa *sa);
/* Makes the look-ups work. 0, -ENOMEM, or -EEXIST and *twin, the later of two SAs with one SPI and
 * destination. */
int esp_sadb_index(struct esp_sadb *db, const struct esp_sa **twin);

#endif

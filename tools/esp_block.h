/* SPDX-License-Identifier: MIT */
/* Blocks of input that several tasks read from: each stays until the last of them lets it go. Any thread. */
#ifndef ESP_BLOCK_H
#define ESP_BLOCK_H

#include <pthread.h>
#include <stdint.h>

#define ESP_BLOCK_BYTES 98304u

struct esp_blocks;

struct esp_block {
	struct esp_blocks *pool;
	struct esp_block *next;
	unsigned int holders;
	uint32_t room;
	uint8_t bytes[];
};

/* Blocks that nobody holds, for the next use: in the cache still, mostly. */
struct esp_blocks {
	pthread_mutex_t lock;
	struct esp_block *free;
};

void esp_blocks_init(struct esp_blocks *pool);
/* Every block of it has been let go. */
void esp_blocks_destroy(struct esp_blocks *pool);
/* For at least so many bytes, held once; ends the program where there is no memory. */
struct esp_block *esp_block_get(struct esp_blocks *pool, uint32_t room);
void esp_block_hold(struct esp_block *block);
void esp_block_drop(struct esp_block *block);

#endif

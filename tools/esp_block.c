/* SPDX-License-Identifier: MIT */
#include "esp_block.h"

#include <stdlib.h>

#include "esp_tool.h"

void esp_blocks_init(struct esp_blocks *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	pool->free = NULL;
}

void esp_blocks_destroy(struct esp_blocks *pool)
{
	for (struct esp_block *b = pool->free, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	pthread_mutex_destroy(&pool->lock);
}

static struct esp_block *take_free(struct esp_blocks *pool)
{
	struct esp_block *b;

	pthread_mutex_lock(&pool->lock);
	b = pool->free;
	if (b)
		pool->free = b->next;
	pthread_mutex_unlock(&pool->lock);
	return b;
}

struct esp_block *esp_block_get(struct esp_blocks *pool, uint32_t room)
{
	struct esp_block *b = room <= ESP_BLOCK_BYTES ? take_free(pool) : NULL;

	if (!b) {
		room = room < ESP_BLOCK_BYTES ? ESP_BLOCK_BYTES : room;
		b = esp_memory(malloc(sizeof(*b) + room));
		b->pool = pool;
		b->room = room;
	}
	b->holders = 1;
	return b;
}

void esp_block_hold(struct esp_block *block)
{
	pthread_mutex_lock(&block->pool->lock);
	block->holders++;
	pthread_mutex_unlock(&block->pool->lock);
}

void esp_block_drop(struct esp_block *block)
{
	struct esp_blocks *pool = block->pool;
	bool last, large = block->room > ESP_BLOCK_BYTES;

	pthread_mutex_lock(&pool->lock);
	last = !--block->holders;
	if (last && !large) {
		block->next = pool->free;
		pool->free = block;
	}
	pthread_mutex_unlock(&pool->lock);
	if (last && large)
		free(block);
}

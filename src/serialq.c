/* SPDX-License-Identifier: MIT */

#include "serialq.h"

#include <errno.h>
#include <stdlib.h>

int pd_serialq_resize(struct pd_serialq *q, unsigned int size)
{
	uint64_t places = 1;
	void **ring;

	while (places < size)
		places *= 2;
	ring = malloc(places * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	free(q->ring);
	q->ring = ring;
	q->mask = places - 1;
	return 0;
}

int pd_serialq_init(struct pd_serialq *q, unsigned int size)
{
	*q = (struct pd_serialq){0};
	return pd_serialq_resize(q, size);
}

void pd_serialq_destroy(struct pd_serialq *q)
{
	free(q->ring);
}

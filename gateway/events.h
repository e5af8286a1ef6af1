/* SPDX-License-Identifier: MIT */
/* Events on their way to whoever delivers them: a bounded queue. Any number of threads may put and take. */
#ifndef GW_EVENTS_H
#define GW_EVENTS_H

#include <pthread.h>

#include "plane.h"

#define GW_EVENTS_MAX 256u

struct gw_events {
	pthread_mutex_t lock;
	int fd; /* readable while there are events */
	unsigned int first, count;
	uint64_t lost;
	struct gw_event ring[GW_EVENTS_MAX];
};

/* 0 or -errno. */
int gw_events_init(struct gw_events *e);
void gw_events_destroy(struct gw_events *e);
/* Never sleeps; a full queue loses the new event, and counts it. */
void gw_events_put(struct gw_events *e, const struct gw_event *event);
bool gw_events_take(struct gw_events *e, struct gw_event *event);

#endif

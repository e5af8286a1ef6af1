/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int gw_events_init(struct gw_events *e)
{
	e->first = e->count = 0;
	e->lost = 0;
	e->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (e->fd < 0)
		return -errno;
	pthread_mutex_init(&e->lock, NULL);
	return 0;
}

void gw_events_destroy(struct gw_events *e)
{
	pthread_mutex_destroy(&e->lock);
	close(e->fd);
}

void gw_events_put(struct gw_events *e, const struct gw_event *event)
{
	pthread_mutex_lock(&e->lock);
	if (e->count == GW_EVENTS_MAX) {
		e->lost++;
	} else {
		e->ring[(e->first + e->count++) % GW_EVENTS_MAX] = *event;
		if (e->count == 1)
			eventfd_write(e->fd, 1);
	}
	pthread_mutex_unlock(&e->lock);
}

bool gw_events_take(struct gw_events *e, struct gw_event *event)
{
	eventfd_t value;
	bool some = true;

	pthread_mutex_lock(&e->lock);
	if (e->count == 0 && e->lost == 0) {
		some = false;
	} else if (e->count == 0) {
		/* Those that did not fit came after all that did. */
		*event = (struct gw_event){.kind = GW_EVENT_LOST, .lost = e->lost};
		e->lost = 0;
	} else {
		*event = e->ring[e->first];
		e->first = (e->first + 1) % GW_EVENTS_MAX;
		e->count--;
	}
	if (e->count == 0 && e->lost == 0)
		eventfd_read(e->fd, &value);
	pthread_mutex_unlock(&e->lock);
	return some;
}

const char *gw_event_name(enum gw_event_kind kind)
{
	switch (kind) {
	case GW_EVENT_SOFT:
		return "soft";
	case GW_EVENT_HARD:
		return "hard";
	case GW_EVENT_PEER_MOVED:
		return "peer_moved";
	case GW_EVENT_MTU:
		return "mtu";
	case GW_EVENT_LOST:
		return "lost";
	}
	return "?";
}

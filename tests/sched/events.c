/* SPDX-License-Identifier: MIT */

/*
 * Descriptors of eventfd(2). They are not the system's: a schedule that ends early, as most of a search do,
 * gives nothing back, and the system has only so many.
 */

#include "internal.h"
#include "snapshot.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_EVENTS = 8, FIRST_FD = 1 << 20 };

static OF_SCHEDULE struct event {
	bool open;
	uint64_t count;
	void *pc;
	struct past past;
} events[MAX_EVENTS];
static OF_SCHEDULE int n_events;

void events_reset(void)
{
	n_events = 0;
}

static struct event *event_of(int fd, const char *what)
{
	if (fd < FIRST_FD || fd >= FIRST_FD + n_events || !events[fd - FIRST_FD].open)
		sched_fail("%s of descriptor %d, which is not open", what, fd);
	return &events[fd - FIRST_FD];
}

int sched_eventfd(unsigned int count, int flags)
{
	if (!running)
		return eventfd(count, flags);
	point();
	if (!(flags & EFD_NONBLOCK) || flags & EFD_SEMAPHORE)
		sched_fail("an eventfd that blocks, or counts, is not known here");
	if (n_events == MAX_EVENTS)
		sched_fail("too many descriptors in one schedule");
	events[n_events] = (struct event){.open = true, .count = count, .pc = __builtin_return_address(0)};
	return FIRST_FD + n_events++;
}

int sched_close(int fd)
{
	struct event *e;

	/* The library's other descriptors are closed where they are opened. */
	if (!running || fd < FIRST_FD)
		return close(fd);
	point();
	e = event_of(fd, "close");
	e->open = false;
	past_write(&e->past);
	return 0;
}

long event_transfer(int fd, bool write, uint64_t *count)
{
	struct event *e;

	point();
	e = event_of(fd, write ? "write" : "read");
	fibers[self].idle_loads = 0;
	if (!write && !e->count) {
		past_read(&e->past);
		errno = EAGAIN;
		return -1;
	}
	if (!write)
		*count = e->count;
	e->count = write ? e->count + *count : 0;
	past_write(&e->past);
	if (unlikely(tracing))
		trace(write ? "eventfd write" : "eventfd read", (uintptr_t)fd, *count,
		      __builtin_return_address(0));
	return sizeof(*count);
}

int sched_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int ready = 0;

	if (!running)
		return poll(fds, n, timeout);
	if (timeout)
		sched_fail("poll(2) that waits is not known here");
	point();
	for (nfds_t i = 0; i < n; i++) {
		struct event *e = event_of(fds[i].fd, "poll");

		past_read(&e->past);
		fds[i].revents = (short)(fds[i].events & ((e->count ? POLLIN : 0) | POLLOUT));
		ready += fds[i].revents != 0;
	}
	return ready;
}

void events_report_leaks(void)
{
	for (int i = 0; i < n_events; i++) {
		if (!events[i].open)
			continue;
		finding_at(events[i].pc, NULL);
		sched_fail("leak: descriptor %d", FIRST_FD + i);
	}
}

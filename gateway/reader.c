/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int gw_reader_init(struct gw_reader *r)
{
	*r = (struct gw_reader){.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	if (r->wake < 0)
		return -errno;
	atomic_init(&r->asked, false);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->done, NULL);
	return 0;
}

void gw_reader_destroy(struct gw_reader *r)
{
	pthread_cond_destroy(&r->done);
	pthread_mutex_destroy(&r->lock);
	close(r->wake);
}

/*
 * A reader that does not preempt whoever fills its queue finds more there, and a burst that holds more costs
 * fewer wake-ups. On an idle CPU it runs as soon as ever. Where this is not allowed it is merely slower.
 */
static void be_patient(void)
{
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
}

/* A thread may name itself; to name another is to write a file. */
static void *begin(void *arg)
{
	struct gw_reader *r = arg;

	be_patient();
	pthread_setname_np(pthread_self(), r->name);
	return r->run(r->run_arg);
}

int gw_reader_start(struct gw_reader *r, const char *name, void *(*run)(void *arg), void *arg)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r->name = name;
	r->run = run;
	r->run_arg = arg;
	error = pthread_create(&r->thread, NULL, begin, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		return -error;
	r->started = true;
	return 0;
}

/* The reader reads stop and fn under the lock; this only makes it look. */
static void call(struct gw_reader *r)
{
	atomic_store_explicit(&r->asked, true, memory_order_relaxed);
	eventfd_write(r->wake, 1);
}

void gw_reader_stop(struct gw_reader *r)
{
	if (!r->started)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	call(r);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	r->started = false;
}

void gw_reader_ask(struct gw_reader *r, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&r->lock);
	if (!r->started || r->ended) {
		pthread_mutex_unlock(&r->lock);
		fn(arg);
		return;
	}
	r->fn = fn;
	r->arg = arg;
	call(r);
	while (r->fn && !r->ended)
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

bool gw_reader_serve(struct gw_reader *r)
{
	bool stop;

	/* Relaxed: a request that is missed here is found at the next turn, or wakes the poll; it is read
	 * under the lock. */
	if (!atomic_load_explicit(&r->asked, memory_order_relaxed))
		return true;
	pthread_mutex_lock(&r->lock);
	atomic_store_explicit(&r->asked, false, memory_order_relaxed);
	if (r->fn) {
		r->fn(r->arg);
		r->fn = NULL;
	}
	stop = r->ended = r->stop;
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

void gw_reader_wait(struct gw_reader *r, struct pollfd *fds, unsigned int count)
{
	struct pollfd all[GW_READER_FDS + 1];
	eventfd_t value;

	memcpy(all, fds, count * sizeof(*fds));
	all[count] = (struct pollfd){.fd = r->wake, .events = POLLIN};
	if (poll(all, count + 1, -1) < 0)
		memset(all, 0, sizeof(all));
	if (all[count].revents)
		eventfd_read(r->wake, &value);
	for (unsigned int i = 0; i < count; i++)
		fds[i].revents = all[i].revents;
}

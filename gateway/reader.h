/* SPDX-License-Identifier: MIT */
/*
 * A reader thread: what it owns is changed by nobody else. Other threads ask it to, and it does so between
 * two bursts; so the way of a packet takes no lock.
 */
#ifndef GW_READER_H
#define GW_READER_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define GW_READER_FDS 2

struct gw_reader {
	pthread_t thread;
	const char *name;
	void *(*run)(void *arg);
	void *run_arg;
	bool started;
	int wake; /* eventfd */
	atomic_bool asked;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t done;
	void (*fn)(void *arg);
	void *arg;
	bool stop, ended;
};

/* 0 or -errno. */
int gw_reader_init(struct gw_reader *r);
void gw_reader_destroy(struct gw_reader *r);
/*
 * `run` calls gw_reader_serve each time round, ends when that says so, and is called with `arg`. 0 or -errno.
 */
int gw_reader_start(struct gw_reader *r, const char *name, void *(*run)(void *arg), void *arg);
/* Makes the thread end after what it is doing, and joins it. Sleeps. */
void gw_reader_stop(struct gw_reader *r);

/* Runs fn(arg) in the reader's thread, or here if that has ended or not begun. Sleeps until it has returned.
 * One at a time: the caller sees to that. */
void gw_reader_ask(struct gw_reader *r, void (*fn)(void *arg), void *arg);

/* The reader's: does what it was asked. False: it is to end. */
bool gw_reader_serve(struct gw_reader *r);
/* The reader's: sleeps until one of the descriptors is readable, or it is asked for something. revents as by
 * poll(2). */
void gw_reader_wait(struct gw_reader *r, struct pollfd *fds, unsigned int count);

#endif

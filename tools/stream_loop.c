/* SPDX-License-Identifier: MIT */
#include "stream_loop.h"
#include "stream_alloc.h"
#include "stream_bar.h"
#include "stream_child.h"
#include "stream_control.h"
#include "stream_errors.h"
#include "stream_say.h"
#include "stream_tend.h"
#include "stream_usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/*
 * Between looks at the pipes of running children: from the first, twice as long each time nothing was found.
 */
#define TICK_FIRST 1
#define TICK_LAST 20

/* Beside the job's address, in the low bits of an event's data. */
enum { EVENT_END, EVENT_IN, EVENT_OUT, EVENT_ERR, EVENT_KINDS };
/* Events without a job. */
enum { EVENT_WAKE = 0, EVENT_SIGNAL = 16, EVENT_STDOUT = 32, EVENT_CONTROL = 48, EVENT_FIRST_JOB = 64 };

struct loop {
	struct run *run;
	pthread_t thread;
	int epoll, wake, signals;
	struct control *control;
	pthread_mutex_t mutex;
	struct job *incoming;	 /* under mutex */
	struct job *later;	 /* likewise: to be started again */
	bool sleeps_long, ended; /* under mutex */
	struct job *running;	 /* the loop's own */
	struct job *over;	 /* to be completed when the batch of events is done */
	int tick;
	int64_t stopped_at; /* from SIGTSTP to SIGCONT; else 0 */
};

static void add_event(struct loop *loop, int fd, unsigned int events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};
	/* A regular file cannot be watched, and need not be. */
	epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
}

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t n = write(loop->wake, &one, sizeof(one));
	(void)n;
}

void loop_arm(struct run *run, struct job *job, struct port *port, unsigned int events)
{
	int kind = port == &job->in ? EVENT_IN : port == &job->out ? EVENT_OUT : EVENT_ERR;
	struct epoll_event event = {.events = events | EPOLLONESHOT,
				    .data.u64 = (uint64_t)(uintptr_t)job | (uint64_t)kind};
	epoll_ctl(run->loop->epoll, port->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, port->fd, &event);
	port->known = port->armed = true;
}

void loop_forget(struct run *run, struct port *port)
{
	if (port->known)
		epoll_ctl(run->loop->epoll, EPOLL_CTL_DEL, port->fd, NULL);
	port->known = port->armed = false;
}

void loop_watch(struct job *job)
{
	struct loop *loop = job->run->loop;
	pthread_mutex_lock(&loop->mutex);
	job->running_next = loop->incoming;
	loop->incoming = job;
	bool wake = loop->sleeps_long;
	loop->sleeps_long = false;
	/* The list first: an event is only looked at after the list has been taken over. */
	add_event(loop, job->pidfd, EPOLLIN | EPOLLONESHOT, (uint64_t)(uintptr_t)job | EVENT_END);
	pthread_mutex_unlock(&loop->mutex);
	if (wake)
		loop_wake(loop);
}

void loop_start_later(struct job *job)
{
	struct loop *loop = job->run->loop;
	pthread_mutex_lock(&loop->mutex);
	job->running_next = loop->later;
	loop->later = job;
	loop->sleeps_long = false;
	pthread_mutex_unlock(&loop->mutex);
	loop_wake(loop);
}

static void take_incoming(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	loop->sleeps_long = false;
	while (loop->incoming) {
		struct job *job = loop->incoming;
		loop->incoming = job->running_next;
		job->running_next = loop->running;
		loop->running = job;
		loop->tick = TICK_FIRST;
	}
	pthread_mutex_unlock(&loop->mutex);
}

static void stop_watching(struct loop *loop, struct job *job)
{
	struct job **at = &loop->running;
	while (*at != job)
		at = &(*at)->running_next;
	*at = job->running_next;
}

/*
 * The child has ended and no one can write to its output any more. Events of the same batch may still name
 * it.
 */
static void finish(struct loop *loop, struct job *job)
{
	child_reap(job);
	stop_watching(loop, job);
	/* The writer may be arming the port; from here on it does not, and no later batch names the job. */
	pthread_mutex_lock(&job->mutex);
	job->over = true;
	loop_forget(loop->run, &job->out);
	pthread_mutex_unlock(&job->mutex);
	job->running_next = loop->over;
	loop->over = job;
}

static void settle(struct loop *loop, struct job *job, unsigned int did)
{
	if (did & TEND_MOVED)
		loop->tick = TICK_FIRST;
	if (did & TEND_OVER)
		finish(loop, job);
}

static void look_at_all(struct loop *loop)
{
	int64_t now = now_ns();
	struct job *next;
	loop->tick = loop->tick * 2 > TICK_LAST ? TICK_LAST : loop->tick * 2;
	for (struct job *job = loop->running; job; job = next) {
		next = job->running_next;
		if (!loop->stopped_at)
			tend_time(job, now);
		unsigned int did = tend_input(job, false);
		did |= errors_pass(job, false) ? TEND_MOVED : 0;
		did |= tend_output(job, false);
		settle(loop, job, did);
	}
	run_submit_again(loop->run);
	if (bar_is_due(now)) {
		struct progress p;
		run_progress(loop->run, now, &p);
		bar_draw(&p);
	}
}

/* While it was stopped, no time passed for the commands. */
static void go_on(struct loop *loop)
{
	int64_t gap = loop->stopped_at ? now_ns() - loop->stopped_at : 0;
	for (struct job *job = loop->running; job; job = job->running_next)
		job->timed_from += gap;
	loop->stopped_at = 0;
}

static void pass_signal(struct loop *loop)
{
	struct signalfd_siginfo info;
	struct run *run = loop->run;
	if (read(loop->signals, &info, sizeof(info)) != sizeof(info))
		return;
	int sig = (int)info.ssi_signo;
	if (sig == SIGTSTP) {
		loop->stopped_at = now_ns();
		run_signal_children(run, SIGTSTP);
		kill(getpid(), SIGSTOP);
	} else if (sig == SIGCONT) {
		run_signal_children(run, SIGCONT);
		go_on(loop);
	} else {
		run_end(run, 128 + sig, sig);
	}
}

static void handle(struct loop *loop, const struct epoll_event *event)
{
	uint64_t data = event->data.u64;
	if (data < EVENT_FIRST_JOB) {
		uint64_t count;
		if (data == EVENT_WAKE && read(loop->wake, &count, sizeof(count)) < 0)
			return;
		if (data == EVENT_SIGNAL)
			pass_signal(loop);
		if (data == EVENT_STDOUT)
			run_end(loop->run, EXIT_ERROR, SIGPIPE);
		if (data == EVENT_CONTROL)
			control_answer(loop->control);
		return;
	}
	struct job *job = (struct job *)(uintptr_t)(data & ~(uint64_t)15);
	if (job->over)
		return;
	switch (data & 15) {
	case EVENT_END:
		settle(loop, job, tend_end(job));
		break;
	case EVENT_IN:
		settle(loop, job, tend_input(job, true));
		break;
	case EVENT_OUT:
		settle(loop, job, tend_output(job, true));
		break;
	default:
		break;
	}
}

static void start_again(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, again);
	job_parallel(&job->padata);
}

static void start_on_worker(struct job *job)
{
	INIT_WORK(&job->again, start_again);
	queue_work_on(atomic_load(&job->run->cpus.cb_cpu), job->run->cpus.wq, &job->again);
}

static void start_those_put_off(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	struct job *job = loop->later;
	loop->later = NULL;
	pthread_mutex_unlock(&loop->mutex);
	while (job) {
		struct job *next = job->running_next;
		start_on_worker(job);
		job = next;
	}
}

static bool try_again(struct job *job)
{
	return job_failed(job) && job->outcome <= OUTCOME_TIMEOUT && job->tried < job->run->o->tries &&
	       !run_is_past(job->run, job);
}

static void complete_all(struct loop *loop)
{
	while (loop->over) {
		struct job *job = loop->over;
		loop->over = job->running_next;
		if (try_again(job)) {
			child_forget(job);
			start_on_worker(job);
		} else {
			run_job_over(job);
		}
	}
}

static int time_to_sleep(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	int time = loop->running || loop->later || run_is_busy(loop->run) ? loop->tick : bar_interval();
	if (loop->incoming)
		time = 0;
	loop->sleeps_long = time < 0 || time > TICK_FIRST;
	pthread_mutex_unlock(&loop->mutex);
	return time;
}

static void *loop_main(void *argument)
{
	struct loop *loop = argument;
	int64_t next_tick = 0;
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(loop->epoll, events, 64, time_to_sleep(loop));
		take_incoming(loop);
		for (int i = 0; i < n; i++)
			handle(loop, &events[i]);
		complete_all(loop);
		int64_t now = now_ns();
		if (n == 0 || now >= next_tick) {
			look_at_all(loop);
			complete_all(loop);
			start_those_put_off(loop);
			next_tick = now + (int64_t)loop->tick * 1000000;
		}
		pthread_mutex_lock(&loop->mutex);
		bool end = loop->ended && !loop->running && !loop->incoming;
		pthread_mutex_unlock(&loop->mutex);
		if (end)
			return NULL;
	}
}

struct loop *loop_open(struct run *run)
{
	struct loop *loop = must_alloc(sizeof(*loop));
	*loop = (struct loop){.run = run, .tick = TICK_FIRST};
	pthread_mutex_init(&loop->mutex, NULL);
	sigset_t set;
	sigemptyset(&set);
	int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction action;
		/* What the program was started to ignore, it ignores. */
		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	loop->control = control_open(run_change_cpus, run);
	if (loop->epoll < 0 || loop->wake < 0 || loop->signals < 0)
		die("cannot make an event loop: %s", strerror(errno));
	add_event(loop, loop->wake, EPOLLIN, EVENT_WAKE);
	add_event(loop, loop->signals, EPOLLIN, EVENT_SIGNAL);
	add_event(loop, STDOUT_FILENO, 0, EVENT_STDOUT);
	if (loop->control)
		add_event(loop, control_fd(loop->control), EPOLLIN, EVENT_CONTROL);
	run->loop = loop;
	if (pthread_create(&loop->thread, NULL, loop_main, loop) != 0)
		die("cannot start a thread");
	return loop;
}

void loop_end(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	loop->ended = true;
	pthread_mutex_unlock(&loop->mutex);
	loop_wake(loop);
	pthread_join(loop->thread, NULL);
	control_close(loop->control);
}

void loop_close(struct loop *loop)
{
	close(loop->epoll);
	close(loop->wake);
	close(loop->signals);
	pthread_mutex_destroy(&loop->mutex);
	free(loop);
}

/* SPDX-License-Identifier: MIT */
#include "stream_tend.h"
#include "stream_child.h"
#include "stream_loop.h"
#include "stream_usage.h"

#include <sys/epoll.h>
#include <unistd.h>

/* Output of at least so much waits for its turn in the pipe it is in. */
#define HELD_IN_PIPE ((size_t)65536)
/* What the oldest job writes is passed on after this time at the latest. */
#define FLOW_NS 20000000
/* From the request to end until the command is made to. */
#define GRACE_NS 300000000

/* Not worth a pipe of its own while it waits for its turn. */
static void settle_output(struct job *job)
{
	struct run *run = job->run;
	size_t there = pipe_holds(job->out.fd);
	if (there < HELD_IN_PIPE || !run->may_splice) {
		there = child_take_rest(job, there);
		loop_forget(run, &job->out);
		close(job->out.fd);
		job->out.fd = -1;
	}
	/* What the pipe could have held was set aside at the start; what it does hold stays so. */
	if (job->pipe_reserved && there < run->out_capacity)
		memory_give(&run->memory, run->out_capacity - there);
	job->chunks_charge += there;
	job->pipe_reserved = false;
}

/* Processes that the command left behind may still write: its output ends when theirs does. */
unsigned int tend_end(struct job *job)
{
	job->exited = true;
	pthread_mutex_lock(&job->mutex);
	bool over = job->out.fd < 0 || pipe_is_closed(job->out.fd);
	if (over && !job->oldest && job->out.fd >= 0)
		settle_output(job);
	if (!over && !job->lingering) {
		job->lingering = true;
		loop_arm(job->run, job, &job->out, EPOLLIN);
	}
	pthread_mutex_unlock(&job->mutex);
	return over ? TEND_OVER : 0;
}

unsigned int tend_output(struct job *job, bool event)
{
	struct run *run = job->run;
	unsigned int did = 0;
	pthread_mutex_lock(&job->mutex);
	size_t there = pipe_holds(job->out.fd);
	bool worth = event || there >= run->out_capacity / 2 || job->exited;
	if (event)
		job->out.armed = false;
	if (job->oldest && run_may_flow(job)) {
		if (there && (worth || now_ns() - job->flowed_at > FLOW_NS))
			queue_work_on(atomic_load(&run->cpus.cb_cpu), run->cpus.wq, &run->flow);
		did = there && worth ? TEND_MOVED : 0;
	} else if (there && worth) {
		size_t moved = child_drain(job);
		if (!moved && job->oldest && !job->terminated) {
			/*
			 * Only this job could make room, and it may not be written before it has succeeded.
			 */
			job->outcome = OUTCOME_NO_MEMORY;
			job->terminated_at = 0;
			job->terminated = true;
			kill(-job->pid, SIGKILL);
		}
		if (moved >= loop_large(run->out_capacity) && !job->out.armed)
			loop_arm(run, job, &job->out, EPOLLIN);
		did = moved ? TEND_MOVED : 0;
	}
	/* Whatever may be read from it, the end of a lingering output is waited for. */
	bool over = job->exited && pipe_is_closed(job->out.fd);
	if (job->exited && !over && !job->oldest && !there && !job->out.armed)
		loop_arm(run, job, &job->out, EPOLLIN);
	pthread_mutex_unlock(&job->mutex);
	return over ? did | tend_end(job) : did;
}

static void terminate(struct job *job, enum outcome outcome)
{
	if (job->outcome == OUTCOME_NONE)
		job->outcome = outcome;
	if (job->terminated)
		return;
	job->terminated = true;
	job->terminated_at = now_ns();
	child_signal(job, SIGTERM);
	child_signal(job, SIGCONT);
}

unsigned int tend_input(struct job *job, bool event)
{
	if (event)
		job->in.armed = false;
	if (job->exited || job->in.fd < 0 || job->in.armed)
		return 0;
	/* A write of a little at each reading of the command would cost more than the command. */
	if (!event && pipe_holds(job->in_reader) > job->run->in_capacity / 2)
		return 0;
	size_t moved = child_feed(job);
	if (job->outcome == OUTCOME_BAD_INPUT)
		terminate(job, OUTCOME_BAD_INPUT);
	else if (job->in.fd >= 0 && moved >= loop_large(job->run->in_capacity))
		loop_arm(job->run, job, &job->in, EPOLLOUT);
	return moved ? TEND_MOVED : 0;
}

void tend_time(struct job *job, int64_t now)
{
	double timeout = job->run->o->timeout;
	if (!job->terminated && run_is_past(job->run, job))
		terminate(job, OUTCOME_SKIPPED);
	if (!job->terminated && timeout > 0 && (double)(now - job->timed_from) > timeout * 1e9)
		terminate(job, OUTCOME_TIMEOUT);
	if (job->terminated && job->terminated_at && now - job->terminated_at > GRACE_NS) {
		job->terminated_at = now;
		child_signal(job, SIGKILL);
	}
}

/* SPDX-License-Identifier: MIT */
/* The end of the program before its work is done: a signal, or output that cannot be written. */
#include "stream_child.h"
#include "stream_run.h"
#include "stream_say.h"

#include <sys/wait.h>
#include <unistd.h>

/* How long the commands may take to end by themselves: looks, a millisecond each. */
#define LOOKS 200

void run_signal_children(struct run *run, int sig)
{
	pthread_mutex_lock(&run->mutex);
	for (struct job *job = run->oldest; job; job = job->next)
		child_signal(job, sig);
	pthread_mutex_unlock(&run->mutex);
}

/* A zombie is gone: it only waits to be reaped, which this program no longer does. */
static bool any_left(struct run *run)
{
	bool left = false;
	pthread_mutex_lock(&run->mutex);
	for (struct job *job = run->oldest; job && !left; job = job->next) {
		siginfo_t info = {.si_pid = 0};
		pthread_mutex_lock(&job->mutex);
		if (job->pid > 0)
			left = waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
			       info.si_pid == 0;
		pthread_mutex_unlock(&job->mutex);
	}
	pthread_mutex_unlock(&run->mutex);
	return left;
}

void run_end(struct run *run, int status, int sig)
{
	if (atomic_exchange(&run->ending, true)) {
		for (;;)
			pause();
	}
	for (int i = 0; i < LOOKS && atomic_load(&run->starting); i++)
		usleep(1000);
	run_signal_children(run, SIGTERM);
	run_signal_children(run, SIGCONT);
	for (int i = 0; i < LOOKS && any_left(run); i++)
		usleep(1000);
	run_signal_children(run, SIGKILL);
	trace_end(run->trace);
	if (stderr_clear)
		stderr_clear();
	if (sig)
		die_of(sig);
	_exit(status);
}

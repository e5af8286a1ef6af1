/* SPDX-License-Identifier: MIT */
#include "stream_gzwatch.h"
#include "stream_alloc.h"
#include "stream_control.h"
#include "stream_gztask.h"
#include "stream_say.h"
#include "stream_usage.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct gzwatch {
	struct gzrun *run;
	struct control *control;
	int end;
	pthread_t thread;
};

static void *watch_main(void *argument)
{
	struct gzwatch *watch = argument;
	struct pollfd fds[] = {{.fd = watch->end, .events = POLLIN},
			       {.fd = control_fd(watch->control), .events = POLLIN},
			       {.fd = STDOUT_FILENO}};
	while (!(fds[0].revents & POLLIN)) {
		if (poll(fds, 3, bar_interval()) < 0)
			continue;
		if (fds[2].revents & POLLERR)
			die_of(SIGPIPE);
		if (fds[1].revents & POLLIN)
			control_answer(watch->control);
		int64_t now = now_ns();
		if (bar_is_due(now)) {
			struct progress p;
			gzrun_progress(watch->run, now, &p);
			bar_draw(&p);
		}
	}
	return NULL;
}

struct gzwatch *gzwatch_open(struct gzrun *run)
{
	struct gzwatch *watch = must_alloc(sizeof(*watch));
	*watch = (struct gzwatch){
	    .run = run, .control = control_open(gzrun_change_cpus, run), .end = eventfd(0, EFD_CLOEXEC)};
	int error = watch->end < 0 ? errno : pthread_create(&watch->thread, NULL, watch_main, watch);
	if (error)
		die("cannot start a thread: %s", strerror(error));
	return watch;
}

void gzwatch_close(struct gzwatch *watch)
{
	uint64_t one = 1;
	ssize_t n = write(watch->end, &one, sizeof(one));
	(void)n;
	pthread_join(watch->thread, NULL);
	control_close(watch->control);
	close(watch->end);
	free(watch);
}

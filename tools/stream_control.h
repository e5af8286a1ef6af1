/* SPDX-License-Identifier: MIT */
#ifndef STREAM_CONTROL_H
#define STREAM_CONTROL_H

/*
 * `padata cpus PID LIST`: each running padata has a socket in the abstract
 * namespace, named after its process, where its own user may ask for other CPUs.
 */

#include "stream_run.h"

struct control;

/* NULL when there is no socket to be had: the CPUs stay as they are. */
struct control *control_open(struct run *run);
void control_close(struct control *control);
/* For the loop to watch; -1 for NULL. */
int control_fd(const struct control *control);
/* Someone has connected: a thread does as asked, as the change waits for what is running. The loop. */
void control_answer(struct control *control);

#endif

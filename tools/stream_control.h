/* SPDX-License-Identifier: MIT */
#ifndef STREAM_CONTROL_H
#define STREAM_CONTROL_H

/*
 * `padata cpus PID LIST`: each running padata has a socket in the abstract
 * namespace, named after its process, where its own user may ask for other CPUs.
 */

struct control;

/*
 * change: to the CPUs of a list, 0 or -errno; it may sleep. NULL when there
 * is no socket to be had: the CPUs stay as they are.
 */
struct control *control_open(int (*change)(void *argument, const char *list), void *argument);
void control_close(struct control *control);
/* To be watched; -1 for NULL. */
int control_fd(const struct control *control);
/*
 * Someone has connected: a thread does as asked, as the change waits for what is running. One thread alone
 * calls this.
 */
void control_answer(struct control *control);

#endif

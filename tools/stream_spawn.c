/* SPDX-License-Identifier: MIT */
#include "stream_spawn.h"
#include "stream_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define CHILD_STACK 16384

/* ThreadSanitizer takes clone() for fork(), and the caller's thread for one of the child's. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*child)(void *), void *stack, int flags, void *argument, ...);
#define clone __clone
#endif

struct child {
	const struct spawn *spawn;
	char *const *shell_words; /* for a script without an interpreter line */
	int error;
};

/*
 * Runs in the caller's memory, on a stack of its own: system calls only. The
 * handler of SIGPIPE is put back before signals can arrive, so that no handler
 * of ours ever runs here.
 */
static int __attribute__((no_sanitize("address", "thread", "undefined"))) child_main(void *argument)
{
	struct child *child = argument;
	const struct spawn *s = child->spawn;
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} pipe_action = {s->ignore_sigpipe ? (void *)1 : NULL, 0, NULL, 0};

	syscall(SYS_setpgid, 0, 0);
	if (s->cpus)
		syscall(SYS_sched_setaffinity, 0, s->cpus_size, s->cpus);
	syscall(SYS_rt_sigaction, SIGPIPE, &pipe_action, NULL, sizeof(unsigned long));
	if (syscall(SYS_dup3, s->in, 0, 0) < 0 || syscall(SYS_dup3, s->out, 1, 0) < 0 ||
	    syscall(SYS_dup3, s->err, 2, 0) < 0) {
		child->error = errno;
		syscall(SYS_exit, 127);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, s->signals, NULL, sizeof(unsigned long));
	syscall(SYS_execve, s->path, s->words, environ);
	if (errno == ENOEXEC && child->shell_words)
		syscall(SYS_execve, child->shell_words[0], child->shell_words, environ);
	child->error = errno;
	syscall(SYS_exit, 127);
	return 127;
}

static pid_t spawn_once(struct child *child, int *pidfd)
{
	_Alignas(16) char stack[CHILD_STACK];
	child->error = 0;
	pid_t pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
			  child, pidfd);
	if (pid < 0)
		return -errno;
	if (child->error) {
		siginfo_t info;
		waitid(P_PID, (id_t)pid, &info, WEXITED);
		close(*pidfd);
		return -child->error;
	}
	return pid;
}

pid_t spawn_start(const struct spawn *spawn, int *pidfd)
{
	struct child child = {.spawn = spawn};
	pid_t pid = spawn_once(&child, pidfd);
	if (pid != -ENOEXEC)
		return pid;
	size_t n = 0;
	while (spawn->words[n])
		n++;
	char **words = must_alloc((n + 2) * sizeof(*words));
	words[0] = (char *)"/bin/sh";
	words[1] = (char *)spawn->path;
	for (size_t i = 1; i <= n; i++)
		words[i + 1] = spawn->words[i];
	child.shell_words = words;
	pid = spawn_once(&child, pidfd);
	free(words);
	return pid;
}

char *spawn_find(const char *name)
{
	if (!*name) {
		errno = ENOENT;
		return NULL;
	}
	if (strchr(name, '/'))
		return must_copy(name);
	const char *path = getenv("PATH");
	if (!path || !*path)
		path = "/usr/local/bin:/usr/bin:/bin";
	char *full = must_alloc(strlen(path) + strlen(name) + 4);
	int error = ENOENT;
	for (;;) {
		size_t length = strcspn(path, ":");
		struct stat st;
		if (length)
			sprintf(full, "%.*s/%s", (int)length, path, name);
		else
			sprintf(full, "./%s", name);
		if (stat(full, &st) == 0) {
			if (S_ISREG(st.st_mode) && access(full, X_OK) == 0)
				return full;
			error = EACCES;
		}
		if (!path[length])
			break;
		path += length + 1;
	}
	free(full);
	errno = error;
	return NULL;
}

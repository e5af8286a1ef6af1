/* SPDX-License-Identifier: MIT */
#include "stream_control.h"
#include "stream_alloc.h"
#include "stream_commands.h"
#include "stream_parse.h"
#include "stream_say.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LIST_MAX 4096

struct control {
	int (*change)(void *argument, const char *list);
	void *argument;
	int fd, client;
	pthread_t thread;
	bool started;
	atomic_bool busy;
};

static socklen_t name_of(struct sockaddr_un *address, long pid)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	int n = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "padata/%ld", pid);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

struct control *control_open(int (*change)(void *argument, const char *list), void *argument)
{
	struct sockaddr_un address;
	socklen_t length = name_of(&address, (long)getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return NULL;
	if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 4) < 0) {
		close(fd);
		return NULL;
	}
	struct control *control = must_alloc(sizeof(*control));
	*control = (struct control){.change = change, .argument = argument, .fd = fd};
	return control;
}

int control_fd(const struct control *control)
{
	return control ? control->fd : -1;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	if (control->started)
		pthread_join(control->thread, NULL);
	close(control->fd);
	free(control);
}

static void *serve(void *argument)
{
	struct control *control = argument;
	char list[LIST_MAX + 1];
	ssize_t n = recv(control->client, list, LIST_MAX, 0);
	int error = n < 0 ? -EIO : 0;
	if (!error) {
		list[n] = '\0';
		error = control->change(control->argument, list);
	}
	n = send(control->client, &error, sizeof(error), MSG_NOSIGNAL);
	(void)n;
	close(control->client);
	atomic_store(&control->busy, false);
	return NULL;
}

static bool is_ours(int fd)
{
	struct ucred who;
	socklen_t length = sizeof(who);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

void control_answer(struct control *control)
{
	struct timeval patience = {.tv_sec = 2};
	int client = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return;
	int error = is_ours(client) ? 0 : -EPERM;
	if (!error && atomic_load(&control->busy))
		error = -EBUSY;
	if (!error) {
		if (control->started)
			pthread_join(control->thread, NULL);
		setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		control->client = client;
		atomic_store(&control->busy, true);
		control->started = pthread_create(&control->thread, NULL, serve, control) == 0;
		if (control->started)
			return;
		atomic_store(&control->busy, false);
		error = -EAGAIN;
	}
	ssize_t n = send(client, &error, sizeof(error), MSG_NOSIGNAL);
	(void)n;
	close(client);
}

int cpus_main(int argc, char **argv)
{
	struct sockaddr_un address;
	unsigned long long pid;
	int error;
	if (argc != 3)
		die("cpus: padata cpus PID LIST");
	if (!parse_count(argv[1], 1, 1u << 30, &pid))
		die("cpus: %s is no process number", argv[1]);
	socklen_t length = name_of(&address, (long)pid);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) < 0)
		die("cpus: process %llu is no padata at work", pid);
	size_t size = strlen(argv[2]);
	if (size > LIST_MAX || send(fd, argv[2], size, MSG_NOSIGNAL) < 0 ||
	    recv(fd, &error, sizeof(error), 0) != sizeof(error))
		die("cpus: process %llu does not answer", pid);
	close(fd);
	if (error == -EINVAL || error == -ERANGE)
		die("cpus: %s: a list such as 0-3,8 of CPUs that process %llu may use", argv[2], pid);
	if (error)
		die("cpus: process %llu: %s", pid, strerror(-error));
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "privileged.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "confine.h"
#include "link.h"

enum operation { SETTLE, OPEN, SET_MTU };

struct request {
	enum operation operation;
	uint32_t mtu;
	char name[256]; /* of the file, or the device */
	char control[GW_PATH_MAX];
};

/* The process. */

struct state {
	int fd, directory;
	char device[IFNAMSIZ], control[GW_PATH_MAX];
};

static void answer(int fd, int code, int file)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec v = {&code, sizeof(code)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	if (file >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &file, sizeof(int));
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	if (file >= 0)
		close(file);
}

/* 0 or -errno; *file is what goes with the answer. */
static int serve(struct state *s, const struct request *r, int *file)
{
	switch (r->operation) {
	case SETTLE:
		if (s->device[0])
			return -EPERM;
		memcpy(s->device, r->name, sizeof(s->device) - 1);
		memcpy(s->control, r->control, sizeof(s->control) - 1);
		return 0;
	case OPEN:
		if (!r->name[0] || r->name[0] == '.' || strchr(r->name, '/'))
			return -EPERM;
		*file = openat(s->directory, r->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		return *file < 0 ? -errno : 0;
	case SET_MTU:
		if (!s->device[0] || r->mtu < 576 || r->mtu > 65535)
			return -EPERM;
		return gw_link_set_mtu(s->device, r->mtu);
	}
	return -EPERM;
}

static void confine(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0};
	uint32_t keep = 1u << CAP_NET_ADMIN | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_DAC_OVERRIDE;

	caps[0].permitted = caps[0].effective = keep;
	syscall(SYS_capset, &head, caps); /* without privileges there are none to give up */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_NAME, "padata-esp-root");
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN); /* it ends with the gateway, not before */
	/* Where that cannot be, the gateway's own filter says so. */
	gw_confine_helper();
}

static _Noreturn void run(struct state *s)
{
	struct request r;
	int code, file;
	ssize_t n;

	confine();
	for (;;) {
		n = recv(s->fd, &r, sizeof(r), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(r))
			break;
		r.name[sizeof(r.name) - 1] = r.control[sizeof(r.control) - 1] = '\0';
		file = -1;
		code = serve(s, &r, &file);
		answer(s->fd, code, file);
	}
	if (s->control[0])
		unlink(s->control);
	_exit(0);
}

/* The gateway's side. */

int gw_privileged_start(struct gw_privileged *p, const char *path)
{
	struct state s = {.directory = -1};
	char *copy = strdup(path);
	int ends[2] = {-1, -1}, code = 0;
	pid_t pid = -1;

	if (copy)
		s.directory = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s.directory < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		code = -errno;
	else if ((pid = fork()) < 0)
		code = -errno;
	free(copy);
	if (pid == 0) {
		/* Away from the terminal and the output of the gateway; what was open before is none of its
		 * business. */
		s.fd = dup2(ends[1], 0);
		s.directory = dup2(s.directory, GW_HELPER_DIRECTORY);
		close_range(2, ~0u, 0);
		run(&s);
	}
	if (s.directory >= 0)
		close(s.directory);
	if (ends[1] >= 0)
		close(ends[1]);
	if (code && ends[0] >= 0)
		close(ends[0]);
	p->fd = code ? -1 : ends[0];
	return code;
}

void gw_privileged_stop(struct gw_privileged *p)
{
	char rest;

	if (p->fd < 0)
		return;
	shutdown(p->fd, SHUT_WR);
	while (recv(p->fd, &rest, sizeof(rest), 0) < 0 && errno == EINTR)
		; /* it closes its end when it is done */
	close(p->fd);
	p->fd = -1;
}

static int ask(const struct gw_privileged *p, const struct request *r)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	int code, file = -1;
	struct iovec v = {&code, sizeof(code)};
	struct msghdr m = {
	    .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;

	if (send(p->fd, r, sizeof(*r), MSG_NOSIGNAL) != sizeof(*r))
		return -EPIPE;
	do
		n = recvmsg(p->fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(code))
		return -EPIPE;
	if (m.msg_controllen >= CMSG_LEN(sizeof(int)) && CMSG_FIRSTHDR(&m)->cmsg_type == SCM_RIGHTS)
		memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return code < 0 || r->operation != OPEN ? code : file < 0 ? -EPIPE : file;
}

int gw_privileged_settle(const struct gw_privileged *p, const char *device, const char *control)
{
	struct request r = {.operation = SETTLE};

	strncpy(r.name, device, sizeof(r.name) - 1);
	strncpy(r.control, control, sizeof(r.control) - 1);
	return ask(p, &r);
}

int gw_privileged_open(void *p, const char *name)
{
	struct request r = {.operation = OPEN};

	if (strlen(name) >= sizeof(r.name))
		return -ENAMETOOLONG;
	strcpy(r.name, name);
	return ask(p, &r);
}

int gw_privileged_set_mtu(const struct gw_privileged *p, uint32_t mtu)
{
	struct request r = {.operation = SET_MTU, .mtu = mtu};

	return ask(p, &r);
}

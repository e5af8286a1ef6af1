/* SPDX-License-Identifier: MIT */
/* UDP as the drivers use it: many datagrams of one size to a system call. */
#ifndef DATAGRAMS_H
#define DATAGRAMS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define DATAGRAM 65536

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static socklen_t address(struct sockaddr_storage *sa, const char *text, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
	const void *bytes = &v4->sin_addr;

	memset(sa, 0, sizeof(*sa));
	sa->ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	v4->sin_port = htons(port); /* the same place in both */
	if (sa->ss_family == AF_INET6)
		bytes = &v6->sin6_addr;
	if (inet_pton(sa->ss_family, text, (void *)(uintptr_t)bytes) != 1)
		die(text);
	return sa->ss_family == AF_INET6 ? sizeof(*v6) : sizeof(*v4);
}

/* A socket that receives as many at once as the kernel has, and tells how many it lost. */
static int receiver(const char *local, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = address(&sa, local, port);
	int s = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, big = 64 << 20;

	if (s < 0 || bind(s, (struct sockaddr *)&sa, len) != 0)
		die(local);
	if (setsockopt(s, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0 ||
	    setsockopt(s, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)) != 0 ||
	    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)) != 0)
		die("setsockopt");
	return s;
}

struct received {
	uint8_t *bytes;	   /* room for DATAGRAM */
	size_t len, size;  /* datagrams of `size`, the last may be shorter */
	uint32_t overflow; /* lost so far; stays where the kernel says nothing new */
};

/* False: nothing came, and errno says why. */
static bool receive(int fd, int flags, struct received *r)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct iovec iov = {r->bytes, DATAGRAM};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &msg, flags);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
			die("recvmsg");
		return false;
	}
	r->len = (size_t)n;
	r->size = n > 0 ? (size_t)n : 1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		int value;

		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			r->size = (size_t)value;
		else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			r->overflow = (uint32_t)value;
	}
	return true;
}

#endif

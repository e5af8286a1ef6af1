/* SPDX-License-Identifier: MIT */
#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"

/* A few milliseconds at full speed: what the readers may be late. */
#define BUFFER (8 << 20)

static int on(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_buffers(int fd)
{
	if (on(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER) < 0)
		on(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
	if (on(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER) < 0)
		on(fd, SOL_SOCKET, SO_SNDBUF, BUFFER);
}

static int set_options(int fd, uint8_t family)
{
	set_buffers(fd);
	on(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (family == 4)
		return on(fd, IPPROTO_IP, IP_RECVTOS, 1) || on(fd, IPPROTO_IP, IP_RECVERR, 1) ||
		       on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	return on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) || on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) ||
	       on(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) ||
	       on(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
}

static int open_one(struct gw_udp_socket *s, const struct gw_endpoint *local)
{
	struct sockaddr_storage address;
	socklen_t len = gw_endpoint_to_sockaddr(local, &address);

	s->local = *local;
	s->fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	if (set_options(s->fd, local->addr.family) || bind(s->fd, (struct sockaddr *)&address, len) < 0) {
		int error = errno;

		close(s->fd);
		return -error;
	}
	return 0;
}

static const char *hint(int error)
{
	switch (error) {
	case EADDRINUSE:
		return ": another program (an IKE daemon?) has this port";
	case EADDRNOTAVAIL:
		return ": no interface has this address";
	case EACCES:
		return ": run it as root";
	}
	return "";
}

int gw_udp_open(struct gw_udp *udp, const struct gw_endpoint *locals, size_t count, char err[ESP_ERROR_LEN])
{
	char text[INET6_ADDRSTRLEN];

	*udp = (struct gw_udp){.offloads = {.gso = true, .gro = true}};
	for (size_t i = 0; i < count && i < GW_LOCALS_MAX; i++) {
		int error = open_one(&udp->sockets[i], &locals[i]);

		if (error) {
			inet_ntop(locals[i].addr.family == 4 ? AF_INET : AF_INET6, locals[i].addr.b, text,
				  sizeof(text));
			snprintf(err, ESP_ERROR_LEN, "local %s port %u: %s%s", text, locals[i].port,
				 strerror(-error), hint(-error));
			gw_udp_close(udp);
			return error;
		}
		udp->count++;
		udp->offloads.gro = on(udp->sockets[i].fd, IPPROTO_UDP, UDP_GRO, 1) == 0 && udp->offloads.gro;
		/* Off again: the size is said with each send. */
		udp->offloads.gso =
		    on(udp->sockets[i].fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0 && udp->offloads.gso;
	}
	return 0;
}

void gw_udp_close(struct gw_udp *udp)
{
	for (size_t i = 0; i < udp->count; i++)
		close(udp->sockets[i].fd);
	udp->count = 0;
}

const char *gw_udp_lacks(const struct gw_udp *udp)
{
	if (!udp->offloads.gso && !udp->offloads.gro)
		return "UDP_SEGMENT and UDP_GRO are not there: one system call for each packet";
	if (!udp->offloads.gso)
		return "UDP_SEGMENT is not there: one system call for each packet sent";
	if (!udp->offloads.gro)
		return "UDP_GRO is not there: one system call for each packet received";
	return NULL;
}

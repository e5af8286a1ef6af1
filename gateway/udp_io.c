/* SPDX-License-Identifier: MIT */
#include "udp_io.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "address.h"

/* How long a send may wait for the device's queue: as long as a burst or two take on a slow link. */
#define WAIT_MS 2
#define WAITS 2

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int)) * 3 +
		   CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6))];
};

void gw_line_init(struct gw_line *line, const struct gw_udp_socket *socket, bool gso)
{
	*line = (struct gw_line){.fd = socket->fd, .family = socket->local.addr.family, .df = true};
	atomic_init(&line->gso, gso);
	pthread_rwlock_init(&line->lock, NULL);
}

void gw_line_destroy(struct gw_line *line)
{
	pthread_rwlock_destroy(&line->lock);
}

static void set_df(struct gw_line *line, bool df)
{
	int v4 = df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT, v6 = df ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT;

	if (line->family == 4)
		setsockopt(line->fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof(v4));
	else
		setsockopt(line->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof(v6));
	line->df = df;
}

static struct cmsghdr *add_control(struct msghdr *m, struct cmsghdr *c, int level, int type,
				   const void *value, size_t len)
{
	c = c ? CMSG_NXTHDR(m, c) : CMSG_FIRSTHDR(m);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), value, len);
	return c;
}

static int send_once(struct gw_line *line, const struct gw_send *s)
{
	union control control = {.bytes = {0}};
	struct iovec iov = {s->data, s->len};
	struct sockaddr_storage to = *s->to;
	struct msghdr m = {.msg_name = &to, .msg_namelen = s->to_len, .msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c = NULL;
	uint16_t size = (uint16_t)s->size;
	int tclass = s->tclass, tries = 0;

	m.msg_control = control.bytes;
	m.msg_controllen = sizeof(control.bytes);
	if (line->family == 4)
		c = add_control(&m, c, IPPROTO_IP, IP_TOS, &tclass, sizeof(tclass));
	else
		c = add_control(&m, c, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	m.msg_controllen = CMSG_SPACE(sizeof(tclass));
	if (s->size < s->len) {
		m.msg_controllen = sizeof(control.bytes);
		add_control(&m, c, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
		m.msg_controllen = CMSG_SPACE(sizeof(tclass)) + CMSG_SPACE(sizeof(size));
	}
	while (sendmsg(line->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		int error = errno;
		struct pollfd p = {.fd = line->fd, .events = POLLOUT};

		/* An error of an earlier packet is reported once; this one was not tried. */
		if ((error == ECONNREFUSED || error == EHOSTUNREACH || error == EINTR) && tries++ < WAITS)
			continue;
		if ((error != EAGAIN && error != ENOBUFS) || tries++ == WAITS)
			return error == ENOBUFS ? -EAGAIN : -error;
		poll(&p, 1, WAIT_MS);
	}
	return 0;
}

int gw_line_send(struct gw_line *line, const struct gw_send *s)
{
	int error;

	pthread_rwlock_rdlock(&line->lock);
	if (line->df != s->df) {
		pthread_rwlock_unlock(&line->lock);
		pthread_rwlock_wrlock(&line->lock);
		if (line->df != s->df)
			set_df(line, s->df);
	}
	error = send_once(line, s);
	pthread_rwlock_unlock(&line->lock);
	if (s->size < s->len && error == -EIO)
		atomic_store_explicit(&line->gso, false, memory_order_relaxed);
	/* Before Linux 6.14 this is how a path is reported that has become too narrow for several at once. */
	return s->size < s->len && error == -EINVAL ? -EIO : error;
}

static void read_control(struct msghdr *m, struct gw_receive *r)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int value = 0;
		uint8_t tos;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			memcpy(&tos, CMSG_DATA(c), 1);
			r->tclass = tos;
			continue;
		}
		if (c->cmsg_len < CMSG_LEN(sizeof(value)))
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			r->tclass = (uint8_t)value;
		else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && value > 0)
			r->size = (uint32_t)value;
		else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			r->overflow = (uint32_t)value;
	}
}

int gw_line_receive(const struct gw_line *line, uint8_t *data, uint32_t room, struct gw_receive *r)
{
	union control control;
	struct sockaddr_storage from;
	struct iovec iov = {data, room};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(line->fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	*r = (struct gw_receive){
	    .len = (uint32_t)n, .size = (uint32_t)n, .truncated = m.msg_flags & MSG_TRUNC};
	r->from = gw_endpoint_of_sockaddr(&from);
	read_control(&m, r);
	return 0;
}

bool gw_line_error(const struct gw_line *line, struct gw_endpoint *to, uint32_t *mtu)
{
	union control control;
	struct sockaddr_storage name = {0};
	struct msghdr m = {.msg_name = &name,
			   .msg_namelen = sizeof(name),
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct sock_extended_err e;

	if (recvmsg(line->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	*to = gw_endpoint_of_sockaddr(&name);
	*mtu = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		if (e.ee_errno == EMSGSIZE)
			*mtu = e.ee_info;
	}
	return true;
}

uint32_t gw_path_mtu(const struct gw_endpoint *to)
{
	struct sockaddr_storage address;
	socklen_t len = gw_endpoint_to_sockaddr(to, &address), size = sizeof(int);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = 0;

	if (fd < 0)
		return 0;
	if (connect(fd, (struct sockaddr *)&address, len) < 0 ||
	    getsockopt(fd, to->addr.family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
		       to->addr.family == 4 ? IP_MTU : IPV6_MTU, &mtu, &size) < 0)
		mtu = 0;
	close(fd);
	return mtu > 0 ? (uint32_t)mtu : 0;
}

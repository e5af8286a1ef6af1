/* SPDX-License-Identifier: MIT */
/*
 * Linked into a gateway of the tests' own, in front of the kernel, which then lacks what PADATA_GATEWAY_LACKS
 * names: an older kernel, or a device on the way that cannot do it.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TUN_F_USO (0x20 | 0x40)
#define NARROW 5 /* sends that fail as the path becomes narrower, before Linux 6.14 */

int __real_ioctl(int fd, unsigned long request, ...);
int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

static bool lacks(const char *what)
{
	const char *all = getenv("PADATA_GATEWAY_LACKS");

	return all && strstr(all, what);
}

static int fail(int error)
{
	errno = error;
	return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list list;

	va_start(list, request);
	arg = va_arg(list, unsigned long);
	va_end(list);
	if (request == TUNSETIFF && ((const struct ifreq *)arg)->ifr_flags & IFF_VNET_HDR &&
	    lacks("vnet_hdr"))
		return fail(EINVAL);
	if (request == TUNSETOFFLOAD &&
	    ((arg & TUN_F_USO && lacks("uso")) || (arg & TUN_F_TSO_ECN && lacks("ecn")) ||
	     (arg & TUN_F_TSO4 && lacks("tso")) || (arg & TUN_F_CSUM && lacks("csum"))))
		return fail(EINVAL);
	return __real_ioctl(fd, request, arg);
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == IPPROTO_UDP &&
	    ((option == UDP_SEGMENT && lacks("udp_gso")) || (option == UDP_GRO && lacks("udp_gro"))))
		return fail(ENOPROTOOPT);
	return __real_setsockopt(fd, level, option, value, len);
}

static bool is_segmented(const struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	static _Atomic unsigned int sends;

	if (is_segmented(m)) {
		if (lacks("udp_gso"))
			abort(); /* it was told */
		if (lacks("sending"))
			return fail(EIO);
		if (lacks("room") && atomic_fetch_add_explicit(&sends, 1, memory_order_relaxed) < NARROW)
			return fail(EINVAL);
	}
	return __real_sendmsg(fd, m, flags);
}

/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "udp.h"

/* Packets that the device keeps for its reader. More than the kernel's 500: a reader that has to wait for a
 * CPU for a tenth of a second loses nothing of 20,000 packets a second. */
#define QUEUE 2000

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	uint8_t attributes[128];
};

static void begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_len = NLMSG_LENGTH((uint32_t)body);
	r->head.nlmsg_type = type;
	r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

static void add(struct request *r, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)(void *)((uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* Sends it and waits for the kernel's answer. 0 or -errno. */
static int ask(int fd, struct request *r)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	union {
		struct nlmsghdr head;
		uint8_t bytes[4096];
	} answer;
	ssize_t n;

	if (sendto(fd, r, r->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	do
		n = recv(fd, &answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return ((const struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
}

static int open_netlink(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

/* Nobody else is on the link, so it needs no address that only the link knows. */
static void no_link_address(struct request *r)
{
	struct {
		struct rtattr family, mode;
		uint8_t value[4];
	} spec = {
	    .family = {.rta_len = sizeof(spec), .rta_type = AF_INET6},
	    .mode = {.rta_len = RTA_LENGTH(1), .rta_type = IFLA_INET6_ADDR_GEN_MODE},
	    .value = {IN6_ADDR_GEN_MODE_NONE},
	};

	add(r, IFLA_AF_SPEC, &spec, sizeof(spec));
}

/* As many TCP segments at once as go out in one send: what is left over would cost as much as the rest. */
static uint32_t segments(uint32_t mtu)
{
	uint32_t n = GW_SEND_BYTES / (mtu + GW_SEAL_MORE);

	return n < 1 ? 1 : n > GW_SEND_PACKETS ? GW_SEND_PACKETS : n;
}

static int change_link(int fd, unsigned int index, uint32_t mtu, bool up)
{
	uint32_t most = segments(mtu), queue = QUEUE;
	struct request r;

	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_family = AF_UNSPEC;
	r.link.ifi_index = (int)index;
	if (up)
		r.link.ifi_flags = r.link.ifi_change = IFF_UP;
	add(&r, IFLA_MTU, &mtu, sizeof(mtu));
	add(&r, IFLA_GSO_MAX_SEGS, &most, sizeof(most));
	add(&r, IFLA_TXQLEN, &queue, sizeof(queue));
	return ask(fd, &r);
}

static int change_generation(int fd, unsigned int index)
{
	struct request r;
	int code;

	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_family = AF_UNSPEC;
	r.link.ifi_index = (int)index;
	no_link_address(&r);
	code = ask(fd, &r);
	return code == -EAFNOSUPPORT || code == -EOPNOTSUPP ? 0 : code; /* a kernel without IPv6 */
}

static size_t address_len(const struct esp_prefix *p)
{
	return p->addr.family == 4 ? 4 : 16;
}

static int add_address(int fd, unsigned int index, const struct esp_prefix *p)
{
	struct request r;

	begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(r.addr));
	r.addr.ifa_family = p->addr.family == 4 ? AF_INET : AF_INET6;
	r.addr.ifa_prefixlen = p->len;
	r.addr.ifa_flags = IFA_F_NODAD; /* nobody else is on this link */
	r.addr.ifa_index = index;
	add(&r, IFA_LOCAL, p->addr.b, address_len(p));
	add(&r, IFA_ADDRESS, p->addr.b, address_len(p));
	return ask(fd, &r);
}

static int add_route(int fd, unsigned int index, const struct esp_prefix *p)
{
	struct request r;

	begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(r.route));
	r.route.rtm_family = p->addr.family == 4 ? AF_INET : AF_INET6;
	r.route.rtm_dst_len = p->len;
	r.route.rtm_table = RT_TABLE_MAIN;
	r.route.rtm_protocol = RTPROT_STATIC;
	r.route.rtm_scope = p->addr.family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	r.route.rtm_type = RTN_UNICAST;
	if (p->len)
		add(&r, RTA_DST, p->addr.b, address_len(p));
	add(&r, RTA_OIF, &index, sizeof(index));
	return ask(fd, &r);
}

static int failed(char err[ESP_ERROR_LEN], const char *what, const struct esp_prefix *p, int code)
{
	char text[GW_ADDRESS_TEXT];

	snprintf(err, ESP_ERROR_LEN, "%s %s/%u: %s", what, gw_address_text(&p->addr, text), p->len,
		 strerror(-code));
	return code;
}

int gw_link_configure(const char *device, const struct gw_config *config, uint32_t mtu,
		      char err[ESP_ERROR_LEN])
{
	unsigned int index = if_nametoindex(device);
	int fd = index ? open_netlink() : -errno, code = fd < 0 ? fd : 0;

	err[0] = '\0';
	if (!code)
		code = change_link(fd, index, mtu, false);
	if (!code)
		code = change_generation(fd, index);
	for (size_t i = 0; !code && i < config->address_count; i++) {
		code = add_address(fd, index, &config->addresses[i]);
		if (code && code != -EEXIST) /* the device may have been there before */
			failed(err, "address", &config->addresses[i], code);
		else
			code = 0;
	}
	if (!code)
		code = change_link(fd, index, mtu, true);
	for (size_t i = 0; !code && i < config->route_count; i++) {
		code = add_route(fd, index, &config->routes[i]);
		if (code)
			failed(err, "route", &config->routes[i], code);
	}
	if (code && !err[0])
		snprintf(err, ESP_ERROR_LEN, "device %s, MTU %u: %s", device, mtu, strerror(-code));
	if (fd >= 0)
		close(fd);
	return code;
}

int gw_link_watch(const char *device, struct gw_link_watch *w)
{
	w->index = if_nametoindex(device);
	w->fd = w->index ? open_netlink() : -errno;
	return w->fd < 0 ? w->fd : 0;
}

uint64_t gw_link_dropped(const struct gw_link_watch *w)
{
	struct request r;
	union {
		struct nlmsghdr head;
		uint8_t bytes[8192];
	} answer;
	struct rtnl_link_stats64 stats = {0};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;
	int left;

	if (w->fd < 0)
		return 0;
	begin(&r, RTM_GETLINK, 0, sizeof(r.link));
	r.head.nlmsg_flags = NLM_F_REQUEST; /* what is asked for is the answer, unless there is an error */
	r.link.ifi_index = (int)w->index;
	if (sendto(w->fd, &r, r.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return 0;
	n = recv(w->fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)) || answer.head.nlmsg_type != RTM_NEWLINK)
		return 0;
	left = (int)IFLA_PAYLOAD(&answer.head);
	for (struct rtattr *a = IFLA_RTA((struct ifinfomsg *)NLMSG_DATA(&answer.head)); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_STATS64)
			memcpy(&stats, RTA_DATA(a),
			       RTA_PAYLOAD(a) < sizeof(stats) ? RTA_PAYLOAD(a) : sizeof(stats));
	return stats.tx_dropped;
}

int gw_link_set_mtu(const char *device, uint32_t mtu)
{
	unsigned int index = if_nametoindex(device);
	int fd = index ? open_netlink() : -errno, code;

	if (fd < 0)
		return fd;
	code = change_link(fd, index, mtu, false);
	close(fd);
	return code;
}

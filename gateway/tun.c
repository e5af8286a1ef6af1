/* SPDX-License-Identifier: MIT */
#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static bool offload(int fd, unsigned int flags)
{
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)flags) == 0;
}

/* The kernel takes all of a set or none. */
static void ask_offloads(struct gw_tun *tun)
{
	const unsigned int tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct gw_tun_offloads *o = &tun->offloads;

	o->uso = offload(tun->fd, tso | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6);
	o->ecn = o->uso || offload(tun->fd, tso | TUN_F_TSO_ECN);
	o->tso4 = o->tso6 = o->ecn || offload(tun->fd, tso);
	o->csum = o->tso4 || offload(tun->fd, TUN_F_CSUM);
}

int gw_tun_open(struct gw_tun *tun, const char *name, char err[ESP_ERROR_LEN])
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int error;

	*tun = (struct gw_tun){.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
	if (tun->fd < 0) {
		error = errno;
		snprintf(err, ESP_ERROR_LEN, "/dev/net/tun: %s: is the tun module loaded?", strerror(error));
		return -error;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(tun->fd, TUNSETIFF, &ifr) == 0) {
		tun->offloads.vnet_hdr = true;
		ask_offloads(tun);
	} else {
		ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
		if (errno != EINVAL || ioctl(tun->fd, TUNSETIFF, &ifr) < 0) {
			error = errno;
			snprintf(err, ESP_ERROR_LEN, "TUN device %s: %s%s", name, strerror(error),
				 error == EPERM	  ? ": run it as root"
				 : error == EBUSY ? ": another program has it"
						  : "");
			gw_tun_close(tun);
			return -error;
		}
	}
	memcpy(tun->name, ifr.ifr_name, sizeof(tun->name));
	return 0;
}

void gw_tun_close(struct gw_tun *tun)
{
	if (tun->fd >= 0)
		close(tun->fd);
	tun->fd = -1;
}

const char *gw_tun_lacks(const struct gw_tun *tun)
{
	const struct gw_tun_offloads *o = &tun->offloads;

	if (!o->vnet_hdr || !o->csum)
		return "the TUN device has no offloads: one system call for each packet";
	if (!o->tso4)
		return "the TUN device has no TCP segmentation offload";
	if (!o->uso)
		return "the TUN device has no UDP segmentation offload (Linux 6.2 has)";
	return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

const char *gw_confine_memory(void)
{
	struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) != 0 || (!GW_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0))
		return "core dumps cannot be switched off";
	/* As pages come into use: a thread's whole stack would be too much. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		return "memory cannot be locked, so keys may reach the swap space";
	return NULL;
}

static int set_capabilities(uint32_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0}, had[2];

	if (syscall(SYS_capget, &head, had) != 0)
		return -errno;
	caps[0].permitted = caps[0].effective = had[0].permitted & keep;
	return syscall(SYS_capset, &head, caps) ? -errno : 0;
}

static int become(const struct gw_user *user)
{
	if (geteuid() == user->uid)
		return 0;
	if (setgroups(0, NULL) != 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0)
		return -errno;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) ? -errno : 0;
}

int gw_confine_user(const struct gw_user *user, char err[ESP_ERROR_LEN])
{
	int code = become(user);

	if (!code)
		code = set_capabilities(1u << CAP_IPC_LOCK);
	if (!code && user->uid != 0 && setuid(0) == 0)
		code = -EPERM;
	/* Becoming somebody else may have changed what the kernel thinks of dumps. */
	if (!code && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		      (!GW_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)))
		code = -errno;
	if (code)
		snprintf(err, ESP_ERROR_LEN, "cannot give up root to be user %u: %s", user->uid,
			 strerror(-code));
	return code;
}

/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

int gw_user_find(const char *name, struct gw_user *user, char err[ESP_ERROR_LEN])
{
	struct passwd *p;

	errno = 0;
	p = getpwnam(name);
	if (!p) {
		int code = errno ? -errno : -ENOENT;

		snprintf(err, ESP_ERROR_LEN, "user %s: %s", name, errno ? strerror(errno) : "there is no such user");
		return code;
	}
	*user = (struct gw_user){p->pw_uid, p->pw_gid};
	return 0;
}

const char *gw_confine_memory(void)
{
	struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return "core dumps cannot be switched off";
	setrlimit(RLIMIT_MEMLOCK, &all); /* where it is refused, the next call tells whether that matters */
	/* As pages come into use: a thread's whole stack would be too much. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		return "memory cannot be locked, so keys may reach the swap space (RLIMIT_MEMLOCK)";
	return NULL;
}

int gw_confine_user(const struct gw_user *user, char err[ESP_ERROR_LEN])
{
	bool changed = geteuid() != user->uid;

	if (changed && (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
			setresuid(user->uid, user->uid, user->uid) != 0)) {
		int code = -errno;

		snprintf(err, ESP_ERROR_LEN, "cannot go on as user %u: %s", user->uid, strerror(errno));
		return code;
	}
	if (changed && user->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)) {
		snprintf(err, ESP_ERROR_LEN, "user %u: root's rights could be had back", user->uid);
		return -EPERM;
	}
	/* Becoming somebody else may have changed what the kernel thinks of dumps. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		snprintf(err, ESP_ERROR_LEN, "no_new_privs: %s", strerror(errno));
		return -errno;
	}
	return 0;
}

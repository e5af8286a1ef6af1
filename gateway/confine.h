/* SPDX-License-Identifier: MIT */
/* What the gateway gives up once its device and sockets are open. */
#ifndef GW_CONFINE_H
#define GW_CONFINE_H

#include "machine.h"

/* The leak checker looks at the process from outside when it ends, by calls of its own. */
#ifdef __SANITIZE_ADDRESS__
#define GW_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GW_SANITIZED 1
#endif
#endif
#ifndef GW_SANITIZED
#define GW_SANITIZED 0
#endif

/* No core dump, no tracing by the user's other processes; and no page of this process, those to come
 * included, goes to swap. To be called before there are keys. Returns NULL, or what of it the system refused
 * (static). */
const char *gw_confine_memory(void);

/* Becomes the user, for good, with no way to new privileges and no capability but CAP_IPC_LOCK, without which
 * memory that is allocated from now on could not be locked. 0 or -errno and one line in `err`. */
int gw_confine_user(const struct gw_user *user, char err[ESP_ERROR_LEN]);

/* From here on only the system calls that a running gateway makes. `writes_files`: also what a metrics file
 * needs. 0, -ENOSYS where no filter is known for this machine, or -errno. */
int gw_confine_calls(bool writes_files);
/* The same for the process that keeps root: what its three services need. */
int gw_confine_helper(void);

#endif

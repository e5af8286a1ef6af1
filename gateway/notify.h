/* SPDX-License-Identifier: MIT */
/* Telling systemd how the service is: sd_notify(3)'s protocol, a datagram to the socket that $NOTIFY_SOCKET
 * names. */
#ifndef GW_NOTIFY_H
#define GW_NOTIFY_H

#include <stdint.h>

/* Opens the socket while that is allowed. A descriptor, or -1: nobody asks to be told. */
int gw_notify_open(void);
/* Sends "READY=1" and the like; nothing where fd is -1. Never sleeps. */
void gw_notify(int fd, const char *state);
/* How often "WATCHDOG=1" is to be sent, in ms, half of what systemd waits for; 0: it does not. */
uint32_t gw_notify_watchdog(void);

#endif

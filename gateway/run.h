/* SPDX-License-Identifier: MIT */
/* A gateway from its start to its end. */
#ifndef GW_RUN_H
#define GW_RUN_H

enum gw_end {
	GW_END_OK,     /* it was asked to end, and did */
	GW_END_CONFIG, /* the configuration, or the sequence numbers kept beside it */
	GW_END_SYSTEM, /* a device, a socket, a user, memory, threads */
};

/* Runs until SIGTERM or SIGINT. `say` takes lines for the log; the last one says what was wrong. No thread
 * may have been started before. Changes the process for good: user, signals, limits. */
enum gw_end gw_run(const char *config, void (*say)(const char *line));

#endif

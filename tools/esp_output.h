/* SPDX-License-Identifier: MIT */
/*
 * A file that appears under its name when it is complete, or not at all: written beside it, synced, renamed.
 * Standard output, pipes and devices are written as the bytes come.
 */
#ifndef ESP_OUTPUT_H
#define ESP_OUTPUT_H

/* From now on SIGINT, SIGTERM and SIGHUP take the unfinished file away and end the program. Before any thread
 * is started. */
void esp_output_guard(void);

/* The descriptor of the program's one output; "-" is standard output. Ends the program where it cannot be
 * opened. */
int esp_output_open(const char *name);
/* For messages. */
const char *esp_output_name(void);
/* Makes it visible; ends the program where bytes were lost. */
void esp_output_commit(void);
/* Takes it away. */
void esp_output_discard(void);

#endif

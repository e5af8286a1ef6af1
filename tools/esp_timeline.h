/* SPDX-License-Identifier: MIT */
/* Which CPU ran which burst when, and a picture of it. */
#ifndef ESP_TIMELINE_H
#define ESP_TIMELINE_H

#include <stdint.h>

/* One run of a callback. */
struct esp_span {
	uint64_t start, end; /* nanoseconds of CLOCK_MONOTONIC */
	int cpu;
};

void esp_span_begin(struct esp_span *s);
void esp_span_end(struct esp_span *s);

struct esp_timeline;

struct esp_timeline *esp_timeline_alloc(void);
void esp_timeline_free(struct esp_timeline *t);

/* The next burst in order; one thread at a time. Beyond some thousands, the earlier ones are forgotten. */
void esp_timeline_add(struct esp_timeline *t, const struct esp_span *parallel, const struct esp_span *serial);

/* Draws a typical part as SVG; 0 or -errno. */
int esp_timeline_draw(const struct esp_timeline *t, const char *path, const char *title);

#endif

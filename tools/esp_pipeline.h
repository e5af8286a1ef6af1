/* SPDX-License-Identifier: MIT */
/*
 * Frames through ESP in bursts: sequence numbers in the order of submission, packets and crypto in
 * parallel, replay window and output in that order again. Memory is bounded by a fixed pool of bursts.
 *
 * esp_pipeline_add, _push and _finish belong to one thread; write and written are called by one thread at a
 * time.
 */
#ifndef ESP_PIPELINE_H
#define ESP_PIPELINE_H

#include <linux/padata.h>
#include <stdbool.h>

#include "esp_capture.h"
#include "esp_packet.h"
#include "esp_timeline.h"

struct esp_pipeline_config {
	struct esp_sadb *db;
	bool decrypt;
	bool stable; /* the bytes of a frame stay where they are until the end: no copy is made */
	enum esp_link link;
	enum esp_backend backend;
	const struct cpumask
	    *cpus; /* NULL: the three stages one after the other in the caller, without padata */
	struct esp_timeline *timeline; /* or NULL */
	/* Before `packets` of them get sequence numbers; from the submitting thread. Or NULL. */
	void (*reserve)(void *arg, unsigned int packets);
	/* Serial stage: the next frame of the output; its bytes stay until written() returns. Or NULL. */
	void (*write)(void *arg, const struct esp_frame *frame);
	/* Serial stage: a burst was written; an errno ends the work. Or NULL. */
	int (*written)(void *arg);
	void *arg;
};

struct esp_totals {
	uint64_t frames, bytes; /* that came in */
	uint64_t not_ip;
	uint64_t bursts;
	struct esp_stats stats;
};

struct esp_pipeline;

/* Ends the program where there is no memory, thread or backend. */
struct esp_pipeline *esp_pipeline_start(const struct esp_pipeline_config *config);
/* 0, or the errno of written(): nothing more need be added. */
int esp_pipeline_add(struct esp_pipeline *p, const struct esp_frame *frame);
/* Let go on what is collected so far. */
void esp_pipeline_push(struct esp_pipeline *p);
/* Waits for all that is under way, and frees; what esp_pipeline_add returns. */
int esp_pipeline_finish(struct esp_pipeline *p, struct esp_totals *totals);

#endif

/* SPDX-License-Identifier: MIT */
#include "esp_progress.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FIRST 1.0 /* seconds: shorter work needs no line */
#define EVERY 0.2

static bool wanted;
static atomic_bool shown;
static double began, next;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void esp_progress_start(void)
{
	wanted = isatty(STDERR_FILENO);
	began = now();
	next = began + FIRST;
}

void esp_progress_show(uint64_t packets, uint64_t bytes, uint64_t done, uint64_t total)
{
	double t, left;

	if (!wanted || (t = now()) < next)
		return;
	next = t + EVERY;
	left = done ? (t - began) * (double)(total - done) / (double)done : 0;
	fprintf(stderr, "\r%llu packets  %.2f Gb/s", (unsigned long long)packets,
		(double)bytes * 8e-9 / (t - began));
	if (total > done)
		fprintf(stderr, "  %d:%02d left", (int)(ceil(left) / 60), (int)ceil(left) % 60);
	fputs("\033[K", stderr);
	fflush(stderr);
	atomic_store_explicit(&shown, true, memory_order_relaxed);
}

void esp_progress_clear(void)
{
	if (atomic_exchange_explicit(&shown, false, memory_order_relaxed))
		fputs("\r\033[K", stderr);
}

/* SPDX-License-Identifier: MIT */
/* What happened to the packets, as text and JSON, and in one line where something went wrong. */
#ifndef ESP_REPORT_H
#define ESP_REPORT_H

#include <linux/cpumask.h>
#include <stdio.h>

#include "esp_pipeline.h"

struct esp_report {
	bool decrypt;
	const struct esp_totals *totals;
	double seconds;
	const struct cpumask *cpus;
	char backend[64];
};

/* The backend's name as this machine runs it. */
void esp_report_backend(char name[64], enum esp_backend which);

void esp_report_text(FILE *to, const struct esp_report *r);
void esp_report_json(FILE *to, const struct esp_report *r);

/* Packets that should have been processed and were not; what is merely not meant for ESP is not among
 * them. */
uint64_t esp_report_lost(const struct esp_report *r);
/* How many and why, to standard error, if there are any. */
void esp_report_complain(const struct esp_report *r);

/* A string in JSON, with its quotes. */
void esp_json_string(FILE *to, const char *s);

#endif

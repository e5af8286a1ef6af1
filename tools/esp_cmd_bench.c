/* SPDX-License-Identifier: MIT */
/*
 * bench: one CPU against all CPUs. The capture is held in memory and encrypted again and again, output
 * thrown away: by a plain loop on one CPU without padata, by padata on that CPU, and by padata on all. The
 * three take turns, so that what else the machine does hits each alike, and the median of the rounds counts.
 * "One CPU" includes the submitting thread.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "esp_pipeline.h"
#include "esp_progress.h"
#include "esp_report.h"
#include "esp_tool.h"

#define HELD_MAX (256u << 20) /* of a larger capture, the beginning is used */

#define SINK (1u << 20)
#define DRAWN_SECONDS 0.3

enum kind { PLAIN, ONE, ALL, KINDS };

struct held {
	struct esp_frame *frames;
	size_t count;
	uint8_t *bytes;
	size_t used;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hold(struct held *h, struct esp_reader *in)
{
	size_t frames_room = 0, bytes_room = 0, at = 0;
	struct esp_frame f;
	int more;

	while ((more = esp_reader_next(in, &f)) == 1 && h->used + f.captured <= HELD_MAX) {
		if (h->count == frames_room) {
			frames_room = frames_room ? frames_room * 2 : 4096;
			h->frames = esp_memory(realloc(h->frames, frames_room * sizeof(*h->frames)));
		}
		if (h->used + f.captured > bytes_room) {
			bytes_room = (bytes_room + f.captured + 4096) * 2;
			h->bytes = esp_memory(realloc(h->bytes, bytes_room));
		}
		memcpy(h->bytes + h->used, f.data, f.captured);
		h->used += f.captured;
		f.block = NULL;
		h->frames[h->count++] = f;
	}
	for (size_t i = 0; i < h->count; at += h->frames[i++].captured)
		h->frames[i].data = h->bytes + at;
	if (more < 0)
		esp_fail(ESP_EXIT_INPUT, "damaged behind frame %zu (%s)", h->count, esp_reader_error(in));
	if (!h->count)
		esp_fail(ESP_EXIT_INPUT, "the capture is empty");
}

/* The thread that submits works on the same CPUs as the rest. */
static void stay_on(const struct cpumask *cpus)
{
	size_t size = CPU_ALLOC_SIZE(PADATA_NR_CPUS);
	cpu_set_t *set = esp_memory(CPU_ALLOC(PADATA_NR_CPUS));
	unsigned int cpu;

	CPU_ZERO_S(size, set);
	for_each_cpu(cpu, cpus)
		CPU_SET_S(cpu, size, set);
	if (sched_setaffinity(0, size, set))
		esp_fail(ESP_EXIT_SYSTEM, "cannot stay on the CPUs asked for: %s", strerror(errno));
	CPU_FREE(set);
}

/* Megabytes of IP packets a second. */
static double run(struct esp_pipeline_config *config, const struct held *h, double seconds,
		  struct esp_totals *totals)
{
	struct esp_pipeline *p = esp_pipeline_start(config);
	double began = now(), end;

	do {
		/* The clock is looked at once for each pass, not for each frame. */
		for (size_t i = 0; i < h->count; i++)
			esp_pipeline_add(p, &h->frames[i]);
		end = now();
	} while (end - began < seconds);
	esp_pipeline_finish(p, totals);
	return (double)totals->stats.in_bytes * 1e-6 / (now() - began);
}

/* Where frames go in the run that is drawn: as a file would take them, but in memory. */
struct sink {
	uint8_t *bytes;
	size_t at;
};

static void sink_write(void *arg, const struct esp_frame *frame)
{
	struct sink *s = arg;

	if (s->at + frame->captured > SINK)
		s->at = 0;
	memcpy(s->bytes + s->at, frame->data, frame->captured);
	s->at += frame->captured;
}

static void draw(const struct esp_options *o, struct esp_pipeline_config config, const struct held *h)
{
	struct sink sink = {.bytes = esp_memory(calloc(1, SINK))};
	struct esp_timeline *t = esp_memory(esp_timeline_alloc());
	struct esp_totals totals;
	char title[256];
	int r;

	config.timeline = t;
	config.write = sink_write;
	config.arg = &sink;
	run(&config, h, DRAWN_SECONDS, &totals);
	snprintf(title, sizeof(title), "padata-esp encrypts %s", o->in);
	r = esp_timeline_draw(t, o->timeline, title);
	if (r)
		esp_fail(ESP_EXIT_OUTPUT, "%s: cannot be written: %s", o->timeline, strerror(-r));
	esp_timeline_free(t);
	free(sink.bytes);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int esp_cmd_bench(int argc, char **argv)
{
	struct esp_options o;
	struct esp_sadb *db;
	char error[ESP_ERROR_LEN], backend[64];
	struct esp_reader *in;
	struct held held = {0};
	cpumask_var_t one;
	double *results[KINDS], median[KINDS];
	struct esp_totals totals = {0};
	struct esp_pipeline_config config;

	esp_options_read(&o, argc, argv, "sa cpus backend stats timeline seconds rounds", 1);
	if (esp_sadb_load(o.sa, &db, error))
		esp_fail(ESP_EXIT_SA, "%s", error);
	in = esp_reader_open(o.in, NULL, NULL);
	hold(&held, in);
	esp_report_backend(backend, o.backend);
	for (size_t i = 0; i < esp_sadb_count(db); i++) {
		struct esp_limits *l = &esp_sadb_at(db, i)->limits;

		*l = (struct esp_limits){ESP_NO_LIMIT, ESP_NO_LIMIT, ESP_NO_LIMIT, ESP_NO_LIMIT, 0, 0, 0, 0};
	}
	if (!zalloc_cpumask_var(&one, GFP_KERNEL))
		esp_memory(NULL);
	cpumask_set_cpu(cpumask_first(o.cpus), one);
	for (int k = 0; k < KINDS; k++)
		results[k] = esp_memory(calloc(o.rounds, sizeof(double)));

	for (unsigned int round = 0; round < o.rounds; round++)
		for (int k = 0; k < KINDS; k++) {
			config = (struct esp_pipeline_config){
			    .db = db,
			    .stable = true,
			    .link = esp_reader_link(in),
			    .backend = o.backend,
			    .cpus = k == PLAIN ? NULL
				    : k == ONE ? one
					       : o.cpus,
			};

			/* Nothing leaves this program, so numbers may repeat. */
			for (size_t i = 0; i < esp_sadb_count(db); i++)
				esp_sa_set_oseq(esp_sadb_at(db, i), 0);
			stay_on(k == ALL ? o.cpus : one);
			results[k][round] = run(&config, &held, o.seconds, &totals);
		}
	if (o.timeline)
		draw(&o, config, &held);
	for (int k = 0; k < KINDS; k++) {
		qsort(results[k], o.rounds, sizeof(double), ascending);
		median[k] = (results[k][(o.rounds - 1) / 2] + results[k][o.rounds / 2]) / 2;
		free(results[k]);
	}
	if (!totals.stats.out_packets)
		esp_fail(ESP_EXIT_INPUT, "%s: no packet of it can be encrypted with these SAs", o.in);
	if (o.stats == ESP_STATS_JSON) {
		fputs("{\"capture\": ", stdout);
		esp_json_string(stdout, o.in);
		printf(", \"algorithm\": \"%s\", \"backend\": \"%s\", \"cpus\": %u, \"rounds\": %u, "
		       "\"seconds\": %g,\n"
		       " \"plain_mb_s\": %.1f, \"one_cpu_mb_s\": %.1f, \"all_cpus_mb_s\": %.1f, "
		       "\"all_to_one\": %.3f, \"one_to_plain\": %.3f}\n",
		       esp_sa_alg_name(esp_sadb_at(db, 0)), backend, cpumask_weight(o.cpus), o.rounds,
		       o.seconds, median[PLAIN], median[ONE], median[ALL], median[ALL] / median[ONE],
		       median[ONE] / median[PLAIN]);
	} else {
		printf("%s, %s, median of %u runs of %g s each\n", esp_sa_alg_name(esp_sadb_at(db, 0)),
		       backend, o.rounds, o.seconds);
		printf("  %-28s %8.0f MB/s\n", "one CPU, without padata", median[PLAIN]);
		printf("  %-28s %8.0f MB/s   (%+.1f %%)\n", "one CPU, padata", median[ONE],
		       100 * (median[ONE] / median[PLAIN] - 1));
		printf("  %u %-26s %8.0f MB/s   (%.2f times one CPU)\n", cpumask_weight(o.cpus),
		       cpumask_weight(o.cpus) == 1 ? "CPU, padata" : "CPUs, padata", median[ALL],
		       median[ALL] / median[ONE]);
	}
	free(held.frames);
	free(held.bytes);
	free_cpumask_var(one);
	esp_reader_close(in);
	esp_sadb_free(db);
	esp_options_free(&o);
	return fflush(stdout) ? ESP_EXIT_OUTPUT : ESP_EXIT_OK;
}

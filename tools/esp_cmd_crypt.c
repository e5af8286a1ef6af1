/* SPDX-License-Identifier: MIT */
/* encrypt and decrypt: capture in, capture out. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "esp_oseq.h"
#include "esp_output.h"
#include "esp_pipeline.h"
#include "esp_progress.h"
#include "esp_report.h"
#include "esp_tool.h"

struct work {
	struct esp_pipeline *pipeline;
	struct esp_oseq *oseq;
	struct esp_writer *writer;
};

static void idle(void *arg)
{
	struct work *w = arg;

	if (w->pipeline)
		esp_pipeline_push(w->pipeline);
}

static void reserve(void *arg, unsigned int packets)
{
	esp_oseq_reserve(((struct work *)arg)->oseq, packets);
}

static void write_frame(void *arg, const struct esp_frame *frame)
{
	esp_writer_put(((struct work *)arg)->writer, frame);
}

static int written(void *arg)
{
	return esp_writer_flush(((struct work *)arg)->writer);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void draw(const struct esp_options *o, const struct esp_timeline *t, bool decrypt)
{
	char title[256];
	int r;

	snprintf(title, sizeof(title), "padata-esp %s %s", decrypt ? "decrypt" : "encrypt",
		 strcmp(o->in, "-") ? o->in : "(standard input)");
	r = esp_timeline_draw(t, o->timeline, title);
	if (r)
		esp_fail(ESP_EXIT_OUTPUT, "%s: cannot be written: %s", o->timeline, strerror(-r));
}

static int crypt(int argc, char **argv, bool decrypt)
{
	struct esp_options o;
	struct work w = {0};
	struct esp_sadb *db;
	char error[ESP_ERROR_LEN];
	struct esp_totals totals;
	struct esp_report report = {.decrypt = decrypt, .totals = &totals};
	struct esp_timeline *timeline = NULL;
	struct esp_reader *in;
	struct esp_frame frame;
	uint64_t packets = 0, bytes = 0;
	int more, failed = 0;
	bool damaged;
	double began;

	esp_options_read(&o, argc, argv,
			 decrypt ? "sa cpus backend stats timeline" : "sa cpus backend stats timeline oseq",
			 2);
	if (esp_sadb_load(o.sa, &db, error))
		esp_fail(ESP_EXIT_SA, "%s", error);
	esp_output_guard();
	in = esp_reader_open(o.in, idle, &w);
	w.writer = esp_writer_open(esp_output_open(o.out), in);
	if (!decrypt)
		w.oseq = esp_oseq_open(o.sa, db, o.has_oseq ? &o.oseq : NULL);
	if (o.timeline)
		timeline = esp_memory(esp_timeline_alloc());

	w.pipeline = esp_pipeline_start(&(struct esp_pipeline_config){
	    .db = db,
	    .decrypt = decrypt,
	    .link = esp_reader_link(in),
	    .backend = o.backend,
	    .cpus = o.cpus,
	    .timeline = timeline,
	    .reserve = decrypt ? NULL : reserve,
	    .write = write_frame,
	    .written = written,
	    .arg = &w,
	});
	esp_progress_start();
	began = now();
	while ((more = esp_reader_next(in, &frame)) == 1) {
		failed = esp_pipeline_add(w.pipeline, &frame);
		if (failed)
			break;
		packets++;
		bytes += frame.captured;
		if (packets % 1024 == 0)
			esp_progress_show(packets, bytes, esp_reader_position(in), esp_reader_size(in));
	}
	failed = esp_pipeline_finish(w.pipeline, &totals);
	if (!failed)
		failed = esp_writer_flush(w.writer);
	report.seconds = now() - began;
	esp_progress_clear();
	if (failed)
		esp_fail(ESP_EXIT_OUTPUT, "%s: cannot be written: %s", esp_output_name(), strerror(failed));
	if (w.oseq)
		esp_oseq_close(w.oseq);
	esp_writer_close(w.writer);
	esp_output_commit();
	if (timeline)
		draw(&o, timeline, decrypt);

	damaged = more < 0;
	if (damaged)
		esp_say("%s: damaged behind frame %llu (%s); what came before is written", o.in,
			(unsigned long long)totals.frames, esp_reader_error(in));
	esp_report_complain(&report);
	if (o.stats != ESP_STATS_NONE) {
		FILE *to = strcmp(o.out, "-") ? stdout : stderr;

		report.cpus = o.cpus;
		esp_report_backend(report.backend, o.backend);
		(o.stats == ESP_STATS_TEXT ? esp_report_text : esp_report_json)(to, &report);
		if (fflush(to) || ferror(to))
			esp_fail(ESP_EXIT_OUTPUT, "standard output: %s", strerror(errno));
	}
	esp_timeline_free(timeline);
	esp_reader_close(in);
	esp_sadb_free(db);
	esp_options_free(&o);
	return damaged ? ESP_EXIT_INPUT : esp_report_lost(&report) ? ESP_EXIT_PACKETS : ESP_EXIT_OK;
}

int esp_cmd_encrypt(int argc, char **argv)
{
	return crypt(argc, argv, false);
}

int esp_cmd_decrypt(int argc, char **argv)
{
	return crypt(argc, argv, true);
}

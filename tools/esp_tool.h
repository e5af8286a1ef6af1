/* SPDX-License-Identifier: MIT */
/* What every part of padata-esp shares: exit statuses, the one line that says what is wrong, the command
 * line. */
#ifndef ESP_TOOL_H
#define ESP_TOOL_H

#include <linux/cpumask.h>
#include <stdbool.h>
#include <stdint.h>

#include "esp_crypto.h"

enum esp_exit {
	ESP_EXIT_OK = 0,
	ESP_EXIT_PACKETS = 1, /* done, but some packets could not be processed */
	ESP_EXIT_USAGE = 2,
	ESP_EXIT_SA = 3,     /* the SA file or configuration, or the sequence numbers kept beside it */
	ESP_EXIT_INPUT = 4,  /* the capture that is read */
	ESP_EXIT_OUTPUT = 5, /* what is written */
	ESP_EXIT_SYSTEM = 6, /* no memory, no threads, no crypto backend */
	ESP_EXIT_SIGNAL = 128,
};

/* "padata-esp: <text>" and a line end on standard error, below a progress line if there is one. */
__attribute__((format(printf, 1, 2))) void esp_say(const char *format, ...);

/* The same, then the program ends. What is under way is left as after a crash: no output under its final
 * name. */
__attribute__((format(printf, 2, 3), noreturn)) void esp_fail(enum esp_exit status, const char *format, ...);

/* Memory or the end of the program. */
void *esp_memory(void *p);

enum esp_stats_form { ESP_STATS_NONE, ESP_STATS_TEXT, ESP_STATS_JSON };

struct esp_options {
	const char *sa;	      /* file */
	const char *in, *out; /* "-": standard input, output; out is NULL where a command has none */
	cpumask_var_t cpus;   /* to work on: usable, at least one */
	enum esp_backend backend;
	enum esp_stats_form stats;
	const char *timeline; /* file, or NULL */
	bool has_oseq;
	uint64_t oseq;
	double seconds; /* bench: of each run */
	unsigned int rounds;
};

/* Reads the options of a command with `files` capture names behind them; ends the program where they are
 * wrong. */
void esp_options_read(struct esp_options *o, int argc, char **argv, const char *accepts, int files);
void esp_options_free(struct esp_options *o);
/* What stands behind an option; ends the program where it is no such number. */
uint64_t esp_number(const char *option, const char *text, uint64_t from, uint64_t to);

/* Subcommands: exit status. argv[0] is the command's own name. */
int esp_cmd_encrypt(int argc, char **argv);
int esp_cmd_decrypt(int argc, char **argv);
int esp_cmd_genkey(int argc, char **argv);
int esp_cmd_bench(int argc, char **argv);
int esp_cmd_compare(int argc, char **argv);
int esp_cmd_gateway(int argc, char **argv);
int esp_cmd_ctl(int argc, char **argv);
int esp_cmd_top(int argc, char **argv);

#endif

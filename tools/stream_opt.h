/* SPDX-License-Identifier: MIT */
#ifndef STREAM_OPT_H
#define STREAM_OPT_H

/* The options of all subcommands, by the names that users know from GNU parallel and xargs. */

#include <stdbool.h>
#include <stddef.h>

#define DEFAULT_BLOCK ((size_t)1 << 20)
/* Of a regular file, at most. */
#define FILE_BLOCK ((size_t)4 << 20)
#define DEFAULT_MEMORY ((size_t)256 << 20)

enum subcommand { PIPE = 1, MAP = 2, GZIP = 4 };

/*
 * What a failed job does to those after it: as xargs has it (only death, status 255 and what cannot be run
 * stop it), or as asked.
 */
enum halt { HALT_AS_XARGS, HALT_NEVER, HALT_SOON, HALT_NOW };

struct options {
	enum subcommand subcommand;
	unsigned int jobs; /* 0: one for each CPU */
	bool jobs_in_percent;
	size_t block, memory;
	bool block_given;
	const char *recend, *recstart;
	size_t recend_length, recstart_length;
	bool zero;
	unsigned long long records; /* -N and -n; 0: not given */
	const char *file;
	unsigned long long header; /* lines */
	enum halt halt;
	unsigned long long halt_failures;
	const char *joblog, *results, *trace, *cpus;
	unsigned long long tries;
	double timeout;
	bool bar, eta, tag, dry_run, shell, stats;
	int level;
	bool decompress, bgzf;
	char **command;
	int words; /* in command */
};

/* Read the arguments after the subcommand's name, or end the program with a line that says what is wrong. */
void options_parse(struct options *o, enum subcommand subcommand, int argc, char **argv);
void options_free(struct options *o);

#endif

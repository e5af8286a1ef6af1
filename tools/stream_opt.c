/* SPDX-License-Identifier: MIT */
#include "stream_opt.h"
#include "stream_alloc.h"
#include "stream_parse.h"
#include "stream_say.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_BLOCK = 256,
	OPT_RECEND,
	OPT_RECSTART,
	OPT_HEADER,
	OPT_HALT,
	OPT_JOBLOG,
	OPT_RETRIES,
	OPT_TIMEOUT,
	OPT_BAR,
	OPT_ETA,
	OPT_TAG,
	OPT_DRY_RUN,
	OPT_RESULTS,
	OPT_SHELL,
	OPT_CPUS,
	OPT_MEMORY,
	OPT_STATS,
	OPT_TRACE,
	OPT_BGZF
};

/* Which subcommands know an option. */
static const struct known {
	int value;
	int subcommands;
} known[] = {
    {'j', PIPE | MAP | GZIP},
    {'k', PIPE | MAP | GZIP},
    {'a', PIPE | MAP | GZIP},
    {'0', PIPE | MAP},
    {'N', PIPE | MAP},
    {'n', MAP},
    {'d', GZIP},
    {OPT_BLOCK, PIPE | GZIP},
    {OPT_RECEND, PIPE},
    {OPT_RECSTART, PIPE},
    {OPT_HEADER, PIPE | MAP},
    {OPT_HALT, PIPE | MAP},
    {OPT_JOBLOG, PIPE | MAP},
    {OPT_RETRIES, PIPE | MAP},
    {OPT_TIMEOUT, PIPE | MAP},
    {OPT_BAR, PIPE | MAP | GZIP},
    {OPT_ETA, PIPE | MAP | GZIP},
    {OPT_TAG, PIPE | MAP},
    {OPT_DRY_RUN, PIPE | MAP},
    {OPT_RESULTS, PIPE | MAP},
    {OPT_SHELL, PIPE | MAP},
    {OPT_CPUS, PIPE | MAP | GZIP},
    {OPT_MEMORY, PIPE | MAP | GZIP},
    {OPT_STATS, PIPE | MAP | GZIP},
    {OPT_TRACE, PIPE | MAP | GZIP},
    {OPT_BGZF, GZIP},
};

static const struct option long_options[] = {
    {"jobs", required_argument, NULL, 'j'},
    {"keep-order", no_argument, NULL, 'k'},
    {"arg-file", required_argument, NULL, 'a'},
    {"null", no_argument, NULL, '0'},
    {"max-args", required_argument, NULL, 'n'},
    {"max-replace-args", required_argument, NULL, 'N'},
    {"block", required_argument, NULL, OPT_BLOCK},
    {"block-size", required_argument, NULL, OPT_BLOCK},
    {"recend", required_argument, NULL, OPT_RECEND},
    {"recstart", required_argument, NULL, OPT_RECSTART},
    {"header", required_argument, NULL, OPT_HEADER},
    {"halt", required_argument, NULL, OPT_HALT},
    {"joblog", required_argument, NULL, OPT_JOBLOG},
    {"retries", required_argument, NULL, OPT_RETRIES},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"bar", no_argument, NULL, OPT_BAR},
    {"eta", no_argument, NULL, OPT_ETA},
    {"tag", no_argument, NULL, OPT_TAG},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"results", required_argument, NULL, OPT_RESULTS},
    {"shell", no_argument, NULL, OPT_SHELL},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"stats", required_argument, NULL, OPT_STATS},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"bgzf", no_argument, NULL, OPT_BGZF},
    {"decompress", no_argument, NULL, 'd'},
    {NULL, 0, NULL, 0},
};

static bool is_known(int value, enum subcommand subcommand)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].value == value)
			return (known[i].subcommands & (int)subcommand) != 0;
	}
	return value >= '1' && value <= '9' && subcommand == GZIP;
}

static void parse_jobs(struct options *o, const char *text)
{
	unsigned long long n;
	char number[16];
	size_t length = strlen(text);
	o->jobs_in_percent = length && length < sizeof(number) && text[length - 1] == '%';
	snprintf(number, sizeof(number), "%.*s", (int)(length - o->jobs_in_percent), text);
	if (!parse_count(number, 1, 4096, &n))
		die("-j %s: a number from 1 to 4096, or a percentage of the CPUs", text);
	o->jobs = (unsigned int)n;
}

/* "never", "soon", "now", and for the last two ",fail=N" when they wait for the Nth failure. */
static void parse_halt(struct options *o, const char *text)
{
	o->halt_failures = 1;
	if (strcmp(text, "never") == 0) {
		o->halt = HALT_NEVER;
		return;
	}
	size_t word = strcspn(text, ",");
	const char *rest = text + word;
	if (word == 4 && memcmp(text, "soon", 4) == 0)
		o->halt = HALT_SOON;
	else if (word == 3 && memcmp(text, "now", 3) == 0)
		o->halt = HALT_NOW;
	else
		die("--halt %s: never, now or soon, and after the last two ,fail=N", text);
	if (*rest &&
	    (strncmp(rest, ",fail=", 6) != 0 || !parse_count(rest + 6, 1, 1u << 30, &o->halt_failures)))
		die("--halt %s: the condition is fail=N", text);
}

/* ":" is one line, as GNU parallel has it; a number is that many. */
static void parse_header(struct options *o, const char *text)
{
	if (strcmp(text, ":") == 0)
		o->header = 1;
	else if (!parse_count(text, 0, 1u << 20, &o->header))
		die("--header %s: ':' for one line, or a number of lines", text);
}

static void parse_separator(const char **to, size_t *length, char *text)
{
	char *copy = must_copy(text);
	*length = unescape(copy);
	free((char *)*to);
	*to = copy;
}

static void must_parse_size(const char *name, const char *text, size_t low, size_t *size)
{
	if (!parse_size(text, size) || *size < low)
		die("%s %s: a size such as 4096, 64K or 1M%s", name, text, low > 1 ? ", of 1M at least" : "");
}

static void parse_one(struct options *o, int value, char *text, const char *name)
{
	switch (value) {
	case 'j':
		parse_jobs(o, text);
		break;
	case 'k':
		break;
	case 'a':
		o->file = text;
		break;
	case '0':
		o->zero = true;
		break;
	case 'd':
		o->decompress = true;
		break;
	case 'N':
	case 'n':
		if (!parse_count(text, 1, 1u << 30, &o->records))
			die("-%c %s: a number of records, 1 at least", value, text);
		break;
	case OPT_BLOCK:
		must_parse_size(name, text, 1, &o->block);
		o->block_given = true;
		break;
	case OPT_MEMORY:
		must_parse_size(name, text, 1 << 20, &o->memory);
		break;
	case OPT_RECEND:
		parse_separator(&o->recend, &o->recend_length, text);
		break;
	case OPT_RECSTART:
		parse_separator(&o->recstart, &o->recstart_length, text);
		break;
	case OPT_HEADER:
		parse_header(o, text);
		break;
	case OPT_HALT:
		parse_halt(o, text);
		break;
	case OPT_JOBLOG:
		o->joblog = text;
		break;
	case OPT_RESULTS:
		o->results = text;
		break;
	case OPT_TRACE:
		o->trace = text;
		break;
	case OPT_CPUS:
		o->cpus = text;
		break;
	case OPT_RETRIES:
		if (!parse_count(text, 1, 1u << 20, &o->tries))
			die("--retries %s: how often a job may be tried, 1 at least", text);
		break;
	case OPT_TIMEOUT:
		if (!parse_seconds(text, &o->timeout) || o->timeout <= 0)
			die("--timeout %s: a time such as 10, 0.5 or 5m", text);
		break;
	case OPT_BAR:
		o->bar = true;
		break;
	case OPT_ETA:
		o->eta = true;
		break;
	case OPT_TAG:
		o->tag = true;
		break;
	case OPT_DRY_RUN:
		o->dry_run = true;
		break;
	case OPT_SHELL:
		o->shell = true;
		break;
	case OPT_BGZF:
		o->bgzf = true;
		break;
	case OPT_STATS:
		if (strcmp(text, "json") != 0)
			die("--stats %s: json is the one form there is", text);
		o->stats = true;
		break;
	default:
		break;
	}
}

static const char *const names[] = {[PIPE] = "pipe", [MAP] = "map", [GZIP] = "gzip"};

/* How an option is called; word: where getopt has no value for it, which is a long one that there is not. */
static void name_of(int value, const char *word, char *name, size_t size)
{
	const struct option *l = long_options;
	while (l->name && l->val != value)
		l++;
	if (value > 0 && value < 256)
		snprintf(name, size, "-%c", value);
	else
		snprintf(name, size, "%s%s", l->name ? "--" : "", l->name ? l->name : word);
}

void options_parse(struct options *o, enum subcommand subcommand, int argc, char **argv)
{
	*o = (struct options){
	    .subcommand = subcommand,
	    .block = DEFAULT_BLOCK,
	    .memory = DEFAULT_MEMORY,
	    .tries = 1,
	    .level = 6,
	};
	int level = 0, value, index = 0;
	opterr = 0;
	/* The first word that is no option begins the command: its own options are not ours. */
	while ((value = getopt_long(argc, argv, "+:j:ka:0N:n:d123456789", long_options, &index)) != -1) {
		char name[32];
		name_of(value == '?' || value == ':' ? optopt : value, argv[optind - 1], name, sizeof(name));
		if (value == ':')
			die("%s: %s lacks its value", names[subcommand], name);
		if (subcommand == GZIP && value == '0' && level) {
			level *= 10;
			continue;
		}
		if (value == '?' || !is_known(value, subcommand))
			die("%s: unknown option %s; see padata(1)", names[subcommand], name);
		if (value >= '1' && value <= '9')
			level = level * 10 + (value - '0');
		else
			parse_one(o, value, optarg, name);
	}
	if (level > 12)
		die("gzip: the levels are -1 to -12");
	if (level)
		o->level = level;
	o->command = argv + optind;
	o->words = argc - optind;
	if (subcommand == GZIP && o->words)
		die("gzip: %s: it reads standard input, or -a FILE", o->command[0]);
	if (subcommand != GZIP && !o->words)
		die("%s: what command? padata %s [options] -- CMD [ARG...]", names[subcommand],
		    names[subcommand]);
	if (subcommand == PIPE && !o->recend && (o->zero || !o->recstart)) {
		o->recend = must_copy(o->zero ? "" : "\n");
		o->recend_length = 1;
	}
}

void options_free(struct options *o)
{
	free((char *)o->recend);
	free((char *)o->recstart);
}

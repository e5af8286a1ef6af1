/* SPDX-License-Identifier: MIT */
#include "stream_help.h"
#include "stream_say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char help_usage[] =
	"usage: padata pipe [options] [--] CMD [ARG...]   each block of the input through CMD, "
	"the output in order\n"
	"       padata map [options] [--] CMD [ARG... {}] CMD for each line of the input, "
	"the output in order\n"
	"       padata gzip [-1...-12] [-d] [--bgzf]      compress or decompress on every CPU\n"
	"       padata cpus PID LIST                      other CPUs for a padata that runs\n"
	"       padata trace-svg FILE                     a picture of what --trace wrote\n"
	"Options are those of GNU parallel and xargs: -j -a -0 -n -N --block --halt --joblog ... see\n"
	"padata SUBCOMMAND --help, and padata(1).\n";

#define OF_ALL \
	"  -a FILE           read FILE in place of standard input\n" \
	"  -j N              so many jobs at once, or N% of the CPUs; 3 for each 2 CPUs, and one more\n" \
	"  -k                accepted: the order is always kept\n" \
	"  --cpus LIST       use these CPUs, as in 0-3,8\n" \
	"  --memory SIZE     hold no more than this of what is read and not yet written; 256M\n" \
	"  --bar, --eta      progress, where standard error is a terminal\n" \
	"  --stats json      at the end, a line of JSON on standard error\n" \
	"  --trace FILE      what happened when, for Perfetto and padata trace-svg\n"

#define OF_COMMANDS \
	"  -0                records end in NUL\n" \
	"  --header N        the first N lines are a header; ':' for one\n" \
	"  --halt WHEN       never; now,fail=N or soon,fail=N: stop at the Nth failure\n" \
	"  --retries N       run a failing job up to N times\n" \
	"  --timeout TIME    end a job that takes longer; in seconds, or with s, m, h, d\n" \
	"  --joblog FILE     a line for each job\n" \
	"  --results DIR     also keep what each job writes, in DIR/NUMBER/stdout and stderr\n" \
	"  --tag             begin each line with its job's number or line, and a tab\n" \
	"  --dry-run         write the commands in place of running them\n" \
	"  --shell           the words are a script for /bin/sh\n"

static const struct {
	const char *subcommand, *text;
} helps[] = {
	{ "pipe", "usage: padata pipe [options] [--] CMD [ARG...]\n"
		  "Each block of the input is the standard input of a CMD of its own; "
		  "the outputs leave in order.\n"
		  "{#} in an ARG is the block's number.\n"
		  "  --block SIZE      what a block is at most; 1M, of a regular file up to 4M\n"
		  "  -N N              so many records are a block\n"
		  "  --recend TEXT     what ends a record, a newline by default; "
		  "'' lets blocks end anywhere\n"
		  "  --recstart TEXT   what begins one\n" OF_COMMANDS OF_ALL },
	{ "map", "usage: padata map [options] [--] CMD [ARG... {} ...]\n"
		 "One CMD for each line of the input; the outputs leave in order. "
		 "{} is the line, {.} the line without\n"
		 "its suffix, {/} its last component, {//} its directory, "
		 "{/.} its last component without suffix,\n"
		 "{#} the job's number.\n"
		 "  -n N              so many lines for each CMD\n" OF_COMMANDS OF_ALL },
	{ "gzip", "usage: padata gzip [-1...-12] [-d] [--bgzf] [options]\n"
		  "  -1 ... -12        from fast to small; 6\n"
		  "  -d                decompress any gzip file\n"
		  "  --bgzf            write BGZF, which bgzip and tabix can index\n"
		  "  --block SIZE      what a member holds; 1M\n" OF_ALL },
	{ "cpus", "usage: padata cpus PID LIST\n"
		  "The padata that runs as process PID goes on with the CPUs of LIST, as in 0-3,8.\n" },
	{ "trace-svg", "usage: padata trace-svg FILE\n"
		       "A picture, as SVG on standard output, of what --trace has written into FILE.\n" },
};

int help_show(const char *subcommand)
{
	const char *text = help_usage;
	for (size_t i = 0; subcommand && i < sizeof(helps) / sizeof(helps[0]); i++) {
		if (strcmp(subcommand, helps[i].subcommand) == 0)
			text = helps[i].text;
	}
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		die("standard output: %s", strerror(errno));
	return 0;
}

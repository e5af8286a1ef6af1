/* SPDX-License-Identifier: MIT */
/* padata: any stream on every CPU, its order kept. Which subcommand is asked for. */
#include "stream_commands.h"
#include "stream_help.h"
#include "stream_say.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} commands[] = {
    {"pipe", pipe_main},	   {"map", map_main}, {"gzip", gzip_main}, {"cpus", cpus_main},
    {"trace-svg", trace_svg_main},
};

static bool asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv)
{
	/* Descriptors of ours must not come to be 0, 1 or 2; and what is written to one that was closed is
	 * not lost unseen. */
	int fd;
	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	/* Blocks and outputs go back to the system when they are freed, so that memory stays what is
	 * counted. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	mallopt(M_ARENA_MAX, 2);

	const char *name = argc > 1 ? argv[1] : "";
	if (asks_for_help(name) || strcmp(name, "help") == 0)
		return help_show(NULL);
	if (strcmp(name, "--version") == 0)
		return puts("padata " PADATA_VERSION) < 0 || fflush(stdout) != 0;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		return argc > 2 && asks_for_help(argv[2]) ? help_show(name)
							  : commands[i].main(argc - 1, argv + 1);
	}
	if (*name)
		die("unknown subcommand %s: there are pipe, map, gzip, cpus and trace-svg; see padata --help",
		    name);
	fputs(help_usage, stderr);
	return EXIT_ERROR;
}

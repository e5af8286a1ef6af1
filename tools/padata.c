/* SPDX-License-Identifier: MIT */
/* padata: any stream on every CPU, its order kept. Which subcommand is asked for. */
#include "stream_commands.h"
#include "stream_say.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: padata pipe [options] [--] CMD [ARG...]   each block of the input through CMD, the output in order\n"
	"       padata map [options] [--] CMD [ARG... {}] CMD for each line of the input, the output in order\n"
	"       padata gzip [-1...-12] [-d] [--bgzf]      compress or decompress on every CPU\n"
	"       padata cpus PID LIST                      other CPUs for a padata that runs\n"
	"       padata trace-svg FILE                     a picture of what --trace wrote\n"
	"Options are those of GNU parallel and xargs: -j -a -0 -n -N --block --halt --joblog ... see padata(1).\n";

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "pipe", pipe_main },
	{ "map", map_main },
	{ "gzip", gzip_main },
	{ "cpus", cpus_main },
	{ "trace-svg", trace_svg_main },
};

int main(int argc, char **argv)
{
	/* Descriptors of ours must not come to be 0, 1 or 2, which the commands are given. */
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	/* Blocks and outputs go back to the system when they are freed, so that memory stays what is counted. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	mallopt(M_ARENA_MAX, 2);

	const char *name = argc > 1 ? argv[1] : "";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
		return fputs(usage, stdout) < 0 || fflush(stdout) != 0;
	if (strcmp(name, "--version") == 0)
		return puts("padata " PADATA_VERSION) < 0 || fflush(stdout) != 0;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	}
	fputs(usage, stderr);
	if (*name)
		say("unknown subcommand %s", name);
	return EXIT_ERROR;
}

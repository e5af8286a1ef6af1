/* SPDX-License-Identifier: MIT */
#ifndef STREAM_COMMANDS_H
#define STREAM_COMMANDS_H

/* The subcommands: each with the arguments from its own name on; the exit status. */
int pipe_main(int argc, char **argv);
int map_main(int argc, char **argv);
int gzip_main(int argc, char **argv);
int cpus_main(int argc, char **argv);
int trace_svg_main(int argc, char **argv);

#endif

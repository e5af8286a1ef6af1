/* SPDX-License-Identifier: MIT */
#ifndef STREAM_HELP_H
#define STREAM_HELP_H

/* What --help says, of the program (NULL) or of a subcommand: on standard output; the exit status. */
int help_show(const char *subcommand);

/* How the program is used, for those who used it otherwise. */
extern const char help_usage[];

#endif

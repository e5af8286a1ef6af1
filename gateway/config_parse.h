/* SPDX-License-Identifier: MIT */
/* A configuration while it is read. */
#ifndef GW_CONFIG_PARSE_H
#define GW_CONFIG_PARSE_H

#include "config.h"
#include "sa_lex.h"

struct gw_parse {
	struct lex x;
	struct gw_config *config;
	const struct gw_includes *includes;
	bool included; /* the text is that of an included file */
	uint32_t seen; /* one bit for each line of the gateway that may come once */
	char **names;  /* of the files, for messages */
	size_t file_count;
	uint8_t sa_file[GW_SAS_MAX]; /* the one that each SA came from */
};

/* A line of the gateway, whose first word is the current one. 0; 1 it is none; -errno and the error in
 * p->x. */
int gw_line_read(struct gw_parse *p);
/* A policy, whose `src` is the current word. */
int gw_policy_read(struct gw_parse *p);
/* The text of a file that `include` named, from its first word. */
int gw_include_read(struct gw_parse *p);
/* Takes the current word as a text of fewer than `size` bytes. */
int gw_take_text(struct lex *x, char *to, size_t size, const char *what);

#endif

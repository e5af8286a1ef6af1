/* SPDX-License-Identifier: MIT */
/*
 * Named values, written as JSON or as lines "name.of.it  value  (what it means)": one description serves
 * both. Strings are escaped. An error of the stream is the stream's to keep.
 */
#ifndef GW_EMIT_H
#define GW_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct gw_emit {
	FILE *to;
	bool json;
	bool comma;	   /* JSON: something stands before */
	char prefix[64];   /* lines: "out.drops." */
	unsigned int used; /* of prefix */
	unsigned int outer[4], depth;
};

void gw_emit_start(struct gw_emit *e, FILE *to, bool json);
/* An object, at most four deep. `name` is NULL for the outermost and those of an array. */
void gw_emit_open(struct gw_emit *e, const char *name);
void gw_emit_close(struct gw_emit *e);
void gw_emit_number(struct gw_emit *e, const char *name, uint64_t v);
/* The same, with a remark that only lines have. */
void gw_emit_counter(struct gw_emit *e, const char *name, uint64_t v, const char *remark);
void gw_emit_text(struct gw_emit *e, const char *name, const char *v);
void gw_emit_bool(struct gw_emit *e, const char *name, bool v);

/* A JSON string, in quotes. */
void gw_emit_quoted(FILE *to, const char *s);

#endif

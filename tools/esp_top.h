/* SPDX-License-Identifier: MIT */
/* What `padata-esp top` knows of a gateway at one moment, and how two such moments are shown. */
#ifndef ESP_TOP_H
#define ESP_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct top_sa {
	char dir[4], spi[12], src[48], dst[48], algorithm[32], state[12], peer[64];
	uint32_t reqid;
	uint64_t packets, bytes, drops;
};

/* One line of `stats`: its name, its value, and the remark behind it. */
struct top_value {
	char *name, *value, *remark;
};

struct top_sample {
	double at;  /* s, CLOCK_MONOTONIC */
	char *text; /* that the values point into */
	struct top_value *values;
	size_t value_count;
	struct top_sa *sas;
	size_t sa_count;
};

/* Asks the gateway. 0; or -errno, which is what connecting gave, or -EPROTO. */
int top_take(struct top_sample *s, const char *socket);
/* A zeroed one is a no-op. */
void top_free(struct top_sample *s);
/* "" and 0 where there is no such line. */
const char *top_text(const struct top_sample *s, const char *name);
uint64_t top_number(const struct top_sample *s, const char *name);
const struct top_sa *top_find_sa(const struct top_sample *s, const struct top_sa *like);

#define TOP_HISTORY 30

struct top_look {
	unsigned int rows, columns; /* of the terminal */
	bool colour, utf8;
	double out[TOP_HISTORY], in[TOP_HISTORY]; /* Mb/s, the newest last */
	unsigned int seen;			  /* of them */
};

/* A whole screen, at most look->rows lines of at most look->columns places. */
void top_draw(FILE *to, struct top_look *look, const struct top_sample *before, const struct top_sample *now);
/* The same on one line. */
void top_line(FILE *to, const struct top_sample *before, const struct top_sample *now);

#endif

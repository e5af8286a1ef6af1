/* SPDX-License-Identifier: MIT */
#ifndef STREAM_TEMPLATE_H
#define STREAM_TEMPLATE_H

/* The command with its {}, {.}, {/}, {//}, {/.} and {#}, and what becomes of it for one job. */

#include "stream_job.h"

struct template;

struct template *template_open(const struct options *o);
void template_close(struct template *t);

/* The words when they are the same for every job; NULL when they are not. */
char *const *template_words(const struct template *t);
/* The program to run when it is the same for every job; NULL when it is not. */
const char *template_program(const struct template *t);

/*
 * Make the job's words and tag from the arguments, which may be none; the
 * memory that they take. The arguments are the caller's.
 */
size_t template_fill(struct template *t, struct job *job, char *const *args, size_t count);

/* Put the command into the job's output, as a shell would have to be given it. */
void template_print(struct job *job);

/* A growing text. */
struct text {
	char *bytes;
	size_t length, room;
};
void text_add(struct text *text, const char *bytes, size_t length);
/* The words of the job's command, quoted where a shell would need it. */
void template_quoted(const struct job *job, struct text *text);

#endif

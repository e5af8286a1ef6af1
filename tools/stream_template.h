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

/* Make the job's words and tag from the arguments, which may be none, and stay the caller's. */
void template_fill(const struct template *t, struct job *job, char *const *args, size_t count);
/* The memory that these will take. */
size_t template_size(const struct template *t, const struct job *job, char *const *args, size_t count);

/* A growing text, or only its length. */
struct text {
	char *bytes;
	size_t length, room;
	bool measured;
};
void text_add(struct text *text, const char *bytes, size_t length);
/* The words of the job's command, quoted where a shell would need it. */
void template_quoted(const struct job *job, struct text *text);

#endif

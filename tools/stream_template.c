/* SPDX-License-Identifier: MIT */
#include "stream_template.h"
#include "stream_alloc.h"
#include "stream_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct template
{
	const struct options *o;
	bool varies;  /* it is another one for each job */
	bool appends; /* map, and no placeholder: the arguments become the last words */
	char *fixed[4], *script;
};

enum hole { HOLE_NONE, HOLE_ALL, HOLE_NO_SUFFIX, HOLE_BASE, HOLE_DIR, HOLE_BASE_NO_SUFFIX, HOLE_NUMBER };

static const struct {
	const char *text;
	size_t length;
} holes[] = {
    [HOLE_ALL] = {"{}", 2},   [HOLE_NO_SUFFIX] = {"{.}", 3},	   [HOLE_BASE] = {"{/}", 3},
    [HOLE_DIR] = {"{//}", 4}, [HOLE_BASE_NO_SUFFIX] = {"{/.}", 4}, [HOLE_NUMBER] = {"{#}", 3},
};

static enum hole hole_at(const struct template *t, const char *text)
{
	if (*text != '{')
		return HOLE_NONE;
	for (int h = t->o->subcommand == MAP ? HOLE_ALL : HOLE_NUMBER; h <= HOLE_NUMBER; h++) {
		if (strncmp(text, holes[h].text, holes[h].length) == 0)
			return (enum hole)h;
	}
	return HOLE_NONE;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
	if (text->measured) {
		text->length += length;
		return;
	}
	if (text->length + length + 1 > text->room) {
		text->room = (text->length + length + 1) * 2;
		text->bytes = must_realloc(text->bytes, text->room);
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

/* So that a shell takes it as one word, whatever it holds. */
static void add_quoted(struct text *text, const char *bytes, size_t length)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./,:@%";
	if (length && strspn(bytes, safe) >= length) {
		text_add(text, bytes, length);
		return;
	}
	text_add(text, "'", 1);
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\'')
			text_add(text, "'\\''", 4);
		else
			text_add(text, bytes + i, 1);
	}
	text_add(text, "'", 1);
}

struct template *template_open(const struct options *o)
{
	struct template *t = must_alloc(sizeof(*t));
	struct text script = {0};
	*t = (struct template){.o = o};
	for (int i = 0; i < o->words; i++) {
		for (const char *at = o->command[i]; *at; at++) {
			enum hole hole = hole_at(t, at);
			t->varies |= hole != HOLE_NONE;
		}
		if (i)
			text_add(&script, " ", 1);
		text_add(&script, o->command[i], strlen(o->command[i]));
	}
	t->appends = o->subcommand == MAP && !t->varies;
	t->varies |= t->appends;
	t->script = script.bytes;
	t->fixed[0] = (char *)"/bin/sh";
	t->fixed[1] = (char *)"-c";
	t->fixed[2] = t->script;
	return t;
}

void template_close(struct template *t)
{
	free(t->script);
	free(t);
}

char *const *template_words(const struct template *t)
{
	if (t->varies)
		return NULL;
	return t->o->shell ? t->fixed : t->o->command;
}

const char *template_program(const struct template *t)
{
	if (t->o->shell)
		return t->fixed[0];
	for (const char *at = t->o->command[0]; *at; at++) {
		if (hole_at(t, at) != HOLE_NONE)
			return NULL;
	}
	return t->o->command[0];
}

/* As dirname(1) has it. */
static void directory_of(const char *arg, const char **from, size_t *length)
{
	size_t end = strlen(arg);
	while (end > 1 && arg[end - 1] == '/')
		end--;
	const char *slash = memrchr(arg, '/', end);
	end = slash ? (size_t)(slash - arg) : 0;
	while (end > 1 && arg[end - 1] == '/')
		end--;
	*from = slash ? arg : ".";
	*length = end ? end : 1;
}

/* The part of an argument that a placeholder stands for. */
static void part_of(enum hole hole, const char *arg, const char **from, size_t *length)
{
	const char *slash = strrchr(arg, '/');
	const char *base = slash ? slash + 1 : arg;
	const char *dot = strrchr(base, '.');
	*from = hole == HOLE_BASE || hole == HOLE_BASE_NO_SUFFIX ? base : arg;
	*length = strlen(*from);
	if (dot && (hole == HOLE_NO_SUFFIX || hole == HOLE_BASE_NO_SUFFIX))
		*length = (size_t)(dot - *from);
	if (hole == HOLE_DIR)
		directory_of(arg, from, length);
}

struct filling {
	const struct template *t;
	const struct job *job;
	char *const *args;
	size_t count;
	struct text text; /* the words, each ended by a NUL */
	char **at;	  /* where each begins; NULL while they are measured */
	size_t words;
};

static void begin_word(struct filling *f)
{
	if (f->at)
		f->at[f->words] = f->text.bytes + f->text.length;
	f->words++;
}

static void end_word(struct filling *f)
{
	text_add(&f->text, "", 1);
}

static void add_argument(struct filling *f, enum hole hole, size_t i)
{
	const char *from;
	size_t length;
	part_of(hole, f->args[i], &from, &length);
	if (f->t->o->shell)
		add_quoted(&f->text, from, length);
	else
		text_add(&f->text, from, length);
}

static void add_hole(struct filling *f, enum hole hole)
{
	if (hole == HOLE_NUMBER) {
		char number[32];
		int n = snprintf(number, sizeof(number), "%llu", f->job->number);
		text_add(&f->text, number, (size_t)n);
		return;
	}
	for (size_t i = 0; i < f->count; i++) {
		if (i)
			text_add(&f->text, " ", 1);
		add_argument(f, hole, i);
	}
}

static void add_text(struct filling *f, const char *word)
{
	while (*word) {
		enum hole hole = hole_at(f->t, word);
		if (hole == HOLE_NONE) {
			text_add(&f->text, word++, 1);
		} else {
			add_hole(f, hole);
			word += holes[hole].length;
		}
	}
}

static void add_arguments(struct filling *f, enum hole hole)
{
	for (size_t i = 0; i < f->count; i++) {
		begin_word(f);
		add_argument(f, hole, i);
		end_word(f);
	}
}

static void fill_words(struct filling *f)
{
	const struct options *o = f->t->o;
	for (int i = 0; i < o->words; i++) {
		enum hole hole = hole_at(f->t, o->command[i]);
		/* A word that is nothing but a placeholder becomes as many words as there are arguments. */
		if (hole != HOLE_NONE && hole != HOLE_NUMBER && !o->command[i][holes[hole].length]) {
			add_arguments(f, hole);
			continue;
		}
		begin_word(f);
		add_text(f, o->command[i]);
		end_word(f);
	}
	if (f->t->appends)
		add_arguments(f, HOLE_ALL);
}

static void fill_script(struct filling *f)
{
	begin_word(f);
	text_add(&f->text, "/bin/sh", 8);
	begin_word(f);
	text_add(&f->text, "-c", 3);
	begin_word(f);
	add_text(f, f->t->script);
	if (f->t->appends) {
		text_add(&f->text, " ", 1);
		add_hole(f, HOLE_ALL);
	}
	end_word(f);
}

static void fill(struct filling *f)
{
	if (f->t->o->shell)
		fill_script(f);
	else
		fill_words(f);
}

static void add_tag(struct text *text, const struct template *t, const struct job *job, char *const *args,
		    size_t count)
{
	char number[32];
	if (t->o->subcommand == PIPE) {
		int n = snprintf(number, sizeof(number), "%llu", job->number);
		text_add(text, number, (size_t)n);
	}
	for (size_t i = 0; i < count; i++) {
		if (i)
			text_add(text, " ", 1);
		text_add(text, args[i], strlen(args[i]));
	}
	text_add(text, "", 1);
}

/* The words are one piece: the pointers, then what they point to. */
static size_t measure(const struct template *t, const struct job *job, char *const *args, size_t count,
		      size_t *pointers)
{
	struct filling f = {.t = t, .job = job, .args = args, .count = count, .text = {.measured = true}};
	fill(&f);
	*pointers = (f.words + 1) * sizeof(char *);
	/* text_add() puts a NUL behind what it adds. */
	return *pointers + f.text.length + 1;
}

static size_t measure_tag(const struct template *t, const struct job *job, char *const *args, size_t count)
{
	struct text text = {.measured = true};
	add_tag(&text, t, job, args, count);
	return text.length + 1;
}

size_t template_size(const struct template *t, const struct job *job, char *const *args, size_t count)
{
	size_t pointers;
	return (t->o->tag ? measure_tag(t, job, args, count) : 0) +
	       (t->varies ? measure(t, job, args, count, &pointers) : 0);
}

void template_fill(const struct template *t, struct job *job, char *const *args, size_t count)
{
	struct filling f = {.t = t, .job = job, .args = args, .count = count};
	if (t->o->tag) {
		struct text tag = {.room = measure_tag(t, job, args, count)};
		tag.bytes = must_alloc(tag.room);
		add_tag(&tag, t, job, args, count);
		job->tag = tag.bytes;
	}
	if (!t->varies)
		return;
	size_t pointers, size = measure(t, job, args, count, &pointers);
	job->words = f.at = must_alloc(size);
	f.text.bytes = (char *)job->words + pointers;
	f.text.room = size - pointers;
	fill(&f);
	job->words[f.words] = NULL;
}

void template_quoted(const struct job *job, struct text *text)
{
	const struct template *t = job->run->template;
	char *const *words = job->words ? job->words : template_words(t);
	if (t->o->shell) {
		text_add(text, words[2], strlen(words[2]));
		return;
	}
	for (size_t i = 0; words[i]; i++) {
		if (i)
			text_add(text, " ", 1);
		add_quoted(text, words[i], strlen(words[i]));
	}
}

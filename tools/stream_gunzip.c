/* SPDX-License-Identifier: MIT */
/*
 * padata gzip -d: members that say how long they are go to the workers whole,
 * many small ones together; the others are decompressed here as they come, and
 * only written by the workers. All leave in their order.
 */
#include "stream_alloc.h"
#include "stream_ginflate.h"
#include "stream_gzmember.h"
#include "stream_gztask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIT_MOST ((size_t)1 << 20)

struct source {
	struct gzrun *run;
	int fd;
	char *bytes;
	size_t room, start, end;
	uint64_t at; /* where in the input start is */
	bool ended;
	int error;
	size_t unit;	/* so much is decompressed at once */
	size_t longest; /* a member that is longer, or its data, is decompressed as it comes */
};

static size_t unit_of(size_t memory)
{
	return memory / 16 < UNIT_MOST ? memory / 16 : UNIT_MOST;
}

size_t gunzip_task_size(size_t memory)
{
	/* Seven tasks fit, beside what has been read for the next one. */
	return 2 * unit_of(memory) + unit_of(memory) / 4;
}

static size_t there(const struct source *s)
{
	return s->end - s->start;
}

static void use(struct source *s, size_t bytes)
{
	s->start += bytes;
	s->at += bytes;
}

/* Have so many bytes, or all that are left. */
static void fill(struct source *s, size_t bytes)
{
	if (there(s) >= bytes || s->ended)
		return;
	memmove(s->bytes, s->bytes + s->start, there(s));
	s->end -= s->start;
	s->start = 0;
	if (bytes > s->room) {
		gzrun_hold(s->run, bytes, s->room);
		s->room = bytes;
		s->bytes = must_realloc(s->bytes, s->room);
	}
	while (s->end < bytes && !s->ended) {
		ssize_t n = read(s->fd, s->bytes + s->end, s->room - s->end);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			s->error = errno;
		s->ended = n <= 0;
		s->end += n > 0 ? (size_t)n : 0;
	}
}

static void decompress_task(struct gztask *task)
{
	const unsigned char *member = (const unsigned char *)task->in, *end = member + task->in_length;
	uint64_t begin = task->at;
	while (member < end) {
		size_t length, data;
		gz_look(member, (size_t)(end - member), &length);
		task->at = begin + (uint64_t)(member - (const unsigned char *)task->in);
		/* The reader has seen that both are sound, and that the sum of the data fits. */
		gz_data_length(member, length, &data);
		task->error = gz_decompress(member, length, task->out + task->out_length, data);
		if (task->error)
			return;
		task->out_length += data;
		member += length;
	}
}

static enum gz_look look(struct source *s, size_t *member)
{
	enum gz_look found;
	fill(s, GZ_LEAST);
	while ((found = gz_look((unsigned char *)s->bytes + s->start, there(s), member)) == GZ_MORE &&
	       !s->ended)
		fill(s, there(s) + 1);
	return found;
}

/* A member that is all there, and what its data takes. */
static bool whole_member(struct source *s, size_t offset, size_t *member, size_t *data)
{
	const unsigned char *bytes = (unsigned char *)s->bytes + s->start + offset;
	size_t left = there(s) - offset;
	return left >= GZ_LEAST && gz_look(bytes, left, member) == GZ_MEMBER && *member >= GZ_LEAST &&
	       *member <= left && gz_data_length(bytes, *member, data) && *data <= s->longest;
}

/* As many members as make a batch. False: nothing more is wanted. */
static bool submit_members(struct source *s)
{
	size_t length = 0, data = 0, member, member_data;
	while (length < s->unit && data < s->unit && whole_member(s, length, &member, &member_data) &&
	       (!length || (length + member <= s->longest && data + member_data <= s->longest))) {
		length += member;
		data += member_data;
	}
	struct gztask *task = gzrun_get(s->run);
	if (!task)
		return false;
	gztask_need(task, &task->in, &task->in_room, length);
	gztask_need(task, &task->out, &task->out_room, data);
	memcpy(task->in, s->bytes + s->start, length);
	task->in_length = length;
	task->at = s->at;
	task->work = decompress_task;
	use(s, length);
	gzrun_submit(s->run, task);
	return true;
}

/* One piece of output. False: the end of the member, or of everything (more is then false). */
static bool inflate_piece(struct source *s, struct ginflate *g, bool *more)
{
	struct gztask *task = gzrun_get(s->run);
	if (!task)
		return *more = false;
	gztask_need(task, &task->out, &task->out_room, s->unit);
	task->work = NULL;
	char *out = task->out;
	size_t out_left = s->unit;
	enum ginflated state = GINFLATE_MORE;
	while (state == GINFLATE_MORE && out_left) {
		fill(s, 1);
		if (!there(s))
			break;
		const char *in = s->bytes + s->start;
		size_t in_left = there(s);
		state = ginflate_some(g, &in, &in_left, &out, &out_left);
		task->in_length += there(s) - in_left;
		use(s, there(s) - in_left);
	}
	task->out_length = s->unit - out_left;
	task->at = s->at;
	if (state == GINFLATE_DAMAGED)
		task->error = "the data is damaged";
	else if (state == GINFLATE_MORE && out_left)
		task->error = s->error ? "cannot be read" : "unexpected end";
	task->error_number = s->error;
	*more = !task->error;
	gzrun_submit(s->run, task);
	return *more && state == GINFLATE_MORE;
}

static bool inflate_member(struct source *s, struct ginflate **g)
{
	bool more = true;
	if (!*g)
		*g = ginflate_open();
	else
		ginflate_again(*g);
	while (inflate_piece(s, *g, &more))
		;
	return more;
}

/* Tapes and the like pad with zeros. */
static bool only_zeros_left(struct source *s)
{
	do {
		fill(s, 1);
		for (size_t i = 0; i < there(s); i++) {
			if (s->bytes[s->start + i])
				return false;
		}
		use(s, there(s));
	} while (!s->ended);
	return true;
}

static bool next_members(struct source *s, struct ginflate **g, bool first)
{
	size_t member, data;
	fill(s, 1);
	if (!there(s)) {
		if (s->error || first)
			gzrun_fail(s->run, s->at, s->error ? "cannot be read" : "unexpected end", s->error);
		return false;
	}
	switch (look(s, &member)) {
	case GZ_NONE:
		if (first || !only_zeros_left(s))
			gzrun_fail(s->run, s->at,
				   first ? "is not in gzip format" : "what follows is not in gzip format", 0);
		return false;
	case GZ_MORE:
		gzrun_fail(s->run, s->at, s->error ? "cannot be read" : "unexpected end", s->error);
		return false;
	default:
		break;
	}
	if (!member || member > s->longest)
		return inflate_member(s, g);
	/* A batch's worth, so that the next ones are there to be taken along. */
	fill(s, member < s->unit ? s->unit : member);
	if (there(s) < member) {
		gzrun_fail(s->run, s->at, s->error ? "cannot be read" : "unexpected end", s->error);
		return false;
	}
	if (whole_member(s, 0, &member, &data))
		return submit_members(s);
	/* It is larger than what is held at once, or its own length is wrong, which will show. */
	return inflate_member(s, g);
}

void gunzip_read(struct gzrun *run, int fd)
{
	struct source s = {.run = run, .fd = fd, .unit = unit_of(run->o->memory)};
	struct ginflate *g = NULL;
	s.room = 2 * s.unit;
	s.bytes = must_alloc(s.room);
	gzrun_hold(run, s.room, 0);
	/* Each task has two such, and so much has been read for the next. */
	s.longest = run->o->memory / (2 * run->most_tasks + 2);
	run->task_size = run->o->memory / run->most_tasks;
	for (bool first = true; next_members(&s, &g, first); first = false)
		;
	if (g)
		ginflate_close(g);
	gzrun_hold(run, 0, s.room);
	free(s.bytes);
}

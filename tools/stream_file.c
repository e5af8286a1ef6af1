/* SPDX-License-Identifier: MIT */
/*
 * A regular file cut into blocks without reading it: only the places where a
 * block may end are looked at. The bytes go from the page cache into the
 * commands' pipes.
 */
#include "stream_alloc.h"
#include "stream_input.h"
#include "stream_io.h"
#include "stream_say.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define WINDOW ((size_t)65536)

struct cutter {
	struct input *input;
	const struct cut *cut;
	char *window;
	size_t room;
	bool failed;
};

/* Bytes of the file from where the block begins; fewer at its end. */
static size_t look(struct cutter *c, uint64_t from, size_t length)
{
	ssize_t n = pread_all(c->input->fd, c->window, length, (off_t)(c->input->at + from));
	if (n >= 0)
		return (size_t)n;
	say("%s: %s (at byte %llu)", c->input->name, strerror((int)-n),
	    (unsigned long long)(c->input->at + from));
	run_input_failed(c->input->run);
	c->failed = true;
	return 0;
}

static uint64_t last_before(struct cutter *c, uint64_t most)
{
	size_t overlap = c->cut->length, behind = c->cut->length - c->cut->end_length;
	uint64_t high = most;
	/* Records are mostly short: the first look is. */
	for (size_t width = PAGE + overlap; !c->failed; width = c->room - behind) {
		uint64_t low = high > width ? high - width : 0;
		size_t length = look(c, low, (size_t)(high - low) + behind);
		size_t cut = cut_last(c->cut, c->window, length, (size_t)(high - low));
		if (cut)
			return low + cut;
		if (low == 0)
			return 0;
		high = low + overlap;
	}
	return 0;
}

static uint64_t first_after(struct cutter *c, uint64_t least, uint64_t left)
{
	uint64_t from = least > c->cut->end_length ? least - c->cut->end_length : 0;
	while (!c->failed) {
		size_t length = look(c, from, c->room);
		size_t cut = cut_first(c->cut, c->window, length, (size_t)(least > from ? least - from : 1));
		if (cut)
			return from + cut;
		if (length < c->room)
			return left;
		from += length - c->cut->length;
		if (from > run_longest(c->input->run)) {
			say("%s: the record at byte %llu is longer than --memory %zu allows", c->input->name,
			    (unsigned long long)c->input->at, c->input->run->o->memory);
			run_input_failed(c->input->run);
			c->failed = true;
		}
	}
	return 0;
}

/* A whole pipe takes the block at once when its pages are no more than the pipe has room for. */
static uint64_t best_size(const struct input *input)
{
	const struct run *run = input->run;
	uint64_t block = run->o->block, capacity = run->in_capacity;
	size_t skew = (size_t)(input->at % PAGE), head = (run->header_length + PAGE - 1) / PAGE * PAGE;
	if (block <= capacity && block + skew + head > capacity && capacity > 4 * (skew + head))
		block = capacity - skew - head;
	return block;
}

static uint64_t next_block(struct cutter *c)
{
	struct input *input = c->input;
	uint64_t block = best_size(input), left = input->size - input->at;
	if (left <= block) {
		struct stat st;
		/* It may have grown. */
		if (fstat(input->fd, &st) == 0 && (uint64_t)st.st_size > input->size)
			input->size = (uint64_t)st.st_size;
		left = input->size - input->at;
	}
	if (left <= block)
		return left;
	if (c->cut->length == 0)
		return block;
	uint64_t length = last_before(c, block);
	if (!length && !c->failed)
		length = first_after(c, block + 1, left);
	return c->failed ? 0 : length;
}

static bool add_block(struct input *input, uint64_t length)
{
	struct run *run = input->run;
	struct job *job = job_new(run);
	job->at = input->at;
	job->length = length;
	/* Its bytes are in memory only while they are in the pipe, which holds no more than this. */
	size_t charge = length < run->in_capacity ? (size_t)length : run->in_capacity;
	if (!run_charge_job(job, charge, NULL, 0)) {
		run_drop(job);
		return false;
	}
	input->at += length;
	atomic_fetch_add(&run->bytes_in, (unsigned long)length);
	return run_add(run, job);
}

void input_cut_file(struct input *input, const struct cut *cut)
{
	struct cutter c = {.input = input, .cut = cut, .room = WINDOW + 4 * cut->length};
	input_drop_buffer(input);
	if (!input_take(input, c.room))
		return;
	c.window = must_alloc(c.room);
	for (;;) {
		uint64_t length = next_block(&c);
		if (!length || !add_block(input, length))
			break;
	}
	free(c.window);
	memory_give(&input->run->memory, c.room);
	/* A program that goes on with the same standard input finds it read. */
	lseek(input->fd, (off_t)input->at, SEEK_SET);
}

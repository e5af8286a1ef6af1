/* SPDX-License-Identifier: MIT */
/* Input that has to be read, cut into blocks: by size, or by a number of records. */
#include "stream_input.h"

static bool add_block(struct input *input, size_t length)
{
	struct job *job = job_new(input->run);
	if (!input_give_block(input, job, length)) {
		run_drop(job);
		return false;
	}
	return run_add(input->run, job);
}

/* The end of the last record that fits, or of the first one, or of the input. 0: it cannot be had. */
static size_t block_by_size(struct input *input, const struct cut *cut)
{
	size_t block = input->run->o->block, behind = cut->length - cut->end_length;
	size_t least = block + 1;
	if (!input_fill(input, block + behind))
		return 0;
	size_t there = input->end - input->start;
	if (input->ended && there <= block)
		return there;
	size_t length = cut_last(cut, input->bytes + input->start, there, block);
	while (!length) {
		length = cut_first(cut, input->bytes + input->start, there, least);
		if (length || input->ended)
			return length ? length : there;
		/* What has been searched is not searched again. */
		if (there > cut->length)
			least = there - cut->length > least ? there - cut->length : least;
		if (!input_fill(input, there + 1))
			return 0;
		there = input->end - input->start;
	}
	return length;
}

static size_t block_by_records(struct input *input, const struct cut *cut)
{
	unsigned long long left = input->run->o->records;
	size_t length = 0, searched = 0;
	while (left) {
		size_t there = input->end - input->start;
		size_t from = (searched > length ? searched : length) + 1;
		size_t next = there ? cut_first(cut, input->bytes + input->start, there, from) : 0;
		if (next) {
			length = next;
			left--;
		} else if (input->ended) {
			return there;
		} else {
			searched = there > cut->length ? there - cut->length : 0;
			if (!input_fill(input, there + 1))
				return 0;
		}
	}
	return length;
}

void input_read_blocks(struct input *input, const struct cut *cut)
{
	size_t length;
	do {
		length = input->run->o->records ? block_by_records(input, cut) : block_by_size(input, cut);
	} while (length && add_block(input, length));
}

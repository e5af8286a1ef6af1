/* SPDX-License-Identifier: MIT */
#ifndef STREAM_INPUT_H
#define STREAM_INPUT_H

/* Standard input or -a FILE, read by the one reader thread. */

#include "stream_cut.h"
#include "stream_run.h"

/* What is read beyond the end of a block at most. */
#define READ_AHEAD ((size_t)4096)

struct input {
	struct run *run;
	const char *name;
	int fd;
	bool is_file;  /* a regular one, of a known size */
	uint64_t size; /* of a file */

	/*
	 * A buffer whose memory is taken from the run's; start to end is what has been read and not yet used.
	 */
	char *bytes;
	size_t room, start, end;
	uint64_t at; /* where in the input start is */
	bool ended;
};

/* Open it, or end the program with a line that says why not. */
void input_open(struct input *input, struct run *run);
void input_close(struct input *input);

/*
 * Have so many unused bytes in the buffer, or all that are left. False: the
 * run wants no more, or the input cannot be read (which has been said), or it
 * does not fit the memory.
 */
bool input_fill(struct input *input, size_t bytes);

/*
 * Take so much of the run's memory. False: nothing more is wanted, or it does not fit, which has been said.
 */
bool input_take(struct input *input, size_t bytes);
/* What is in the buffer will be read again, or never. */
void input_drop_buffer(struct input *input);

/* Read that many lines and make them the run's header. */
bool input_header(struct input *input, const struct cut *line, unsigned long long lines);

/* The block of a job out of the buffer's first bytes. Its memory is charged. False as above. */
bool input_give_block(struct input *input, struct job *job, size_t length);

/* Cut the input into jobs, all of it. */
void input_read_blocks(struct input *input, const struct cut *cut);
void input_cut_file(struct input *input, const struct cut *cut);

#endif

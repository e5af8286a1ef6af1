/* SPDX-License-Identifier: MIT */
/* padata pipe: the input cut into blocks at record ends, each through the command. */
#include "stream_commands.h"
#include "stream_input.h"
#include "stream_opt.h"

#include <string.h>
#include <unistd.h>

/* The header's lines are lines, however the records end. */
static bool take_header(struct input *input)
{
	struct cut line;
	cut_open(&line, "\n", 1, NULL, 0);
	bool taken = input_header(input, &line, input->run->o->header);
	cut_close(&line);
	return taken;
}

/*
 * The blocks of a regular file are not held, so larger ones only save starts
 * of the command: as large as leaves each job a few, and their outputs room.
 */
static size_t file_block(const struct input *input)
{
	const struct run *run = input->run;
	uint64_t share = run->input_size < run->memory.limit ? run->input_size : run->memory.limit;
	share /= 4 * run->slots;
	return share < DEFAULT_BLOCK ? run->o->block : share < FILE_BLOCK ? (size_t)share : FILE_BLOCK;
}

int pipe_main(int argc, char **argv)
{
	struct options o;
	struct run run;
	struct input input;
	struct cut cut;
	options_parse(&o, PIPE, argc, argv);
	/* Four blocks at least are held: two at work, one read, one written. */
	if (o.block > o.memory / 4)
		o.block = o.memory / 4;
	cut_open(&cut, o.recend, o.recend_length, o.recstart, o.recstart_length);
	run_open(&run, &o);
	input_open(&input, &run);
	run_start(&run);
	if (input.is_file && !o.block_given)
		o.block = file_block(&input);
	if (!o.header || take_header(&input)) {
		if (input.is_file && !o.records) {
			/* The buffer has served for the header. */
			input_cut_file(&input, &cut);
		} else {
			input_read_blocks(&input, &cut);
		}
	}
	int status = run_finish(&run, &input);
	cut_close(&cut);
	options_free(&o);
	return status;
}

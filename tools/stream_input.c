/* SPDX-License-Identifier: MIT */
#include "stream_input.h"
#include "stream_alloc.h"
#include "stream_buffer.h"
#include "stream_say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For small blocks, and for lines. */
#define ROOM_LEAST ((size_t)128 << 10)
/* A record that does not fit is read on in pieces of this size, so that little is left over behind it. */
#define PIECE ((size_t)64 << 10)

void input_open(struct input *input, struct run *run)
{
	const struct options *o = run->o;
	struct stat st;
	*input = (struct input){.run = run, .name = o->file ? o->file : "standard input"};
	if (o->file) {
		input->fd = open(o->file, O_RDONLY | O_CLOEXEC);
		if (input->fd < 0)
			die("%s: %s", o->file, strerror(errno));
	}
	if (fstat(input->fd, &st) < 0)
		die("%s: %s", input->name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		die("%s: %s", input->name, strerror(EISDIR));
	off_t at = S_ISREG(st.st_mode) ? lseek(input->fd, 0, SEEK_CUR) : -1;
	if (at >= 0 && st.st_size > at) {
		input->is_file = true;
		input->at = (uint64_t)at;
		input->size = (uint64_t)st.st_size;
		run->input_size = input->size - input->at;
	} else if (S_ISFIFO(st.st_mode) && fcntl(input->fd, F_GETPIPE_SZ) < 1 << 20) {
		fcntl(input->fd, F_SETPIPE_SZ, 1 << 20);
	}
	run->input_fd = input->fd;
}

void input_drop_buffer(struct input *input)
{
	if (!input->bytes)
		return;
	atomic_fetch_sub(&input->run->bytes_in, (unsigned long)(input->end - input->start));
	memory_give(&input->run->memory, input->room);
	buffer_put(input->bytes, input->room);
	input->bytes = NULL;
	input->room = input->start = input->end = 0;
}

void input_close(struct input *input)
{
	input_drop_buffer(input);
	memory_give(&input->run->memory, input->run->header_length);
	free((char *)input->run->header);
	input->run->header = NULL;
	if (input->run->o->file)
		close(input->fd);
}

static bool too_long(struct input *input)
{
	say("%s: the record at byte %llu is longer than --memory %zu allows", input->name,
	    (unsigned long long)input->at, input->run->o->memory);
	run_input_failed(input->run);
	return false;
}

bool input_take(struct input *input, size_t bytes)
{
	enum memory_taken taken = memory_take(&input->run->memory, bytes);
	return taken == MEMORY_TAKEN || (taken == MEMORY_NEVER && too_long(input));
}

/* A stop must not wait for input that may never come. */
static bool wait_for_input(struct input *input)
{
	struct pollfd p[2] = {{.fd = input->fd, .events = POLLIN},
			      {.fd = input->run->stop_fd, .events = POLLIN}};
	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return !(p[1].revents & POLLIN);
}

static bool read_some(struct input *input, size_t most)
{
	size_t room = input->room - input->end;
	for (;;) {
		if (!input->is_file && !wait_for_input(input))
			return false;
		ssize_t n = read(input->fd, input->bytes + input->end, room < most ? room : most);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0) {
			say("%s: %s (at byte %llu)", input->name, strerror(errno),
			    (unsigned long long)(input->at + input->end - input->start));
			run_input_failed(input->run);
			return false;
		}
		input->ended = n == 0;
		input->end += (size_t)n;
		atomic_fetch_add(&input->run->bytes_in, (unsigned long)n);
		return true;
	}
}

static bool grow(struct input *input, size_t bytes)
{
	size_t longest = run_longest(input->run), room = input->room * 2 > bytes ? input->room * 2 : bytes;
	if (room > longest)
		room = longest;
	if (bytes > room)
		return too_long(input);
	if (!input_take(input, room - input->room))
		return false;
	input->bytes = must_realloc(input->bytes, room);
	input->room = room;
	return true;
}

static size_t usual_room(const struct input *input)
{
	size_t room = input->run->o->block + READ_AHEAD;
	return room < ROOM_LEAST || input->run->unit ? ROOM_LEAST : room;
}

static bool first_room(struct input *input)
{
	size_t room = usual_room(input);
	/* Behind a record that nearly fills the memory, a little is all that there is room for. */
	if (room == ROOM_LEAST || memory_take(&input->run->memory, room) != MEMORY_TAKEN) {
		room = ROOM_LEAST;
		if (!input_take(input, room))
			return false;
	}
	input->bytes = buffer_get(room);
	input->room = room;
	return true;
}

static bool make_room(struct input *input, size_t bytes)
{
	size_t used = input->end - input->start;
	if (input->start + bytes <= input->room)
		return true;
	if (!input->bytes && !first_room(input))
		return false;
	if (used)
		memmove(input->bytes, input->bytes + input->start, used);
	input->start = 0;
	input->end = used;
	return bytes <= input->room || grow(input, bytes);
}

bool input_fill(struct input *input, size_t bytes)
{
	while (!input->ended && input->end - input->start < bytes) {
		if (!make_room(input, bytes) || !run_wants_more(input->run))
			return false;
		if (!read_some(input, input->room > input->run->o->block + READ_AHEAD ? PIECE : input->room))
			return false;
	}
	return true;
}

/* A long header has made the buffer larger than blocks need it. */
static void shrink(struct input *input)
{
	size_t used = input->end - input->start, room = usual_room(input) > used ? usual_room(input) : used;
	if (input->room <= room)
		return;
	memmove(input->bytes, input->bytes + input->start, used);
	memory_give(&input->run->memory, input->room - room);
	input->bytes = must_realloc(input->bytes, room);
	input->room = room;
	input->start = 0;
	input->end = used;
}

bool input_header(struct input *input, const struct cut *line, unsigned long long lines)
{
	size_t length = 0, seen = 0;
	while (lines) {
		size_t there = input->end - input->start;
		size_t cut = cut_first(line, input->bytes + input->start, there, seen + 1);
		if (cut) {
			length = seen = cut;
			lines--;
		} else if (input->ended) {
			length = there;
			break;
		} else if (!input_fill(input, there + 1)) {
			return false;
		}
	}
	/* A run without input has no use for one. */
	if (length && !input_take(input, length))
		return false;
	char *header = must_alloc(length);
	if (length)
		memcpy(header, input->bytes + input->start, length);
	input->run->header = header;
	input->run->header_length = length;
	input->start += length;
	input->at += length;
	shrink(input);
	return true;
}

bool input_give_block(struct input *input, struct job *job, size_t length)
{
	size_t left = input->end - input->start - length;
	bool whole = length * 2 >= input->room;
	job->at = input->at;
	job->length = length;
	if (!run_charge_job(job, whole ? 0 : length, NULL, 0))
		return run_wants_more(input->run) && too_long(input);
	if (whole) {
		/* The buffer itself goes; what is left over moves to a new one. */
		job->buffer = input->bytes;
		job->buffer_room = job->block_charge = input->room;
		job->block = input->bytes + input->start;
		input->bytes = NULL;
		input->room = input->start = input->end = 0;
		if (left) {
			if (!make_room(input, left))
				return false;
			memcpy(input->bytes, job->block + length, left);
			input->end = left;
		}
	} else {
		job->block = must_alloc(length);
		memcpy(job->block, input->bytes + input->start, length);
		input->start += length;
	}
	input->at += length;
	return true;
}

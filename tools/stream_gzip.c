/* SPDX-License-Identifier: MIT */
/* padata gzip: which way, and the way to smaller. */
#include "stream_commands.h"
#include "stream_gzmember.h"
#include "stream_gztask.h"
#include "stream_io.h"
#include "stream_say.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void compress_task(struct gztask *task)
{
	const struct options *o = task->run->o;
	if (!gztask_read(task))
		return;
	gztask_need(task, &task->out, &task->out_room, gz_bound(o->level, o->bgzf, task->in_length));
	task->out_length =
	    gz_compress(o->level, o->bgzf, task->in, task->in_length, task->out, task->out_room);
	if (!task->out_length) {
		task->error = "cannot be compressed";
		task->error_number = ENOMEM;
	}
}

/* BGZF's members are of a size of their own: a block is as many as come nearest to what was asked for. */
static size_t block_size(const struct options *o)
{
	size_t block = o->block;
	/* Four at least are held, in and out. */
	if (block > o->memory / 8)
		block = o->memory / 8;
	/* The member's length has 32 bits. */
	if (block > (size_t)1 << 31)
		block = (size_t)1 << 31;
	if (o->bgzf)
		block = block < BGZF_INPUT ? BGZF_INPUT : block / BGZF_INPUT * BGZF_INPUT;
	return block;
}

static void submit_block(struct gzrun *run, struct gztask *task, uint64_t at, size_t length, int file)
{
	task->work = compress_task;
	task->at = at;
	task->in_length = length;
	task->in_file = file;
	gzrun_submit(run, task);
}

/* Where a file has a known length, the workers read it, each its own part. */
static uint64_t read_file(struct gzrun *run, int fd, uint64_t at, uint64_t size, size_t block)
{
	struct gztask *task;
	while (at < size && (task = gzrun_get(run)) != NULL) {
		size_t length = size - at < block ? (size_t)(size - at) : block;
		submit_block(run, task, at, length, fd);
		at += length;
	}
	return at;
}

/* All that read(2) gives, which for an empty input is one empty member. */
static void read_rest(struct gzrun *run, int fd, uint64_t at, size_t block)
{
	struct gztask *task;
	bool first = at == 0;
	while ((task = gzrun_get(run)) != NULL) {
		gztask_need(task, &task->in, &task->in_room, block);
		ssize_t n = read_all(fd, task->in, block);
		if (n < 0) {
			task->work = NULL;
			task->at = at;
			task->error = "cannot be read";
			task->error_number = (int)-n;
			gzrun_submit(run, task);
			return;
		}
		/* A task with nothing in it leaves nothing. */
		task->work = NULL;
		if (n == 0 && !first) {
			gzrun_submit(run, task);
			return;
		}
		submit_block(run, task, at, (size_t)n, -1);
		first = false;
		at += (uint64_t)n;
		if ((size_t)n < block)
			return;
	}
}

void gzip_read(struct gzrun *run, int fd)
{
	struct stat st;
	uint64_t at = 0;
	size_t block = block_size(run->o);
	off_t here = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	if (here >= 0 && st.st_size > here) {
		at = read_file(run, fd, (uint64_t)here, (uint64_t)st.st_size, block);
		lseek(fd, (off_t)at, SEEK_SET);
	} else {
		read_rest(run, fd, at, block);
	}
	struct gztask *end = run->o->bgzf ? gzrun_get(run) : NULL;
	if (!end)
		return;
	gztask_need(end, &end->out, &end->out_room, sizeof(bgzf_end));
	memcpy(end->out, bgzf_end, sizeof(bgzf_end));
	end->out_length = sizeof(bgzf_end);
	end->work = NULL;
	gzrun_submit(run, end);
}

int gzip_main(int argc, char **argv)
{
	struct options o;
	struct gzrun run;
	struct stat st;
	options_parse(&o, GZIP, argc, argv);
	int fd = o.file ? open(o.file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (fd < 0 || fstat(fd, &st) < 0)
		die("%s: %s", o.file ? o.file : "standard input", strerror(errno));
	if (S_ISDIR(st.st_mode))
		die("%s: %s", o.file ? o.file : "standard input", strerror(EISDIR));
	if (!o.decompress && isatty(STDOUT_FILENO))
		die("gzip: compressed data is not for a terminal");
	size_t block = block_size(&o);
	off_t at = S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	gzrun_open(&run, &o,
		   o.decompress ? gunzip_task_size(o.memory) : block + gz_bound(o.level, o.bgzf, block),
		   at >= 0 && st.st_size > at ? (uint64_t)(st.st_size - at) : 0);
	if (S_ISFIFO(st.st_mode))
		fcntl(fd, F_SETPIPE_SZ, 1 << 20);
	if (o.decompress)
		gunzip_read(&run, fd);
	else
		gzip_read(&run, fd);
	int status = gzrun_close(&run);
	if (o.file)
		close(fd);
	options_free(&o);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Captures, through the reader that padata-esp has: refused with one line, or read to their end; what was read is
 * written, read again, and gives the same frames.
 */

#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "esp_capture.h"
#include "esp_tool.h"
#include "fuzz.h"

/* Where the program would end, the target goes on with the next input, and gives back what a program's end does. */
static jmp_buf ended;
static void *kept[3]; /* the reader, its FILE and the FILE's buffer, in this order */
static int kept_count;
static pcap_t *opened;

pcap_t *__real_pcap_fopen_offline_with_tstamp_precision(FILE *file, u_int precision, char *error);
pcap_t *__wrap_pcap_fopen_offline_with_tstamp_precision(FILE *file, u_int precision, char *error);

pcap_t *__wrap_pcap_fopen_offline_with_tstamp_precision(FILE *file, u_int precision, char *error)
{
	opened = __real_pcap_fopen_offline_with_tstamp_precision(file, precision, error);
	return opened;
}

void *esp_memory(void *p)
{
	CHECK(p);
	if (kept_count < 3)
		kept[kept_count++] = p;
	return p;
}

void esp_say(const char *format, ...)
{
	(void)format;
}

void esp_fail(enum esp_exit status, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	CHECK(vsnprintf(line, sizeof(line), format, args) > 0);
	va_end(args);
	CHECK(status == ESP_EXIT_INPUT && is_a_line(line) && kept_count == 3);
	if (opened)
		pcap_close(opened);
	else
		fclose(kept[1]);
	free(kept[2]);
	free(kept[0]);
	longjmp(ended, 1);
}

static struct esp_reader *open_fd(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	kept_count = 0;
	opened = NULL;
	return esp_reader_open(path, NULL, NULL);
}

static void look_at_link(const struct esp_reader *r, const struct esp_frame *f)
{
	int n = esp_link_header(esp_reader_link(r), f->data, f->captured);
	uint8_t *copy;

	if (n < 0)
		return;
	CHECK((uint32_t)n < f->captured);
	copy = malloc(f->captured);
	CHECK(copy);
	memcpy(copy, f->data, f->captured);
	esp_link_set_family(esp_reader_link(r), copy, (uint32_t)n, copy[n] >> 4 == 4 ? 6 : 4);
	copy[n] ^= 0x20; /* 4 is 6 now, and 6 is 4 */
	CHECK(esp_link_header(esp_reader_link(r), copy, f->captured) == n);
	free(copy);
}

/* Every frame, handed to `to` if there is one; a sum over all of them. */
static uint64_t read_all(struct esp_reader *r, struct esp_writer *to, bool *damaged)
{
	struct esp_frame f;
	uint64_t sum = 1;
	int got;

	while ((got = esp_reader_next(r, &f)) == 1) {
		CHECK(f.captured <= f.length);
		look_at_link(r, &f);
		for (uint32_t i = 0; i < f.captured; i++)
			sum = sum * 31 + f.data[i];
		sum = sum * 31 + f.captured;
		if (!to)
			continue;
		esp_writer_put(to, &f);
		CHECK(esp_writer_flush(to) == 0);
	}
	if (got < 0)
		CHECK(is_a_line(esp_reader_error(r)));
	*damaged = got < 0;
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out = -1;
	struct esp_reader *r;
	struct esp_writer *w;
	uint64_t sum;
	bool damaged;

	if (in < 0) {
		in = memfd_create("in", 0);
		out = memfd_create("out", 0);
	}
	CHECK(ftruncate(in, 0) == 0 && pwrite(in, data, size, 0) == (ssize_t)size);
	CHECK(ftruncate(out, 0) == 0 && lseek(out, 0, SEEK_SET) == 0);
	if (setjmp(ended))
		return 0;
	r = open_fd(in);
	w = esp_writer_open(out, r);
	sum = read_all(r, w, &damaged);
	esp_writer_close(w);
	esp_reader_close(r);
	if (setjmp(ended))
		CHECK(!"what was written is not read");
	r = open_fd(out);
	CHECK(read_all(r, NULL, &damaged) == sum && !damaged);
	esp_reader_close(r);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "esp_capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "esp_tool.h"

#define BUFFER (1u << 20)
#define SNAPLEN 262144 /* the largest that libpcap reads */

struct esp_reader {
	pcap_t *pcap;
	const char *name;
	int fd;
	uint8_t magic[4]; /* the file's first bytes: libpcap does not say which resolution it had */
	uint64_t position, size;
	void (*idle)(void *arg);
	void *arg;
	int failed; /* errno of a read */
	int type;   /* as written: DLT_* */
	enum esp_link link;
	char *buffer;
};

struct esp_writer {
	pcap_t *pcap;
	pcap_dumper_t *dump;
	bool nano;
};

static ssize_t read_some(void *cookie, char *to, size_t size)
{
	struct esp_reader *r = cookie;
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	ssize_t n;

	if (r->idle && !poll(&p, 1, 0))
		r->idle(r->arg);
	do
		n = read(r->fd, to, size);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		r->failed = errno;
		return -1;
	}
	for (size_t i = 0; i < (size_t)n && r->position + i < sizeof(r->magic); i++)
		r->magic[r->position + i] = (uint8_t)to[i];
	r->position += (uint64_t)n;
	return n;
}

static int close_input(void *cookie)
{
	return close(((struct esp_reader *)cookie)->fd);
}

static bool pick_link(struct esp_reader *r)
{
	static const struct {
		int type, written;
		enum esp_link link;
	} links[] = {
	    {DLT_EN10MB, DLT_EN10MB, ESP_LINK_ETHERNET},
	    {DLT_LINUX_SLL, DLT_LINUX_SLL, ESP_LINK_COOKED},
	    {DLT_LINUX_SLL2, DLT_LINUX_SLL2, ESP_LINK_COOKED2},
	    {DLT_RAW, DLT_RAW, ESP_LINK_RAW},
	    /* The outer packet may be of the other family than the link type says. */
	    {DLT_IPV4, DLT_RAW, ESP_LINK_RAW},
	    {DLT_IPV6, DLT_RAW, ESP_LINK_RAW},
	    {DLT_NULL, DLT_NULL, ESP_LINK_NULL},
	    {DLT_LOOP, DLT_LOOP, ESP_LINK_LOOP},
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].type == pcap_datalink(r->pcap)) {
			r->type = links[i].written;
			r->link = links[i].link;
			return true;
		}
	return false;
}

struct esp_reader *esp_reader_open(const char *name, void (*idle)(void *arg), void *arg)
{
	struct esp_reader *r = esp_memory(calloc(1, sizeof(*r)));
	char error[PCAP_ERRBUF_SIZE];
	struct stat st;
	FILE *file;

	r->idle = idle;
	r->arg = arg;
	r->name = strcmp(name, "-") ? name : "standard input";
	r->fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	if (r->fd < 0 || fstat(r->fd, &st))
		esp_fail(ESP_EXIT_INPUT, "%s: %s", r->name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		esp_fail(ESP_EXIT_INPUT, "%s: a directory, not a capture", r->name);
	if (isatty(r->fd))
		esp_fail(ESP_EXIT_INPUT, "%s: a terminal, not a capture; pipe one in", r->name);
	r->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	file =
	    esp_memory(fopencookie(r, "r", (cookie_io_functions_t){.read = read_some, .close = close_input}));
	r->buffer = esp_memory(malloc(BUFFER));
	setvbuf(file, r->buffer, _IOFBF, BUFFER);
	r->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
	if (!r->pcap)
		esp_fail(ESP_EXIT_INPUT, "%s: not a pcap or pcapng capture (%s)", r->name,
			 r->failed ? strerror(r->failed) : error);
	if (!pick_link(r)) {
		const char *type = pcap_datalink_val_to_name(pcap_datalink(r->pcap));

		esp_fail(ESP_EXIT_INPUT,
			 "%s: frames of link type %s cannot be read, only Ethernet, Linux cooked, raw IP and "
			 "BSD loopback",
			 r->name, type ? type : "unknown");
	}
	return r;
}

void esp_reader_close(struct esp_reader *r)
{
	pcap_close(r->pcap);
	free(r->buffer);
	free(r);
}

int esp_reader_next(struct esp_reader *r, struct esp_frame *frame)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int got = pcap_next_ex(r->pcap, &h, &data);

	if (got == PCAP_ERROR_BREAK)
		return r->failed ? -1 : 0;
	if (got != 1)
		return -1;
	frame->data = data;
	frame->captured = h->caplen;
	frame->length = h->len > h->caplen ? h->len : h->caplen;
	frame->seconds = h->ts.tv_sec;
	frame->nanoseconds = (uint32_t)h->ts.tv_usec; /* the precision that was asked for */
	return 1;
}

const char *esp_reader_error(struct esp_reader *r)
{
	return r->failed ? strerror(r->failed) : pcap_geterr(r->pcap);
}

enum esp_link esp_reader_link(const struct esp_reader *r)
{
	return r->link;
}

uint64_t esp_reader_position(const struct esp_reader *r)
{
	return r->position;
}

uint64_t esp_reader_size(const struct esp_reader *r)
{
	return r->size;
}

/* Any other file may hold nanoseconds, pcapng from any interface on, so these are written for it. */
static bool is_micro(const uint8_t magic[4])
{
	static const uint8_t micro[][4] = {
	    {0xa1, 0xb2, 0xc3, 0xd4},
	    {0xd4, 0xc3, 0xb2, 0xa1},
	    {0xa1, 0xb2, 0xcd, 0x34},
	    {0x34, 0xcd, 0xb2, 0xa1}, /* a patched libpcap of old Linux */
	};

	for (size_t i = 0; i < sizeof(micro) / sizeof(micro[0]); i++)
		if (!memcmp(magic, micro[i], 4))
			return true;
	return false;
}

struct esp_writer *esp_writer_open(FILE *to, const struct esp_reader *like)
{
	struct esp_writer *w = esp_memory(calloc(1, sizeof(*w)));

	w->nano = !is_micro(like->magic);
	w->pcap = esp_memory(pcap_open_dead_with_tstamp_precision(
	    like->type, SNAPLEN, w->nano ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO));
	w->dump = pcap_dump_fopen(w->pcap, to);
	if (!w->dump)
		esp_fail(ESP_EXIT_OUTPUT, "cannot write: %s", pcap_geterr(w->pcap));
	return w;
}

void esp_writer_put(struct esp_writer *w, const struct esp_frame *frame)
{
	struct pcap_pkthdr h = {.caplen = frame->captured, .len = frame->length};

	h.ts.tv_sec = frame->seconds;
	h.ts.tv_usec = w->nano ? frame->nanoseconds : frame->nanoseconds / 1000;
	pcap_dump((u_char *)w->dump, &h, frame->data);
}

void esp_writer_close(struct esp_writer *w)
{
	pcap_dump_flush(w->dump);
	pcap_close(w->pcap);
	free(w);
}

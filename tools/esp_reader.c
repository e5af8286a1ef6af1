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
#define FILE_HEADER 24u
#define RECORD_HEADER 16u
#define CAPTURED_MAX 262144u /* the largest frame that libpcap reads */

struct esp_reader {
	pcap_t *pcap;
	const char *name;
	int fd;
	uint8_t head[FILE_HEADER]; /* of the file: libpcap does not say which resolution it had */
	uint64_t position, size;
	void (*idle)(void *arg);
	void *arg;
	int failed; /* errno of a read */
	int type;   /* as written: DLT_* */
	enum esp_link link;
	char *buffer;

	/* A pcap file of today: libpcap reads its header alone, and copies no frame. */
	bool plain, nano, swapped;
	const char *damage;
	struct esp_blocks blocks;
	struct esp_block *block;
	uint32_t at, filled; /* in the block: what is next, what there is */
};

static ssize_t read_some(struct esp_reader *r, void *to, size_t size)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	ssize_t n;

	if (r->idle && !poll(&p, 1, 0))
		r->idle(r->arg);
	while ((n = read(r->fd, to, size)) < 0 && (errno == EINTR || errno == EAGAIN))
		if (errno == EAGAIN) /* whoever shares standard input has made it non-blocking */
			poll(&p, 1, -1);
	if (n < 0) {
		r->failed = errno;
		return -1;
	}
	r->position += (uint64_t)n;
	return n;
}

/* For libpcap. It reads ahead, but not beyond the header that it may be asked for only. */
static ssize_t read_for_pcap(void *cookie, char *to, size_t size)
{
	struct esp_reader *r = cookie;
	uint64_t at = r->position;
	ssize_t n;

	if (at >= FILE_HEADER)
		return read_some(r, to, size);
	n = read_some(r, to, size < FILE_HEADER - at ? size : FILE_HEADER - at);
	if (n > 0)
		memcpy(r->head + at, to, (size_t)n);
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

/* Microseconds or nanoseconds, in either byte order; an older version has its lengths in another order. */
static bool is_plain(struct esp_reader *r)
{
	uint32_t magic;

	memcpy(&magic, r->head, sizeof(magic));
	r->swapped = pcap_is_swapped(r->pcap);
	if (r->swapped)
		magic = __builtin_bswap32(magic);
	r->nano = magic == 0xa1b23c4d;
	return (r->nano || magic == 0xa1b2c3d4) && pcap_major_version(r->pcap) == 2 &&
	       pcap_minor_version(r->pcap) == 4;
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
	file = esp_memory(
	    fopencookie(r, "r", (cookie_io_functions_t){.read = read_for_pcap, .close = close_input}));
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
	esp_blocks_init(&r->blocks);
	r->plain = is_plain(r);
	return r;
}

void esp_reader_close(struct esp_reader *r)
{
	if (r->block)
		esp_block_drop(r->block);
	esp_blocks_destroy(&r->blocks);
	pcap_close(r->pcap);
	free(r->buffer);
	free(r);
}

/* The rest of the block goes on in another, where so many bytes have room. */
static void next_block(struct esp_reader *r, uint32_t n)
{
	struct esp_block *next = esp_block_get(&r->blocks, n);

	r->filled -= r->at;
	if (r->block) {
		memcpy(next->bytes, r->block->bytes + r->at, r->filled);
		esp_block_drop(r->block);
	}
	r->block = next;
	r->at = 0;
}

/* 1: so many bytes lie in the block, from `at` on. 0: the file ends before. -1: it cannot be read. */
static int need(struct esp_reader *r, uint32_t n)
{
	while (r->filled - r->at < n) {
		ssize_t got;

		if (!r->block || r->block->room - r->at < n)
			next_block(r, n);
		got = read_some(r, r->block->bytes + r->filled, r->block->room - r->filled);
		if (got <= 0)
			return (int)got;
		r->filled += (uint32_t)got;
	}
	return 1;
}

static int damaged(struct esp_reader *r, const char *how)
{
	r->damage = how;
	return -1;
}

static int next_plain(struct esp_reader *r, struct esp_frame *frame)
{
	uint32_t record[RECORD_HEADER / 4]; /* seconds, their fraction, bytes captured, bytes on the wire */
	int got = need(r, RECORD_HEADER);

	if (got == 0 && r->filled > r->at)
		return damaged(r, "it ends in the header of a frame");
	if (got != 1)
		return got;
	memcpy(record, r->block->bytes + r->at, sizeof(record));
	for (int i = 0; i < 4 && r->swapped; i++)
		record[i] = __builtin_bswap32(record[i]);
	if (record[2] > CAPTURED_MAX)
		return damaged(r, "a frame longer than 262144 bytes");
	got = need(r, RECORD_HEADER + record[2]);
	if (got == 0)
		return damaged(r, "it ends in a frame");
	if (got != 1)
		return got;
	*frame = (struct esp_frame){
	    .data = r->block->bytes + r->at + RECORD_HEADER,
	    .block = r->block,
	    .captured = record[2],
	    .length = record[3] > record[2] ? record[3] : record[2],
	    .seconds = record[0],
	    .nanoseconds = r->nano ? record[1] : record[1] * 1000,
	};
	r->at += RECORD_HEADER + record[2];
	return 1;
}

static int next_of_pcap(struct esp_reader *r, struct esp_frame *frame)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int got = pcap_next_ex(r->pcap, &h, &data);

	if (got == PCAP_ERROR_BREAK)
		return r->failed ? -1 : 0;
	if (got != 1)
		return -1;
	*frame = (struct esp_frame){
	    .data = data,
	    .captured = h->caplen,
	    .length = h->len > h->caplen ? h->len : h->caplen,
	    .seconds = h->ts.tv_sec,
	    .nanoseconds = (uint32_t)h->ts.tv_usec, /* the precision that was asked for */
	};
	return 1;
}

int esp_reader_next(struct esp_reader *r, struct esp_frame *frame)
{
	return r->plain ? next_plain(r, frame) : next_of_pcap(r, frame);
}

const char *esp_reader_error(struct esp_reader *r)
{
	return r->failed ? strerror(r->failed) : r->damage ? r->damage : pcap_geterr(r->pcap);
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

int esp_reader_type(const struct esp_reader *r)
{
	return r->type;
}

bool esp_reader_is_micro(const struct esp_reader *r)
{
	return is_micro(r->head);
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

/* SPDX-License-Identifier: MIT */
/* Captures: pcap and pcapng read, pcap written. One thread at a time for each; ends the program on what it
 * cannot do. */
#ifndef ESP_CAPTURE_H
#define ESP_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "esp_block.h"
#include "esp_link.h"

struct esp_frame {
	const uint8_t *data;
	struct esp_block *block; /* that data lies in; NULL: in none */
	uint32_t captured;	 /* bytes at data */
	uint32_t length;	 /* bytes it had on the wire, at least those captured */
	int64_t seconds;
	uint32_t nanoseconds;
};

struct esp_reader;

/*
 * "-" is standard input. Where nothing can be read without waiting, idle(arg) is called first, so that
 * what is half collected can go on; NULL: it is not.
 */
struct esp_reader *esp_reader_open(const char *name, void (*idle)(void *arg), void *arg);
void esp_reader_close(struct esp_reader *r);

/*
 * 1 and the next frame, valid until the next call, or as long as its block is held; 0 at the end; -1 and
 * esp_reader_error() where the capture is damaged. A block is let go before the reader is closed.
 */
int esp_reader_next(struct esp_reader *r, struct esp_frame *frame);
const char *esp_reader_error(struct esp_reader *r);

/* DLT_*, as it is to be written. */
int esp_reader_type(const struct esp_reader *r);
/* A pcap file of microseconds. */
bool esp_reader_is_micro(const struct esp_reader *r);
enum esp_link esp_reader_link(const struct esp_reader *r);
/* Bytes of the file that were read, and its size, 0 where there is none. */
uint64_t esp_reader_position(const struct esp_reader *r);
uint64_t esp_reader_size(const struct esp_reader *r);

struct esp_writer;

/* To fd: a pcap file with the link type of `like`, and nanoseconds unless it is a pcap file of microseconds.
 */
struct esp_writer *esp_writer_open(int fd, const struct esp_reader *like);
/* The frame's bytes stay where they are until the next flush. */
void esp_writer_put(struct esp_writer *w, const struct esp_frame *frame);
/* 0, or the errno of the first write that failed; nothing is written after that. */
int esp_writer_flush(struct esp_writer *w);
/* Leaves fd open. */
void esp_writer_close(struct esp_writer *w);

#endif

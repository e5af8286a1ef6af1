/* SPDX-License-Identifier: MIT */
#include "esp_capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "esp_crypto.h"
#include "esp_tool.h"

#define SNAPLEN 262144u

struct record {
	uint32_t seconds, fraction, captured, length;
};

/* Frames that wait for the next system call: a burst of them. Each is two pieces, what comes before it, and
 * itself. */
struct esp_writer {
	int fd;
	bool nano;
	int error;
	unsigned int n;
	struct record records[ESP_BURST];
	struct iovec pieces[2 * ESP_BURST];
};

/* draft-ietf-opsawg-pcap 4: in the byte order of this machine. */
struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen, link_type;
};

/* In a file some types have another number than in libpcap, where it differs from system to system. */
static uint32_t link_type(int type)
{
	return type == DLT_RAW ? 101 : type == DLT_LOOP ? 108 : (uint32_t)type;
}

static void write_all(struct esp_writer *w, struct iovec *pieces, unsigned int n)
{
	while (n && !w->error) {
		ssize_t done = writev(w->fd, pieces, (int)n);

		if (done < 0) {
			if (errno == EAGAIN) /* whoever shares standard output has made it non-blocking */
				poll(&(struct pollfd){.fd = w->fd, .events = POLLOUT}, 1, -1);
			else if (errno != EINTR)
				w->error = errno;
			continue;
		}
		for (; n && (size_t)done >= pieces->iov_len; pieces++, n--)
			done -= (ssize_t)pieces->iov_len;
		if (n) {
			pieces->iov_base = (char *)pieces->iov_base + done;
			pieces->iov_len -= (size_t)done;
		}
	}
}

struct esp_writer *esp_writer_open(int fd, const struct esp_reader *like)
{
	struct esp_writer *w = esp_memory(calloc(1, sizeof(*w)));
	struct file_header header = {
	    .major = 2,
	    .minor = 4,
	    .snaplen = SNAPLEN,
	    .link_type = link_type(esp_reader_type(like)),
	};

	w->fd = fd;
	w->nano = !esp_reader_is_micro(like);
	header.magic = w->nano ? 0xa1b23c4d : 0xa1b2c3d4;
	write_all(w, &(struct iovec){&header, sizeof(header)}, 1);
	return w;
}

void esp_writer_put(struct esp_writer *w, const struct esp_frame *frame)
{
	struct record *r = &w->records[w->n];
	struct iovec *piece = &w->pieces[2 * w->n];

	*r = (struct record){
	    .seconds = (uint32_t)frame->seconds,
	    .fraction = w->nano ? frame->nanoseconds : frame->nanoseconds / 1000,
	    .captured = frame->captured,
	    .length = frame->length,
	};
	piece[0] = (struct iovec){r, sizeof(*r)};
	piece[1] = (struct iovec){(void *)(uintptr_t)frame->data, frame->captured};
	if (++w->n == ESP_BURST)
		esp_writer_flush(w);
}

int esp_writer_flush(struct esp_writer *w)
{
	write_all(w, w->pieces, 2 * w->n);
	w->n = 0;
	return w->error;
}

void esp_writer_close(struct esp_writer *w)
{
	free(w);
}

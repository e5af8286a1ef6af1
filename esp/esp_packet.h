/* SPDX-License-Identifier: MIT */
/*
 * A packet's way through ESP, in three stages that fit padata:
 *
 *	submission, in order	esp_seal_submit		esp_open_submit		one thread at a time
 *	parallel		esp_seal_burst		esp_open_burst		any thread, own context
 *	serial, in order	esp_seal_done		esp_open_done		one thread at a time
 *
 * A task is a burst: an array of struct esp_pkt that goes through the stages together. A packet that
 * fails keeps its slot: its `drop` says why, later stages pass over it, and the serial stage counts it
 * in its turn. The bytes that come out and all counters are the same for any number of threads.
 *
 * Order and ESN, decrypting: the submission stage guesses the upper 32 bits from the highest number
 * that the serial stage has published so far. That may lag by all packets in flight, so the serial
 * stage, which knows, guesses again; in the rare case that the two differ (packets of two epochs or a
 * window's length apart in flight) it opens the packet once more itself. Only verified packets move
 * the window, so forged ones cannot lead the guess astray, and the verdicts are those of one thread
 * that takes packet after packet: replay is judged before the ICV, as a cheap early look-up would.
 */
#ifndef ESP_PACKET_H
#define ESP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_count.h"
#include "esp_crypto.h"
#include "esp_sa.h"

/* Output bytes that always suffice for an input of `len` bytes. */
#define ESP_SEAL_ROOM(len) ((len) + 128u)
#define ESP_OPEN_ROOM(len) ((len))

/* seal: carry the bytes behind the IP packet's own length as TFC padding (RFC 4303 2.7), so that the
 * other end can give them back; without it they are left out. */
#define ESP_PKT_KEEP_TRAILER 0x1u
/* The outer headers are somebody else's, a UDP socket's: the ESP packet alone, from its SPI on. Set by
 * esp_seal_submit_sa and esp_open_submit_sa. */
#define ESP_PKT_BARE 0x2u

struct esp_pkt {
	/* The caller's; constant from submission until the serial stage is done. */
	const uint8_t *in; /* begins with the IP header */
	uint32_t in_len;   /* bytes captured, at least the IP packet */
	uint32_t out_room; /* bytes at out */
	uint8_t *out;	   /* must not overlap in; may be set after submission */
	uint32_t flags;	   /* ESP_PKT_* */
	uint8_t outer_class; /* open, bare: traffic class of the outer header */

	/* The result, valid after the serial stage. */
	enum esp_drop drop; /* ESP_OK: data and len hold the packet */
	uint32_t len;	    /* bytes of the packet at data */
	uint32_t trailer;   /* open: bytes of TFC padding behind it, at data + len */
	uint8_t *data;	    /* inside out */
	struct esp_sa *sa;  /* NULL if none was found */
	uint64_t seq;

	/* Between the stages. */
	uint32_t off;	     /* open: where ESP begins in in; seal: bytes of outer headers */
	uint32_t esp_len;    /* from SPI to ICV */
	uint32_t text_len;   /* seal: inner packet with its trailer */
	uint32_t inner_len;  /* seal: the inner packet's own length */
	uint8_t next;	     /* seal: next header, 4 or 41; the caller's for esp_seal_submit_sa */
	bool soft;	     /* this packet crossed a soft limit */
	enum esp_drop found; /* open: what the parallel stage found, for the serial stage to judge */
};

/*
 * Encrypting. Submission reads the packet, takes the first SA that selects it, and gives it the SA's next
 * sequence number; lifetimes are counted here, since a number once given is used. esp_seal_done counts.
 * `db` and `stats` are the caller's. None of these fails as a whole.
 */
void esp_seal_submit(struct esp_sadb *db, struct esp_pkt *pkts, size_t n);
void esp_seal_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n);
void esp_seal_done(struct esp_stats *stats, struct esp_pkt *pkts, size_t n);

/*
 * The same for a caller who has found the SA, read the IP header and leaves the outer headers to a socket: `next` is
 * set, and in_len is the IP packet's length. `in` may be set as late as `out`, and may be esp_seal_text(): then the
 * packet is where it belongs already, and is encrypted in place.
 */
void esp_seal_submit_sa(struct esp_sa *sa, struct esp_pkt *pkts, size_t n);
static inline uint8_t *esp_seal_text(const struct esp_sa *sa, uint8_t *out)
{
	return out + 8 + sa->iv_len;
}

/*
 * Decrypting. `c` of esp_open_done is a context of the thread that runs the serial stage (it may be that
 * thread's context for the parallel stage).
 */
void esp_open_submit(struct esp_sadb *db, struct esp_pkt *pkts, size_t n);
void esp_open_burst(struct esp_crypto *c, struct esp_pkt *pkts, size_t n);
void esp_open_done(struct esp_crypto *c, struct esp_stats *stats, struct esp_pkt *pkts, size_t n);
/* The same for a caller who has found the SA: `in` is what came in UDP, at least 8 bytes, and outer_class is set. */
void esp_open_submit_sa(struct esp_sa *sa, struct esp_pkt *pkts, size_t n);

/*
 * Reads what selectors look at. *total is the IP packet's own length, at most len. ESP_OK,
 * ESP_DROP_NOT_IP, ESP_DROP_TRUNCATED, ESP_DROP_BAD_IP. Any thread.
 */
enum esp_drop esp_flow_read(const uint8_t *p, uint32_t len, struct esp_flow *f, uint32_t *total);

/* Bytes on the wire, outer headers included, for an inner packet of `inner` bytes. Any thread. */
uint32_t esp_seal_len(const struct esp_sa *sa, uint32_t inner);
/* The largest inner packet whose esp_seal_len is at most `mtu`; 0: none fits. Any thread. */
uint32_t esp_inner_mtu(const struct esp_sa *sa, uint32_t mtu);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What happened to the packets: one counter for each reason to drop.
 *
 * A packet's verdict is an enum esp_drop; ESP_OK means that it goes on. Verdicts are reached in any
 * stage, but counted in the serial stage only, in the packet's turn: so the counters of a run are the
 * same for any number of threads, and one thread at a time writes them.
 */
#ifndef ESP_COUNT_H
#define ESP_COUNT_H

#include <stdint.h>

/* X(enumerator, name in reports and JSON, one line for people) */
#define ESP_DROPS(X)                                                                                     \
	X(OK, "ok", "passed")                                                                            \
	X(NOT_IP, "not_ip", "neither an IPv4 nor an IPv6 packet")                                        \
	X(TRUNCATED, "truncated", "shorter than its own headers say")                                    \
	X(BAD_IP, "bad_ip", "malformed IP header")                                                       \
	X(NO_ROOM, "no_room", "the caller's output buffer is too small")                                 \
	X(NO_SA, "no_sa", "no SA's selector matches the packet (encrypting)")                            \
	X(TOO_BIG, "too_big", "the encapsulated packet would exceed 65,535 bytes")                       \
	X(SEQ_EXHAUSTED, "seq_exhausted", "the SA's sequence numbers are used up; it must be replaced")  \
	X(NOT_RESERVED, "not_reserved", "no sequence number is reserved for it yet")                     \
	X(HARD_BYTES, "hard_bytes", "the SA's hard limit of bytes is reached")                           \
	X(HARD_PACKETS, "hard_packets", "the SA's hard limit of packets is reached")                     \
	X(HARD_SECONDS, "hard_seconds", "the SA's time is over")                                         \
	X(NOT_ESP, "not_esp", "an IP packet that is not ESP (decrypting)")                               \
	X(KEEPALIVE, "keepalive", "NAT keepalive: one byte 0xFF in UDP")                                 \
	X(NON_ESP, "non_esp_marker", "non-ESP marker: IKE on the port of the encapsulation")             \
	X(FRAGMENT, "fragment", "a fragment of an outer packet; they are not put together here")         \
	X(BAD_UDP, "bad_udp", "UDP length that does not fit the IP packet")                              \
	X(UNKNOWN_SPI, "unknown_spi", "no SA for this SPI and destination address")                      \
	X(ENCAP_MISMATCH, "encap_mismatch",                                                              \
	  "UDP encapsulation where the SA has none, or the other way round")                             \
	X(BAD_LENGTH, "bad_length", "too short for this SA's algorithm, or not a multiple of its block") \
	X(REPLAY, "replay", "sequence number seen before")                                               \
	X(TOO_OLD, "too_old", "sequence number left of the replay window")                               \
	X(ZERO_SEQ, "zero_seq", "sequence number 0, which no sender may use")                            \
	X(BAD_ICV, "bad_icv", "the integrity check failed: damaged, forged or wrong key")                \
	X(CRYPTO, "crypto_error", "the crypto library refused")                                          \
	X(BAD_PADDING, "bad_padding", "padding is not 1, 2, 3, ... or longer than the payload")          \
	X(DUMMY, "dummy", "dummy packet (next header 59)")                                               \
	X(BAD_NEXT, "bad_next_header", "next header is not IPv4 or IPv6")                                \
	X(BAD_INNER, "bad_inner", "inner packet malformed or longer than the payload")                   \
	X(SELECTOR, "selector", "inner addresses, protocol or ports outside the SA's selector")          \
	X(ECN, "ecn", "congestion mark on a packet that cannot carry it (RFC 6040)")

enum esp_drop {
#define X(e, name, text) ESP_DROP_##e,
	ESP_DROPS(X)
#undef X
	    ESP_DROP_COUNT
};
#define ESP_OK ESP_DROP_OK

/* The name in reports ("bad_icv") and the line for people. Never NULL; "?" for a value out of range. */
const char *esp_drop_name(enum esp_drop d);
const char *esp_drop_text(enum esp_drop d);

/*
 * 64-bit, so that nothing wraps in any lifetime. Written by the serial stage only; reading them from
 * another thread while it runs needs the caller's own lock.
 */
struct esp_stats {
	uint64_t in_packets; /* every packet given to the three stages, whatever its verdict */
	uint64_t in_bytes;
	uint64_t out_packets; /* verdict ESP_OK */
	uint64_t out_bytes;
	uint64_t soft_expired; /* SAs that crossed a soft limit */
	uint64_t reopened;     /* opened again in the serial stage because the guess of ESN was stale */
	uint64_t drop[ESP_DROP_COUNT]; /* drop[ESP_OK] == out_packets */
};

#endif

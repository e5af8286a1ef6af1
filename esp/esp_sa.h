/* SPDX-License-Identifier: MIT */
/*
 * Security associations, and the files that describe them in the words of `ip xfrm state`.
 *
 * An SA's description is constant once it is loaded and may be read by any thread. Its running state is
 * in two parts with one owner each: `tx` belongs to the submission stage of encryption, `rx` to the
 * serial stage of decryption.
 */
#ifndef ESP_SA_H
#define ESP_SA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "esp_replay.h"

#define ESP_ICV_LEN 16u	   /* every algorithm here has a 16-byte tag */
#define ESP_IV_MAX 16u	   /* AES-CBC */
#define ESP_SA_MAX 65536u  /* SAs in one file */
#define ESP_ERROR_LEN 256u /* bytes that fit any error text, the end included */

enum esp_alg {
	ESP_ALG_NULL_HMAC_SHA256, /* ecb(cipher_null) + hmac(sha256) cut to 128 bits */
	ESP_ALG_AES_CBC_HMAC_SHA256,
	ESP_ALG_AES_GCM,
	ESP_ALG_CHACHA20_POLY1305,
	ESP_ALG_COUNT
};

struct esp_addr {
	uint8_t family; /* 4, 6, or 0: not set */
	uint8_t b[16];	/* network order; IPv4 in the first four, the rest 0 */
};

struct esp_prefix {
	struct esp_addr addr; /* family 0: any address of any family */
	uint8_t len;	      /* bits */
};

struct esp_selector {
	struct esp_prefix src, dst;
	bool any_port_src, any_port_dst;
	uint16_t sport, dport; /* host order; meant where any_port_* is false */
	uint8_t proto;	       /* 0: any */
};

#define ESP_NO_LIMIT UINT64_MAX

struct esp_limits {
	uint64_t soft_bytes, hard_bytes; /* bytes of inner packets */
	uint64_t soft_packets, hard_packets;
	uint64_t soft_seconds, hard_seconds;	     /* since the SA was added; 0: none */
	uint64_t soft_use_seconds, hard_use_seconds; /* since its first use; 0: none */
};

/* xfrm's flags as far as they mean something in tunnel mode. */
#define ESP_SA_ESN 0x01u
#define ESP_SA_NO_ECN 0x02u	   /* noecn: outer ECN bits 0, inner ones untouched */
#define ESP_SA_DECAP_DSCP 0x04u	   /* decap-dscp: outer DSCP into the inner packet on receipt */
#define ESP_SA_NO_PMTU_DISC 0x08u  /* nopmtudisc: outer DF always 0 */
#define ESP_SA_AF_UNSPEC 0x10u	   /* af-unspec: a /0 selector means both families */
#define ESP_SA_NO_ENCAP_DSCP 0x20u /* dont-encap-dscp: outer DSCP 0 */

struct esp_use {
	uint64_t bytes, packets; /* inner packets that passed */
	bool soft;		 /* a soft limit was crossed */
	bool hard;		 /* a hard limit was reached; nothing passes any more */
	bool expired;		 /* set by the caller, who has a clock: one in seconds was */
};

struct esp_sa {
	uint64_t id; /* unique in the process's life; never 0 */
	struct esp_addr src, dst;
	uint32_t spi, reqid; /* host order */
	enum esp_alg alg;
	uint32_t flags; /* ESP_SA_* */

	uint8_t key[32]; /* cipher */
	uint8_t key_len;
	uint8_t salt[4];
	uint8_t auth_key[64]; /* HMAC */
	uint8_t auth_key_len;
	uint8_t iv_len;	       /* on the wire: 0, 8 or 16 */
	uint8_t pad_to;	       /* the encrypted part is a multiple of this: 4 or 16 */
	bool encap;	       /* ESP in UDP */
	bool has_sel;	       /* false: the selector is everything */
	uint16_t sport, dport; /* of the encapsulation, host order */

	struct esp_selector sel;
	struct esp_limits limits;
	uint32_t replay_window; /* packets, 64 to 8192; 0: no check */
	uint32_t line;		/* where it begins in its file, for messages */

	/* From a pasted `anti-replay context:` and `lifetime current:`; 0 without one. Encryption goes on
	 * behind them; decryption takes only the epoch of ESN, since its packets may be older than the print.
	 */
	uint64_t ctx_seq, ctx_oseq, ctx_bytes, ctx_packets;

	struct {
		uint64_t oseq; /* last number given to a packet */
		uint64_t most; /* the last that may be given; UINT64_MAX as long as nobody keeps count */
		struct esp_use use;
	} tx; /* the submission stage of encryption */
	struct {
		struct esp_replay replay;
		struct esp_use use;
		uint64_t drop[ESP_DROP_COUNT];
	} rx; /* the serial stage of decryption (replay.top is readable by all) */
};

/* A set of SAs, in the order of the file. Constant after loading, but for tx and rx. */
struct esp_sadb;

/*
 * Reads an SA file. On success 0 and *db, which the caller frees with esp_sadb_free. Otherwise -errno,
 * *db is NULL and `err` (ESP_ERROR_LEN bytes) holds one line with file, line, the word and what to do:
 * -EACCES the file may be read by group or others; -EINVAL what is wrong in it; -EFBIG too large;
 * or why it could not be read. What was read is wiped from memory before the return.
 */
int esp_sadb_load(const char *path, struct esp_sadb **db, char err[ESP_ERROR_LEN]);

/* The same for a text in memory; `name` stands for the file in messages. */
int esp_sadb_parse(const char *name, const char *text, size_t len, struct esp_sadb **db,
		   char err[ESP_ERROR_LEN]);

/* Wipes every key. NULL is a no-op. No thread may use the SAs any more. */
void esp_sadb_free(struct esp_sadb *db);

size_t esp_sadb_count(const struct esp_sadb *db);
/* The i-th SA of the file, i < esp_sadb_count(). Owned by the set. */
struct esp_sa *esp_sadb_at(const struct esp_sadb *db, size_t i);

/* By SPI (host order) and destination, for decryption; NULL: none. Any thread. */
struct esp_sa *esp_sadb_find(const struct esp_sadb *db, uint32_t spi, const struct esp_addr *dst);

/* Whether some SA of the set receives ESP on this UDP port (host order). Any thread. */
bool esp_sadb_has_port(const struct esp_sadb *db, uint16_t port);

/* What selectors look at in a packet; filled by esp_flow_read in esp_packet.h. */
struct esp_flow {
	struct esp_addr src, dst;
	bool has_ports; /* false for fragments but the first, and protocols without ports */
	uint16_t sport, dport;
	uint8_t proto;
};

bool esp_selector_selects(const struct esp_selector *s, const struct esp_flow *f);
bool esp_sa_selects(const struct esp_sa *sa, const struct esp_flow *f);
/* The first SA of the file whose selector matches, for encryption; NULL: none. Any thread. */
struct esp_sa *esp_sadb_select(const struct esp_sadb *db, const struct esp_flow *f);

/*
 * The next packet encrypted with the SA gets number `last` + 1. Before any packet was submitted, or
 * from the submission stage. -ERANGE where `last` does not fit 32 bits and the SA has no ESN.
 */
int esp_sa_set_oseq(struct esp_sa *sa, uint64_t last);

/* Fills in what follows from the algorithm (iv_len, pad_to), takes an id, makes the replay window.
 * For SAs that were not loaded from a file. 0, -EINVAL, -ENOMEM. */
int esp_sa_prepare(struct esp_sa *sa);
/* Wipes the keys and frees the window; the struct itself stays the caller's. */
void esp_sa_destroy(struct esp_sa *sa);

/* Writes the SA in the words that esp_sadb_load reads, keys included. 0 or -EIO. */
int esp_sa_write(FILE *to, const struct esp_sa *sa);
/* "aes128-gcm", "chacha20-poly1305", ... for reports. Static. */
const char *esp_sa_alg_name(const struct esp_sa *sa);

#endif

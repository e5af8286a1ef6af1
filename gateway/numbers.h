/* SPDX-License-Identifier: MIT */
/*
 * The outbound sequence numbers that outlive the process, in FILE.oseq beside the configuration, so that no
 * nonce is used twice with one key. Numbers are reserved in ranges: the file says, on disk, that a range may
 * have been used before the first packet of it can be sent. An end in order gives the rest back, after any
 * other it is skipped. The file has the form that padata-esp encrypt uses, each line padded to one record
 * that is rewritten in place.
 */
#ifndef GW_NUMBERS_H
#define GW_NUMBERS_H

#include "config.h"

struct gw_numbers;

/* Reads the file, or begins one, and keeps it open and locked. Needs the right to write in the directory; the
 * other calls do not. NULL and one line in `err`. */
struct gw_numbers *gw_numbers_open(const char *config, char err[ESP_ERROR_LEN]);
/* NULL is a no-op. */
void gw_numbers_close(struct gw_numbers *n);

/* Before an outbound SA is used: sets its next number behind all that may have been used, and reserves a
 * first range, which ends with *last. 0, -ERANGE they are used up, -ENOSPC too many SAs, or -errno. Sleeps
 * until it is on disk. */
int gw_numbers_begin(struct gw_numbers *n, struct esp_sa *sa, uint64_t *last);
/* The SA has come to `seq`. Reserves more where the rest has become short. 0 and *last, or -errno and the old
 * one holds. */
int gw_numbers_go_on(struct gw_numbers *n, uint32_t spi, const struct esp_addr *dst, uint64_t seq,
		     uint64_t *last);
/* The SA is used no more. `seq` was its last number; NULL: who knows, so all that was reserved counts as
 * used. */
int gw_numbers_end(struct gw_numbers *n, uint32_t spi, const struct esp_addr *dst, const uint64_t *seq);

#endif

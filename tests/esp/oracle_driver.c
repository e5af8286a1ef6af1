/* SPDX-License-Identifier: MIT */
/*
 * oracle_driver seal|open SAFILE BACKEND [OSEQ]: packets through all stages, from standard input to output.
 *
 * Input: for each packet 32 bits little-endian of length, then its bytes, beginning with the IP header.
 * Output: for each 32 bits of verdict (enum esp_drop), 32 bits of length, its bytes. OSEQ is the number
 * that every SA's last packet had.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp_packet.h"

#define PACKETS 1000
#define ROOM 4096

static uint8_t in[PACKETS][ROOM], out[PACKETS][ROOM];
static struct esp_pkt pkts[PACKETS];

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put(uint32_t v)
{
	for (int i = 0; i < 4; i++)
		putchar((int)(v >> 8 * i & 0xff));
}

static int die(const char *what)
{
	fprintf(stderr, "oracle_driver: %s\n", what);
	return 2;
}

int main(int argc, char **argv)
{
	char err[ESP_ERROR_LEN];
	struct esp_sadb *db;
	struct esp_stats stats = {0};
	enum esp_backend which;
	struct esp_crypto *c;
	const char *why;
	size_t n;

	if (argc < 4 || (strcmp(argv[1], "seal") != 0 && strcmp(argv[1], "open") != 0))
		return die("usage: oracle_driver seal|open SAFILE BACKEND [OSEQ]");
	if (esp_backend_parse(argv[3], &which) != 0)
		return die("no such backend");
	if (esp_backend_available(which, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 77;
	}
	if (esp_sadb_load(argv[2], &db, err) != 0)
		return die(err);
	c = esp_crypto_alloc(which);
	if (!c)
		return die(strerror(errno));
	for (size_t i = 0; argc > 4 && i < esp_sadb_count(db); i++)
		if (esp_sa_set_oseq(esp_sadb_at(db, i), strtoull(argv[4], NULL, 0)) != 0)
			return die("OSEQ does not fit the SA");
	do {
		uint8_t head[4];

		for (n = 0; n < PACKETS && fread(head, 4, 1, stdin) == 1; n++) {
			uint32_t len = le32(head);

			if (len > ROOM - 200 || fread(in[n], 1, len, stdin) != len)
				return die("bad input");
			pkts[n] =
			    (struct esp_pkt){.in = in[n], .in_len = len, .out = out[n], .out_room = ROOM};
		}
		if (argv[1][0] == 's') {
			esp_seal_submit(db, pkts, n);
			esp_seal_burst(c, pkts, n);
			esp_seal_done(&stats, pkts, n);
		} else {
			esp_open_submit(db, pkts, n);
			esp_open_burst(c, pkts, n);
			esp_open_done(c, &stats, pkts, n);
		}
		for (size_t i = 0; i < n; i++) {
			put((uint32_t)pkts[i].drop);
			put(pkts[i].len);
			if (pkts[i].len)
				fwrite(pkts[i].data, 1, pkts[i].len, stdout);
		}
	} while (n == PACKETS);
	esp_crypto_free(c);
	esp_sadb_free(db);
	return fflush(stdout) == 0 ? 0 : die("cannot write");
}

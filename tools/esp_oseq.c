/* SPDX-License-Identifier: MIT */
#include "esp_oseq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "esp_tool.h"

/* A range of its own costs a sync of the disk, a lost rest costs numbers. */
#define RANGE_FIRST 4096u
#define RANGE_MAX (1u << 20)

struct entry {
	struct esp_sa *sa; /* NULL: one that the SA file no longer has; its numbers are kept */
	struct esp_addr dst;
	uint32_t spi;
	uint64_t before; /* what the file said when this run began */
	uint64_t last;	 /* what it says */
};

struct esp_oseq {
	struct esp_sadb *db;
	char *path, *temporary;
	int lock; /* the SA file: FILE.oseq itself is replaced at each write */
	struct entry *entries;
	size_t count;
	bool repeats;	/* numbers that were used may be used again */
	uint64_t left;	/* of the range */
	uint64_t range; /* the next one's size */
};

static const char *address(const struct esp_addr *a, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, text, INET6_ADDRSTRLEN);
}

static bool parse_address(const char *text, struct esp_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = strchr(text, ':') ? 6 : 4;
	return inet_pton(a->family == 4 ? AF_INET : AF_INET6, text, a->b) == 1;
}

static struct entry *find(struct esp_oseq *o, uint32_t spi, const struct esp_addr *dst)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->entries[i].spi == spi && !memcmp(&o->entries[i].dst, dst, sizeof(*dst)))
			return &o->entries[i];
	return NULL;
}

static struct entry *add(struct esp_oseq *o, uint32_t spi, const struct esp_addr *dst)
{
	o->entries = esp_memory(realloc(o->entries, (o->count + 1) * sizeof(*o->entries)));
	o->entries[o->count] = (struct entry){.spi = spi, .dst = *dst};
	return &o->entries[o->count++];
}

static void read_file(struct esp_oseq *o)
{
	FILE *f = fopen(o->path, "re");
	char line[256];

	if (!f) {
		if (errno == ENOENT)
			return;
		esp_fail(ESP_EXIT_SA, "%s: cannot be read: %s", o->path, strerror(errno));
	}
	for (unsigned int n = 1; fgets(line, sizeof(line), f); n++) {
		char dst[64], end;
		struct esp_addr a;
		uint32_t spi;
		uint64_t last;

		if (line[0] == '#')
			continue;
		if (sscanf(line, "dst %63s spi %" SCNx32 " oseq %" SCNu64 " %c", dst, &spi, &last, &end) !=
			3 ||
		    !strchr(line, '\n') || !parse_address(dst, &a))
			esp_fail(ESP_EXIT_SA,
				 "%s, line %u: damaged, so the numbers used are not known; make new SAs, or "
				 "give --oseq",
				 o->path, n);
		(find(o, spi, &a) ? find(o, spi, &a) : add(o, spi, &a))->last = last;
	}
	if (ferror(f))
		esp_fail(ESP_EXIT_SA, "%s: cannot be read: %s", o->path, strerror(errno));
	fclose(f);
}

/* On disk when it returns, and never half: a new file, synced, takes the old one's name. */
static void write_file(const struct esp_oseq *o)
{
	int fd = open(o->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	char *copy;
	bool good;

	if (!f)
		esp_fail(ESP_EXIT_SA, "%s: cannot be written (%s); it keeps nonces from being used twice",
			 o->path, strerror(errno));
	fputs(
	    "# The last sequence number that each SA may have used. Without this file nonces would repeat.\n",
	    f);
	for (size_t i = 0; i < o->count; i++) {
		char text[INET6_ADDRSTRLEN];

		fprintf(f, "dst %s spi 0x%08" PRIx32 " oseq %" PRIu64 "\n", address(&o->entries[i].dst, text),
			o->entries[i].spi, o->entries[i].last);
	}
	good = !fflush(f) && !fchmod(fd, 0600) && !fsync(fd);
	good = !fclose(f) && good && !rename(o->temporary, o->path);
	if (!good) {
		unlink(o->temporary);
		esp_fail(ESP_EXIT_SA, "%s: cannot be written (%s); it keeps nonces from being used twice",
			 o->path, strerror(errno));
	}
	copy = esp_memory(strdup(o->path));
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0 || fsync(fd))
		esp_fail(ESP_EXIT_SA, "%s: its directory cannot be synced: %s", o->path, strerror(errno));
	close(fd);
}

static void set_start(struct esp_oseq *o, struct esp_sa *sa, const uint64_t *override)
{
	struct entry *e = find(o, sa->spi, &sa->dst);
	uint64_t start;

	if (!e)
		e = add(o, sa->spi, &sa->dst);
	start = e->last > sa->tx.oseq ? e->last : sa->tx.oseq;
	if (override) {
		if (*override < start)
			o->repeats = true;
		start = *override;
	}
	if (esp_sa_set_oseq(sa, start))
		esp_fail(ESP_EXIT_SA,
			 "SPI 0x%08" PRIx32 ": sequence number %" PRIu64 " needs 'flag esn'; make a new SA",
			 sa->spi, start);
	if (e->last < start)
		e->last = start;
	e->before = e->last;
	e->sa = sa;
}

struct esp_oseq *esp_oseq_open(const char *sa_file, struct esp_sadb *db, const uint64_t *override)
{
	struct esp_oseq *o = esp_memory(calloc(1, sizeof(*o)));
	char *real = realpath(sa_file, NULL); /* one counter, whatever link leads to the file */

	if (!real || (o->lock = open(real, O_RDONLY | O_CLOEXEC)) < 0)
		esp_fail(ESP_EXIT_SA, "%s: cannot be read: %s", sa_file, strerror(errno));
	if (flock(o->lock, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			esp_fail(ESP_EXIT_SA,
				 "%s: another padata-esp is encrypting with it; two at once would use nonces "
				 "twice",
				 sa_file);
		esp_fail(ESP_EXIT_SA, "%s: cannot be locked: %s", sa_file, strerror(errno));
	}
	if (asprintf(&o->path, "%s.oseq", real) < 0 || asprintf(&o->temporary, "%s.oseq.new", real) < 0)
		esp_memory(NULL);
	free(real);
	o->db = db;
	o->range = RANGE_FIRST;
	read_file(o);
	for (size_t i = 0; i < esp_sadb_count(db); i++)
		set_start(o, esp_sadb_at(db, i), override);
	if (o->repeats)
		esp_say("warning: --oseq %" PRIu64
			" is below what %s says was used: nonces may repeat, which breaks the cipher",
			*override, o->path);
	return o;
}

void esp_oseq_reserve(struct esp_oseq *o, unsigned int packets)
{
	if (packets > o->left) {
		/* Each SA may get all packets of a range: every one's numbers are moved up by the whole of
		 * it. */
		for (size_t i = 0; i < o->count; i++) {
			struct entry *e = &o->entries[i];
			uint64_t most, end;

			if (!e->sa)
				continue;
			most = e->sa->flags & ESP_SA_ESN ? UINT64_MAX : UINT32_MAX;
			end = e->sa->tx.oseq > most - o->range ? most : e->sa->tx.oseq + o->range;
			if (e->last < end)
				e->last = end;
		}
		write_file(o);
		o->left = o->range;
		o->range = o->range * 4 < RANGE_MAX ? o->range * 4 : RANGE_MAX;
	}
	o->left -= packets;
}

void esp_oseq_close(struct esp_oseq *o)
{
	for (size_t i = 0; i < o->count; i++) {
		struct entry *e = &o->entries[i];

		if (e->sa)
			e->last = e->sa->tx.oseq > e->before ? e->sa->tx.oseq : e->before;
	}
	write_file(o);
	close(o->lock);
	free(o->entries);
	free(o->path);
	free(o->temporary);
	free(o);
}

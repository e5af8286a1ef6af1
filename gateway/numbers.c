/* SPDX-License-Identifier: MIT */
#include "numbers.h"

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

#include "address.h"

#define RECORD 128u	   /* bytes; a disk writes 512 of them at once or not at all */
#define RANGE (1u << 22)   /* at least; more than a second's worth */
#define ENTRIES_MAX 16384u /* those of SAs that are gone make room for new ones */

struct entry {
	struct esp_addr dst;
	uint32_t spi;
	bool in_use, esn;
	uint64_t seq;  /* when it was last looked at */
	uint64_t last; /* what the file says */
	uint64_t turn; /* when it came out of use; 0: not in this run */
};

struct gw_numbers {
	int lock, fd;
	struct entry *entries;
	size_t count;
	uint64_t turns;
};

static const char head[] =
    "# The last sequence number that each SA may have used. Without this file nonces would repeat.";

static void format(const struct entry *e, char record[RECORD + 1])
{
	char line[RECORD], dst[GW_ADDRESS_TEXT];

	if (e)
		snprintf(line, sizeof(line), "dst %s spi 0x%08" PRIx32 " oseq %" PRIu64,
			 gw_address_text(&e->dst, dst), e->spi, e->last);
	snprintf(record, RECORD + 1, "%-*s\n", (int)RECORD - 1, e ? line : head);
}

/* On disk when it returns. */
static int write_entry(const struct gw_numbers *n, const struct entry *e)
{
	char record[RECORD + 1];
	off_t at = (off_t)RECORD * (1 + (e - n->entries));
	ssize_t written;

	format(e, record);
	written = pwrite(n->fd, record, RECORD, at);
	if (written != (ssize_t)RECORD)
		return written < 0 ? -errno : -EIO;
	return fdatasync(n->fd) ? -errno : 0;
}

static struct entry *find(struct gw_numbers *n, uint32_t spi, const struct esp_addr *dst)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->entries[i].spi == spi && gw_addr_same(&n->entries[i].dst, dst))
			return &n->entries[i];
	return NULL;
}

static bool parse_line(struct gw_numbers *n, const char *line)
{
	char dst[64], end;
	struct entry e = {0}, *twin;

	if (sscanf(line, "dst %63s spi %" SCNx32 " oseq %" SCNu64 " %c", dst, &e.spi, &e.last, &end) != 3 ||
	    !strchr(line, '\n'))
		return false;
	e.dst.family = strchr(dst, ':') ? 6 : 4;
	if (inet_pton(e.dst.family == 4 ? AF_INET : AF_INET6, dst, e.dst.b) != 1)
		return false;
	twin = find(n, e.spi, &e.dst);
	if (!twin && n->count == ENTRIES_MAX)
		return false;
	if (!twin)
		n->entries[n->count++] = e;
	else if (twin->last < e.last)
		twin->last = e.last;
	return true;
}

static int read_file(struct gw_numbers *n, const char *path, char err[ESP_ERROR_LEN])
{
	FILE *f = fopen(path, "re");
	char line[256];
	int code = 0;

	if (!f && errno == ENOENT)
		return 0;
	for (unsigned int number = 1; f && !code && fgets(line, sizeof(line), f); number++) {
		if (line[0] != '#' && !parse_line(n, line)) {
			snprintf(err, ESP_ERROR_LEN,
				 "%.120s:%u: damaged, so the numbers used are not known; make new SAs and "
				 "remove it",
				 path, number);
			code = -EINVAL;
		}
	}
	if (!code && (!f || ferror(f))) {
		code = errno ? -errno : -EIO;
		snprintf(err, ESP_ERROR_LEN, "%.120s: cannot be read: %s", path, strerror(-code));
	}
	if (f)
		fclose(f);
	return code;
}

/* A new file of records takes the old one's name, and stays open. */
static int write_file(struct gw_numbers *n, const char *path)
{
	char record[RECORD + 1], *fresh, *copy;
	int code = 0, directory;

	if (asprintf(&fresh, "%s.new", path) < 0)
		return -ENOMEM;
	n->fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	for (size_t i = 0; n->fd >= 0 && !code && i <= n->count; i++) {
		format(i ? &n->entries[i - 1] : NULL, record);
		errno = EIO;
		if (write(n->fd, record, RECORD) != (ssize_t)RECORD)
			code = -errno;
	}
	if (n->fd < 0 || (!code && (fchmod(n->fd, 0600) || fsync(n->fd) || rename(fresh, path))))
		code = -errno;
	if (code && n->fd >= 0)
		unlink(fresh);
	free(fresh);
	copy = strdup(path);
	directory = copy && !code ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (!code && (directory < 0 || fsync(directory)))
		code = -errno;
	if (directory >= 0)
		close(directory);
	free(copy);
	return code;
}

struct gw_numbers *gw_numbers_open(const char *config, char err[ESP_ERROR_LEN])
{
	struct gw_numbers *n = calloc(1, sizeof(*n));
	char *real = realpath(config, NULL),
	     *path = NULL; /* one file, whatever link leads to the configuration */
	int code = 0;

	err[0] = '\0';
	if (n)
		*n = (struct gw_numbers){
		    .lock = -1, .fd = -1, .entries = calloc(ENTRIES_MAX, sizeof(struct entry))};
	if (!n || !n->entries || !real || asprintf(&path, "%s.oseq", real) < 0)
		code = -errno;
	if (!code &&
	    ((n->lock = open(real, O_RDONLY | O_CLOEXEC)) < 0 || flock(n->lock, LOCK_EX | LOCK_NB) != 0))
		code = -errno;
	if (code == -EWOULDBLOCK)
		snprintf(err, ESP_ERROR_LEN,
			 "%.120s: another gateway runs with it; two at once would use nonces twice", config);
	if (!code)
		code = read_file(n, path, err);
	if (!code)
		code = write_file(n, path);
	if (code && !err[0])
		snprintf(err, ESP_ERROR_LEN,
			 "%.120s.oseq: cannot be written (%s); it keeps nonces from being used twice", config,
			 strerror(-code));
	free(real);
	free(path);
	if (code) {
		gw_numbers_close(n);
		return NULL;
	}
	return n;
}

void gw_numbers_close(struct gw_numbers *n)
{
	if (!n)
		return;
	if (n->fd >= 0)
		close(n->fd);
	if (n->lock >= 0)
		close(n->lock);
	free(n->entries);
	free(n);
}

/* A new one, or the place of that which has been out of use for longest. */
static struct entry *new_entry(struct gw_numbers *n)
{
	struct entry *oldest = NULL;

	if (n->count < ENTRIES_MAX)
		return &n->entries[n->count++];
	for (size_t i = 0; i < n->count; i++) {
		struct entry *e = &n->entries[i];

		if (!e->in_use && (!oldest || e->turn < oldest->turn))
			oldest = e;
	}
	return oldest;
}

static int reserve(const struct gw_numbers *n, struct entry *e, uint64_t seq, uint64_t range)
{
	uint64_t most = e->esn ? UINT64_MAX : UINT32_MAX, old = e->last;
	uint64_t last = seq > most - range ? most : seq + range;
	int code;

	if (last <= e->last)
		return 0;
	e->last = last;
	code = write_entry(n, e);
	if (code)
		e->last = old;
	return code;
}

int gw_numbers_begin(struct gw_numbers *n, struct esp_sa *sa, uint64_t *last)
{
	struct entry *e = find(n, sa->spi, &sa->dst);
	uint64_t start = e && e->last > sa->tx.oseq ? e->last : sa->tx.oseq;
	int code = esp_sa_set_oseq(sa, start);

	if (code)
		return code;
	if (!e)
		e = new_entry(n);
	if (!e)
		return -ENOSPC;
	*e = (struct entry){.dst = sa->dst,
			    .spi = sa->spi,
			    .in_use = true,
			    .esn = sa->flags & ESP_SA_ESN,
			    .seq = start,
			    .last = start};
	code = reserve(n, e, start, RANGE);
	*last = e->last;
	e->in_use = !code;
	return code;
}

int gw_numbers_go_on(struct gw_numbers *n, uint32_t spi, const struct esp_addr *dst, uint64_t seq,
		     uint64_t *last)
{
	struct entry *e = find(n, spi, dst);
	uint64_t used, range = RANGE;
	int code = 0;

	if (!e || !e->in_use)
		return -ENOENT;
	/* Enough for some seconds at the rate since the last look. */
	used = seq > e->seq ? seq - e->seq : 0;
	if (used > range / 8)
		range = used * 8;
	e->seq = seq;
	if (e->last - seq < range / 2)
		code = reserve(n, e, seq, range);
	*last = e->last;
	return code;
}

int gw_numbers_end(struct gw_numbers *n, uint32_t spi, const struct esp_addr *dst, const uint64_t *seq)
{
	struct entry *e = find(n, spi, dst);

	if (!e || !e->in_use)
		return -ENOENT;
	e->in_use = false;
	e->turn = ++n->turns;
	if (!seq)
		return 0;
	e->last = *seq;
	return write_entry(n, e);
}

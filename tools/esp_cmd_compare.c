/* SPDX-License-Identifier: MIT */
/*
 * compare: did every IP frame come back, byte for byte with its time stamp, and in order? Frames are
 * known again by a hash of bytes and stamp, of equal ones the first not yet taken; so what is missing,
 * what is new and what merely changed its place are told apart.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "esp_capture.h"
#include "esp_tool.h"

struct print {
	uint64_t hash;
	size_t place; /* among the IP frames of its capture */
};

struct prints {
	struct print *at;
	size_t count, room;
	uint64_t bytes;
};

static uint64_t mix(uint64_t hash, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n--)
		hash = (hash ^ *p++) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

static void take_prints(struct prints *to, const char *name)
{
	struct esp_reader *in = esp_reader_open(name, NULL, NULL);
	struct esp_frame f;
	int more;

	while ((more = esp_reader_next(in, &f)) == 1) {
		uint64_t hash = 0xcbf29ce484222325u;

		if (esp_link_header(esp_reader_link(in), f.data, f.captured) < 0)
			continue;
		if (to->count == to->room) {
			to->room = to->room ? to->room * 2 : 4096;
			to->at = esp_memory(realloc(to->at, to->room * sizeof(*to->at)));
		}
		hash = mix(hash, &f.seconds, sizeof(f.seconds));
		hash = mix(hash, &f.nanoseconds, sizeof(f.nanoseconds));
		hash = mix(hash, &f.length, sizeof(f.length));
		hash = mix(hash, f.data, f.captured);
		to->at[to->count] = (struct print){hash, to->count};
		to->count++;
		to->bytes += f.captured;
	}
	if (more < 0)
		esp_say("%s: damaged behind its IP frame %zu (%s); what came before is compared", name,
			to->count, esp_reader_error(in));
	esp_reader_close(in);
}

static int by_hash(const void *a, const void *b)
{
	const struct print *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

int esp_cmd_compare(int argc, char **argv)
{
	struct esp_options o;
	struct prints in = {0}, back = {0};
	size_t same = 0, *from;
	bool in_order = true, identical;

	esp_options_read(&o, argc, argv, "stats", 2);
	take_prints(&in, o.in);
	take_prints(&back, o.out);
	if (in.count)
		qsort(in.at, in.count, sizeof(*in.at), by_hash);
	if (back.count)
		qsort(back.at, back.count, sizeof(*back.at), by_hash);
	/* from[i]: where the i-th frame that came back was before, plus 1; 0: nowhere. */
	from = esp_memory(calloc(back.count + 1, sizeof(*from)));
	for (size_t i = 0, k = 0; i < in.count && k < back.count;) {
		if (in.at[i].hash < back.at[k].hash) {
			i++;
		} else if (in.at[i].hash > back.at[k].hash) {
			k++;
		} else {
			from[back.at[k++].place] = in.at[i++].place + 1;
			same++;
		}
	}
	for (size_t i = 0, last = 0; i < back.count; i++) {
		if (from[i] && from[i] < last)
			in_order = false;
		last = from[i] ? from[i] : last;
	}
	identical = same == in.count && same == back.count;
	if (o.stats == ESP_STATS_JSON)
		printf("{\"frames\": %zu, \"bytes\": %" PRIu64
		       ", \"same\": %zu, \"missing\": %zu, \"new\": %zu, "
		       "\"in_order\": %s, \"identical\": %s}\n",
		       in.count, in.bytes, same, in.count - same, back.count - same,
		       in_order ? "true" : "false", identical ? "true" : "false");
	else
		printf("IP frames   %zu (%" PRIu64
		       " bytes)\nthe same    %zu\nmissing     %zu\nnew         %zu\n"
		       "in order    %s\nidentical   %s\n",
		       in.count, in.bytes, same, in.count - same, back.count - same, in_order ? "yes" : "no",
		       identical ? "yes" : "no");
	free(from);
	free(in.at);
	free(back.at);
	esp_options_free(&o);
	if (fflush(stdout))
		esp_fail(ESP_EXIT_OUTPUT, "standard output: %s", strerror(errno));
	return identical && in_order ? ESP_EXIT_OK : ESP_EXIT_PACKETS;
}

/* SPDX-License-Identifier: MIT */
/* A gateway's configuration: refused with one line, or taken, placed and printed, without a key. */

#include "config_file.h"
#include "fuzz.h"

/* An include line gives the input's second half, whichever file it names. */
static struct {
	const char *text;
	size_t length;
} included;

static int read_included(void *arg, const char *name, char **text, size_t *len, char err[ESP_ERROR_LEN])
{
	(void)arg;
	CHECK(!strchr(name, '/'));
	if (!strcmp(name, "missing")) {
		snprintf(err, ESP_ERROR_LEN, "missing");
		return -2;
	}
	*text = malloc(included.length ? included.length : 1);
	CHECK(*text);
	memcpy(*text, included.text, included.length);
	*len = included.length;
	return 0;
}

static void look_at(struct gw_config *c)
{
	static char text[1 << 20];
	FILE *to = fmemopen(text, sizeof(text), "w");

	CHECK(to);
	for (size_t i = 0; i < c->sa_count; i++) {
		struct gw_endpoint remote;
		enum gw_dir dir;
		const char *why;

		CHECK(gw_config_place(c, c->sas[i], &dir, &remote, &why) == 0);
		gw_config_unselected(c, dir, c->sas[i]);
		for (size_t k = 0; k < i; k++)
			gw_config_clash(c, dir, c->sas[i], c->sas[k]);
		for (size_t k = 0; k < c->policy_count; k++)
			gw_policy_means(&c->policies[k], dir, c->sas[i]);
	}
	for (size_t k = 1; k < c->policy_count; k++)
		CHECK(c->policies[k - 1].priority <= c->policies[k].priority);
	gw_config_print(to, c);
	fclose(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gw_includes includes = {.read = read_included};
	const uint8_t *second = size ? memchr(data, 0, size) : NULL;
	size_t length = second ? (size_t)(second - data) : size;
	struct gw_config *c;
	char err[ESP_ERROR_LEN];

	included.text = second ? (const char *)second + 1 : "";
	included.length = second ? size - length - 1 : 0;
	if (gw_config_parse("fuzz", (const char *)data, length, &includes, &c, err)) {
		CHECK(!c && is_a_line(err));
		return 0;
	}
	look_at(c);
	gw_config_free(c);
	return 0;
}

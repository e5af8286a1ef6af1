/* SPDX-License-Identifier: MIT */
/* SA files: refused with one line, or taken; what was taken is written and taken again, and gives the same. */

#include "esp_sa.h"
#include "fuzz.h"

static char *written(const struct esp_sadb *db, size_t *length)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, length);

	CHECK(f);
	for (size_t i = 0; i < esp_sadb_count(db); i++)
		CHECK(esp_sa_write(f, esp_sadb_at(db, i)) == 0);
	CHECK(fclose(f) == 0);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct esp_sadb *db, *again;
	char err[ESP_ERROR_LEN], *first, *second;
	size_t first_length, second_length;
	int code = esp_sadb_parse("fuzz", (const char *)data, size, &db, err);

	if (code) {
		CHECK(!db && is_a_line(err));
		return 0;
	}
	CHECK(esp_sadb_count(db) > 0);
	first = written(db, &first_length);
	code = esp_sadb_parse("fuzz", first, first_length, &again, err);
	if (code)
		fprintf(stderr, "%s\n%s", err, first);
	CHECK(!code && esp_sadb_count(again) == esp_sadb_count(db));
	second = written(again, &second_length);
	CHECK(first_length == second_length && !memcmp(first, second, first_length));
	for (size_t i = 0; i < esp_sadb_count(db); i++) {
		struct esp_sa *sa = esp_sadb_at(db, i);

		CHECK(sa->id && esp_sa_alg_name(sa) && esp_sadb_find(db, sa->spi, &sa->dst));
	}
	free(first);
	free(second);
	esp_sadb_free(db);
	esp_sadb_free(again);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Lists and masks of CPUs: what is taken is printed and taken again, and gives the same; what is refused changes nothing. */

#include <padata.h>

#include "fuzz.h"

static void round_trip(const struct cpumask *mask)
{
	static char text[65536];
	struct cpumask again;
	int length = padata_cpulist_print(text, sizeof(text), mask);
	char few[4];

	CHECK(length >= 0 && (size_t)length < sizeof(text) && strlen(text) == (size_t)length);
	CHECK(cpulist_parse(text, &again) == 0 && cpumask_equal(mask, &again));
	CHECK(padata_cpulist_print(few, sizeof(few), mask) == length && strlen(few) < sizeof(few));
	CHECK(cpumask_weight(mask) <= nr_cpu_ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cpumask before, mask;
	char *text = malloc(size + 1);

	CHECK(text);
	memcpy(text, data, size);
	text[size] = 0;
	/* Of a large machine, whichever this one is. */
	nr_cpu_ids = PADATA_NR_CPUS;
	for (int words = 0; words < 2; words++) {
		int result;

		memset(&before, 0x5a, sizeof(before));
		mask = before;
		result = words ? cpumask_parse(text, &mask) : cpulist_parse(text, &mask);
		if (result == 0)
			round_trip(&mask);
		else
			CHECK(!memcmp(&mask, &before, sizeof(mask)) &&
			      (result == -EINVAL || result == (words ? -EOVERFLOW : -ERANGE)));
	}
	free(text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Sets of CPUs, against an array of booleans. */

#include "contract.h"

static struct cpumask a, b, c;

static void fill(struct cpumask *mask, bool *model, uint64_t *seed)
{
	cpumask_clear(mask);
	uint64_t density = random_next(seed) >> 32;
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
		model[cpu] = (random_next(seed) >> 32) % 4 <= density % 5;
		if (model[cpu])
			cpumask_set_cpu(cpu, mask);
	}
}

static void same(const struct cpumask *mask, const bool *model)
{
	unsigned int weight = 0, first = nr_cpu_ids;
	for (unsigned int cpu = nr_cpu_ids; cpu-- > 0;) {
		CHECK_EQ(cpumask_test_cpu((int)cpu, mask), model[cpu]);
		CHECK(cpumask_next((int)cpu, mask) == first || (first == nr_cpu_ids && cpumask_next((int)cpu, mask) >= first));
		if (model[cpu])
			first = cpu;
		weight += model[cpu];
	}
	CHECK_EQ(cpumask_weight(mask), weight);
	CHECK_EQ(cpumask_empty(mask), weight == 0);
	CHECK(weight ? cpumask_first(mask) == first : cpumask_first(mask) >= nr_cpu_ids);
	CHECK_EQ(cpumask_next(-1, mask), cpumask_first(mask));
	int cpu, last = -1;
	for_each_cpu(cpu, mask) {
		CHECK(cpu > last && model[cpu]);
		last = cpu;
		weight--;
	}
	CHECK_EQ(weight, 0);
}

static void against_a_model(void)
{
	static bool ma[PADATA_NR_CPUS], mb[PADATA_NR_CPUS], mc[PADATA_NR_CPUS];
	uint64_t seed = random_seed();
	for (int round = 0; round < 300; round++) {
		fill(&a, ma, &seed);
		fill(&b, mb, &seed);
		same(&a, ma);
		bool any = false, none_outside = true, equal = true;
		for (unsigned int i = 0; i < nr_cpu_ids; i++) {
			mc[i] = ma[i] && mb[i];
			any |= mc[i];
			none_outside &= !ma[i] || mb[i];
			equal &= ma[i] == mb[i];
		}
		CHECK_EQ(cpumask_and(&c, &a, &b), any);
		same(&c, mc);
		CHECK_EQ(cpumask_subset(&a, &b), none_outside);
		CHECK_EQ(cpumask_equal(&a, &b), equal);
		CHECK(cpumask_subset(&c, &a) && cpumask_subset(&c, &b));
		any = false;
		for (unsigned int i = 0; i < nr_cpu_ids; i++)
			any |= mc[i] = ma[i] && !mb[i];
		CHECK_EQ(cpumask_andnot(&c, &a, &b), any);
		same(&c, mc);
		for (unsigned int i = 0; i < nr_cpu_ids; i++)
			mc[i] = ma[i] || mb[i];
		cpumask_or(&c, &a, &b);
		same(&c, mc);
		cpumask_copy(&c, &a);
		CHECK(cpumask_equal(&c, &a));
		cpumask_or(&c, &c, &b); /* the result may be one of the operands */
		same(&c, mc);
		for (unsigned int i = 0; i < nr_cpu_ids; i++)
			if (i % 3 == 0) {
				cpumask_clear_cpu((int)i, &c);
				mc[i] = false;
			}
		same(&c, mc);
	}
}

static void edges(void)
{
	CHECK(nr_cpu_ids >= 1 && nr_cpu_ids <= PADATA_NR_CPUS);
	cpumask_setall(&a);
	CHECK_EQ(cpumask_weight(&a), nr_cpu_ids);
	cpumask_copy(&b, &a);
	cpumask_set_cpu(nr_cpu_ids, &a);
	cpumask_set_cpu(UINT32_MAX, &a);
	cpumask_clear_cpu(-1, &a);
	cpumask_clear_cpu(INT32_MIN, &a);
	cpumask_clear_cpu((int)nr_cpu_ids, &a);
	CHECK(cpumask_equal(&a, &b));
	CHECK(!cpumask_test_cpu(-1, &a));
	CHECK(!cpumask_test_cpu(INT32_MIN, &a));
	CHECK(!cpumask_test_cpu((int)nr_cpu_ids, &a));
	CHECK(!cpumask_test_cpu(INT32_MAX, &a));
	CHECK(cpumask_next((int)nr_cpu_ids - 1, &a) >= nr_cpu_ids);
	CHECK(cpumask_next((int)nr_cpu_ids, &a) >= nr_cpu_ids);
	CHECK(cpumask_next(INT32_MAX, &a) >= nr_cpu_ids);
	cpumask_clear(&a);
	CHECK(cpumask_empty(&a));
	CHECK(cpumask_first(&a) >= nr_cpu_ids);
	CHECK(cpumask_subset(&a, &a));
}

/* Bits at and above nr_cpu_ids, which a careless copy can bring, do not count. */
static void bits_beyond_do_not_count(void)
{
	if (nr_cpu_ids == PADATA_NR_CPUS)
		SKIP("this machine has every CPU that a mask can hold");
	memset(&a, 0xff, sizeof(a));
	cpumask_setall(&b);
	CHECK(cpumask_equal(&a, &b));
	CHECK(cpumask_subset(&a, &b));
	CHECK_EQ(cpumask_weight(&a), nr_cpu_ids);
	CHECK(!cpumask_andnot(&c, &a, &b));
	CHECK(cpumask_empty(&c));
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
		cpumask_clear_cpu((int)cpu, &a);
	CHECK(cpumask_empty(&a));
	CHECK(cpumask_first(&a) >= nr_cpu_ids);
	CHECK_EQ(cpumask_weight(&a), 0);
	CHECK(!cpumask_and(&c, &a, &a));
	char list[64];
	CHECK_EQ(padata_cpulist_print(list, sizeof(list), &a), 0);
}

static void allocation(void)
{
	cpumask_var_t mask;
	CHECK(alloc_cpumask_var(&mask, GFP_KERNEL));
	cpumask_setall(mask);
	free_cpumask_var(mask);
	CHECK(zalloc_cpumask_var(&mask, GFP_KERNEL));
	CHECK(cpumask_empty(mask));
	for (size_t i = 0; i < COUNT(mask->bits); i++)
		CHECK_EQ(mask->bits[i], 0);
	free_cpumask_var(mask);
	free_cpumask_var(NULL);
}

/* Eight masks of one CPU hold at once, and each thread has its own. */
static void *hold_eight(void *unused)
{
	(void)unused;
	const struct cpumask *eight[8];
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 8; i++)
			eight[i] = cpumask_of((round + i) % (int)nr_cpu_ids);
		for (int i = 0; i < 8; i++) {
			CHECK_EQ(cpumask_weight(eight[i]), 1);
			CHECK_EQ(cpumask_first(eight[i]), (round + i) % (int)nr_cpu_ids);
		}
	}
	CHECK(cpumask_empty(cpumask_of(-1)));
	CHECK(cpumask_empty(cpumask_of((int)nr_cpu_ids)));
	CHECK(cpumask_empty(cpumask_of(INT32_MAX)));
	return NULL;
}

static void masks_of_one_cpu(void)
{
	pthread_t other = thread(hold_eight, NULL);
	hold_eight(NULL);
	join(other);
}

static void masks_of_the_machine(void)
{
	CHECK(!cpumask_empty(cpu_possible_mask));
	CHECK(cpumask_subset(cpu_online_mask, cpu_possible_mask));
	CHECK(cpumask_subset(cpu_active_mask, cpu_online_mask));
	cpu_set_t before, set;
	CHECK_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	int first = usable_cpu(0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CHECK_EQ(cpumask_test_cpu(cpu, cpu_active_mask), CPU_ISSET((unsigned int)cpu, &before) != 0);
	CPU_ZERO(&set);
	CPU_SET((unsigned int)first, &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	CHECK(cpumask_equal(cpu_active_mask, cpumask_of(first))); /* as it is at the moment of use */
	CHECK_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
	CHECK_EQ(cpumask_weight(cpu_active_mask), CPU_COUNT(&before));
	CHECK_EQ(cpumask_weight(cpu_online_mask), sysconf(_SC_NPROCESSORS_ONLN));
}

/* Texts that fit any machine: CPU 0 always exists, "N" stands for the last one. */
struct text {
	const char *text;
	int result;
	unsigned int weight;
	bool has_zero;
};

static void check_text(const struct text *t, int (*parse)(const char *, struct cpumask *))
{
	cpumask_clear(&a);
	cpumask_set_cpu(nr_cpu_ids - 1, &a);
	cpumask_copy(&b, &a);
	int result = parse(t->text, &a);
	if (result != t->result || (result == 0 && cpumask_weight(&a) != t->weight))
		printf("# \"%s\" gives %d, weight %u\n", t->text, result, cpumask_weight(&a));
	CHECK_EQ(result, t->result);
	if (result) {
		CHECK(cpumask_equal(&a, &b));
		return;
	}
	CHECK_EQ(cpumask_weight(&a), t->weight);
	CHECK_EQ(cpumask_test_cpu(0, &a), t->has_zero);
}

static void parse_lists(void)
{
	static const struct text texts[] = {
		{"0", 0, 1, true},	  {"0\n", 0, 1, true},	     {"", 0, 0, false},
		{"\n", 0, 0, false},	  {"0-0", 0, 1, true},	     {"0,0", 0, 1, true},
		{"00", 0, 1, true},	  {"0-0:1/1", 0, 1, true},   {"-1", -EINVAL, 0, false},
		{"x", -EINVAL, 0, false}, {"0-", -EINVAL, 0, false}, {"0x", -EINVAL, 0, false},
		{"0;", -EINVAL, 0, false}, {"0-0:0/0", -EINVAL, 0, false}, {"99999999", -ERANGE, 0, false},
		{"0-99999999", -ERANGE, 0, false}, {"0-0:2/1", -EINVAL, 0, false},
	};
	for (size_t i = 0; i < COUNT(texts); i++)
		check_text(&texts[i], cpulist_parse);
	CHECK_EQ(cpulist_parse("all", &a), 0);
	CHECK_EQ(cpumask_weight(&a), nr_cpu_ids);
	char text[64];
	snprintf(text, sizeof(text), "0-%u", nr_cpu_ids - 1);
	CHECK_EQ(cpulist_parse(text, &a), 0);
	CHECK_EQ(cpumask_weight(&a), nr_cpu_ids);
	snprintf(text, sizeof(text), "0-%u", nr_cpu_ids);
	CHECK_EQ(cpulist_parse(text, &a), -ERANGE);
	snprintf(text, sizeof(text), "0-%u:1/2", nr_cpu_ids - 1);
	CHECK_EQ(cpulist_parse(text, &a), 0);
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
		CHECK_EQ(cpumask_test_cpu((int)cpu, &a), cpu % 2 == 0);
	if (nr_cpu_ids > 1) {
		CHECK_EQ(cpulist_parse("1-0", &a), -EINVAL);
		CHECK_EQ(cpulist_parse("1,0", &a), 0);
		CHECK_EQ(cpumask_weight(&a), 2);
	}
}

static void parse_words(void)
{
	static const struct text texts[] = {
		{"1", 0, 1, true},	   {"1\n", 0, 1, true},	      {"0", 0, 0, false},
		{"00000001", 0, 1, true},  {"0,00000001", 0, 1, true}, {"00000000,00000000,1", 0, 1, true},
		{"g", -EINVAL, 0, false},  {"-1", -EINVAL, 0, false}, {"1 x", -EINVAL, 0, false},
		{"1x", -EINVAL, 0, false},
	};
	for (size_t i = 0; i < COUNT(texts); i++)
		check_text(&texts[i], cpumask_parse);
	if (nr_cpu_ids > 1) {
		CHECK_EQ(cpumask_parse("2", &a), 0);
		CHECK_EQ(cpumask_first(&a), 1);
		CHECK_EQ(cpumask_weight(&a), 1);
		CHECK_EQ(cpumask_parse("3", &a), 0);
		CHECK_EQ(cpumask_weight(&a), 2);
	}
	/* One bit above the last CPU: refused, with either of the names for it. */
	char text[PADATA_NR_CPUS / 32 * 9 + 16], *at = text;
	at += sprintf(at, "%x", 1u << nr_cpu_ids % 32);
	for (unsigned int word = nr_cpu_ids / 32; word > 0; word--)
		at += sprintf(at, ",%08x", 0u);
	int result = cpumask_parse(text, &a);
	CHECK(result == -EOVERFLOW || result == -ERANGE);
}

static void print_lists(void)
{
	char list[64];
	cpumask_clear(&a);
	memset(list, 'x', sizeof(list));
	CHECK_EQ(padata_cpulist_print(list, sizeof(list), &a), 0);
	CHECK_EQ(strcmp(list, ""), 0);
	cpumask_set_cpu(0, &a);
	CHECK_EQ(padata_cpulist_print(list, sizeof(list), &a), 1);
	CHECK_EQ(strcmp(list, "0"), 0);
	CHECK_EQ(padata_cpulist_print(NULL, 0, &a), 1);
	cpumask_setall(&a);
	char expected[64];
	int length = nr_cpu_ids == 1 ? snprintf(expected, sizeof(expected), "0")
				     : snprintf(expected, sizeof(expected), "0-%u", nr_cpu_ids - 1);
	CHECK_EQ(padata_cpulist_print(list, sizeof(list), &a), length);
	CHECK_EQ(strcmp(list, expected), 0);
	for (size_t size = 1; size <= (size_t)length; size++) {
		memset(list, 'x', sizeof(list));
		CHECK_EQ(padata_cpulist_print(list, size, &a), length);
		CHECK_EQ(strlen(list), size - 1);
		CHECK_EQ(strncmp(list, expected, size - 1), 0);
		CHECK_EQ(list[size], 'x');
	}
}

static void print_and_parse(void)
{
	static bool model[PADATA_NR_CPUS];
	static char list[PADATA_NR_CPUS * 6];
	uint64_t seed = random_seed();
	for (int round = 0; round < 300; round++) {
		fill(&a, model, &seed);
		int length = padata_cpulist_print(list, sizeof(list), &a);
		CHECK_EQ(strlen(list), length);
		cpumask_setall(&b);
		CHECK_EQ(cpulist_parse(list, &b), 0);
		CHECK(cpumask_equal(&a, &b));
	}
}

static const struct test_case cases[] = {
	{"interface: sets of CPUs do what sets do", against_a_model},
	{"interface: CPU numbers out of range", edges},
	{"interface: bits beyond the last CPU do not count", bits_beyond_do_not_count},
	{"interface: masks are allocated and freed", allocation},
	{"interface: eight masks of one CPU hold at once", masks_of_one_cpu},
	{"interface: the masks of the machine", masks_of_the_machine},
	{"interface: cpulist_parse", parse_lists},
	{"interface: cpumask_parse", parse_words},
	{"interface: padata_cpulist_print", print_lists},
	{"interface: what is printed is parsed back", print_and_parse},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */

/* Sets of CPUs: algebra, parsing, printing, and which CPUs the machine and the process have. */

#include "cpumask.h"
#include "compiler.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_BITS ((unsigned int)PADATA_BITS_PER_LONG)
#define LONGS (PADATA_NR_CPUS / LONG_BITS)

PD_EXPORT unsigned int nr_cpu_ids = PADATA_NR_CPUS;

PD_EXPORT bool zalloc_cpumask_var(cpumask_var_t *mask, gfp_t flags)
{
	(void)flags;
	*mask = calloc(1, sizeof(struct cpumask));
	return *mask != NULL;
}

PD_EXPORT bool alloc_cpumask_var(cpumask_var_t *mask, gfp_t flags)
{
	return zalloc_cpumask_var(mask, flags);
}

PD_EXPORT void free_cpumask_var(cpumask_var_t mask)
{
	free(mask);
}

PD_EXPORT void cpumask_clear(struct cpumask *dst)
{
	memset(dst, 0, sizeof(*dst));
}

PD_EXPORT void cpumask_setall(struct cpumask *dst)
{
	cpumask_clear(dst);
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
		cpumask_set_cpu(cpu, dst);
}

PD_EXPORT void cpumask_copy(struct cpumask *dst, const struct cpumask *src)
{
	*dst = *src;
}

/* The bits of word i that stand for CPUs below nr_cpu_ids. */
static unsigned long valid_bits(unsigned int i)
{
	unsigned int first = i * LONG_BITS;

	if (nr_cpu_ids <= first)
		return 0;
	if (nr_cpu_ids - first >= LONG_BITS)
		return ~0UL;
	return (1UL << (nr_cpu_ids - first)) - 1;
}

PD_EXPORT bool cpumask_and(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned int i = 0; i < LONGS; i++)
		dst->bits[i] = a->bits[i] & b->bits[i] & valid_bits(i);
	return !cpumask_empty(dst);
}

PD_EXPORT void cpumask_or(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned int i = 0; i < LONGS; i++)
		dst->bits[i] = (a->bits[i] | b->bits[i]) & valid_bits(i);
}

PD_EXPORT bool cpumask_andnot(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned int i = 0; i < LONGS; i++)
		dst->bits[i] = a->bits[i] & ~b->bits[i] & valid_bits(i);
	return !cpumask_empty(dst);
}

PD_EXPORT bool cpumask_equal(const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned int i = 0; i < LONGS; i++) {
		if ((a->bits[i] ^ b->bits[i]) & valid_bits(i))
			return false;
	}
	return true;
}

PD_EXPORT bool cpumask_subset(const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned int i = 0; i < LONGS; i++) {
		if (a->bits[i] & ~b->bits[i] & valid_bits(i))
			return false;
	}
	return true;
}

PD_EXPORT bool cpumask_empty(const struct cpumask *mask)
{
	return cpumask_first(mask) >= nr_cpu_ids;
}

PD_EXPORT unsigned int cpumask_weight(const struct cpumask *mask)
{
	unsigned int weight = 0;

	for (unsigned int i = 0; i < LONGS; i++)
		weight += (unsigned int)__builtin_popcountl(mask->bits[i] & valid_bits(i));
	return weight;
}

PD_EXPORT unsigned int cpumask_first(const struct cpumask *mask)
{
	return cpumask_next(-1, mask);
}

PD_EXPORT unsigned int cpumask_next(int n, const struct cpumask *mask)
{
	unsigned int cpu = n < 0 ? 0 : (unsigned int)n + 1;
	unsigned long seen = ~0UL << (cpu % LONG_BITS);

	for (unsigned int i = cpu / LONG_BITS; i < LONGS; i++, seen = ~0UL) {
		unsigned long word = mask->bits[i] & valid_bits(i) & seen;

		if (word)
			return i * LONG_BITS + (unsigned int)__builtin_ctzl(word);
	}
	return nr_cpu_ids;
}

PD_EXPORT void cpumask_set_cpu(unsigned int cpu, struct cpumask *dst)
{
	if (cpu < nr_cpu_ids)
		dst->bits[cpu / LONG_BITS] |= 1UL << (cpu % LONG_BITS);
}

PD_EXPORT void cpumask_clear_cpu(int cpu, struct cpumask *dst)
{
	if (cpu >= 0 && (unsigned int)cpu < nr_cpu_ids)
		dst->bits[(unsigned int)cpu / LONG_BITS] &= ~(1UL << ((unsigned int)cpu % LONG_BITS));
}

PD_EXPORT bool cpumask_test_cpu(int cpu, const struct cpumask *mask)
{
	if (cpu < 0 || (unsigned int)cpu >= nr_cpu_ids)
		return false;
	return mask->bits[(unsigned int)cpu / LONG_BITS] >> ((unsigned int)cpu % LONG_BITS) & 1;
}

/* Read a list of CPUs that the kernel keeps in a file; what cannot be read is CPU 0 alone. */
static const struct cpumask *read_mask(const char *path, struct cpumask *mask)
{
	char text[4096];
	int fd, cancel;
	ssize_t n;

	/* They are cancellation points, and the descriptor is not to be lost. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	pthread_setcancelstate(cancel, NULL);
	text[n > 0 ? n : 0] = '\0';
	if (n <= 0 || cpulist_parse(text, mask) || cpumask_empty(mask)) {
		cpumask_clear(mask);
		cpumask_set_cpu(0, mask);
	}
	return mask;
}

void pd_cpumask_active(struct cpumask *mask)
{
	cpumask_clear(mask);
	/* The main thread's set stands for the process: the caller may be pinned, as every worker is. */
	if (sched_getaffinity(getpid(), sizeof(*mask), (cpu_set_t *)(void *)mask))
		read_mask("/sys/devices/system/cpu/online", mask);
}

/*
 * The masks that are handed out by pointer, for each thread that asks. On the heap, since in thread-local
 * storage they would take more room than a program that loads the library late has left there.
 */
struct handed_out {
	struct cpumask of[8], possible, online, active;
	unsigned int turn;
};

static pthread_key_t handed_out_key;

static struct handed_out *handed_out(void)
{
	struct handed_out *masks = pthread_getspecific(handed_out_key);

	if (!masks) {
		masks = calloc(1, sizeof(*masks));
		if (masks && pthread_setspecific(handed_out_key, masks)) {
			free(masks);
			masks = NULL;
		}
	}
	return masks;
}

/* What those get for whom there is no memory. */
static const struct cpumask no_cpu;

PD_EXPORT const struct cpumask *cpumask_of(int cpu)
{
	struct handed_out *masks = handed_out();
	struct cpumask *mask;

	if (!masks)
		return &no_cpu;
	mask = &masks->of[masks->turn++ % 8];
	cpumask_clear(mask);
	if (cpu >= 0)
		cpumask_set_cpu((unsigned int)cpu, mask);
	return mask;
}

PD_EXPORT const struct cpumask *padata_cpu_possible_mask(void)
{
	struct handed_out *masks = handed_out();

	return masks ? read_mask("/sys/devices/system/cpu/possible", &masks->possible) : &no_cpu;
}

PD_EXPORT const struct cpumask *padata_cpu_online_mask(void)
{
	struct handed_out *masks = handed_out();

	return masks ? read_mask("/sys/devices/system/cpu/online", &masks->online) : &no_cpu;
}

PD_EXPORT const struct cpumask *padata_cpu_active_mask(void)
{
	struct handed_out *masks = handed_out();

	if (!masks)
		return &no_cpu;
	pd_cpumask_active(&masks->active);
	return &masks->active;
}

/* One number; *text moves behind it. -EINVAL without a digit, -ERANGE when no mask has such a CPU. */
static int parse_number(const char **text, unsigned int *number)
{
	unsigned long n = 0;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	for (; isdigit((unsigned char)**text); (*text)++) {
		n = n * 10 + (unsigned long)(**text - '0');
		if (n > PADATA_NR_CPUS)
			n = PADATA_NR_CPUS; /* no larger, so that it cannot wrap; refused below */
	}
	*number = (unsigned int)n;
	return 0;
}

static const char *skip_blank(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* One range: "all", N, N-M, and N-M:used/group, which takes the first CPUs of each group. */
static int parse_range(const char **text, struct cpumask *mask)
{
	unsigned int first, last, used = 1, group = 1;
	int error;

	if (!strncmp(*text, "all", 3)) {
		*text += 3;
		first = 0;
		last = nr_cpu_ids - 1;
	} else {
		error = parse_number(text, &first);
		if (error)
			return error;
		last = first;
		if (**text == '-') {
			(*text)++;
			error = parse_number(text, &last);
			if (error)
				return error;
		}
	}
	if (**text == ':') {
		(*text)++;
		error = parse_number(text, &used);
		if (error)
			return error;
		if (*(*text)++ != '/')
			return -EINVAL;
		error = parse_number(text, &group);
		if (error)
			return error;
	}
	if (last < first || used == 0 || group == 0 || used > group)
		return -EINVAL;
	if (last >= nr_cpu_ids)
		return -ERANGE;
	for (unsigned int cpu = first; cpu <= last; cpu++) {
		if ((cpu - first) % group < used)
			cpumask_set_cpu(cpu, mask);
	}
	return 0;
}

PD_EXPORT int cpulist_parse(const char *list, struct cpumask *dst)
{
	struct cpumask mask;

	if (!list || !dst)
		return -EINVAL;
	cpumask_clear(&mask);
	list = skip_blank(list);
	while (*list) {
		int error = parse_range(&list, &mask);

		if (error)
			return error;
		list = skip_blank(list);
		if (*list == ',')
			list = skip_blank(list + 1);
		else if (*list)
			return -EINVAL;
	}
	*dst = mask;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* From the right: each word between commas has 32 bits, the leftmost may be shorter. */
PD_EXPORT int cpumask_parse(const char *hex, struct cpumask *dst)
{
	struct cpumask mask;
	const char *end;
	unsigned int word = 0, digits = 0;

	if (!hex || !dst)
		return -EINVAL;
	cpumask_clear(&mask);
	hex = skip_blank(hex);
	end = hex + strlen(hex);
	while (end > hex && isspace((unsigned char)end[-1]))
		end--;
	if (end == hex)
		return -EINVAL;
	for (const char *p = end; p-- > hex;) {
		int digit;

		if (*p == ',') {
			if (digits == 0)
				return -EINVAL;
			word++;
			digits = 0;
			continue;
		}
		digit = hex_digit(*p);
		if (digit < 0 || digits == 8)
			return -EINVAL;
		for (unsigned int bit = 0; bit < 4; bit++) {
			unsigned int cpu = word * 32 + digits * 4 + bit;

			if (!(digit >> bit & 1))
				continue;
			if (word >= PADATA_NR_CPUS / 32 || cpu >= nr_cpu_ids)
				return -EOVERFLOW;
			cpumask_set_cpu(cpu, &mask);
		}
		digits++;
	}
	if (digits == 0)
		return -EINVAL;
	*dst = mask;
	return 0;
}

PD_EXPORT int padata_cpulist_print(char *buf, size_t size, const struct cpumask *mask)
{
	size_t length = 0;
	unsigned int first, last;

	if (size)
		buf[0] = '\0';
	for (first = cpumask_first(mask); first < nr_cpu_ids; first = cpumask_next((int)last, mask)) {
		char range[32];
		size_t n;

		for (last = first; cpumask_test_cpu((int)last + 1, mask); last++)
			;
		n = (size_t)snprintf(range, sizeof(range), first == last ? "%s%u" : "%s%u-%u",
				     length ? "," : "", first, last);
		if (length < size)
			snprintf(buf + length, size - length, "%s", range);
		length += n;
	}
	return (int)length;
}

/* Ahead of every other constructor of the program that may ask for a mask. */
__attribute__((__constructor__(101))) static void count_cpus(void)
{
	struct cpumask possible;
	unsigned int highest, cpu;

	pthread_key_create(&handed_out_key, free);
	highest = cpumask_first(read_mask("/sys/devices/system/cpu/possible", &possible));
	for_each_cpu(cpu, &possible)
		highest = cpu;
	nr_cpu_ids = highest + 1;
}

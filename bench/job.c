/* SPDX-License-Identifier: MIT */

/* What the programs share: options, the clock, what a run cost, the result's line. */

#include "job.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct job job = {.work = 1000, .window = 1024};
struct job_cost job_cost;

static const struct job_option common[] = {
	{"work", &job.work, NULL, "ns of work for one item"},
	{"items", &job.items, NULL, "how many items (default: about half a second)"},
	{"window", &job.window, NULL, "items outstanding at most"},
	{"per-us", &job.per_us, NULL, "turns of the work's loop in a microsecond (default: measured)"},
	{NULL, NULL, NULL, NULL},
};

void job_fail(const char *why, long value)
{
	fprintf(stderr, "bench: %s (%ld)\n", why, value);
	abort();
}

void *job_memory(size_t size)
{
	size = (size + 63) / 64 * 64;
	void *memory = aligned_alloc(64, size);
	if (!memory)
		job_fail("no memory", (long)size);
	return memset(memory, 0, size);
}

void job_on_two_cpus(void *(*run)(void *), void *first, void *second)
{
	void *arguments[] = {first, second};
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		cpu_set_t cpu;
		pthread_attr_t attributes;
		CPU_ZERO(&cpu);
		CPU_SET((size_t)i, &cpu);
		pthread_attr_init(&attributes);
		pthread_attr_setaffinity_np(&attributes, sizeof(cpu), &cpu);
		int error = pthread_create(&threads[i], &attributes, run, arguments[i]);
		if (error)
			job_fail("no thread", error);
		pthread_attr_destroy(&attributes);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

unsigned long long job_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000u + (unsigned long long)now.tv_nsec;
}

unsigned long job_work(unsigned long value, unsigned long loops)
{
	for (; loops; loops--)
		value = value * 0x5851f42d4c957f2dul + 0x14057b7ef767814ful;
	return value;
}

/* The fastest of several: whatever disturbs a run makes it slower, nothing makes it faster. */
static unsigned long calibrate(void)
{
	const unsigned long turns = 1000000;
	double best = 0;
	for (int i = 0; i < 20; i++) {
		unsigned long long start = job_now();
		volatile unsigned long result = job_work((unsigned long)i, turns);
		(void)result;
		double per_us = 1000.0 * (double)turns / (double)(job_now() - start);
		if (per_us > best)
			best = per_us;
	}
	return (unsigned long)(best + 0.5);
}

static const struct job_option *find(const struct job_option *options, const char *name)
{
	for (; options && options->name; options++)
		if (!strcmp(options->name, name))
			return options;
	return NULL;
}

static void usage(const char *program, const struct job_option *options)
{
	fprintf(stderr, "usage: %s [--option value]...\n", program);
	for (const struct job_option *o = common; o->name; o++)
		fprintf(stderr, "  --%-10s %s\n", o->name, o->help);
	for (; options && options->name; options++)
		fprintf(stderr, "  --%-10s %s\n", options->name, options->help);
	exit(2);
}

void job_options(int argc, char **argv, const struct job_option *options)
{
	for (int i = 1; i < argc; i += 2) {
		const struct job_option *o = NULL;
		if (!strncmp(argv[i], "--", 2))
			o = find(common, argv[i] + 2) ? find(common, argv[i] + 2) : find(options, argv[i] + 2);
		if (!o || i + 1 == argc)
			usage(argv[0], options);
		if (o->text) {
			*o->text = argv[i + 1];
			continue;
		}
		char *end;
		errno = 0;
		*o->number = strtoul(argv[i + 1], &end, 10);
		if (errno || *end || end == argv[i + 1])
			usage(argv[0], options);
	}
	if (!job.per_us)
		job.per_us = calibrate();
	job.loops = (job.work * job.per_us + 500) / 1000;
	if (!job.items)
		job.items = 600000000 / (job.work / 2 + 100);
	if (!job.window)
		job.window = 1;
}

/* Of all CPUs, the clock ticks in which they did anything, or were taken away by the hypervisor. */
static double machine_ticks(void)
{
	unsigned long long user = 0, nice = 0, system = 0, irq = 0, softirq = 0, steal = 0;
	FILE *stat = fopen("/proc/stat", "re");
	if (!stat)
		return 0;
	int fields = fscanf(stat, "cpu %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &system, &irq,
			    &softirq, &steal);
	fclose(stat);
	return fields < 6 ? 0 : (double)(user + nice + system + irq + softirq + steal);
}

static struct job_cost own_cost(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (struct job_cost){
		.wall = (double)job_now(),
		.cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3,
		.switches = usage.ru_nvcsw + usage.ru_nivcsw,
	};
}

/* The machine is read outside what is measured, since that alone takes some 100 us. */
void job_begin(void)
{
	double resolution = 1e9 / (double)sysconf(_SC_CLK_TCK);
	double busy = machine_ticks() * resolution;
	job_cost = own_cost();
	job_cost.foreign = busy;
	job_cost.resolution = resolution;
}

void job_end(void)
{
	struct job_cost end = own_cost();
	job_cost.foreign = machine_ticks() * job_cost.resolution - job_cost.foreign;
	job_cost.wall = end.wall - job_cost.wall;
	job_cost.cpu = end.cpu - job_cost.cpu;
	job_cost.switches = end.switches - job_cost.switches;
	job_cost.foreign -= job_cost.cpu;
	if (job_cost.foreign < 0)
		job_cost.foreign = 0;
}

void job_report(const char *program, unsigned long sum, const char *fields, ...)
{
	double items = (double)job.items;
	printf("{\"program\": \"%s\", \"work\": %lu, \"items\": %lu, \"window\": %lu, \"per_us\": %lu, ", program,
	       job.work, job.items, job.window, job.per_us);
	printf("\"wall\": %.2f, \"cpu\": %.2f, \"switches\": %ld, \"sum\": %lu, ", job_cost.wall / items,
	       job_cost.cpu / items, job_cost.switches, sum);
	printf("\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"foreign_seconds\": %.6f, \"resolution\": %.3f",
	       job_cost.wall / 1e9, job_cost.cpu / 1e9, job_cost.foreign / 1e9, job_cost.resolution / 1e9);
	va_list arguments;
	va_start(arguments, fields);
	vprintf(fields, arguments);
	va_end(arguments);
	printf("}\n");
}

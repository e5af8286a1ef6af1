/* SPDX-License-Identifier: MIT */
#include "stream_usage.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

size_t resident_peak(void)
{
	/* getrusage(2) would count what the process was before it became this program. */
	char line[256];
	size_t kib = 0;
	FILE *status = fopen("/proc/self/status", "re");
	while (status && fgets(line, sizeof(line), status)) {
		if (sscanf(line, "VmHWM: %zu", &kib) == 1)
			break;
	}
	if (status)
		fclose(status);
	return kib * 1024;
}

static double seconds_of(int who)
{
	struct rusage used;
	getrusage(who, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

double cpu_seconds(void)
{
	return seconds_of(RUSAGE_SELF);
}

double cpu_seconds_commands(void)
{
	return seconds_of(RUSAGE_CHILDREN);
}

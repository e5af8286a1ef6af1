/* SPDX-License-Identifier: MIT */

/* A finding, and the trace of the schedule that leads to it. */

#include "internal.h"
#include "snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char finding[1024];
static OF_SCHEDULE void *finding_pcs[2];
bool tracing;

void finding_at(void *pc1, void *pc2)
{
	finding_pcs[0] = pc1;
	finding_pcs[1] = pc2;
}

void sched_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(finding, sizeof(finding), format, ap);
	va_end(ap);
	if (!running) {
		fprintf(stderr, "outside of a schedule: %s\n", finding);
		_exit(2);
	}
	fiber_abandon();
}

enum { TRACE_MAX = 4096 };
static struct step {
	unsigned int thread;
	const char *what;
	uintptr_t address;
	unsigned long long value;
	void *pc;
} steps[TRACE_MAX];
static unsigned long n_steps;

void trace(const char *what, uintptr_t address, unsigned long long value, void *pc)
{
	steps[n_steps++ % TRACE_MAX] = (struct step){self, what, address, value, pc};
}

void trace_reset(void)
{
	n_steps = 0;
}

/* Where a program counter is, by binutils; the number alone where they are missing. */
static void where(void *pc, char *out, size_t size)
{
	char command[4200], exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	FILE *f;
	char *slash;

	snprintf(out, size, "%p", pc);
	if (n <= 0 || !pc)
		return;
	exe[n] = '\0';
	snprintf(command, sizeof(command), "addr2line -s -e '%s' %#lx 2>/dev/null", exe, (unsigned long)pc - 1);
	f = popen(command, "r");
	if (!f)
		return;
	if (fgets(out, (int)size, f)) {
		out[strcspn(out, "\n")] = '\0';
		slash = strstr(out, " (disc");
		if (slash)
			*slash = '\0';
	}
	pclose(f);
}

void report_finding(void)
{
	char place[256];

	printf("    %s\n", finding);
	for (int i = 0; i < 2; i++) {
		if (!finding_pcs[i])
			continue;
		where(finding_pcs[i], place, sizeof(place));
		printf("    %s %s\n", i ? "and" : "at", place);
	}
}

/* One process for all addresses would do; but a trace is rare, and read by a person. */
void report_trace(unsigned long last)
{
	unsigned long from = n_steps > last ? n_steps - last : 0;

	if (n_steps > TRACE_MAX && from < n_steps - TRACE_MAX)
		from = n_steps - TRACE_MAX;
	for (unsigned long i = from; i < n_steps; i++) {
		struct step *s = &steps[i % TRACE_MAX];
		char place[256];

		where(s->pc, place, sizeof(place));
		printf("    %5lu %*s%u %s %#lx %#llx  %s\n", i, (int)s->thread * 2, "", s->thread, s->what,
		       (unsigned long)s->address, s->value, place);
	}
}

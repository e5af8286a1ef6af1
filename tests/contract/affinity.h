/* SPDX-License-Identifier: MIT */
#ifndef AFFINITY_H
#define AFFINITY_H

/* Where the process may run: by sched_setaffinity on some or all of its threads, or by a cpuset. */

#include <sys/stat.h>

#include "contract.h"

enum who { MAIN_THREAD, ALL_THREADS, CPUSET };

static char cpuset[256];

static inline int write_text(const char *dir, const char *file, const char *text)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *f = fopen(path, "w");
	if (!f)
		return 0;
	int ok = fputs(text, f) >= 0;
	return fclose(f) == 0 && ok;
}

static inline int read_text(const char *dir, const char *file, char *text, size_t size)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	size_t n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = 0;
	return n > 0;
}

/* Restrict the process to the CPUs of the mask; false where this machine does not let us. */
static inline int restrict_to(enum who who, const struct cpumask *mask)
{
	if (who == CPUSET) {
		char list[4096];
		padata_cpulist_print(list, sizeof(list), mask);
		return write_text(cpuset, "cpuset.cpus", list);
	}
	cpu_set_t set;
	CPU_ZERO(&set);
	int cpu;
	for_each_cpu(cpu, mask)
		if (cpu < CPU_SETSIZE)
			CPU_SET((unsigned int)cpu, &set);
	if (who == MAIN_THREAD)
		return sched_setaffinity(getpid(), sizeof(set), &set) == 0;
	DIR *d = opendir("/proc/self/task");
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			(void)sched_setaffinity(atoi(e->d_name), sizeof(set), &set); /* it may just have ended */
	closedir(d);
	return 1;
}

/* Put the process into a cpuset of its own that holds all its CPUs; false where none can be made. */
static inline int cpuset_enter(void)
{
	char text[4096], pid[32];
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(cpuset, sizeof(cpuset), "/sys/fs/cgroup/cpuset/padata-%d", getpid());
	if (mkdir(cpuset, 0755) == 0) {
		if (read_text("/sys/fs/cgroup/cpuset", "cpuset.mems", text, sizeof(text)) &&
		    write_text(cpuset, "cpuset.mems", text) && restrict_to(CPUSET, cpu_active_mask) &&
		    write_text(cpuset, "cgroup.procs", pid))
			return 1;
		rmdir(cpuset);
	}
	snprintf(cpuset, sizeof(cpuset), "/sys/fs/cgroup/padata-%d", getpid());
	if (!read_text("/sys/fs/cgroup", "cgroup.subtree_control", text, sizeof(text)) || !strstr(text, "cpuset") ||
	    mkdir(cpuset, 0755) != 0)
		return 0;
	if (restrict_to(CPUSET, cpu_active_mask) && write_text(cpuset, "cgroup.procs", pid))
		return 1;
	rmdir(cpuset);
	return 0;
}

static inline void cpuset_leave(void)
{
	char parent[256], pid[32];
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(parent, sizeof(parent), "%s", cpuset);
	*strrchr(parent, '/') = 0;
	write_text(parent, "cgroup.procs", pid);
	rmdir(cpuset);
}

#endif

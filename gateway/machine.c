/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "config_file.h"

/* Line 0: nobody wrote the word, it is what holds without. */
static int fail(char err[ESP_ERROR_LEN], const char *path, uint32_t line, const char *word, const char *what)
{
	if (line)
		snprintf(err, ESP_ERROR_LEN, "%.80s:%u: '%.40s': %s", path, line, word, what);
	else
		snprintf(err, ESP_ERROR_LEN, "%.80s: '%.40s': %s", path, word, what);
	return -EINVAL;
}

static bool has_cpu(const struct cpumask *cpus)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpus)
		if (cpumask_test_cpu(cpu, cpu_active_mask))
			return true;
	return false;
}

int gw_machine_has(const char *path, const struct gw_config *c, struct gw_user *user, char err[ESP_ERROR_LEN])
{
	const struct passwd *p;
	const char *why;
	char list[64];

	errno = 0;
	p = getpwnam(c->user);
	if (!p)
		return fail(err, path, c->user_line, c->user,
			    errno ? strerror(errno) : "there is no such user on this machine");
	*user = (struct gw_user){p->pw_uid, p->pw_gid};
	if (c->has_cpus && !has_cpu(c->cpus)) {
		padata_cpulist_print(list, sizeof(list), c->cpus);
		return fail(err, path, c->cpus_line, list, "none of these CPUs can be used on this machine");
	}
	if (esp_backend_available(c->backend, &why))
		return fail(err, path, c->backend_line, gw_backend_name(c->backend), why);
	return 0;
}

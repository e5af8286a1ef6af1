/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "esp_tool.h"

enum { CPUS = 256, SA, BACKEND, STATS, TIMELINE, OSEQ, SECONDS, ROUNDS };

static const struct option longs[] = {
    {"sa", required_argument, NULL, SA},
    {"cpus", required_argument, NULL, CPUS},
    {"backend", required_argument, NULL, BACKEND},
    {"stats", required_argument, NULL, STATS},
    {"timeline", required_argument, NULL, TIMELINE},
    {"oseq", required_argument, NULL, OSEQ},
    {"seconds", required_argument, NULL, SECONDS},
    {"rounds", required_argument, NULL, ROUNDS},
    {NULL, 0, NULL, 0},
};

uint64_t esp_number(const char *option, const char *text, uint64_t from, uint64_t to)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || n < from || n > to)
		esp_fail(ESP_EXIT_USAGE, "%s %s: not a number from %llu to %llu", option, text,
			 (unsigned long long)from, (unsigned long long)to);
	return n;
}

static void pick_cpus(struct esp_options *o, const char *list, uint64_t count)
{
	char have[512];
	unsigned int cpu;

	if (!zalloc_cpumask_var(&o->cpus, GFP_KERNEL))
		esp_memory(NULL);
	padata_cpulist_print(have, sizeof(have), cpu_active_mask);
	if (list) {
		if (cpulist_parse(list, o->cpus) || cpumask_empty(o->cpus) ||
		    !cpumask_subset(o->cpus, cpu_active_mask))
			esp_fail(ESP_EXIT_USAGE,
				 "--cpus %s: not a list, like 0-3,8, of the CPUs that this process may use, "
				 "which are %s",
				 list, have);
		return;
	}
	for_each_cpu(cpu, cpu_active_mask) {
		if (!count--)
			break;
		cpumask_set_cpu(cpu, o->cpus);
	}
}

void esp_options_read(struct esp_options *o, int argc, char **argv, const char *accepts, int files)
{
	const char *list = NULL;
	uint64_t count = UINT64_MAX;
	int c, which = 0;

	*o = (struct esp_options){.backend = ESP_BACKEND_AUTO, .seconds = 2, .rounds = 3};
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":j:", longs, &which)) != -1) {
		if (c >= CPUS && !strstr(accepts, longs[which].name))
			esp_fail(ESP_EXIT_USAGE, "%s has no option --%s; --help explains", argv[0],
				 longs[which].name);
		switch (c) {
		case '?':
			esp_fail(ESP_EXIT_USAGE, "%s has no option %s; --help explains", argv[0],
				 argv[optind - 1]);
		case ':':
			esp_fail(ESP_EXIT_USAGE, "%s: a value is missing behind %s", argv[0],
				 argv[optind - 1]);
		case 'j':
			count = esp_number("-j", optarg, 1, 1u << 20);
			break;
		case CPUS:
			list = optarg;
			break;
		case SA:
			o->sa = optarg;
			break;
		case BACKEND:
			if (esp_backend_parse(optarg, &o->backend))
				esp_fail(ESP_EXIT_USAGE, "--backend %s: ipsec-mb, openssl or auto", optarg);
			break;
		case STATS:
			if (strcmp(optarg, "text") && strcmp(optarg, "json"))
				esp_fail(ESP_EXIT_USAGE, "--stats %s: text or json", optarg);
			o->stats = optarg[0] == 't' ? ESP_STATS_TEXT : ESP_STATS_JSON;
			break;
		case TIMELINE:
			o->timeline = optarg;
			break;
		case OSEQ:
			o->has_oseq = true;
			o->oseq = esp_number("--oseq", optarg, 0, UINT64_MAX);
			break;
		case SECONDS:
			o->seconds = (double)esp_number("--seconds", optarg, 1, 3600);
			break;
		case ROUNDS:
			o->rounds = (unsigned int)esp_number("--rounds", optarg, 1, 1000);
			break;
		}
	}
	if (!o->sa && strstr(accepts, "sa "))
		esp_fail(ESP_EXIT_USAGE, "%s: --sa FILE is missing; 'padata-esp genkey' makes one", argv[0]);
	if (argc - optind != files)
		esp_fail(ESP_EXIT_USAGE, "%s takes %s; --help explains", argv[0],
			 files == 1 ? "one capture" : "two captures");
	o->in = argv[optind];
	o->out = files > 1 ? argv[optind + 1] : NULL;
	pick_cpus(o, list, count);
}

void esp_options_free(struct esp_options *o)
{
	free_cpumask_var(o->cpus);
}

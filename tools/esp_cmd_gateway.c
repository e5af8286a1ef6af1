/* SPDX-License-Identifier: MIT */
/* gateway: a live tunnel. What is here is the command line; gateway/ has the rest. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_file.h"
#include "esp_tool.h"
#include "machine.h"
#include "run.h"

static int open_beside(void *arg, const char *name)
{
	int fd = openat(*(const int *)arg, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int open_directory(const char *path)
{
	char *copy = esp_memory(strdup(path));
	int fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		esp_fail(ESP_EXIT_SA, "%s: %s", path, strerror(errno));
	free(copy);
	return fd;
}

static int check(const char *path)
{
	int directory = open_directory(path);
	struct gw_opener opener = {open_beside, &directory};
	struct gw_config *config;
	struct gw_user user;
	char err[ESP_ERROR_LEN];

	if (gw_config_load(path, &opener, &config, err) != 0)
		esp_fail(ESP_EXIT_SA, "%s", err);
	if (gw_machine_has(path, config, &user, err) != 0)
		esp_fail(ESP_EXIT_SYSTEM, "%s", err);
	gw_config_print(stdout, config);
	gw_config_free(config);
	close(directory);
	return fflush(stdout) ? ESP_EXIT_OUTPUT : ESP_EXIT_OK;
}

static void say(const char *line)
{
	esp_say("%s", line);
}

int esp_cmd_gateway(int argc, char **argv)
{
	enum { CONFIG = 256, CHECK };
	static const struct option longs[] = {
	    {"config", required_argument, NULL, CONFIG},
	    {"check", no_argument, NULL, CHECK},
	    {NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	bool only_check = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (c) {
		case CONFIG:
			path = optarg;
			break;
		case CHECK:
			only_check = true;
			break;
		default:
			esp_fail(ESP_EXIT_USAGE, "gateway: %s %s; --help explains", argv[optind - 1],
				 c == ':' ? "needs a value" : "is not an option");
		}
	}
	if (!path || optind != argc)
		esp_fail(ESP_EXIT_USAGE, "gateway takes --config FILE and perhaps --check; --help explains");
	if (only_check)
		return check(path);
	switch (gw_run(path, say)) {
	case GW_END_OK:
		return ESP_EXIT_OK;
	case GW_END_CONFIG:
		return ESP_EXIT_SA;
	default:
		return ESP_EXIT_SYSTEM;
	}
}

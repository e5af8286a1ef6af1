/* SPDX-License-Identifier: MIT */
/* ctl: asks a running gateway, or changes it. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emit.h"
#include "esp_gateway.h"
#include "esp_tool.h"
#include "key_file.h"

#define REQUEST_MAX 4096

struct body {
	char *text;
	size_t len;
};

static struct body read_pipe(void)
{
	size_t room = 256u << 10;
	struct body b = {.text = esp_memory(malloc(room))};

	while (b.len < room) {
		ssize_t n = read(STDIN_FILENO, b.text + b.len, room - b.len);

		if (n < 0 && errno != EINTR)
			esp_fail(ESP_EXIT_SA, "standard input: %s", strerror(errno));
		if (n == 0)
			return b;
		if (n > 0)
			b.len += (size_t)n;
	}
	esp_fail(ESP_EXIT_SA, "standard input: more than 256 KiB of SAs at once");
}

static struct body read_sas(const char *path)
{
	struct body b = {0};
	char err[ESP_ERROR_LEN];
	int fd;

	if (!strcmp(path, "-"))
		return read_pipe();
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		esp_fail(ESP_EXIT_SA, "%s: %s", path, strerror(errno));
	if (esp_key_file_read(fd, path, false, &b.text, &b.len, err) != 0)
		esp_fail(ESP_EXIT_SA, "%s", err);
	close(fd);
	return b;
}

static bool is_sa_add(int argc, char **argv)
{
	return argc >= 2 && !strcmp(argv[0], "sa") && !strcmp(argv[1], "add");
}

/* The command's words in one line. */
static void make_request(char request[REQUEST_MAX], bool json, int argc, char **argv)
{
	size_t used = (size_t)snprintf(request, REQUEST_MAX, "%s", json ? "json" : "");

	for (int i = 0; i < argc; i++) {
		if (strchr(argv[i], '\n') || used + strlen(argv[i]) + 2 > REQUEST_MAX)
			esp_fail(ESP_EXIT_USAGE, "ctl %s: not a command; --help explains", argv[0]);
		used +=
		    (size_t)snprintf(request + used, REQUEST_MAX - used, "%s%s", used ? " " : "", argv[i]);
	}
}

/* Of `events` there is no end, so each line goes out at once. */
static int copy_answer(FILE *from)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, from) > 0)
		if (fputs(line, stdout) < 0 || fflush(stdout) != 0)
			return ESP_EXIT_OUTPUT;
	free(line);
	return ESP_EXIT_OK;
}

static int refused(const char *why, bool json)
{
	if (json) {
		fputs("{\"error\": ", stdout);
		gw_emit_quoted(stdout, why);
		fputs("}\n", stdout);
		fflush(stdout);
	}
	esp_say("%s", why);
	return 1;
}

static int talk(const char *path, const char *request, const struct body *body, bool json)
{
	FILE *answer = esp_gateway_ask(path, request, body->text, body->len);
	char verdict[ESP_ERROR_LEN + 16];
	int status;

	if (!answer)
		esp_fail(ESP_EXIT_SYSTEM, "%s: %s", path,
			 errno == ECONNREFUSED ? "the gateway has ended" : strerror(errno));
	if (!fgets(verdict, sizeof(verdict), answer))
		esp_fail(ESP_EXIT_SYSTEM, "%s: the gateway gave no answer", path);
	verdict[strcspn(verdict, "\n")] = '\0';
	status = strcmp(verdict, "ok") ? refused(verdict + strlen("error "), json) : copy_answer(answer);
	fclose(answer);
	return status;
}

int esp_cmd_ctl(int argc, char **argv)
{
	enum { SOCKET = 256, JSON };
	static const struct option longs[] = {
	    {"socket", required_argument, NULL, SOCKET},
	    {"json", no_argument, NULL, JSON},
	    {NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	char request[REQUEST_MAX], *only = NULL;
	struct body body = {0};
	bool json = false;
	int c, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			path = optarg;
			break;
		case JSON:
			json = true;
			break;
		default:
			esp_fail(ESP_EXIT_USAGE, "ctl: %s %s; --help explains", argv[optind - 1],
				 c == ':' ? "needs a value" : "is not an option");
		}
	}
	argc -= optind;
	argv += optind;
	if (!argc)
		esp_fail(ESP_EXIT_USAGE,
			 "ctl takes sa add FILE, sa del, sa list, stats, cpus, events or reload");
	if (is_sa_add(argc, argv)) {
		if (argc != 3)
			esp_fail(ESP_EXIT_USAGE, "ctl sa add takes one file, or - for standard input");
		body = read_sas(argv[2]);
	}
	make_request(request, json, argc, argv);
	if (!path)
		path = only = esp_gateway_socket();
	status = talk(path, request, &body, json);
	if (body.text)
		explicit_bzero(body.text, body.len);
	free(body.text);
	free(only);
	return status;
}

/* SPDX-License-Identifier: MIT */
#include "esp_gateway.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "esp_tool.h"

#define SOCKETS "/run/padata-esp/*.sock"

char *esp_gateway_socket(void)
{
	glob_t found;
	char *path = NULL;

	if (glob(SOCKETS, 0, NULL, &found) != 0)
		esp_fail(ESP_EXIT_SYSTEM,
			 "no gateway runs here: there is no " SOCKETS "; --socket PATH names another");
	if (found.gl_pathc == 1)
		path = esp_memory(strdup(found.gl_pathv[0]));
	else
		esp_fail(ESP_EXIT_USAGE,
			 "--socket PATH is needed: there are several " SOCKETS ", %s and others",
			 found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static bool send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

FILE *esp_gateway_ask(const char *path, const char *request, const char *body, size_t body_len)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd, error;
	FILE *f = NULL;

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    send_all(fd, request, strlen(request)) && send_all(fd, "\n", 1) && send_all(fd, body, body_len) &&
	    shutdown(fd, SHUT_WR) == 0)
		f = fdopen(fd, "r");
	error = errno;
	if (!f && fd >= 0)
		close(fd);
	errno = error;
	return f;
}

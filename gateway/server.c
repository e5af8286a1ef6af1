/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "address.h"

#define STREAM_MAX 65536u /* bytes of lines that wait for one client */

static int start(struct gw_server *s, int fd, const struct sockaddr *a, socklen_t len)
{
	if (fd < 0 || bind(fd, a, len) != 0 || listen(fd, GW_CLIENTS_MAX) != 0) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return code;
	}
	s->listener = fd;
	for (size_t i = 0; i < GW_CLIENTS_MAX; i++)
		s->clients[i].fd = -1;
	return 0;
}

/* Whether a socket at the path is a left-over: a listener that is gone refuses. */
static bool is_abandoned(const struct sockaddr_un *a)
{
	struct stat st;
	int fd;
	bool refused;

	if (lstat(a->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)a, sizeof(*a)) != 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

int gw_server_listen_path(struct gw_server *s, const char *path, uid_t owner, char err[ESP_ERROR_LEN])
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	mode_t mask;
	int code;

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (is_abandoned(&a))
		unlink(path);
	mask = umask(0177);
	code = start(s, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), (struct sockaddr *)&a,
		     sizeof(a));
	umask(mask);
	if (!code && owner != geteuid() && chown(path, owner, (gid_t)-1) != 0)
		code = -errno;
	if (code)
		snprintf(err, ESP_ERROR_LEN, "control socket %.108s: %s", path,
			 code == -EADDRINUSE ? "another gateway listens there" : strerror(-code));
	return code;
}

int gw_server_listen_inet(struct gw_server *s, const struct gw_endpoint *at, char err[ESP_ERROR_LEN])
{
	struct sockaddr_storage a;
	socklen_t len = gw_endpoint_to_sockaddr(at, &a);
	int one = 1, fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), code;
	char text[GW_ENDPOINT_TEXT];

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	code = start(s, fd, (struct sockaddr *)&a, len);
	if (code)
		snprintf(err, ESP_ERROR_LEN, "metrics at %s: %s", gw_endpoint_text(at, text),
			 strerror(-code));
	return code;
}

static void drop(struct gw_server *s, struct gw_client *c)
{
	if (c->request)
		explicit_bzero(c->request, s->request_max); /* there may be keys in it */
	free(c->request);
	free(c->answer);
	close(c->fd);
	*c = (struct gw_client){.fd = -1};
}

void gw_server_close(struct gw_server *s)
{
	if (s->listener < 0)
		return;
	close(s->listener);
	s->listener = -1;
	for (size_t i = 0; i < GW_CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0)
			drop(s, &s->clients[i]);
}

/* A free place, or that of the oldest client that does not stream, or of the oldest. */
static struct gw_client *place(struct gw_server *s)
{
	struct gw_client *oldest = NULL;

	for (size_t i = 0; i < GW_CLIENTS_MAX; i++) {
		struct gw_client *c = &s->clients[i];

		if (c->fd < 0)
			return c;
		if (!oldest || (oldest->streams && !c->streams) ||
		    (oldest->streams == c->streams && c->turn < oldest->turn))
			oldest = c;
	}
	drop(s, oldest);
	return oldest;
}

static void take_in(struct gw_server *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct gw_client *c;

	if (fd < 0)
		return;
	c = place(s);
	*c = (struct gw_client){.fd = fd, .turn = s->turns++, .request = malloc(s->request_max + 1)};
	if (!c->request)
		drop(s, c);
}

/* Whatever can be sent now. False: the client is done with, or gone. */
static bool send_some(struct gw_client *c)
{
	while (c->answer_sent < c->answer_len) {
		ssize_t n =
		    send(c->fd, c->answer + c->answer_sent, c->answer_len - c->answer_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		c->answer_sent += (size_t)n;
	}
	free(c->answer);
	c->answer = NULL;
	c->answer_len = c->answer_sent = 0;
	return c->streams;
}

static bool answer(struct gw_server *s, struct gw_client *c)
{
	FILE *to = open_memstream(&c->answer, &c->answer_len);

	if (!to)
		return false;
	c->request[c->request_len] = '\0';
	s->handle(s->arg, c, to);
	explicit_bzero(c->request, s->request_max);
	free(c->request);
	c->request = NULL;
	return fclose(to) == 0 && send_some(c);
}

/* False: the client is done with, or gone. */
static bool receive(struct gw_server *s, struct gw_client *c)
{
	ssize_t n = recv(c->fd, c->request + c->request_len, s->request_max - c->request_len, 0);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	c->request_len += (size_t)n;
	if (s->is_whole(c->request, c->request_len, n == 0))
		return answer(s, c);
	return n > 0 && c->request_len < s->request_max;
}

size_t gw_server_poll(const struct gw_server *s, struct pollfd *fds)
{
	size_t count = 0;

	if (s->listener < 0)
		return 0;
	fds[count++] = (struct pollfd){.fd = s->listener, .events = POLLIN};
	for (size_t i = 0; i < GW_CLIENTS_MAX; i++) {
		const struct gw_client *c = &s->clients[i];

		/* Once it has asked, it is not read from; that it is gone is told in any case. */
		if (c->fd >= 0)
			fds[count++] = (struct pollfd){.fd = c->fd,
						       .events = (short)(c->request	 ? POLLIN
									 : c->answer_len ? POLLOUT
											 : 0)};
	}
	return count;
}

static bool advance(struct gw_server *s, struct gw_client *c, short found)
{
	if (c->request)
		return receive(s, c);
	return !(found & (POLLHUP | POLLERR)) && send_some(c);
}

void gw_server_serve(struct gw_server *s, const struct pollfd *fds, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct gw_client *c = s->clients;

		if (!fds[i].revents)
			continue;
		while (c < s->clients + GW_CLIENTS_MAX && c->fd != fds[i].fd)
			c++;
		if (c < s->clients + GW_CLIENTS_MAX && !advance(s, c, fds[i].revents))
			drop(s, c);
	}
	if (count && fds[0].revents)
		take_in(s);
}

/* Behind what waits already. False: no room. */
static bool append(struct gw_client *c, const char *line, size_t len)
{
	char *more;

	if (c->answer_len - c->answer_sent + len > STREAM_MAX)
		return false;
	if (c->answer_sent)
		memmove(c->answer, c->answer + c->answer_sent, c->answer_len - c->answer_sent);
	c->answer_len -= c->answer_sent;
	c->answer_sent = 0;
	more = realloc(c->answer, c->answer_len + len);
	if (!more)
		return false;
	memcpy(more + c->answer_len, line, len);
	c->answer = more;
	c->answer_len += len;
	return true;
}

void gw_server_tell(struct gw_server *s, void (*line)(FILE *to, bool json, const void *what),
		    const void *what, void (*lost)(FILE *to, bool json, uint64_t lost))
{
	for (size_t i = 0; s->listener >= 0 && i < GW_CLIENTS_MAX; i++) {
		struct gw_client *c = &s->clients[i];
		char *text = NULL;
		size_t len = 0;
		FILE *to;

		if (c->fd < 0 || !c->streams)
			continue;
		to = open_memstream(&text, &len);
		if (to) {
			if (c->lost)
				lost(to, c->json, c->lost);
			line(to, c->json, what);
		}
		if (to && fclose(to) == 0 && append(c, text, len))
			c->lost = 0;
		else
			c->lost++;
		free(text);
		if (!send_some(c))
			drop(s, c);
	}
}

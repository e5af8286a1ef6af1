/* SPDX-License-Identifier: MIT */
/*
 * Clients of a stream socket: each sends one request and gets one answer, or a stream of lines. Nothing here
 * waits: a client that reads slowly loses lines of its stream, one that never finishes its request gives its
 * place to the next that comes, and no client can use more than its share of memory. One thread calls all of
 * this.
 */
#ifndef GW_SERVER_H
#define GW_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "config.h"

#define GW_CLIENTS_MAX 16u
#define GW_POLL_MAX (GW_CLIENTS_MAX + 1u)

struct gw_client {
	int fd;	       /* -1: the place is free */
	uint64_t turn; /* when it came; the lowest is the oldest */
	char *request;
	size_t request_len;
	char *answer;
	size_t answer_len, answer_sent;
	bool streams;  /* more lines may follow the answer */
	bool json;     /* of the handler: how the stream's lines are to be written */
	uint64_t lost; /* lines, since it was told */
};

struct gw_server {
	int listener; /* -1: none */
	size_t request_max;
	/* Whether the request is whole; `ended`: the client will send no more. */
	bool (*is_whole)(const char *request, size_t len, bool ended);
	/* Writes the answer to `to`. May set client->streams and client->json. */
	void (*handle)(void *arg, struct gw_client *client, FILE *to);
	void *arg;
	uint64_t turns;
	struct gw_client clients[GW_CLIENTS_MAX];
};

/* Listens at a path, for the user alone. A socket that nobody listens at any more is replaced. `server`'s
 * functions are set by the caller. 0, or -errno and one line in `err`: -EADDRINUSE somebody listens there. */
int gw_server_listen_path(struct gw_server *server, const char *path, uid_t owner, char err[ESP_ERROR_LEN]);
int gw_server_listen_inet(struct gw_server *server, const struct gw_endpoint *at, char err[ESP_ERROR_LEN]);
void gw_server_close(struct gw_server *server);

/* Fills at most GW_POLL_MAX entries for poll(2); returns how many. */
size_t gw_server_poll(const struct gw_server *server, struct pollfd *fds);
/* Does what poll(2) found in them. */
void gw_server_serve(struct gw_server *server, const struct pollfd *fds, size_t count);
/* Sends a line to each client that streams. `line` writes it for one. */
void gw_server_tell(struct gw_server *server, void (*line)(FILE *to, bool json, const void *what),
		    const void *what, void (*lost)(FILE *to, bool json, uint64_t lost));

#endif

/* SPDX-License-Identifier: MIT */
/* Speaking with a gateway by its control socket. */
#ifndef ESP_GATEWAY_H
#define ESP_GATEWAY_H

#include <stddef.h>
#include <stdio.h>

/* The socket of the only gateway that runs here, in memory of malloc; ends the program where there is none,
 * or several. */
char *esp_gateway_socket(void);

/* Sends a request, "json stats" and the like, with `body` behind it. A stream whose first line is "ok" or
 * "error WHY", and behind it the answer; NULL and errno where nobody listens at `path`. The caller closes
 * it. */
FILE *esp_gateway_ask(const char *path, const char *request, const char *body, size_t body_len);

#endif

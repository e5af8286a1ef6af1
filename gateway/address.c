/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

socklen_t gw_endpoint_to_sockaddr(const struct gw_endpoint *e, struct sockaddr_storage *to)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(e->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};

	if (e->addr.family == 4) {
		memcpy(&v4.sin_addr, e->addr.b, 4);
		memcpy(to, &v4, sizeof(v4));
		return sizeof(v4);
	}
	memcpy(&v6.sin6_addr, e->addr.b, 16);
	memcpy(to, &v6, sizeof(v6));
	return sizeof(v6);
}

struct gw_endpoint gw_endpoint_of_sockaddr(const struct sockaddr_storage *from)
{
	struct gw_endpoint e = {0};
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (from->ss_family == AF_INET) {
		memcpy(&v4, from, sizeof(v4));
		e.addr.family = 4;
		memcpy(e.addr.b, &v4.sin_addr, 4);
		e.port = ntohs(v4.sin_port);
	} else if (from->ss_family == AF_INET6) {
		memcpy(&v6, from, sizeof(v6));
		e.addr.family = 6;
		memcpy(e.addr.b, &v6.sin6_addr, 16);
		e.port = ntohs(v6.sin6_port);
	}
	return e;
}

const char *gw_address_text(const struct esp_addr *a, char text[GW_ADDRESS_TEXT])
{
	if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, text, GW_ADDRESS_TEXT))
		strcpy(text, "?");
	return text;
}

const char *gw_endpoint_text(const struct gw_endpoint *e, char text[GW_ENDPOINT_TEXT])
{
	char address[GW_ADDRESS_TEXT];

	if (!e->addr.family)
		return strcpy(text, "-");
	snprintf(text, GW_ENDPOINT_TEXT, e->addr.family == 4 ? "%s:%u" : "[%s]:%u",
		 gw_address_text(&e->addr, address), e->port);
	return text;
}

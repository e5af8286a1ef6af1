/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

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
	snprintf(text, GW_ENDPOINT_TEXT, e->addr.family == 4 ? "%s:%u" : "[%s]:%u", gw_address_text(&e->addr, address),
		 e->port);
	return text;
}

socklen_t gw_endpoint_sockaddr(const struct gw_endpoint *e, struct sockaddr_storage *to)
{
	memset(to, 0, sizeof(*to));
	if (e->addr.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)to;

		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->addr.b, 4);
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		memcpy(&in6->sin6_addr, e->addr.b, 16);
		return sizeof(*in6);
	}
}

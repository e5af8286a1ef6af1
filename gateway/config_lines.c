/* SPDX-License-Identifier: MIT */
/* The lines of a configuration that are the gateway's own: a table of words, each with what it takes. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_parse.h"
#include "ip.h"

int gw_take_text(struct lex *x, char *to, size_t size, const char *what)
{
	if (lex_end(x) || x->w.margin || x->w.len == 0 || x->w.len >= size || memchr(x->w.p, '\0', x->w.len))
		return lex_fail(x, what);
	memcpy(to, x->w.p, x->w.len);
	to[x->w.len] = '\0';
	lex_next(x);
	return 0;
}

/* As take_text, of letters, digits and what `others` has. */
static int take_name(struct lex *x, char *to, size_t size, const char *others, const char *what)
{
	for (size_t i = 0; i < x->w.len; i++)
		if (!isalnum((unsigned char)x->w.p[i]) && (!x->w.p[i] || !strchr(others, x->w.p[i])))
			return lex_fail(x, what);
	return gw_take_text(x, to, size, what);
}

static int take_number(struct lex *x, uint64_t least, uint64_t most, uint32_t *v, const char *what)
{
	struct lex before = *x;
	uint64_t n;

	if (x->w.margin || lex_number(x, most, &n) != 0 || n < least) {
		x->has_error = false; /* what is meant here says more than "not a number" */
		x->w = before.w;
		return lex_fail(x, what);
	}
	*v = (uint32_t)n;
	return 0;
}

static int p_tun(struct gw_parse *p)
{
	static const char what[] =
	    "the name of a network device is needed here, at most 15 letters, digits, - _ .";

	if (lex_is(&p->x, ".") || lex_is(&p->x, ".."))
		return lex_fail(&p->x, what);
	return take_name(&p->x, p->config->tun, sizeof(p->config->tun), "-_.", what);
}

/* Whether one of the prefixes is the last of them, too; then it is an error, at the word. */
static bool is_twice(struct lex *x, const struct word *at, const struct esp_prefix *p, size_t count)
{
	const struct esp_prefix *last = &p[count - 1];

	for (size_t i = 0; i + 1 < count; i++) {
		if (!gw_addr_same(&p[i].addr, &last->addr) || p[i].len != last->len)
			continue;
		x->w = *at;
		lex_fail(x, "it is there already");
		return true;
	}
	return false;
}

/* Whether the kernel makes the route by itself, as it gives the device the address, and takes no second. */
static bool comes_with(const struct esp_prefix *route, const struct esp_prefix *address)
{
	uint32_t differ = get32(route->addr.b) ^ get32(address->addr.b);

	return route->addr.family == 4 && address->addr.family == 4 && route->len == address->len &&
	       route->len > 0 && route->len < 32 && !(differ >> (32 - route->len));
}

/* Whether a route comes with an address, of those from there on; then it is an error, at the word. */
static bool is_needless(struct lex *x, const struct word *at, const struct gw_config *c, size_t address,
			size_t route)
{
	for (; address < c->address_count; address++)
		for (size_t i = route; i < c->route_count; i++) {
			if (!comes_with(&c->routes[i], &c->addresses[address]))
				continue;
			x->w = *at;
			lex_fail(x, "the network of an address needs no 'route' line, and can have none");
			return true;
		}
	return false;
}

static int p_address(struct gw_parse *p)
{
	struct gw_config *c = p->config;
	struct word first = p->x.w;

	if (c->address_count == GW_ADDRESSES_MAX)
		return lex_fail(&p->x, "more addresses than 16");
	if (lex_prefix(&p->x, &c->addresses[c->address_count++]) != 0)
		return -EINVAL;
	if (is_twice(&p->x, &first, c->addresses, c->address_count) ||
	    is_needless(&p->x, &first, c, c->address_count - 1, 0))
		return -EINVAL;
	return 0;
}

static bool has_host_bits(const struct esp_prefix *p)
{
	unsigned bytes = p->addr.family == 4 ? 4 : 16;

	for (unsigned bit = p->len; bit < bytes * 8; bit++)
		if (p->addr.b[bit / 8] & 0x80u >> bit % 8)
			return true;
	return false;
}

static int p_route(struct gw_parse *p)
{
	struct gw_config *c = p->config;
	struct lex before = p->x;
	struct esp_prefix *more;

	if (c->route_count == GW_ROUTES_MAX)
		return lex_fail(&p->x, "more routes than 1024");
	more = realloc(c->routes, (c->route_count + 1) * sizeof(*more));
	if (!more)
		return p->x.code = -ENOMEM;
	c->routes = more;
	if (lex_prefix(&p->x, &more[c->route_count]) != 0)
		return -EINVAL;
	if (has_host_bits(&more[c->route_count])) {
		p->x.w = before.w;
		return lex_fail(&p->x,
				"bits are set behind the prefix length; a route is written as 10.2.0.0/16");
	}
	c->route_count++;
	if (is_twice(&p->x, &before.w, c->routes, c->route_count) ||
	    is_needless(&p->x, &before.w, c, 0, c->route_count - 1))
		return -EINVAL;
	return 0;
}

static int p_mtu(struct gw_parse *p)
{
	if (lex_take(&p->x, "auto")) {
		p->config->mtu = 0;
		return 0;
	}
	return take_number(&p->x, 576, 65535, &p->config->mtu, "auto or 576 to 65535 is needed here");
}

static int take_endpoint(struct lex *x, struct gw_endpoint *e)
{
	uint32_t port = 0;

	if (lex_addr(x, &e->addr) != 0 ||
	    lex_want(x, "port", "'port NUMBER' is needed behind the address") != 0 ||
	    take_number(x, 1, 65535, &port, "a port is 1 to 65535") != 0)
		return -EINVAL;
	e->port = (uint16_t)port;
	return 0;
}

static int p_local(struct gw_parse *p)
{
	static const struct esp_addr none;
	struct gw_config *c = p->config;
	struct word first = p->x.w;
	struct gw_endpoint e;

	if (take_endpoint(&p->x, &e) != 0)
		return -EINVAL;
	for (size_t i = 0; i < c->local_count; i++) {
		if (c->locals[i].addr.family == e.addr.family) {
			p->x.w = first;
			return lex_fail(&p->x, "there is a local line for this family already");
		}
	}
	if (!memcmp(e.addr.b, none.b, sizeof(none.b))) {
		p->x.w = first;
		return lex_fail(&p->x, "name one address: by it outbound SAs are told from inbound ones");
	}
	c->locals[c->local_count++] = e;
	return 0;
}

static int p_remote(struct gw_parse *p)
{
	struct gw_config *c = p->config;
	struct gw_endpoint *more;

	if (c->remote_count == GW_REMOTES_MAX)
		return lex_fail(&p->x, "more remote lines than 1024");
	more = realloc(c->remotes, (c->remote_count + 1) * sizeof(*more));
	if (!more)
		return p->x.code = -ENOMEM;
	c->remotes = more;
	if (take_endpoint(&p->x, &more[c->remote_count]) != 0)
		return -EINVAL;
	c->remote_count++;
	return 0;
}

static int p_dscp(struct gw_parse *p)
{
	if (lex_take(&p->x, "copy")) {
		p->config->dscp = GW_DSCP_COPY;
		return 0;
	}
	return take_number(&p->x, 0, GW_DSCP_COPY - 1, &p->config->dscp, "copy or 0 to 63 is needed here");
}

static int p_keepalive(struct gw_parse *p)
{
	return take_number(&p->x, 0, 3600, &p->config->keepalive,
			   "seconds are needed here, 0 (none) to 3600");
}

static int p_user(struct gw_parse *p)
{
	p->config->user_line = p->x.w.line;
	return take_name(&p->x, p->config->user, sizeof(p->config->user), "-_.",
			 "the name of a user is needed here");
}

static int p_cpus(struct gw_parse *p)
{
	static const char what[] = "a list of CPUs is needed here, like 0-3,8, or all";
	struct word first = p->x.w;
	char list[1024];

	p->config->cpus_line = first.line;
	if (lex_take(&p->x, "all")) {
		p->config->has_cpus = false;
		return 0;
	}
	if (gw_take_text(&p->x, list, sizeof(list), what) != 0)
		return -EINVAL;
	if (cpulist_parse(list, p->config->cpus) || cpumask_empty(p->config->cpus)) {
		p->x.w = first;
		return lex_fail(&p->x, what);
	}
	p->config->has_cpus = true;
	return 0;
}

static int p_backend(struct gw_parse *p)
{
	static const char what[] = "auto, ipsec-mb or openssl is needed here";
	struct word first = p->x.w;
	char name[16];

	p->config->backend_line = first.line;
	if (gw_take_text(&p->x, name, sizeof(name), what) != 0)
		return -EINVAL;
	if (esp_backend_parse(name, &p->config->backend) != 0) {
		p->x.w = first;
		return lex_fail(&p->x, what);
	}
	return 0;
}

static int take_path(struct lex *x, char *to, size_t size)
{
	static const char what[] = "a path is needed here that begins with '/' and is not too long";

	return x->w.len && x->w.p[0] == '/' ? gw_take_text(x, to, size, what) : lex_fail(x, what);
}

static int p_control(struct gw_parse *p)
{
	return take_path(&p->x, p->config->control, sizeof(p->config->control));
}

static bool is_loopback(const struct esp_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->b[0] == 127 : !memcmp(a->b, one, sizeof(one));
}

static int p_metrics(struct gw_parse *p)
{
	static const char what[] =
	    "'file PATH', or a loopback address and a port like 127.0.0.1:9100 or [::1]:9100";
	struct lex *x = &p->x, address, port;
	const char *end = x->w.p + x->w.len, *colon = x->w.len ? memrchr(x->w.p, ':', x->w.len) : NULL;
	uint32_t number;
	struct word first = x->w;
	bool bracket = x->w.len && x->w.p[0] == '[';

	if (lex_take(x, "file"))
		return take_path(x, p->config->metrics_file, sizeof(p->config->metrics_file));
	if (!colon || colon == x->w.p || (bracket && colon[-1] != ']') || x->w.quoted || x->w.margin)
		return lex_fail(x, what);
	address = port = *x;
	address.w.p += bracket;
	address.w.len = (size_t)(colon - bracket - address.w.p);
	port.w.p = colon + 1;
	port.w.len = (size_t)(end - port.w.p);
	if (lex_addr(&address, &p->config->metrics.addr) != 0 || !is_loopback(&p->config->metrics.addr) ||
	    take_number(&port, 1, 65535, &number, what) != 0) {
		x->w = first;
		return lex_fail(x, what);
	}
	p->config->metrics.port = (uint16_t)number;
	lex_next(x);
	return 0;
}

static int p_include(struct gw_parse *p)
{
	return gw_include_read(p);
}

static const struct {
	const char *name;
	int (*take)(struct gw_parse *p);
	bool many;   /* may come more than once */
	bool in_any; /* may stand in an included file */
} lines[] = {
    {"tun", p_tun, false, false},	  {"address", p_address, true, false},
    {"route", p_route, true, false},	  {"mtu", p_mtu, false, false},
    {"local", p_local, true, false},	  {"remote", p_remote, true, true},
    {"dscp", p_dscp, false, false},	  {"keepalive", p_keepalive, false, false},
    {"user", p_user, false, false},	  {"cpus", p_cpus, false, false},
    {"backend", p_backend, false, false}, {"control", p_control, false, false},
    {"metrics", p_metrics, true, false},  {"include", p_include, true, false},
};

int gw_line_read(struct gw_parse *p)
{
	size_t i = 0;

	while (i < sizeof(lines) / sizeof(*lines) && !lex_is(&p->x, lines[i].name))
		i++;
	if (i == sizeof(lines) / sizeof(*lines))
		return 1;
	if (p->included && !lines[i].in_any)
		return lex_fail(&p->x, "an included file holds SAs, policies and remote lines only");
	if (!lines[i].many && p->seen & 1u << i)
		return lex_fail(&p->x, "there is such a line already");
	p->seen |= 1u << i;
	lex_next(&p->x);
	return lines[i].take(p);
}

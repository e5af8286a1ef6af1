/* SPDX-License-Identifier: MIT */
/* A new configuration for a gateway that runs. */
#include <errno.h>
#include <string.h>

#include "address.h"
#include "config_file.h"
#include "gateway.h"

int gw_set_cpus(struct gw_gateway *g, const struct cpumask *cpus)
{
	char list[1024];
	int code = gw_plane_set_cpus(g->plane, cpus);

	if (code)
		return code;
	cpumask_and(g->cpus, cpus, cpu_active_mask);
	padata_cpulist_print(list, sizeof(list), g->cpus);
	gw_tell_text(g, "cpus", "cpus", list);
	return 0;
}

static bool same_bytes(const void *a, size_t count_a, const void *b, size_t count_b, size_t size)
{
	return count_a == count_b && (!count_a || !memcmp(a, b, count_a * size));
}

static bool same_endpoints(const struct gw_endpoint *a, size_t count_a, const struct gw_endpoint *b,
			   size_t count_b)
{
	for (size_t i = 0; i < count_a && count_a == count_b; i++)
		if (!gw_endpoint_same(&a[i], &b[i]))
			return false;
	return count_a == count_b;
}

/* The names of what has changed and cannot be changed while it runs. */
static void name_the_rest(const struct gw_config *a, const struct gw_config *b, char *to, size_t size)
{
	const struct {
		const char *name;
		bool same;
	} parts[] = {
	    {"tun", !strcmp(a->tun, b->tun)},
	    {"address", same_bytes(a->addresses, a->address_count, b->addresses, b->address_count,
				   sizeof(*a->addresses))},
	    {"route", same_bytes(a->routes, a->route_count, b->routes, b->route_count, sizeof(*a->routes))},
	    {"mtu", a->mtu == b->mtu},
	    {"local", same_endpoints(a->locals, a->local_count, b->locals, b->local_count)},
	    {"remote", same_endpoints(a->remotes, a->remote_count, b->remotes, b->remote_count)},
	    {"dscp", a->dscp == b->dscp},
	    {"keepalive", a->keepalive == b->keepalive},
	    {"user", !strcmp(a->user, b->user)},
	    {"backend", a->backend == b->backend},
	    {"control", !strcmp(a->control, b->control)},
	    {"metrics",
	     gw_endpoint_same(&a->metrics, &b->metrics) && !strcmp(a->metrics_file, b->metrics_file)},
	};
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!parts[i].same && used < size)
			used +=
			    (size_t)snprintf(to + used, size - used, "%s%s", used ? ", " : "", parts[i].name);
}

/* What is decided at the start stays as it was, and the next reload is held against that. */
static void keep_the_rest(const struct gw_config *from, struct gw_config *to)
{
	memcpy(to->control, from->control, sizeof(to->control));
	memcpy(to->metrics_file, from->metrics_file, sizeof(to->metrics_file));
	memcpy(to->user, from->user, sizeof(to->user));
	memcpy(to->tun, from->tun, sizeof(to->tun));
	memcpy(to->addresses, from->addresses, sizeof(to->addresses));
	to->address_count = from->address_count;
	memcpy(to->locals, from->locals, sizeof(to->locals));
	to->local_count = from->local_count;
	to->metrics = from->metrics;
	to->mtu = from->mtu;
	to->dscp = from->dscp;
	to->keepalive = from->keepalive;
	to->backend = from->backend;
}

static void swap_routes(struct gw_config *a, struct gw_config *b)
{
	struct esp_prefix *routes = a->routes;
	size_t count = a->route_count;

	a->routes = b->routes;
	a->route_count = b->route_count;
	b->routes = routes;
	b->route_count = count;
}

static bool same_cpus(const struct gw_config *a, const struct gw_config *b)
{
	return a->has_cpus == b->has_cpus && (!a->has_cpus || cpumask_equal(a->cpus, b->cpus));
}

int gw_reload(struct gw_gateway *g, char err[ESP_ERROR_LEN])
{
	struct gw_opener opener = {gw_privileged_open, &g->privileged};
	struct gw_config *old = g->config, *new;
	char rest[128];
	bool move;
	int code = gw_config_load(g->path, &opener, &new, err);

	if (code)
		return code;
	name_the_rest(old, new, rest, sizeof(rest));
	keep_the_rest(old, new);
	move = !same_cpus(old, new);
	code = gw_sas_replace(g, new, err);
	if (code) {
		gw_config_free(new);
		return code;
	}
	swap_routes(old, new);
	gw_config_free(old);
	if (move && gw_set_cpus(g, new->has_cpus ? new->cpus : cpu_active_mask) != 0)
		snprintf(err, ESP_ERROR_LEN, "%.80s: none of its CPUs can be used; those of before go on",
			 g->path);
	else if (rest[0])
		snprintf(err, ESP_ERROR_LEN,
			 "%.80s: what has changed here takes effect at the next start: %.110s", g->path,
			 rest);
	gw_tell_text(g, "reload", "file", g->path);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* A configuration in words, as --check prints it. */
#include <inttypes.h>

#include "address.h"
#include "config_file.h"

const char *gw_backend_name(enum esp_backend which)
{
	static const char *const names[] = {[ESP_BACKEND_AUTO] = "auto",
					    [ESP_BACKEND_OPENSSL] = "openssl",
					    [ESP_BACKEND_IPSEC_MB] = "ipsec-mb"};

	return names[which];
}

static void print_prefix(FILE *to, const struct esp_prefix *p)
{
	char text[GW_ADDRESS_TEXT];

	if (p->addr.family)
		fprintf(to, "%s/%u", gw_address_text(&p->addr, text), p->len);
	else
		fputs("any", to);
}

static void print_selector(FILE *to, const struct esp_selector *s)
{
	print_prefix(to, &s->src);
	if (!s->any_port_src)
		fprintf(to, " port %u", s->sport);
	fputs(" to ", to);
	print_prefix(to, &s->dst);
	if (!s->any_port_dst)
		fprintf(to, " port %u", s->dport);
	if (s->proto)
		fprintf(to, " proto %u", s->proto);
}

static void print_sa(FILE *to, const struct gw_config *c, struct esp_sa *sa)
{
	char src[GW_ADDRESS_TEXT], dst[GW_ADDRESS_TEXT];
	struct gw_endpoint remote;
	enum gw_dir dir;
	const char *why;

	if (gw_config_place(c, sa, &dir, &remote, &why) != 0)
		return; /* the reader has refused such */
	fprintf(to, "%-10s 0x%08" PRIx32 " from %s to %s, ", dir == GW_OUT ? "SA out" : "SA in", sa->spi,
		gw_address_text(&sa->src, src), gw_address_text(&sa->dst, dst));
	if (dir == GW_OUT)
		fprintf(to, "port %u, ", remote.port);
	fprintf(to, "reqid %" PRIu32 ", %s%s", sa->reqid, esp_sa_alg_name(sa),
		sa->flags & ESP_SA_ESN ? ", ESN" : "");
	if (dir == GW_IN)
		fprintf(to, ", window %" PRIu32, sa->replay_window);
	if (sa->has_sel) {
		fputs(", for ", to);
		print_selector(to, &sa->sel);
	}
	fputc('\n', to);
}

static void print_policy(FILE *to, const struct gw_config *c, const struct gw_policy *p)
{
	size_t meant = 0;

	for (size_t i = 0; i < c->sa_count; i++)
		meant += c->sas[i] && gw_policy_means(p, p->dir, c->sas[i]);
	fprintf(to, "%-10s ", p->dir == GW_OUT ? "policy out" : "policy in");
	print_selector(to, &p->sel);
	if (p->block)
		fputs(", blocked\n", to);
	else if (meant)
		fprintf(to, ", reqid %" PRIu32 "\n", p->reqid);
	else
		fprintf(to, ", reqid %" PRIu32 " (no SA yet)\n", p->reqid);
}

static void print_endpoints(FILE *to, const char *name, const struct gw_endpoint *e, size_t count)
{
	char text[GW_ADDRESS_TEXT];

	for (size_t i = 0; i < count; i++)
		fprintf(to, "%-10s %s port %u\n", name, gw_address_text(&e[i].addr, text), e[i].port);
}

static void print_prefixes(FILE *to, const char *name, const struct esp_prefix *p, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(to, "%-10s ", name);
		print_prefix(to, &p[i]);
		fputc('\n', to);
	}
}

void gw_config_print(FILE *to, const struct gw_config *c)
{
	char text[1024];

	fprintf(to, "%-10s %s\n", "tun", c->tun);
	print_prefixes(to, "address", c->addresses, c->address_count);
	print_prefixes(to, "route", c->routes, c->route_count);
	if (c->mtu)
		fprintf(to, "%-10s %" PRIu32 "\n", "mtu", c->mtu);
	else
		fprintf(to, "%-10s auto\n", "mtu");
	print_endpoints(to, "local", c->locals, c->local_count);
	print_endpoints(to, "remote", c->remotes, c->remote_count);
	if (c->has_cpus)
		padata_cpulist_print(text, sizeof(text), c->cpus);
	fprintf(to, "%-10s %s\n", "cpus", c->has_cpus ? text : "all");
	fprintf(to, "%-10s %s\n", "backend", gw_backend_name(c->backend));
	fprintf(to, "%-10s %s\n", "user", c->user);
	if (c->dscp == GW_DSCP_COPY)
		fprintf(to, "%-10s copied\n", "dscp");
	else
		fprintf(to, "%-10s %" PRIu32 "\n", "dscp", c->dscp);
	if (c->keepalive)
		fprintf(to, "%-10s every %" PRIu32 " s\n", "keepalive", c->keepalive);
	else
		fprintf(to, "%-10s none\n", "keepalive");
	fprintf(to, "%-10s %s\n", "control", c->control);
	if (c->metrics.port)
		print_endpoints(to, "metrics", &c->metrics, 1);
	if (c->metrics_file[0])
		fprintf(to, "%-10s file %s\n", "metrics", c->metrics_file);
	for (size_t i = 0; i < c->sa_count; i++)
		if (c->sas[i])
			print_sa(to, c, c->sas[i]);
	for (size_t i = 0; i < c->policy_count; i++)
		print_policy(to, c, &c->policies[i]);
}

/* SPDX-License-Identifier: MIT */
/* A configuration as a whole: its files, what it holds when nothing is said, and what must fit together. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_parse.h"
#include "sa_parse.h"

static int read_sa(struct gw_parse *p)
{
	struct gw_config *c = p->config;
	struct esp_sa *sa;
	int err;

	if (c->sa_count == GW_SAS_MAX)
		return lex_fail(&p->x, "more SAs than 4096");
	err = esp_sa_read(&p->x, true, &sa);
	if (err)
		return err;
	p->sa_file[c->sa_count] = (uint8_t)(p->file_count - 1);
	c->sas[c->sa_count++] = sa;
	return 0;
}

/* `src 10.1.0.0/16` begins a policy, `src 192.0.2.1` an SA. */
static bool is_policy(const struct lex *x)
{
	struct lex ahead = *x;

	return lex_next(&ahead) && memchr(ahead.w.p, '/', ahead.w.len);
}

static int read_file(struct gw_parse *p)
{
	struct lex *x = &p->x;
	int err = 0;

	while (!err && !x->has_error && !lex_end(x)) {
		if (lex_is(x, "src"))
			err = is_policy(x) ? gw_policy_read(p) : read_sa(p);
		else
			err = gw_line_read(p);
		if (err > 0)
			err = lex_fail(
			    x, "not a line of the gateway, and no SA or policy, which begin with src");
	}
	return err ? err : x->code;
}

static int add_name(struct gw_parse *p, const char *name)
{
	p->names[p->file_count] = strdup(name);
	return p->names[p->file_count] ? (int)p->file_count++ : -ENOMEM;
}

int gw_include_read(struct gw_parse *p)
{
	static const char what[] = "the name of a file in this one's directory is needed here, without '/'";
	const char *slash = strrchr(p->names[0], '/');
	struct word first = p->x.w;
	struct lex outer;
	char name[256], why[ESP_ERROR_LEN] = "", *shown, *text = NULL;
	size_t len = 0;
	int err;

	if (first.len && (memchr(first.p, '/', first.len) || first.p[0] == '.'))
		return lex_fail(&p->x, what);
	if (gw_take_text(&p->x, name, sizeof(name), what) != 0)
		return -EINVAL;
	outer = p->x;
	p->x.w = first;
	if (p->file_count == GW_INCLUDES_MAX + 1)
		return lex_fail(&p->x, "more included files than 64");
	if (!p->includes)
		return lex_fail(&p->x, "no file can be included here");
	if (asprintf(&shown, "%.*s%s", slash ? (int)(slash + 1 - p->names[0]) : 0, p->names[0], name) < 0)
		return p->x.code = -ENOMEM;
	err = add_name(p, shown);
	free(shown);
	if (err < 0)
		return p->x.code = err;
	err = p->includes->read(p->includes->arg, name, &text, &len, why);
	if (err) {
		lex_fail(&p->x, why);
		return p->x.code = err;
	}
	p->included = true;
	lex_start(&p->x, p->names[p->file_count - 1], text, len, outer.err);
	err = read_file(p);
	p->included = false;
	explicit_bzero(text, len);
	free(text);
	if (err) {
		p->x.has_error = true;
		return err;
	}
	p->x = outer;
	return 0;
}

static const struct gw_endpoint *local_of(const struct gw_config *c, const struct esp_addr *a)
{
	for (size_t i = 0; i < c->local_count; i++)
		if (gw_addr_same(&c->locals[i].addr, a))
			return &c->locals[i];
	return NULL;
}

static struct gw_endpoint remote_of(const struct gw_config *c, const struct esp_addr *a, uint16_t otherwise)
{
	for (size_t i = 0; i < c->remote_count; i++)
		if (gw_addr_same(&c->remotes[i].addr, a))
			return c->remotes[i];
	return (struct gw_endpoint){*a, otherwise};
}

int gw_config_place(const struct gw_config *c, struct esp_sa *sa, enum gw_dir *dir,
		    struct gw_endpoint *remote, const char **why)
{
	const struct gw_endpoint *from = local_of(c, &sa->src), *to = local_of(c, &sa->dst);

	if (!from == !to) {
		*why = from ? "both ends of this SA are local addresses"
			    : "neither end of this SA is the address of a local line";
		return -EINVAL;
	}
	*dir = from ? GW_OUT : GW_IN;
	*remote = remote_of(c, from ? &sa->dst : &sa->src,
			    !sa->encap ? GW_DEFAULT_PORT
			    : from     ? sa->dport
				       : sa->sport);
	if (!sa->encap) {
		sa->encap = true;
		sa->sport = from ? from->port : remote->port;
		sa->dport = from ? remote->port : to->port;
	}
	return 0;
}

static bool is_meant(const struct gw_config *c, enum gw_dir dir, const struct esp_sa *sa)
{
	for (size_t i = 0; i < c->policy_count; i++)
		if (gw_policy_means(&c->policies[i], dir, sa))
			return true;
	return false;
}

const char *gw_config_clash(const struct gw_config *c, enum gw_dir dir, const struct esp_sa *sa,
			    const struct esp_sa *other)
{
	struct gw_policy own = gw_policy_of(dir, other);

	if (sa->spi == other->spi && gw_addr_same(&sa->dst, &other->dst))
		return "another SA has this SPI and destination; remove one";
	if (dir == GW_OUT && gw_policy_means(&own, dir, sa) && !is_meant(c, dir, sa) &&
	    !gw_same_selector(&sa->sel, &other->sel))
		return "another outbound SA has this reqid and other selectors; give each tunnel a reqid of "
		       "its own";
	return NULL;
}

const char *gw_config_unselected(const struct gw_config *c, enum gw_dir dir, const struct esp_sa *sa)
{
	return sa->has_sel || is_meant(c, dir, sa)
		   ? NULL
		   : "nothing says what this SA may carry; give it sel, or its reqid to a policy's template";
}

/* What can be judged only when all has been read. */
static int check(struct gw_parse *p)
{
	struct gw_config *c = p->config;

	if (!c->local_count) {
		snprintf(p->x.err, ESP_ERROR_LEN,
			 "%.80s:1: 'local': a line 'local ADDRESS port NUMBER' is needed", p->names[0]);
		return -EINVAL;
	}
	for (size_t i = 0; i < c->sa_count; i++) {
		struct esp_sa *sa = c->sas[i];
		struct gw_endpoint remote;
		const char *why = NULL;
		enum gw_dir dir = GW_OUT;

		if (gw_config_place(c, sa, &dir, &remote, &why) == 0)
			why = gw_config_unselected(c, dir, sa);
		for (size_t k = 0; !why && k < i; k++)
			why = gw_config_clash(c, dir, sa, c->sas[k]);
		if (why) {
			p->x.name = p->names[p->sa_file[i]];
			return lex_fail_at(&p->x, sa->line, "src", why);
		}
	}
	return 0;
}

static struct gw_config *new_config(void)
{
	struct gw_config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sas = calloc(GW_SAS_MAX, sizeof(*c->sas));
	if (!c->sas || !zalloc_cpumask_var(&c->cpus, GFP_KERNEL)) {
		gw_config_free(c);
		return NULL;
	}
	strcpy(c->tun, "padata0");
	strcpy(c->user, "nobody");
	c->dscp = GW_DSCP_COPY;
	c->keepalive = 20;
	return c;
}

int gw_config_parse(const char *name, const char *text, size_t len, const struct gw_includes *includes,
		    struct gw_config **config, char err[ESP_ERROR_LEN])
{
	struct gw_parse *p = calloc(1, sizeof(*p));
	int code = -ENOMEM;

	*config = NULL;
	err[0] = '\0';
	if (p) {
		p->includes = includes;
		p->config = new_config();
		p->names = calloc(GW_INCLUDES_MAX + 1, sizeof(*p->names));
	}
	if (p && p->config && p->names && add_name(p, name) == 0) {
		lex_start(&p->x, p->names[0], text, len, err);
		code = read_file(p);
		if (!code)
			code = check(p);
	}
	if (code && !err[0])
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", name, strerror(-code));
	if (!code) {
		*config = p->config;
		p->config = NULL;
		if (!(*config)->control[0])
			snprintf((*config)->control, GW_PATH_MAX, GW_CONTROL_DIRECTORY "/%s.sock",
				 (*config)->tun);
	}
	if (p) {
		gw_config_free(p->config);
		for (size_t i = 0; p->names && i < p->file_count; i++)
			free(p->names[i]);
		free(p->names);
	}
	free(p);
	return code;
}

void gw_config_free(struct gw_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->sas && i < c->sa_count; i++) {
		if (c->sas[i])
			esp_sa_destroy(c->sas[i]);
		free(c->sas[i]);
	}
	free(c->sas);
	free(c->policies);
	free(c->routes);
	free(c->remotes);
	free_cpumask_var(c->cpus);
	free(c);
}

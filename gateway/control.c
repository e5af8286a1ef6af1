/* SPDX-License-Identifier: MIT */
/*
 * The commands of the control socket. A request is a line, "json " in front of it if the answer is to be
 * JSON, and with `sa add` the text of the SAs behind it; it ends when the client shuts its side. The answer
 * begins with a line "ok" or "error WHY"; what follows is the command's own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "emit.h"
#include "gateway.h"
#include "sa_lex.h"
#include "sadb.h"

#define REQUEST_MAX (256u << 10)

struct command {
	struct gw_gateway *g;
	struct gw_client *client;
	struct lex x;	  /* what follows the command's name on its line */
	const char *body; /* what follows the line */
	size_t body_len;
	FILE *to;
	char err[ESP_ERROR_LEN];
};

/* `sa add NAME`: all SAs of the text, or none. */
static int sa_add(struct command *c)
{
	struct esp_sadb *db;
	char name[81] = "request";
	size_t added = 0;
	int code;

	if (!lex_end(&c->x)) {
		snprintf(name, sizeof(name), "%.*s", (int)c->x.w.len, c->x.w.p);
		lex_next(&c->x);
	}
	code = esp_sadb_parse(name, c->body, c->body_len, &db, c->err);
	if (code)
		return code;
	/* Judged before any is added: a new outbound SA takes over at once. */
	for (size_t i = 0; i < db->count && !code; i++)
		code = gw_sas_judge(c->g, db->sa[i], c->err);
	for (; added < db->count && !code; added += !code)
		code = gw_sas_add(c->g, db->sa[added], false, c->err);
	for (size_t i = 0; code && i < added; i++)
		gw_sas_del(c->g, c->g->known, 0); /* the newest */
	/* Those that were taken are the plane's. */
	memmove(db->sa, db->sa + added, (db->count - added) * sizeof(*db->sa));
	db->count -= added;
	esp_sadb_free(db);
	return code;
}

static int sa_del(struct command *c)
{
	struct esp_addr src = {0}, dst = {0};
	uint64_t spi = 0, after = 0;
	struct lex *x = &c->x;
	struct gw_known *known;
	int err = 0;

	while (!err && !lex_end(x)) {
		if (lex_take(x, "src"))
			err = lex_addr(x, &src);
		else if (lex_take(x, "dst"))
			err = lex_addr(x, &dst);
		else if (lex_take(x, "proto"))
			err = lex_want(x, "esp", "only esp is known");
		else if (lex_take(x, "spi"))
			err = lex_number(x, UINT32_MAX, &spi);
		else if (lex_take(x, "after"))
			err = lex_number(x, 86400, &after);
		else
			err = lex_fail(x, "src, dst, spi and after are known");
	}
	if (!err && !spi)
		err = lex_fail(x, "'spi NUMBER' is needed");
	if (err)
		return err;
	err = gw_sas_find(c->g, (uint32_t)spi, &src, &dst, &known);
	if (err) {
		snprintf(c->err, sizeof(c->err), "SA 0x%08x: %s", (uint32_t)spi,
			 err == -ENOENT ? "there is none" : "there are several; say which by dst");
		return err;
	}
	return gw_sas_del(c->g, known, (uint32_t)after);
}

static int sa_list(struct command *c)
{
	gw_report_sas(c->g, c->to, c->client->json);
	return 0;
}

static int stats(struct command *c)
{
	gw_report_stats(c->g, c->to, c->client->json);
	return 0;
}

/* Before anything is done: a line that was not meant so changes nothing. */
static int want_end(struct command *c)
{
	return lex_end(&c->x) ? 0 : lex_fail(&c->x, "nothing more is expected here");
}

static int set_cpus(struct command *c)
{
	cpumask_var_t cpus;
	char list[1024];
	int err;

	if (c->x.w.len >= sizeof(list))
		return lex_fail(&c->x, "a list of CPUs is needed here, like 0-3,8, or all");
	snprintf(list, sizeof(list), "%.*s", (int)c->x.w.len, c->x.w.p);
	if (!zalloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;
	err = 0;
	if (!strcmp(list, "all"))
		cpumask_copy(cpus, cpu_active_mask);
	else if (cpulist_parse(list, cpus) || cpumask_empty(cpus))
		err = lex_fail(&c->x, "a list of CPUs is needed here, like 0-3,8, or all");
	if (!err) {
		lex_next(&c->x);
		err = want_end(c);
	}
	if (!err) {
		err = gw_set_cpus(c->g, cpus);
		if (err)
			snprintf(c->err, sizeof(c->err), "cpus %.80s: %s", list,
				 err == -EINVAL ? "the gateway may use none of them" : strerror(-err));
	}
	free_cpumask_var(cpus);
	return err;
}

static int cpus(struct command *c)
{
	char list[1024];
	int err = lex_end(&c->x) ? 0 : set_cpus(c);

	if (err)
		return err;
	padata_cpulist_print(list, sizeof(list), c->g->cpus);
	fprintf(c->to, c->client->json ? "{\"cpus\": \"%s\"}\n" : "%s\n", list);
	return 0;
}

static int events(struct command *c)
{
	c->client->streams = true;
	return 0;
}

static int reload(struct command *c)
{
	int err = want_end(c);
	struct gw_emit e;

	if (!err)
		err = gw_reload(c->g, c->err);
	if (err)
		return err;
	if (!c->client->json) {
		if (c->err[0])
			fprintf(c->to, "%s\n", c->err);
		return 0;
	}
	gw_emit_start(&e, c->to, true);
	gw_emit_open(&e, NULL);
	gw_emit_bool(&e, "ok", true);
	if (c->err[0])
		gw_emit_text(&e, "note", c->err);
	gw_emit_close(&e);
	fputc('\n', c->to);
	return 0;
}

static const struct {
	const char *name, *second; /* the words */
	int (*run)(struct command *c);
	bool answers; /* has something to say beyond ok */
} commands[] = {
    {"sa", "add", sa_add, false},   {"sa", "del", sa_del, false}, {"sa", "list", sa_list, true},
    {"stats", NULL, stats, true},   {"cpus", NULL, cpus, true},	  {"events", NULL, events, true},
    {"reload", NULL, reload, true},
};

static int run(struct command *c, bool *answers)
{
	struct lex *x = &c->x;

	c->client->json = lex_take(x, "json");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct lex before = *x;
		int err;

		if (!lex_take(x, commands[i].name))
			continue;
		if (commands[i].second && !lex_take(x, commands[i].second)) {
			*x = before;
			continue;
		}
		*answers = commands[i].answers;
		err = commands[i].run(c);
		return err ? err : want_end(c);
	}
	return lex_fail(x, "known are sa add, sa del, sa list, stats, cpus, events, reload");
}

static void handle(void *arg, struct gw_client *client, FILE *to)
{
	const char *line = client->request, *end = memchr(line, '\n', client->request_len);
	struct command c = {.g = arg, .client = client};
	bool answers = false;
	char *text = NULL;
	size_t len = 0;
	int code;

	end = end ? end : line + client->request_len;
	c.body = end + (end < line + client->request_len);
	c.body_len = (size_t)(line + client->request_len - c.body);
	c.to = open_memstream(&text, &len);
	if (!c.to)
		return;
	lex_start(&c.x, "command", line, (size_t)(end - line), c.err);
	code = run(&c, &answers);
	fclose(c.to);
	if (code && !c.err[0])
		snprintf(c.err, sizeof(c.err), "%s", strerror(-code));
	if (code)
		fprintf(to, "error %s\n", c.err);
	else
		fputs("ok\n", to);
	if (!code && !answers && client->json)
		fputs("{\"ok\": true}\n", to);
	if (!code)
		fwrite(text, 1, len, to);
	free(text);
}

static bool is_whole(const char *request, size_t len, bool ended)
{
	(void)request;
	(void)len;
	return ended;
}

int gw_control_listen(struct gw_gateway *g, uid_t owner, char err[ESP_ERROR_LEN])
{
	g->control = (struct gw_server){
	    .listener = -1, .request_max = REQUEST_MAX, .is_whole = is_whole, .handle = handle, .arg = g};
	return gw_server_listen_path(&g->control, g->config->control, owner, err);
}

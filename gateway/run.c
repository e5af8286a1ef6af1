/* SPDX-License-Identifier: MIT */
/*
 * Start, loop and end. The order of the start matters: the process that keeps root is forked before there are
 * keys or threads, memory is locked before there are keys, everything that needs root is opened before it is
 * given up, and no packet is read before that.
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config_file.h"
#include "gateway.h"
#include "notify.h"

/* With an MTU of its own accord, before there are SAs. */
#define FIRST_MTU 1400u

#define METRICS_EVERY 10000u /* ms */

struct run {
	struct gw_gateway g;
	int signals, notify;
	uint32_t watchdog;			   /* ms; 0: none */
	uint64_t tick_at, watchdog_at, metrics_at; /* ms, CLOCK_MONOTONIC */
	bool metrics_failed, ends;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_sockets(struct run *r, const struct gw_user *user, char err[ESP_ERROR_LEN])
{
	struct gw_gateway *g = &r->g;
	const struct gw_config *c = g->config;
	int code = gw_tun_open(&g->tun, c->tun, err);

	g->mtu = c->mtu ? c->mtu : FIRST_MTU;
	if (!code)
		code = gw_link_configure(g->tun.name, c, g->mtu, err);
	if (!code)
		code = gw_link_watch(g->tun.name, &g->link);
	if (!code)
		code = gw_udp_open(&g->udp, c->locals, c->local_count, err);
	if (!code && !strncmp(c->control, GW_CONTROL_DIRECTORY "/", strlen(GW_CONTROL_DIRECTORY "/")))
		mkdir(GW_CONTROL_DIRECTORY, 0755);
	if (!code)
		code = gw_control_listen(g, user->uid, err);
	if (!code)
		code = gw_metrics_listen(g, err);
	if (!code) {
		code = gw_privileged_settle(&g->privileged, g->tun.name, c->control);
		if (code)
			snprintf(err, ESP_ERROR_LEN, "the process that keeps root: %s", strerror(-code));
	}
	r->signals = open_signals();
	r->notify = gw_notify_open();
	r->watchdog = gw_notify_watchdog();
	return code;
}

static int give_up_root(struct gw_gateway *g, const struct gw_user *user, char err[ESP_ERROR_LEN])
{
	int code = gw_confine_user(user, err);

	if (code)
		return code;
	code = gw_confine_calls(g->config->metrics_file[0]);
	if (code == -ENOSYS)
		g->say("no filter of system calls is known for this machine");
	else if (code)
		snprintf(err, ESP_ERROR_LEN, "the filter of system calls: %s", strerror(-code));
	return code == -ENOSYS ? 0 : code;
}

static int start_plane(struct gw_gateway *g, char err[ESP_ERROR_LEN])
{
	struct gw_config *c = g->config;
	int code = 0;

	g->plane = gw_plane_start(c, &g->tun, &g->udp, err);
	if (!g->plane)
		return -EIO;
	cpumask_and(g->cpus, c->has_cpus ? c->cpus : cpu_active_mask, cpu_active_mask);
	for (size_t i = 0; i < c->sa_count && !code; i++) {
		code = gw_sas_add(g, c->sas[i], true, err);
		if (!code)
			c->sas[i] = NULL; /* the plane's */
	}
	return code ? code : gw_plane_open(g->plane, err);
}

static void say_slower(const struct gw_gateway *g, const char *why)
{
	char line[ESP_ERROR_LEN];

	if (!why)
		return;
	snprintf(line, sizeof(line), "slower than it could be: %s", why);
	g->say(line);
}

static void say_what_is_missing(const struct gw_gateway *g)
{
	say_slower(g, gw_tun_lacks(&g->tun));
	say_slower(g, gw_udp_lacks(&g->udp));
}

/* That the sockets know an offload does not mean that the device on the way does. */
static void say_what_does_not_work(struct gw_gateway *g)
{
	if (!g->udp.offloads.gso || gw_plane_segments(g->plane))
		return;
	g->udp.offloads.gso = false;
	say_slower(g, "UDP_SEGMENT does not work on this path: one system call for each packet sent");
}

static enum gw_end start(struct run *r, char err[ESP_ERROR_LEN])
{
	struct gw_gateway *g = &r->g;
	struct gw_opener opener = {gw_privileged_open, &g->privileged};
	struct gw_user user;
	const char *open_to_swap;
	int code = gw_privileged_start(&g->privileged, g->path);

	if (code) {
		snprintf(err, ESP_ERROR_LEN, "%.80s: %s", g->path, strerror(-code));
		return GW_END_CONFIG;
	}
	open_to_swap = gw_confine_memory();
	if (gw_config_load(g->path, &opener, &g->config, err) != 0)
		return GW_END_CONFIG;
	if (gw_machine_has(g->path, g->config, &user, err) != 0)
		return GW_END_SYSTEM;
	g->numbers = gw_numbers_open(g->path, err);
	if (!g->numbers)
		return GW_END_CONFIG;
	if (!zalloc_cpumask_var(&g->cpus, GFP_KERNEL) || open_sockets(r, &user, err) != 0 ||
	    give_up_root(g, &user, err) != 0 || start_plane(g, err) != 0)
		return GW_END_SYSTEM;
	if (open_to_swap)
		g->say(open_to_swap);
	say_what_is_missing(g);
	return GW_END_OK;
}

static bool has_ipv6(const struct gw_config *c)
{
	for (size_t i = 0; i < c->address_count; i++)
		if (c->addresses[i].addr.family == 6)
			return true;
	return false;
}

static void follow_mtu(struct gw_gateway *g)
{
	uint32_t mtu = g->config->mtu ? 0 : gw_plane_mtu(g->plane);
	/* With less than 1,280 the kernel takes IPv6 from the device; what is then larger than the path is
	 * cut on the way. */
	uint32_t least = has_ipv6(g->config) ? 1280 : 576;

	if (mtu && mtu < least)
		mtu = least;
	if (mtu && mtu != g->mtu && gw_privileged_set_mtu(&g->privileged, mtu) == 0)
		g->mtu = mtu;
}

static void tick(struct run *r)
{
	struct gw_gateway *g = &r->g;
	uint64_t now = now_ms();
	int code;

	if (now >= r->tick_at) {
		r->tick_at = now + (uint64_t)gw_plane_tick(g->plane);
		gw_sas_tick(g);
		follow_mtu(g);
		say_what_does_not_work(g);
	}
	if (r->watchdog && now >= r->watchdog_at) {
		r->watchdog_at = now + r->watchdog;
		gw_notify(r->notify, "WATCHDOG=1");
	}
	if (now >= r->metrics_at) {
		r->metrics_at = now + METRICS_EVERY;
		code = gw_metrics_write_file(g);
		if (code && !r->metrics_failed) {
			char line[ESP_ERROR_LEN];

			snprintf(line, sizeof(line), "metrics file %.160s: %s", g->config->metrics_file,
				 strerror(-code));
			g->say(line);
		}
		r->metrics_failed = code;
	}
}

static int wait_ms(const struct run *r)
{
	uint64_t now = now_ms(), until = r->tick_at;

	if (r->watchdog && r->watchdog_at < until)
		until = r->watchdog_at;
	return until > now ? (int)(until - now) : 0;
}

static void take_signals(struct run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signals, &s, sizeof(s)) == sizeof(s)) {
		char err[ESP_ERROR_LEN];

		if (s.ssi_signo != SIGHUP) {
			r->ends = true;
			continue;
		}
		gw_notify(r->notify, "RELOADING=1");
		gw_reload(&r->g, err);
		if (err[0])
			r->g.say(err);
		gw_notify(r->notify, "READY=1");
	}
}

static void take_events(struct gw_gateway *g)
{
	struct gw_event e;

	while (gw_plane_event(g->plane, &e)) {
		gw_tell_plane(g, &e);
		if (e.kind == GW_EVENT_MTU || e.kind == GW_EVENT_PEER_MOVED)
			follow_mtu(g);
	}
}

static void loop(struct run *r)
{
	struct gw_gateway *g = &r->g;

	gw_notify(r->notify, "READY=1");
	while (!r->ends) {
		struct pollfd fds[2 + 2 * GW_POLL_MAX] = {
		    {.fd = r->signals, .events = POLLIN},
		    {.fd = gw_plane_event_fd(g->plane), .events = POLLIN},
		};
		size_t control, metrics;

		tick(r);
		control = gw_server_poll(&g->control, fds + 2);
		metrics = gw_server_poll(&g->metrics, fds + 2 + control);
		if (poll(fds, 2 + control + metrics, wait_ms(r)) < 0)
			continue; /* EINTR: by a debugger; signals are read */
		if (fds[0].revents)
			take_signals(r);
		if (fds[1].revents)
			take_events(g);
		gw_server_serve(&g->control, fds + 2, control);
		gw_server_serve(&g->metrics, fds + 2 + control, metrics);
	}
	gw_notify(r->notify, "STOPPING=1");
}

static void end(struct run *r)
{
	struct gw_gateway *g = &r->g;

	if (g->plane) {
		gw_plane_drain(g->plane);
		gw_sas_end(g);
		gw_plane_free(g->plane);
	}
	gw_server_close(&g->control);
	gw_server_close(&g->metrics);
	gw_udp_close(&g->udp);
	if (g->link.fd >= 0)
		close(g->link.fd);
	gw_tun_close(&g->tun);
	gw_numbers_close(g->numbers);
	gw_privileged_stop(&g->privileged);
	gw_config_free(g->config);
	free_cpumask_var(g->cpus);
	if (r->signals >= 0)
		close(r->signals);
	if (r->notify >= 0)
		close(r->notify);
}

enum gw_end gw_run(const char *config, void (*say)(const char *line))
{
	struct run r = {.g = {.path = config,
			      .say = say,
			      .tun.fd = -1,
			      .link.fd = -1,
			      .privileged.fd = -1,
			      .control.listener = -1,
			      .metrics.listener = -1},
			.signals = -1,
			.notify = -1};
	char err[ESP_ERROR_LEN] = "";
	enum gw_end how;

	r.g.started = now_ms() / 1000;
	how = start(&r, err);
	if (how == GW_END_OK)
		loop(&r);
	else
		say(err);
	end(&r);
	return how;
}

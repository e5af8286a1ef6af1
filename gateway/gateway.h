/* SPDX-License-Identifier: MIT */
/* A running gateway: what its parts share. All of it is one thread's, the control thread; packets are the
 * plane's. */
#ifndef GW_GATEWAY_H
#define GW_GATEWAY_H

#include "config.h"
#include "confine.h"
#include "link.h"
#include "numbers.h"
#include "plane.h"
#include "privileged.h"
#include "server.h"

/* An SA that the plane was given. Its description, keys included, is kept to tell whether a new configuration
 * has another one under the same name; it is wiped when the SA goes. */
struct gw_known {
	struct gw_known *next;
	struct esp_sa sa; /* description only */
	enum gw_dir dir;
	bool from_file; /* not by `sa add` */
};

struct gw_gateway {
	const char *path;	       /* of the configuration */
	void (*say)(const char *line); /* a line for the log */
	struct gw_config *config;      /* its SAs have gone to the plane */
	struct gw_tun tun;
	struct gw_link_watch link;
	struct gw_udp udp;
	struct gw_privileged privileged;
	struct gw_numbers *numbers;
	bool numbers_failed; /* at the last tick; it was told */
	struct gw_plane *plane;
	struct gw_known *known; /* newest first */
	cpumask_var_t cpus;	/* that work now */
	uint32_t mtu;		/* of the device now */
	uint64_t started;	/* s, CLOCK_MONOTONIC */
	struct gw_server control, metrics;
};

/* sas.c: SAs and policies. */

/* Whether gw_sas_add would take it, but for want of memory. */
int gw_sas_judge(const struct gw_gateway *g, struct esp_sa *sa, char err[ESP_ERROR_LEN]);
/* Takes the SA when it returns 0; otherwise -errno and one line in `err`. */
int gw_sas_add(struct gw_gateway *g, struct esp_sa *sa, bool from_file, char err[ESP_ERROR_LEN]);
/* The SAs that have this SPI and, where they are set, these addresses; there must be one. 0, -ENOENT,
 * -ENOTUNIQ. */
int gw_sas_find(const struct gw_gateway *g, uint32_t spi, const struct esp_addr *src,
		const struct esp_addr *dst, struct gw_known **known);
/* An inbound one goes on receiving for `linger` seconds. */
int gw_sas_del(struct gw_gateway *g, struct gw_known *known, uint32_t linger);
/* Takes over SAs and policies of a new configuration, whose SAs are taken out of it. All of it, or -errno,
 * one line in `err` and nothing. */
int gw_sas_replace(struct gw_gateway *g, struct gw_config *with, char err[ESP_ERROR_LEN]);
/* Reserves sequence numbers; once a second. */
void gw_sas_tick(struct gw_gateway *g);
/* Gives back the numbers that were not used and forgets all SAs; the plane is drained. */
void gw_sas_end(struct gw_gateway *g);

/* reload.c */

/* 0, -EINVAL none of them can be used, -ENOMEM, -EAGAIN. */
int gw_set_cpus(struct gw_gateway *g, const struct cpumask *cpus);

/* Reads the configuration again. 0, and in `err` a line about what was not changed, or none; or -errno, one
 * line in `err`, and nothing has changed. */
int gw_reload(struct gw_gateway *g, char err[ESP_ERROR_LEN]);

/* told.c: events, for clients that listen. */

void gw_tell_plane(struct gw_gateway *g, const struct gw_event *event);
/* `event`: "added" or "removed". */
void gw_tell_sa(struct gw_gateway *g, const char *event, enum gw_dir dir, const struct esp_sa *sa);
/* {"event": event, name: text} */
void gw_tell_text(struct gw_gateway *g, const char *event, const char *name, const char *text);

/* report.c */

void gw_report_stats(struct gw_gateway *g, FILE *to, bool json);
/* Whether one of the plane's own reasons to drop is that of packets on their way in. */
bool gw_drop_is_inbound(enum gw_drop d);
void gw_report_sas(struct gw_gateway *g, FILE *to, bool json);

/* metrics.c: Prometheus' text format. */

void gw_metrics_write(struct gw_gateway *g, FILE *to);
/* Starts the endpoint's server where there is to be one. */
int gw_metrics_listen(struct gw_gateway *g, char err[ESP_ERROR_LEN]);
/* Writes the file where there is to be one: whole, or as it was. 0 or -errno. */
int gw_metrics_write_file(struct gw_gateway *g);

/* control.c */

int gw_control_listen(struct gw_gateway *g, uid_t owner, char err[ESP_ERROR_LEN]);

#endif

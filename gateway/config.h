/* SPDX-License-Identifier: MIT */
/*
 * What a gateway is told: its configuration file, read and checked.
 *
 * The file holds lines of its own (tun, address, local, ...), and SAs and policies in the words of
 * `ip xfrm state` and `ip xfrm policy`: see padata-esp-gateway(5). Reading is a pure function of the text;
 * whether a name, an address or a CPU exists on this machine is the business of those who use it.
 */
#ifndef GW_CONFIG_H
#define GW_CONFIG_H

#include <linux/cpumask.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_crypto.h"
#include "esp_sa.h"

#define GW_ADDRESSES_MAX 16u
#define GW_ROUTES_MAX 1024u
#define GW_LOCALS_MAX 2u /* one for each family */
#define GW_REMOTES_MAX 1024u
#define GW_POLICIES_MAX 4096u
#define GW_SAS_MAX 4096u
#define GW_INCLUDES_MAX 64u
#define GW_DEFAULT_PORT 4500u
#define GW_CONTROL_DIRECTORY "/run/padata-esp"
#define GW_PATH_MAX 108u /* of a socket's address */
#define GW_FILE_MAX 512u
#define GW_DSCP_COPY 64u
#define GW_NAME_MAX 33u /* of a user */

struct gw_endpoint {
	struct esp_addr addr;
	uint16_t port; /* host order */
};

enum gw_dir {
	GW_OUT, /* from the TUN device to a peer */
	GW_IN,	/* from a peer to the TUN device; `fwd` means the same here */
};

/*
 * One policy. Outbound: a packet that `sel` selects is encrypted by the newest SA with the template's reqid
 * (and its addresses, where the template has them); this is what makes a rekey: a new SA with the same reqid
 * takes over. Inbound: what such an SA carried is passed on if `sel` selects it. The policy with the lowest
 * priority decides, among equals the first of the file; without one the packet is dropped.
 */
struct gw_policy {
	struct esp_selector sel;
	enum gw_dir dir;
	bool block; /* action block: no template */
	uint32_t priority;
	uint32_t reqid;
	struct esp_addr src, dst; /* of the template; family 0: any */
};

struct gw_config {
	char tun[IFNAMSIZ]; /* "padata0" without a line */
	struct esp_prefix addresses[GW_ADDRESSES_MAX];
	size_t address_count;
	struct esp_prefix *routes;
	size_t route_count;
	uint32_t mtu; /* of the TUN device; 0: auto, from the path's MTU and the SAs */

	struct gw_endpoint locals[GW_LOCALS_MAX]; /* at least one */
	size_t local_count;
	struct gw_endpoint *remotes; /* the UDP port of a peer, where its SAs' encap is not to say it */
	size_t remote_count;

	uint32_t dscp;	    /* of the outer header; GW_DSCP_COPY: the inner packet's */
	uint32_t keepalive; /* seconds; 0: none are sent */
	char user[GW_NAME_MAX];
	uint32_t user_line, cpus_line, backend_line; /* of the file; 0: none */
	char control[GW_PATH_MAX];		     /* path of the control socket */
	char metrics_file[GW_FILE_MAX];		     /* "": none */
	struct gw_endpoint metrics;		     /* loopback; family 0: none */
	enum esp_backend backend;
	bool has_cpus; /* false: all that are usable */
	cpumask_var_t cpus;

	struct gw_policy *policies; /* by priority, then in the order of the file */
	size_t policy_count;
	struct esp_sa **sas; /* in the order of the file; who takes one out leaves NULL */
	size_t sa_count;
};

/*
 * Gives the text of a file that an `include NAME` line names; NAME has no '/'. 0 and *text (malloced, *len
 * bytes), which the reader wipes and frees, or -errno and one line in `err`.
 */
struct gw_includes {
	int (*read)(void *arg, const char *name, char **text, size_t *len, char err[ESP_ERROR_LEN]);
	void *arg;
};

/*
 * Reads a configuration from memory; `name` stands for the file in messages, `includes` may be NULL (then an
 * include line is an error). 0 and *config, which the caller frees, or -errno, *config NULL and in `err` one
 * line "FILE:LINE: 'WORD': what to do".
 */
int gw_config_parse(const char *name, const char *text, size_t len, const struct gw_includes *includes,
		    struct gw_config **config, char err[ESP_ERROR_LEN]);
/* Wipes every key. NULL is a no-op. */
void gw_config_free(struct gw_config *config);

/*
 * What an SA means beside these lines: its direction (its source is a local address: GW_OUT; its destination
 * is: GW_IN), and where packets of an outbound one are sent first. An SA without `encap` gets one. 0, or
 * -EINVAL and *why (static): it cannot be used here.
 */
int gw_config_place(const struct gw_config *config, struct esp_sa *sa, enum gw_dir *dir,
		    struct gw_endpoint *remote, const char **why);

/* Why an SA cannot stand beside another of the same direction, or be there at all: static, NULL: it can. */
const char *gw_config_clash(const struct gw_config *config, enum gw_dir dir, const struct esp_sa *sa,
			    const struct esp_sa *other);
const char *gw_config_unselected(const struct gw_config *config, enum gw_dir dir, const struct esp_sa *sa);

/* Whether the policy's template means the SA. */
bool gw_policy_means(const struct gw_policy *policy, enum gw_dir dir, const struct esp_sa *sa);
bool gw_same_selector(const struct esp_selector *a, const struct esp_selector *b);
/* What stands for a policy where none means the SA: its own selector. */
struct gw_policy gw_policy_of(enum gw_dir dir, const struct esp_sa *sa);

#endif

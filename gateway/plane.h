/* SPDX-License-Identifier: MIT */
/*
 * The data plane of a gateway: packets from a TUN device into ESP in UDP, and back.
 *
 *	reader threads (one for TUN, one for UDP)    whole bursts, numbers and SAs, in order
 *	workers, any CPU of the mask		     segmentation, crypto, checksums
 *	workers, one CPU for each SA at a time	     replay window, sends and writes, in order
 *
 * Each SA is an order of its own: a padata instance. All share one workqueue. Bursts come from a fixed pool;
 * while it is empty nothing more is read, so that what is too much is dropped by the kernel's own bounded
 * queues, and counted there.
 *
 * Threads: all functions may be called from any thread but the plane's own; each says whether it sleeps.
 * Those that change something are done one after the other.
 */
#ifndef GW_PLANE_H
#define GW_PLANE_H

#include <linux/cpumask.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "esp_count.h"
#include "esp_sa.h"
#include "tun.h"
#include "udp.h"

struct gw_plane;

/*
 * Passes packets once it is opened. Needs no privileges: call it after they were dropped. Of
 * `config` the policies, the CPUs, the backend, the DSCP and the keepalive interval are copied; its SAs are
 * not touched: add them by gw_plane_sa_add. The descriptors stay the caller's and must outlive the plane.
 * NULL and one line in `err`. Sleeps.
 */
struct gw_plane *gw_plane_start(const struct gw_config *config, const struct gw_tun *tun,
				const struct gw_udp *udp, char err[ESP_ERROR_LEN]);
/* Reads packets from now on. To be called once, behind the SAs that there are at the start: later each costs
 * as much as all that are there already. 0, or -errno and one line in `err`. Sleeps. */
int gw_plane_open(struct gw_plane *plane, char err[ESP_ERROR_LEN]);
/* Reads no more, and passes on what is under way. Sleeps. */
void gw_plane_drain(struct gw_plane *plane);
/* Drains if that was not done, ends the threads, wipes all keys, frees. NULL is a no-op. Sleeps. */
void gw_plane_free(struct gw_plane *plane);

/*
 * SAs. gw_plane_sa_add takes the SA over when it returns 0: it was made by esp_sa_prepare, in memory of
 * malloc(). An outbound SA takes over at once from older ones with the same policies: what was given to those
 * is sent first. It sends to `remote`, until an inbound SA from the same peer says otherwise; peers are told
 * apart by the addresses and UDP ports of their SAs. -EEXIST there is one with this SPI and destination;
 * -EINVAL it is not encapsulated, or there is no socket for it; -ENOMEM, -EAGAIN. Sleeps.
 */
int gw_plane_sa_add(struct gw_plane *plane, enum gw_dir dir, struct esp_sa *sa,
		    const struct gw_endpoint *remote, char err[ESP_ERROR_LEN]);
/*
 * Takes the SA out: an outbound one is used no more, and what it was given is sent; an inbound one still
 * receives for `linger` seconds. Its keys are wiped at the end. -ENOENT. Sleeps.
 */
int gw_plane_sa_del(struct gw_plane *plane, uint32_t spi, const struct esp_addr *dst, uint32_t linger);
/* An outbound SA gives packets numbers up to `most`, where its esp_sa.tx.most said another one when it was
 * added. -ENOENT. Sleeps. */
int gw_plane_sa_allow(struct gw_plane *plane, uint32_t spi, const struct esp_addr *dst, uint64_t most);
/*
 * Replaces all policies, which are copied. What was submitted before is judged by the old ones. 0 or -ENOMEM.
 */
int gw_plane_set_policies(struct gw_plane *plane, const struct gw_policy *policies, size_t count);
/* Moves to these CPUs under traffic: nothing is lost and nothing overtakes. 0, -EINVAL: none is usable;
 * -ENOMEM, -EAGAIN. Sleeps. */
int gw_plane_set_cpus(struct gw_plane *plane, const struct cpumask *cpus);

/*
 * Does what is due: keepalives, lifetimes in seconds, the end of lingering SAs. Returns the milliseconds
 * after which it wants to be called again, at most 1,000. Call it from one thread only. May sleep for as long
 * as a burst lasts.
 */
int gw_plane_tick(struct gw_plane *plane);

/* The largest inner packet that every outbound SA carries whole on its path as known now; 0: there is no
 * outbound SA. What the TUN device's MTU should be where it is `auto`. */
uint32_t gw_plane_mtu(struct gw_plane *plane);

/* Whether UDP_SEGMENT works on all sockets, as far as sends have shown by now. Never sleeps. */
bool gw_plane_segments(const struct gw_plane *plane);

/* Events. */

enum gw_event_kind {
	GW_EVENT_SOFT, /* the SA crossed a soft limit: replace it */
	GW_EVENT_HARD, /* the SA reached a hard limit, or its last sequence number: it carries nothing more */
	GW_EVENT_PEER_MOVED, /* an authenticated packet came from a new address: `peer` is where packets go
				now */
	GW_EVENT_MTU,	     /* the path to `peer` carries at most `mtu` bytes, outer headers included */
	GW_EVENT_LOST,	     /* `lost` events before this one were lost, because nobody took them */
};

struct gw_event {
	enum gw_event_kind kind;
	enum gw_dir dir;
	uint32_t spi, reqid; /* SOFT, HARD, PEER_MOVED */
	struct esp_addr dst; /* of the SA */
	struct gw_endpoint peer;
	uint32_t mtu;
	uint64_t lost;
};

/* Readable while there are events. The plane's; only for poll(2). */
int gw_plane_event_fd(const struct gw_plane *plane);
/* Takes the oldest; false: there is none. Never sleeps. */
bool gw_plane_event(struct gw_plane *plane, struct gw_event *event);
/* "soft", "hard", "peer_moved", "mtu", "lost". */
const char *gw_event_name(enum gw_event_kind kind);

/* What is there, and what happened. Snapshots; none stops the traffic. */

/* Reasons to drop that ESP does not know. X(enumerator, name in reports and JSON, one line for people) */
#define GW_DROPS(X)                                                                                \
	X(NO_POLICY, "no_policy", "no policy selects the packet, or a policy blocks it")           \
	X(NO_OUT_SA, "no_out_sa", "a policy selects the packet, but no outbound SA has its reqid") \
	X(MTU, "mtu", "larger than the path carries, and not to be fragmented: answered by ICMP")  \
	X(BAD_OFFLOAD, "bad_offload", "the kernel's segmentation request makes no sense")          \
	X(POLICY_IN, "policy_in", "decrypted packet outside the inbound policies of its SA")       \
	X(SEND, "send", "the UDP socket refused it")                                               \
	X(SEND_FULL, "send_full", "the UDP socket had no room for it")                             \
	X(TUN_WRITE, "tun_write", "the TUN device refused it: is the link up?")                    \
	X(STOPPED, "stopped", "its SA was being taken out")                                        \
	X(KERNEL_UDP, "kernel_udp", "dropped by the kernel: the UDP socket's buffer was full")     \
	X(TRUNCATED_READ, "truncated_read", "longer than any packet may be")

enum gw_drop {
#define X(e, name, text) GW_DROP_##e,
	GW_DROPS(X)
#undef X
	    GW_DROP_COUNT
};
const char *gw_drop_name(enum gw_drop d);
const char *gw_drop_text(enum gw_drop d);

struct gw_sa_info {
	enum gw_dir dir;
	uint32_t spi, reqid;
	struct esp_addr src, dst;
	struct gw_endpoint peer;
	const char *algorithm; /* static */
	uint32_t flags;	       /* ESP_SA_* */
	uint64_t seq;	       /* out: last number given; in: highest received */
	uint64_t most;	       /* out: the last that may be given */
	uint32_t replay_window;
	struct esp_limits limits;
	struct esp_use use;
	bool current;	    /* out: carries new packets; in: not lingering */
	uint64_t age, idle; /* seconds since it was added; since its last packet, or its age */
	uint32_t linger;    /* in: seconds that are left, 0: it stays */
	struct esp_stats stats;
	unsigned int outstanding; /* bursts under way */
};

/* A copy of the list in memory that the caller frees, *count long; NULL and errno ENOMEM. In the order of
 * their addition. */
struct gw_sa_info *gw_plane_sas(struct gw_plane *plane, size_t *count);

struct gw_cpu_stats {
	unsigned int cpu;
	uint64_t bursts; /* parallel stages */
	uint64_t packets;
	uint64_t parallel_ns; /* time in them */
	uint64_t serial_ns;
};

#define GW_CPUS_MAX 256u /* that are told apart in reports; higher ones count as the last */

struct gw_plane_stats {
	uint64_t tun_reads, tun_read_packets, tun_read_bytes;	 /* packets after segmentation */
	uint64_t tun_writes, tun_write_packets, tun_write_bytes; /* packets before coalescing */
	uint64_t udp_receives, udp_receive_packets, udp_receive_bytes;
	uint64_t udp_sends, udp_send_packets, udp_send_bytes;
	uint64_t keepalives_sent, keepalives_received;
	uint64_t icmp_sent; /* fragmentation needed, packet too big */
	uint64_t peer_moves;
	struct esp_stats out, in; /* over all SAs, those taken out included, and packets that had none */
	uint64_t drop[GW_DROP_COUNT];
	unsigned int bursts_total,
	    bursts_free; /* of the pool: what is missing is queued or being worked on */
	unsigned int sas_out, sas_in;
	struct gw_tun_offloads tun_offloads;
	struct gw_udp_offloads udp_offloads;
	const char *backend;	/* "ipsec-mb (AVX512)"; "" before the first burst */
	unsigned int cpu_count; /* of the entries below that are in use, by rising CPU number */
	struct gw_cpu_stats cpu[GW_CPUS_MAX];
};

void gw_plane_stats(struct gw_plane *plane, struct gw_plane_stats *stats);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * proxy_driver NETNS LOCAL PEER NETNS LOCAL PEER [seed=N] [tos=N] [WHAT=RATE ...]: a bad network of known
 * badness.
 *
 * Stands between two ESP-in-UDP peers and passes datagrams of port 4500 from either to the other. Each side
 * has a network namespace of its own, so the proxy can wear the address of the peer behind it on both sides,
 * and the peers' SAs are those of a direct path. WHAT happens with probability RATE to a datagram, never two
 * things to one, the same ones for the same seed and traffic; with `tos` it leaves with this traffic class,
 * such as a congested router's:
 *
 *   drop      it is not passed
 *   duplicate it is passed twice in a row
 *   reorder   it is held until up to 400 later ones have passed; no replay window of 1024 loses it
 *   corrupt   one bit behind the ESP header is flipped
 *   spi       the highest bit of the SPI is flipped
 *   replay    it is passed, and behind it one that was passed at most 900 sequence numbers before
 *   old       it is passed, and behind it one that was passed more than 1500 sequence numbers before
 *   noise     it is passed, and behind it a copy damaged at random: cut, longer, flipped, or not ESP at all
 *
 * SIGUSR1 ends all that: from then on everything is passed. SIGUSR2 moves the proxy to another port on the
 * second side, as a NAT does that has lost its state: the peer there sees the first one behind a new port; it
 * prints "moved" when it has.
 * SIGTERM ends the proxy, which prints for each direction how often each happened, and "not_rising", how many
 * ESP packets came in with a sequence number that was not above the last of their SPI, as JSON on standard
 * output.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "datagrams.h"

#define PORT 4500
#define ESP_HEADER 8
#define PAST 4096     /* datagrams remembered, a power of two */
#define HELD 512      /* at most held at a time */
#define FAR_PAST 1500 /* beyond a replay window of 1024 */
#define NEAR_PAST 900 /* within it */
#define REORDER 400

enum fate { PASS, DROP, DUPLICATE, REORDERED, CORRUPT, SPI, REPLAY, OLD, NOISE, FATES };
static const char *const fate_names[FATES] = {"pass", "drop",	"duplicate", "reorder", "corrupt",
					      "spi",  "replay", "old",	     "noise"};
static double rates[FATES];
static uint64_t seed = 1;
static int tos;
static volatile sig_atomic_t ended, calm, moves;

struct datagram {
	uint8_t *bytes; /* owned; NULL: none */
	size_t len;
	uint32_t seq, due; /* due: when one of this sequence number has been passed, a held one is released */
};

/* One direction: from a socket to the other side's. */
struct way {
	int from, to;
	uint64_t random;
	uint64_t in, out, esp, not_rising, keepalives, fates[FATES], unlucky;
	uint32_t overflow;
	uint32_t spi, seq; /* of the last ESP packet that came in */
	struct datagram past[PAST], held[HELD];
	uint32_t passed; /* datagrams put into past[] */
	size_t holding;
	uint8_t burst[DATAGRAM]; /* going out: datagrams of one size, the last may be shorter */
	size_t filled, segment, segments;
};

static uint64_t draw(struct way *w) /* xorshift64* */
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 2685821657736338717u;
}

static uint32_t below(struct way *w, uint32_t n)
{
	return (uint32_t)((draw(w) >> 32) * n >> 32);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void flush(struct way *w)
{
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	struct iovec iov = {w->burst, w->filled};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (w->segments == 0)
		return;
	if (w->segments > 1) {
		struct cmsghdr *c;
		uint16_t size = (uint16_t)w->segment;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	/* A peer that is not up yet answers with an ICMP error, which the next call reports. */
	while (sendmsg(w->to, &msg, 0) < 0)
		if (errno != ECONNREFUSED && errno != EINTR)
			die("sendmsg");
	w->out += w->segments;
	w->filled = w->segments = 0;
}

static void emit(struct way *w, const uint8_t *bytes, size_t len)
{
	if (w->segments && (len == 0 || len > w->segment || w->segments == 64 || w->filled + len > 65000))
		flush(w);
	if (w->segments == 0)
		w->segment = len;
	memcpy(w->burst + w->filled, bytes, len);
	w->filled += len;
	w->segments++;
	if (len < w->segment || len == 0)
		flush(w);
}

static void pass(struct way *w, const uint8_t *bytes, size_t len)
{
	struct datagram *d = &w->past[w->passed % PAST];

	emit(w, bytes, len);
	if (len < ESP_HEADER)
		return;
	free(d->bytes);
	d->bytes = malloc(len);
	if (!d->bytes)
		die("malloc");
	memcpy(d->bytes, bytes, len);
	d->len = len;
	d->seq = be32(bytes + 4);
	w->passed++;
}

static void release(struct way *w, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->holding; i++) {
		struct datagram d = w->held[i];

		if (!all && (int32_t)(w->seq - d.due) < 0) {
			w->held[kept++] = d;
			continue;
		}
		pass(w, d.bytes, d.len);
		free(d.bytes);
	}
	w->holding = kept;
}

static bool hold(struct way *w, const uint8_t *bytes, size_t len)
{
	struct datagram *d = &w->held[w->holding];

	if (w->holding == HELD)
		return false;
	d->bytes = malloc(len);
	if (!d->bytes)
		die("malloc");
	memcpy(d->bytes, bytes, len);
	d->len = len;
	d->seq = be32(bytes + 4);
	d->due = d->seq + 1 + below(w, REORDER);
	w->holding++;
	return true;
}

/*
 * One that was passed, of the current SA, at least `nearest` and less than `farthest` sequence numbers ago.
 */
static bool again(struct way *w, uint32_t nearest, uint32_t farthest)
{
	for (int tries = 0; tries < 64; tries++) {
		struct datagram *d = &w->past[below(w, PAST)];

		if (d->bytes && be32(d->bytes) == w->spi && w->seq - d->seq >= nearest &&
		    w->seq - d->seq < farthest) {
			emit(w, d->bytes, d->len);
			return true;
		}
	}
	return false;
}

static void damage(struct way *w, const uint8_t *bytes, size_t len)
{
	uint8_t copy[1400]; /* goes out whole, with any MTU */
	size_t room = sizeof(copy), flips = 1 + below(w, 8);

	len = len < room ? len : room;
	memcpy(copy, bytes, len);
	switch (below(w, 5)) {
	case 0: /* cut */
		len = below(w, (uint32_t)len + 1);
		break;
	case 1: /* longer */
		while (len < room && below(w, 64))
			copy[len++] = (uint8_t)draw(w);
		break;
	case 2: /* the sequence number */
		for (int i = 4; i < ESP_HEADER; i++)
			copy[i] = (uint8_t)draw(w);
		break;
	case 3: /* anything of any length */
		len = below(w, (uint32_t)room);
		for (size_t i = 0; i < len; i++)
			copy[i] = (uint8_t)draw(w);
		if (below(w, 2) && len >= 4)
			memset(copy, 0, 4); /* the non-ESP marker */
		break;
	default:
		for (size_t i = 0; i < flips; i++)
			copy[below(w, (uint32_t)len)] ^= (uint8_t)(1u << below(w, 8));
	}
	if (len == 1) /* no keepalive */
		copy[0] = 0;
	emit(w, copy, len);
}

static enum fate choose(struct way *w)
{
	double x = (double)(draw(w) >> 11) / 9007199254740992.0; /* 53 bits: [0, 1) */

	if (calm)
		return PASS;
	for (enum fate f = DROP; f < FATES; f++) {
		if (x < rates[f])
			return f;
		x -= rates[f];
	}
	return PASS;
}

/* What was chosen and could not be done (nothing old enough yet) is an ordinary pass, and "unlucky". */
static enum fate apply(struct way *w, enum fate f, uint8_t *bytes, size_t len)
{
	switch (f) {
	case DROP:
		return f;
	case DUPLICATE:
		pass(w, bytes, len);
		emit(w, bytes, len);
		return f;
	case REORDERED:
		if (hold(w, bytes, len))
			return f;
		break;
	case CORRUPT:
		bytes[ESP_HEADER + below(w, (uint32_t)len - ESP_HEADER)] ^= (uint8_t)(1u << below(w, 8));
		emit(w, bytes, len);
		return f;
	case SPI:
		bytes[0] ^= 0x80;
		emit(w, bytes, len);
		return f;
	case REPLAY:
		pass(w, bytes, len);
		if (again(w, 0, NEAR_PAST))
			return f;
		w->unlucky++;
		return PASS;
	case OLD:
		pass(w, bytes, len);
		if (again(w, FAR_PAST, UINT32_MAX / 2))
			return f;
		w->unlucky++;
		return PASS;
	case NOISE:
		pass(w, bytes, len);
		damage(w, bytes, len);
		return f;
	default:
		break;
	}
	pass(w, bytes, len);
	w->unlucky += f != PASS;
	return PASS;
}

static void one(struct way *w, uint8_t *bytes, size_t len)
{
	w->in++;
	if (len <= ESP_HEADER || be32(bytes) == 0) { /* keepalives, IKE */
		w->keepalives++;
		emit(w, bytes, len);
		return;
	}
	w->esp++;
	if (be32(bytes) != w->spi) {
		release(w, true); /* their numbers mean nothing beside the new SA's */
		w->spi = be32(bytes);
	} else if ((int32_t)(be32(bytes + 4) - w->seq) <= 0)
		w->not_rising++;
	w->seq = be32(bytes + 4);
	w->fates[apply(w, choose(w), bytes, len)]++;
	release(w, false);
}

/* Takes what has come in, up to a thousand reads. */
static void carry(struct way *w)
{
	static uint8_t bytes[DATAGRAM];
	struct received r = {.bytes = bytes, .overflow = w->overflow};

	for (int reads = 0; reads < 1000; reads++) {
		size_t at = 0;

		if (!receive(w->from, MSG_DONTWAIT, &r)) {
			if (errno == EAGAIN)
				break;
			continue;
		}
		do {
			size_t len = r.len - at < r.size ? r.len - at : r.size;

			one(w, bytes + at, len);
			at += len;
		} while (at < r.len);
	}
	w->overflow = r.overflow;
	flush(w);
}

static int side(char *const *place, uint16_t port)
{
	const char *netns = place[0], *local = place[1], *peer = place[2];
	struct sockaddr_storage to;
	socklen_t len = address(&to, peer, PORT);
	int ns = open(netns, O_RDONLY | O_CLOEXEC), big = 64 << 20, s;

	if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
		die(netns);
	close(ns);
	s = receiver(local, port);
	if (connect(s, (struct sockaddr *)&to, len) != 0)
		die(peer);
	if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big)) != 0 ||
	    setsockopt(s, to.ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		       to.ss_family == AF_INET ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos)) != 0)
		die("setsockopt");
	return s;
}

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		calm = 1;
	else if (sig == SIGUSR2)
		moves++;
	else
		ended = 1;
}

static void option(const char *arg)
{
	const char *eq = strchr(arg, '=');

	if (eq && !strncmp(arg, "seed=", 5)) {
		seed = strtoull(eq + 1, NULL, 0);
		return;
	}
	if (eq && !strncmp(arg, "tos=", 4)) {
		tos = atoi(eq + 1);
		return;
	}
	for (enum fate f = DROP; eq && f < FATES; f++)
		if (strlen(fate_names[f]) == (size_t)(eq - arg) &&
		    !strncmp(arg, fate_names[f], (size_t)(eq - arg))) {
			rates[f] = strtod(eq + 1, NULL);
			return;
		}
	errno = EINVAL;
	die(arg);
}

static void report(const struct way *w)
{
	printf(
	    "{\"in\":%llu,\"out\":%llu,\"esp\":%llu,\"keepalives\":%llu,\"not_rising\":%llu,\"overflow\":%u,"
	    "\"unlucky\":%llu",
	    (unsigned long long)w->in, (unsigned long long)w->out, (unsigned long long)w->esp,
	    (unsigned long long)w->keepalives, (unsigned long long)w->not_rising, w->overflow,
	    (unsigned long long)w->unlucky);
	for (enum fate f = PASS; f < FATES; f++)
		printf(",\"%s\":%llu", fate_names[f], (unsigned long long)w->fates[f]);
	printf("}");
}

int main(int argc, char **argv)
{
	static struct way ways[2];
	struct pollfd fds[2];
	sigset_t none, ours;
	sig_atomic_t moved = 0;
	struct sigaction act = {.sa_handler = on_signal};

	if (argc < 7) {
		fprintf(stderr, "usage: proxy_driver NETNS LOCAL PEER NETNS LOCAL PEER [seed=N] [tos=N] "
				"[WHAT=RATE ...]\n");
		return 2;
	}
	for (int i = 7; i < argc; i++)
		option(argv[i]);
	/* Blocked but in ppoll: a signal ends neither a send nor a read half way. */
	sigemptyset(&none);
	sigemptyset(&ours);
	for (int i = 0; i < 3; i++) {
		static const int signals[] = {SIGTERM, SIGUSR1, SIGUSR2};

		sigaddset(&ours, signals[i]);
		sigaction(signals[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &ours, NULL);
	for (int i = 0; i < 2; i++) {
		fds[i] = (struct pollfd){.fd = side(argv + 1 + 3 * i, PORT), .events = POLLIN};
		ways[i].random = (seed + (uint64_t)i) * 0x9e3779b97f4a7c15u | 1;
	}
	ways[0].from = ways[1].to = fds[0].fd;
	ways[0].to = ways[1].from = fds[1].fd;
	puts("ready");
	fflush(stdout);
	while (!ended) {
		/* What is held when nothing comes any more has waited long enough. */
		struct timespec idle = {0, 20000000};
		int n = ppoll(fds, 2, &idle, &none);

		if (n < 0 && errno != EINTR)
			die("ppoll");
		if (moved != moves) {
			moved = moves;
			close(fds[1].fd);
			ways[0].to = ways[1].from = fds[1].fd = side(argv + 4, (uint16_t)(PORT + moved));
			puts("moved");
			fflush(stdout);
			continue;
		}
		for (int i = 0; i < 2; i++) {
			if (n > 0 && fds[i].revents)
				carry(&ways[i]);
			else if (n == 0) {
				release(&ways[i], true);
				flush(&ways[i]);
			}
		}
	}
	printf("{\"seed\":%llu,\"ways\":[", (unsigned long long)seed);
	report(&ways[0]);
	printf(",");
	report(&ways[1]);
	printf("]}\n");
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * stamp_driver send ADDRESS PORT SECONDS MBIT [SIZE [BURST [FLOWS]]], stamp_driver receive ADDRESS PORT:
 * numbered UDP.
 *
 * The sender offers MBIT 10^6 bits of payload a second for SECONDS, in datagrams of SIZE bytes (1200), BURST
 * (1) to a system call (UDP_SEGMENT), from FLOWS (1) ports in turn, each with its own numbers. MBIT 0 is as
 * fast as it goes. It prints {"sent", "bytes"}.
 *
 * The receiver prints "ready", then, on SIGTERM or when nothing has come for 0.5 s after the sender's end,
 * {"received", "out_of_order", "duplicates", "overflow", "delay_us"}. Out of order is a datagram that comes
 * after one of its flow with a higher number; overflow counts those that its own socket lost; delay_us are
 * the median and the 99th percentile.
 */
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "datagrams.h"

#define FLOWS_MAX 16
#define SEEN (1u << 20) /* numbers of a flow remembered to know a duplicate, a power of two */
#define DELAYS 4096	/* a random sample of them */
#define END UINT64_MAX

struct stamp {
	uint64_t number, time; /* host order: both ends are on one machine; time in ns, CLOCK_MONOTONIC */
	uint32_t flow;
};

static volatile sig_atomic_t ended;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int send_all(int argc, char **argv)
{
	static uint8_t bytes[DATAGRAM];
	static uint64_t numbers[FLOWS_MAX];
	size_t size = argc > 6 ? strtoul(argv[6], NULL, 0) : 1200,
	       burst = argc > 7 ? strtoul(argv[7], NULL, 0) : 1;
	unsigned flows = argc > 8 ? (unsigned)atoi(argv[8]) : 1;
	double seconds = atof(argv[4]), mbit = atof(argv[5]);
	uint64_t begun = now(), due, ends = begun + (uint64_t)(seconds * 1e9), sent = 0;
	int fds[FLOWS_MAX], segment = (int)size;
	struct sockaddr_storage to;
	socklen_t len = address(&to, argv[2], (uint16_t)atoi(argv[3]));

	if (size < sizeof(struct stamp) || burst < 1 || burst > 64 || size * burst > 65000 || flows < 1 ||
	    flows > FLOWS_MAX) {
		errno = EINVAL;
		die("SIZE, BURST or FLOWS");
	}
	for (unsigned f = 0; f < flows; f++) {
		fds[f] = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[f] < 0 || connect(fds[f], (struct sockaddr *)&to, len) != 0)
			die(argv[2]);
		if (burst > 1 && setsockopt(fds[f], SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0)
			die("UDP_SEGMENT");
	}
	due = begun;
	for (unsigned f = 0; now() < ends && !ended; f = (f + 1) % flows) {
		ssize_t n;

		for (size_t i = 0; i < burst; i++) {
			struct stamp s = {.number = numbers[f] + i, .time = now(), .flow = f};

			memcpy(bytes + i * size, &s, sizeof(s));
		}
		n = send(fds[f], bytes, size * burst, 0);
		if (n < 0 && errno != ECONNREFUSED && errno != ENOBUFS && errno != EAGAIN)
			die("send");
		if (n > 0) { /* what the kernel refused was not sent */
			numbers[f] += burst;
			sent += burst;
		}
		if (mbit > 0) {
			struct timespec t;

			due += (uint64_t)((double)(size * burst) * 8000 / mbit);
			if (due + 10000000 <
			    now()) /* never more than 10 ms to catch up: the rest was not offered */
				due = now() - 10000000;
			t = (struct timespec){(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		}
	}
	printf("{\"sent\":%llu,\"bytes\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent,
	       (unsigned long long)(sent * size), (double)(now() - begun) / 1e9);
	fflush(stdout);
	/* The receiver ends when it has seen one of these and nothing more comes. */
	for (int i = 0; i < 10; i++) {
		struct stamp s = {.number = END};

		usleep(50000);
		if (burst > 1)
			setsockopt(fds[0], SOL_UDP, UDP_SEGMENT, &(int){0}, sizeof(int));
		send(fds[0], &s, sizeof(s), 0);
	}
	return 0;
}

struct flow {
	uint64_t received, out_of_order, duplicates, next; /* next: the highest number seen, and 1 */
	uint8_t seen[SEEN / 8];
};

static uint64_t delays[DELAYS], delays_seen;

static void take(struct flow *flows, const uint8_t *bytes)
{
	struct stamp s;
	struct flow *f;
	uint8_t *byte, bit;
	uint64_t at;

	memcpy(&s, bytes, sizeof(s));
	f = &flows[s.flow % FLOWS_MAX];
	for (; f->next <= s.number; f->next++) /* what comes round again is not seen yet */
		f->seen[f->next % SEEN / 8] &= (uint8_t) ~(1u << f->next % 8);
	byte = &f->seen[s.number % SEEN / 8];
	bit = (uint8_t)(1u << s.number % 8);
	if (*byte & bit) {
		f->duplicates++;
		return;
	}
	*byte |= bit;
	f->received++;
	f->out_of_order += s.number + 1 != f->next;
	delays_seen++;
	at = delays_seen <= DELAYS ? delays_seen - 1 : (uint64_t)((double)delays_seen * drand48());
	if (at < DELAYS)
		delays[at] = now() - s.time;
}

static int higher(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int receive_all(char **argv)
{
	static uint8_t bytes[DATAGRAM];
	static struct flow flows[FLOWS_MAX];
	struct received r = {.bytes = bytes};
	struct timeval patience = {0, 500000};
	uint64_t received = 0, out_of_order = 0, duplicates = 0;
	int s = receiver(argv[2], (uint16_t)atoi(argv[3]));
	bool end = false;
	size_t n_delays;

	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		die("setsockopt");
	puts("ready");
	fflush(stdout);
	while (!ended) {
		if (!receive(s, 0, &r)) {
			if (errno == EAGAIN && end)
				break;
			continue;
		}
		for (size_t at = 0; at + sizeof(struct stamp) <= r.len; at += r.size) {
			uint64_t number;

			memcpy(&number, bytes + at, sizeof(number));
			if (number == END)
				end = true;
			else
				take(flows, bytes + at);
		}
	}
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		received += flows[f].received;
		out_of_order += flows[f].out_of_order;
		duplicates += flows[f].duplicates;
	}
	n_delays = delays_seen < DELAYS ? delays_seen : DELAYS;
	qsort(delays, n_delays, sizeof(delays[0]), higher);
	printf("{\"received\":%llu,\"out_of_order\":%llu,\"duplicates\":%llu,\"overflow\":%u,\"delay_us\":[%"
	       "llu,%llu]}\n",
	       (unsigned long long)received, (unsigned long long)out_of_order, (unsigned long long)duplicates,
	       r.overflow, (unsigned long long)delays[n_delays / 2] / 1000,
	       (unsigned long long)delays[n_delays * 99 / 100] / 1000);
	return 0;
}

static void on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};

	sigaction(SIGTERM, &act, NULL);
	if (argc >= 6 && argc <= 9 && !strcmp(argv[1], "send"))
		return send_all(argc, argv);
	if (argc == 4 && !strcmp(argv[1], "receive"))
		return receive_all(argv);
	fprintf(stderr, "usage: stamp_driver send ADDRESS PORT SECONDS MBIT [SIZE [BURST [FLOWS]]] | receive "
			"ADDRESS PORT\n");
	return 2;
}

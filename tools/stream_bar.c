/* SPDX-License-Identifier: MIT */
#include "stream_bar.h"
#include "stream_io.h"
#include "stream_say.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_NS 250000000
#define BAR_WIDTH 20

/* Under the lock of standard error. */
static bool drawn;
static int64_t next_draw;
static bool wanted;

static void clear(void)
{
	static const char take_off[] = "\r\033[K";
	if (drawn)
		write_all(STDERR_FILENO, take_off, sizeof(take_off) - 1);
	drawn = false;
}

void bar_open(struct run *run)
{
	wanted = (run->o->bar || run->o->eta) && isatty(STDERR_FILENO);
	if (wanted)
		stderr_clear = clear;
}

void bar_close(void)
{
	if (!wanted)
		return;
	stderr_lock();
	stderr_unlock();
	stderr_clear = NULL;
}

static void human(char *text, size_t size, double bytes)
{
	static const char units[] = " KMGT";
	int unit = 0;
	while (bytes >= 1024 && unit < 4) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, size, unit ? "%.1f%c" : "%.0f", bytes, units[unit]);
}

static double oldest_age(struct run *run, int64_t now)
{
	double age = 0;
	pthread_mutex_lock(&run->mutex);
	struct job *job = run->oldest;
	if (job) {
		pthread_mutex_lock(&job->mutex);
		/* When it started is settled before its process is known. */
		if (job->pid > 0)
			age = (double)(now - job->started) / 1e9;
		pthread_mutex_unlock(&job->mutex);
	}
	pthread_mutex_unlock(&run->mutex);
	return age;
}

static size_t how_far(struct run *run, char *text, size_t size, double seconds)
{
	char read[16], total[16], rate[16], bar[BAR_WIDTH + 1];
	double in = (double)atomic_load(&run->bytes_in), all = (double)run->input_size;
	human(read, sizeof(read), in);
	human(rate, sizeof(rate), seconds > 0 ? in / seconds : 0);
	if (all <= 0)
		return (size_t)snprintf(text, size, "%s read, %s/s", read, rate);
	double part = in < all ? in / all : 1;
	human(total, sizeof(total), all);
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)(part * BAR_WIDTH));
	bar[BAR_WIDTH] = '\0';
	size_t n = (size_t)snprintf(text, size, "[%s] %3.0f%% %s of %s, %s/s", bar, part * 100, read, total, rate);
	if (in > 0 && n < size)
		n += (size_t)snprintf(text + n, size - n, ", ETA %.0f s", seconds * (all - in) / in);
	return n;
}

/* A terminal that is held (^S), or whose reader is away, must not hold the jobs: the line waits instead. */
static bool terminal_takes(void)
{
	struct pollfd terminal = {.fd = STDERR_FILENO, .events = POLLOUT};
	return poll(&terminal, 1, 0) > 0 && terminal.revents & POLLOUT;
}

void bar_draw(struct run *run, int64_t now)
{
	char line[512] = "\r";
	char held[16];
	if (!wanted || now < next_draw || !terminal_takes())
		return;
	next_draw = now + INTERVAL_NS;
	human(held, sizeof(held), (double)memory_held(&run->memory));
	pthread_mutex_lock(&run->mutex);
	unsigned int running = run->running;
	pthread_mutex_unlock(&run->mutex);
	size_t n = 1 + how_far(run, line + 1, sizeof(line) - 1, (double)(now - run->began) / 1e9);
	if (n < sizeof(line))
		n += (size_t)snprintf(line + n, sizeof(line) - n, ", %lu done, %u running, %s held, oldest %.1f s\033[K",
				      atomic_load(&run->jobs_done), running, held, oldest_age(run, now));
	stderr_lock();
	write_all(STDERR_FILENO, line, n < sizeof(line) ? n : sizeof(line) - 1);
	drawn = true;
	stderr_unlock();
}

int bar_interval(void)
{
	return wanted ? INTERVAL_NS / 1000000 : -1;
}

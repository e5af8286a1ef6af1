/* SPDX-License-Identifier: MIT */
#include "stream_bar.h"
#include "stream_io.h"
#include "stream_say.h"
#include "stream_usage.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERVAL_NS 250000000
#define BAR_WIDTH 6

static atomic_bool drawn; /* changed under the lock of standard error */
static int64_t began, drawn_at;
static bool wanted;

static const char take_off[] = "\r\033[K";

static void clear(void)
{
	if (atomic_exchange(&drawn, false))
		write_all(STDERR_FILENO, take_off, sizeof(take_off) - 1);
}

void bar_open(bool asked, int64_t now)
{
	began = now;
	wanted = asked && isatty(STDERR_FILENO);
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
	snprintf(text, size, !unit ? "%.0f" : bytes < 99.95 ? "%.1f%c" : "%.0f%c", bytes, units[unit]);
}

static size_t how_far(const struct progress *p, char *text, size_t size, double seconds)
{
	char read[16], total[16], rate[16], bar[BAR_WIDTH + 1];
	double in = (double)p->in, all = (double)p->size;
	human(read, sizeof(read), in);
	human(rate, sizeof(rate), seconds > 0 ? in / seconds : 0);
	if (all <= 0)
		return (size_t)snprintf(text, size, "%s read, %s/s", read, rate);
	double part = in < all ? in / all : 1;
	human(total, sizeof(total), all);
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)(part * BAR_WIDTH));
	bar[BAR_WIDTH] = '\0';
	size_t n =
	    (size_t)snprintf(text, size, "[%s] %2.0f%% %s/%s %s/s", bar, part * 100, read, total, rate);
	if (in > 0 && n < size)
		n += (size_t)snprintf(text + n, size - n, " ETA %.0fs", seconds * (all - in) / in);
	return n;
}

/* A terminal that is held (^S), or whose reader is away, must not hold the jobs: the line waits instead. */
static bool terminal_takes(void)
{
	struct pollfd terminal = {.fd = STDERR_FILENO, .events = POLLOUT};
	return poll(&terminal, 1, 0) > 0 && terminal.revents & POLLOUT;
}

static size_t terminal_width(void)
{
	struct winsize size;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

bool bar_is_due(int64_t now)
{
	return wanted && (!atomic_load(&drawn) || now - drawn_at >= INTERVAL_NS) && terminal_takes();
}

void bar_draw(const struct progress *p)
{
	char line[512] = "\r";
	char held[16];
	drawn_at = now_ns();
	human(held, sizeof(held), (double)p->held);
	size_t n = 1 + how_far(p, line + 1, sizeof(line) - 1, (double)(drawn_at - began) / 1e9);
	if (n < sizeof(line))
		n += (size_t)snprintf(line + n, sizeof(line) - n, " | %u running, %s held, oldest %.1fs",
				      p->running, held, p->oldest);
	if (n > sizeof(line) - sizeof(take_off))
		n = sizeof(line) - sizeof(take_off);
	/* A line that wraps could not be taken off again. */
	if (n > terminal_width())
		n = terminal_width();
	memcpy(line + n, "\033[K", 3);
	stderr_lock();
	write_all(STDERR_FILENO, line, n + 3);
	atomic_store(&drawn, true);
	stderr_unlock();
}

int bar_interval(void)
{
	return wanted ? INTERVAL_NS / 1000000 : -1;
}

/* SPDX-License-Identifier: MIT */
/* top: a running gateway, looked at again and again: a screen on a terminal, a line each time elsewhere. */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "esp_gateway.h"
#include "esp_tool.h"
#include "esp_top.h"

struct options {
	char *socket;
	double interval;
	unsigned int count; /* 0: until it is ended */
};

static struct termios before;
static bool is_screen;

/* The other screen, so that what was there comes back. */
static void enter_screen(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before) == 0) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[?1049h\033[?25l\033[?7l", stdout);
	is_screen = true;
}

static void leave_screen(void)
{
	if (!is_screen)
		return;
	is_screen = false;
	fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void measure(struct top_look *look)
{
	struct winsize w;

	look->rows = 24;
	look->columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col) {
		look->rows = w.ws_row;
		look->columns = w.ws_col;
	}
}

static int open_signals(void)
{
	static const int which[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		sigaddset(&set, which[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

enum wish { GO_ON, DRAW, QUIT };

/* Sleeps for the rest of the interval, or until a key or a signal says otherwise. */
static enum wish rest(int signals, double seconds)
{
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
			       {.fd = is_screen ? STDIN_FILENO : -1, .events = POLLIN}};
	struct signalfd_siginfo s;
	char key;

	if (poll(fds, 2, seconds > 0 ? (int)ceil(seconds * 1000) : 0) <= 0)
		return GO_ON;
	if (fds[0].revents && read(signals, &s, sizeof(s)) == sizeof(s))
		return s.ssi_signo == SIGWINCH ? DRAW : QUIT;
	if (fds[1].revents && read(STDIN_FILENO, &key, 1) == 1)
		return key == 'q' || key == 'Q' ? QUIT : DRAW;
	return fds[1].revents ? QUIT : GO_ON;
}

static void take(struct top_sample *s, const char *socket)
{
	int code = top_take(s, socket);

	if (!code)
		return;
	leave_screen();
	esp_fail(ESP_EXIT_SYSTEM, "%s: %s", socket,
		 code == -ECONNREFUSED || code == -ENOENT ? "no gateway runs there" : strerror(-code));
}

static void show(struct top_look *look, const struct top_sample *old, const struct top_sample *now)
{
	if (!is_screen) {
		top_line(stdout, old, now);
		return;
	}
	measure(look);
	top_draw(stdout, look, old, now);
}

static void watch(const struct options *o, struct top_look *look)
{
	int signals = open_signals();
	struct top_sample old, now = {0};
	enum wish wish = GO_ON;

	take(&old, o->socket);
	if (is_screen)
		show(look, &old, &old);
	for (unsigned int shown = 0; wish != QUIT && (!o->count || shown < o->count);) {
		wish = rest(signals, o->interval);
		if (wish == QUIT)
			break;
		take(&now, o->socket);
		/* A key that is held: nothing can be told from so little time. */
		if (now.at - old.at < 0.05) {
			top_free(&now);
			continue;
		}
		show(look, &old, &now);
		shown++;
		top_free(&old);
		old = now;
	}
	top_free(&old);
	close(signals);
}

static void read_options(struct options *o, int argc, char **argv)
{
	enum { SOCKET = 256, INTERVAL, COUNT };
	static const struct option longs[] = {
	    {"socket", required_argument, NULL, SOCKET},
	    {"interval", required_argument, NULL, INTERVAL},
	    {"count", required_argument, NULL, COUNT},
	    {NULL, 0, NULL, 0},
	};
	char *end = NULL;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			free(o->socket);
			o->socket = esp_memory(strdup(optarg));
			break;
		case INTERVAL:
			o->interval = strtod(optarg, &end);
			if (*end || !(o->interval >= 0.1 && o->interval <= 3600))
				esp_fail(ESP_EXIT_USAGE, "--interval %s: not seconds from 0.1 to 3600",
					 optarg);
			break;
		case COUNT:
			o->count = (unsigned int)strtoul(optarg, &end, 10);
			if (*end || !o->count)
				esp_fail(ESP_EXIT_USAGE, "--count %s: not a number from 1 on", optarg);
			break;
		default:
			esp_fail(ESP_EXIT_USAGE, "top: %s %s; --help explains", argv[optind - 1],
				 c == ':' ? "needs a value" : "is not an option");
		}
	}
	if (optind != argc)
		esp_fail(ESP_EXIT_USAGE, "top takes no '%s'; --help explains", argv[optind]);
	if (!o->socket)
		o->socket = esp_gateway_socket();
}

int esp_cmd_top(int argc, char **argv)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	struct options o = {.interval = 1};
	struct top_look look = {0};

	read_options(&o, argc, argv);
	setlocale(LC_CTYPE, "");
	look.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	look.colour = !(no_colour && *no_colour);
	if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && term && strcmp(term, "dumb") != 0)
		enter_screen();
	watch(&o, &look);
	leave_screen();
	free(o.socket);
	return ESP_EXIT_OK;
}

/* SPDX-License-Identifier: MIT */
#include "esp_top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A screen that is being written: lines are cut at its edge, and no line goes below it. Escape sequences take
 * no place. */
struct screen {
	FILE *to;
	struct top_look *look;
	unsigned int row, column;
};

enum style { PLAIN, BOLD, DIM, RED, GREEN, YELLOW };

static void set_style(struct screen *s, enum style style)
{
	static const char *const codes[] = {"\033[0m",	"\033[1m",  "\033[2m",
					    "\033[31m", "\033[32m", "\033[33m"};

	if (s->look->colour)
		fputs(codes[style], s->to);
}

/* A character of UTF-8 takes one place here: those that are drawn do. */
static void put(struct screen *s, const char *text)
{
	for (; *text; text++) {
		bool begins = ((unsigned char)*text & 0xc0) != 0x80;

		if (begins && s->column >= s->look->columns)
			return;
		s->column += begins;
		fputc(*text, s->to);
	}
}

__attribute__((format(printf, 3, 4))) static void say(struct screen *s, enum style style, const char *format,
						      ...)
{
	char text[512];
	va_list args;

	if (s->row >= s->look->rows)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (style != PLAIN)
		set_style(s, style);
	put(s, text);
	if (style != PLAIN)
		set_style(s, PLAIN);
}

static void new_line(struct screen *s)
{
	/* Cleared before it is written: behind the last place there is nothing to clear but that place. */
	if (s->row + 1 < s->look->rows)
		fputs("\n\033[K", s->to);
	s->row++;
	s->column = 0;
}

/* 1234567 as "1,234,567". */
static const char *grouped(char text[32], double value)
{
	char plain[24];
	size_t n = (size_t)snprintf(plain, sizeof(plain), "%.0f", value), used = 0;

	for (size_t i = 0; i < n; i++) {
		text[used++] = plain[i];
		if ((n - i - 1) % 3 == 0 && i + 1 < n && plain[i] != '-')
			text[used++] = ',';
	}
	text[used] = '\0';
	return text;
}

static double rate(uint64_t before, uint64_t now, double seconds)
{
	return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static double rate_of(const struct top_sample *a, const struct top_sample *b, const char *name)
{
	return rate(top_number(a, name), top_number(b, name), b->at - a->at);
}

static bool is_drop(const struct top_value *v, const char *way)
{
	size_t n = strlen(way);

	return !strncmp(v->name, way, n) && !strncmp(v->name + n, ".drops.", 7);
}

static uint64_t drops(const struct top_sample *s, const char *way)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->value_count; i++)
		if (is_drop(&s->values[i], way))
			sum += strtoull(s->values[i].value, NULL, 10);
	return sum;
}

static void bar(struct screen *s, double part, unsigned int width, enum style style)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned int filled, full;
	char text[512] = "", rest[512] = "";

	part = part < 0 ? 0 : part > 1 ? 1 : part;
	filled = (unsigned int)(part * width * 8 + 0.5);
	full = filled / 8;
	for (unsigned int i = 0; i < full; i++)
		strcat(text, s->look->utf8 ? "█" : "#");
	if (s->look->utf8 && filled % 8) {
		strcat(text, eighths[filled % 8]);
		full++;
	}
	for (; full < width; full++)
		strcat(rest, s->look->utf8 ? "·" : ".");
	say(s, style, "%s", text);
	say(s, DIM, "%s", rest);
}

static void history(struct screen *s, const double *values)
{
	static const char *const marks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	double most = 0;

	if (!s->look->utf8)
		return;
	for (unsigned int i = 0; i < TOP_HISTORY; i++)
		most = values[i] > most ? values[i] : most;
	for (unsigned int i = TOP_HISTORY - s->look->seen; i < TOP_HISTORY; i++)
		say(s, GREEN, "%s", marks[most > 0 ? (int)(values[i] / most * 7.99) : 0]);
}

static void heading(struct screen *s, const struct top_sample *now)
{
	uint64_t up = top_number(now, "uptime");
	const char *backend = top_text(now, "backend");
	char clock[16], left[256];
	time_t t = time(NULL);
	struct tm tm;
	int gap;

	localtime_r(&t, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(left, sizeof(left), "  up %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 "   MTU %s   CPUs %s%s%s",
		 up / 3600, up / 60 % 60, up % 60, top_text(now, "mtu"), top_text(now, "cpus"),
		 *backend ? "   " : "", backend);
	say(s, BOLD, "%s", top_text(now, "tun"));
	say(s, PLAIN, "%s", left);
	gap = (int)s->look->columns - (int)s->column - (int)strlen(clock);
	say(s, DIM, "%*s%s", gap > 2 ? gap : 2, "", clock);
	new_line(s);
	new_line(s);
}

static void way(struct screen *s, const struct top_sample *a, const struct top_sample *b, const char *name,
		const double *past)
{
	char packets_name[32], packets[32], lost_text[32];
	double lost = rate(drops(a, name), drops(b, name), b->at - a->at);

	snprintf(packets_name, sizeof(packets_name), "%s.packets", name);
	say(s, BOLD, "%-6s", name);
	say(s, PLAIN, "%12s%12.1f", grouped(packets, rate_of(a, b, packets_name)), past[TOP_HISTORY - 1]);
	say(s, lost > 0 ? RED : PLAIN, "%14s", grouped(lost_text, lost));
	say(s, PLAIN, "   ");
	history(s, past);
	new_line(s);
}

static void ways(struct screen *s, const struct top_sample *a, const struct top_sample *b)
{
	struct top_look *l = s->look;

	memmove(l->out, l->out + 1, sizeof(l->out) - sizeof(l->out[0]));
	memmove(l->in, l->in + 1, sizeof(l->in) - sizeof(l->in[0]));
	l->out[TOP_HISTORY - 1] = rate_of(a, b, "out.bytes") * 8e-6;
	l->in[TOP_HISTORY - 1] = rate_of(a, b, "in.bytes") * 8e-6;
	l->seen += l->seen < TOP_HISTORY;
	say(s, DIM, "%18s%12s%14s", "packets/s", "Mb/s", "dropped/s");
	new_line(s);
	way(s, a, b, "out", l->out);
	way(s, a, b, "in", l->in);
	new_line(s);
}

static void one_cpu(struct screen *s, const struct top_sample *a, const struct top_sample *b, const char *cpu,
		    unsigned int width)
{
	char name[64], packets[32];
	double parallel, serial;

	snprintf(name, sizeof(name), "cpu.%s.parallel_ns", cpu);
	parallel = rate_of(a, b, name) * 1e-9;
	snprintf(name, sizeof(name), "cpu.%s.serial_ns", cpu);
	serial = rate_of(a, b, name) * 1e-9;
	snprintf(name, sizeof(name), "cpu.%s.packets", cpu);
	say(s, BOLD, "%-6s", cpu);
	bar(s, parallel + serial, width, parallel + serial > 0.9 ? YELLOW : GREEN);
	say(s, PLAIN, "  %6.0f %%  %5.0f %%%15s", parallel * 100, serial * 100,
	    grouped(packets, rate_of(a, b, name)));
	new_line(s);
}

static void cpus(struct screen *s, const struct top_sample *a, const struct top_sample *b)
{
	unsigned int width = s->look->columns > 110 ? 50 : 24, shown = 0;
	uint64_t depth = top_number(b, "queue.depth"), room = top_number(b, "queue.room");

	say(s, DIM, "%-*s%10s%9s%15s", (int)width + 6, "CPU", "parallel", "serial", "packets/s");
	new_line(s);
	for (size_t i = 0; i < b->value_count; i++) {
		unsigned int cpu;
		char text[16];
		int end = 0;

		if (sscanf(b->values[i].name, "cpu.%u.bursts%n", &cpu, &end) != 1 || !end)
			continue;
		snprintf(text, sizeof(text), "%u", cpu);
		if (++shown <= s->look->rows / 3)
			one_cpu(s, a, b, text, width);
	}
	if (!shown) {
		say(s, DIM, "no packet so far");
		new_line(s);
	}
	say(s, BOLD, "%-6s", "queue");
	bar(s, room ? (double)depth / (double)room : 0, width, room && depth * 10 > room * 9 ? RED : GREEN);
	say(s, PLAIN, "  %" PRIu64 " of %" PRIu64 " bursts", depth, room);
	new_line(s);
	new_line(s);
}

static void one_reason(struct screen *s, const struct top_sample *a, const struct top_sample *b,
		       const char *way, const char *name, const struct top_value *v)
{
	double now = rate_of(a, b, v->name);
	char per_second[32], total[32];

	say(s, BOLD, "%-4s", way);
	say(s, now > 0 ? RED : PLAIN, "%-17s%10s%14s", name, grouped(per_second, now),
	    grouped(total, strtod(v->value, NULL)));
	say(s, DIM, "   %s", v->remark);
	new_line(s);
}

static void dropped(struct screen *s, const struct top_sample *a, const struct top_sample *b)
{
	static const char queue[] = "tun_queue_dropped";
	static const char *const both[] = {"out", "in"};
	bool in_queue = top_number(b, queue) > 0;

	if (!in_queue && !drops(b, "out") && !drops(b, "in"))
		return;
	say(s, DIM, "%-21s%10s%14s", "dropped", "/s", "in all");
	new_line(s);
	for (int w = 0; w < 2; w++) {
		for (size_t i = 0; i < b->value_count; i++) {
			const struct top_value *v = &b->values[i];

			if (is_drop(v, both[w]))
				one_reason(s, a, b, both[w], v->name + strlen(both[w]) + strlen(".drops."),
					   v);
			else if (w == 0 && in_queue && !strcmp(v->name, queue))
				one_reason(s, a, b, "out", "(TUN queue)", v);
		}
	}
	new_line(s);
}

static void sas(struct screen *s, const struct top_sample *a, const struct top_sample *b)
{
	/* What matters most first: a narrow terminal cuts the rest. */
	say(s, DIM, "%-15s%6s  %-9s%11s%10s%9s  %-22s  %s", "SA", "reqid", "state", "packets/s", "Mb/s",
	    "dropped", "peer", "algorithm");
	new_line(s);
	for (size_t i = 0; i < b->sa_count; i++) {
		const struct top_sa *sa = &b->sas[i], *old = top_find_sa(a, sa);
		char packets[32];
		bool well = !strcmp(sa->state, "active");

		if (s->row + 1 == s->look->rows && i + 1 < b->sa_count) {
			say(s, DIM, "and %zu more", b->sa_count - i);
			new_line(s);
			return;
		}
		say(s, BOLD, "%-4s", sa->dir);
		say(s, PLAIN, "%-11s%6" PRIu32 "  ", sa->spi, sa->reqid);
		say(s, well ? GREEN : YELLOW, "%-9s", sa->state);
		say(s, PLAIN, "%11s%10.1f",
		    grouped(packets, rate(old ? old->packets : sa->packets, sa->packets, b->at - a->at)),
		    rate(old ? old->bytes : sa->bytes, sa->bytes, b->at - a->at) * 8e-6);
		say(s, sa->drops > (old ? old->drops : 0) ? RED : PLAIN, "%9s",
		    grouped(packets, (double)sa->drops));
		say(s, PLAIN, "  %-22s  %s", sa->peer, sa->algorithm);
		new_line(s);
	}
}

void top_draw(FILE *to, struct top_look *look, const struct top_sample *before, const struct top_sample *now)
{
	struct screen s = {.to = to, .look = look};

	fputs("\033[H\033[K", to);
	heading(&s, now);
	ways(&s, before, now);
	cpus(&s, before, now);
	dropped(&s, before, now);
	sas(&s, before, now);
	if (s.row < look->rows)
		fputs("\033[J", to);
	fflush(to);
}

void top_line(FILE *to, const struct top_sample *a, const struct top_sample *b)
{
	fprintf(to,
		"%s up %" PRIu64
		" out %.0f packets/s %.1f Mb/s %.0f dropped/s in %.0f packets/s %.1f Mb/s %.0f dropped/s "
		"queue %" PRIu64 "/%" PRIu64,
		top_text(b, "tun"), top_number(b, "uptime"), rate_of(a, b, "out.packets"),
		rate_of(a, b, "out.bytes") * 8e-6, rate(drops(a, "out"), drops(b, "out"), b->at - a->at),
		rate_of(a, b, "in.packets"), rate_of(a, b, "in.bytes") * 8e-6,
		rate(drops(a, "in"), drops(b, "in"), b->at - a->at), top_number(b, "queue.depth"),
		top_number(b, "queue.room"));
	for (size_t i = 0; i < b->value_count; i++) {
		unsigned int cpu;
		int end = 0;
		char serial[64];

		if (sscanf(b->values[i].name, "cpu.%u.parallel_ns%n", &cpu, &end) != 1 || !end)
			continue;
		snprintf(serial, sizeof(serial), "cpu.%u.serial_ns", cpu);
		fprintf(to, " cpu%u %.0f%%", cpu,
			(rate_of(a, b, b->values[i].name) + rate_of(a, b, serial)) * 1e-7);
	}
	fputc('\n', to);
	fflush(to);
}

/* SPDX-License-Identifier: MIT */
/*
 * The picture: a lane for each CPU with the bursts that it worked on, below them the serial stage, time to
 * the right. A burst has one colour wherever it appears, and colours follow the order of the capture: mixed
 * above, an unbroken rainbow below.
 */
#include "esp_timeline.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEPT (1u << 14)
#define SHOWN_PER_CPU 14u /* bursts: as many as can be told apart */
#define SHOWN_MIN 28u

#define WIDTH 1200.0
#define LEFT 120.0
#define RIGHT 96.0
#define TOP 118.0
#define GAP 10.0
#define TICKS 8.0

struct record {
	struct esp_span parallel, serial;
};

struct esp_timeline {
	struct record *records; /* a ring: number n is at n % KEPT */
	uint64_t count;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void esp_span_begin(struct esp_span *s)
{
	s->cpu = sched_getcpu();
	s->start = now();
}

void esp_span_end(struct esp_span *s)
{
	s->end = now();
}

struct esp_timeline *esp_timeline_alloc(void)
{
	struct esp_timeline *t = calloc(1, sizeof(*t));

	if (t && !(t->records = calloc(KEPT, sizeof(*t->records)))) {
		free(t);
		t = NULL;
	}
	return t;
}

void esp_timeline_free(struct esp_timeline *t)
{
	if (t)
		free(t->records);
	free(t);
}

void esp_timeline_add(struct esp_timeline *t, const struct esp_span *parallel, const struct esp_span *serial)
{
	t->records[t->count++ % KEPT] = (struct record){*parallel, *serial};
}

/* What is drawn, and to which scale. */
struct view {
	const struct esp_timeline *t;
	uint64_t first, last; /* bursts whose whole way is shown */
	uint64_t start, end;  /* nanoseconds */
	int cpus[1024];	      /* the lanes */
	unsigned int cpu_count;
	double lane; /* height */
	double serial_y, axis_y, height;
};

static const struct record *at(const struct view *v, uint64_t n)
{
	return &v->t->records[n % KEPT];
}

static uint64_t oldest(const struct view *v)
{
	return v->t->count > KEPT ? v->t->count - KEPT : 0;
}

static bool visible(const struct view *v, const struct esp_span *s)
{
	return s->end > v->start && s->start < v->end;
}

static double x_of(const struct view *v, uint64_t time)
{
	uint64_t t = time < v->start ? v->start : time > v->end ? v->end : time;

	return LEFT + (WIDTH - LEFT - RIGHT) * (double)(t - v->start) / (double)(v->end - v->start);
}

static double y_of(const struct view *v, int cpu)
{
	for (unsigned int i = 0; i < v->cpu_count; i++)
		if (v->cpus[i] == cpu)
			return TOP + i * (v->lane + GAP);
	return TOP;
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void add_lane(struct view *v, int cpu)
{
	for (unsigned int i = 0; i < v->cpu_count; i++)
		if (v->cpus[i] == cpu)
			return;
	if (v->cpu_count < sizeof(v->cpus) / sizeof(v->cpus[0]))
		v->cpus[v->cpu_count++] = cpu;
}

struct part {
	uint64_t first, span;
};

static int by_span(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->span < y->span ? -1 : x->span > y->span;
}

/* The part that is typical, neither quick nor slow; in a short recording, a late one, when caches are
 * warm. */
static uint64_t typical(const struct view *v, uint64_t from, uint64_t show)
{
	uint64_t have = v->t->count - from, n = have / show;
	struct part *parts = n > 4 ? calloc(n, sizeof(*parts)) : NULL;
	uint64_t first = from + (have - show) * 2 / 3;

	if (!parts)
		return first;
	for (uint64_t i = 0; i < n; i++) {
		parts[i].first = from + i * show;
		parts[i].span =
		    at(v, parts[i].first + show - 1)->serial.end - at(v, parts[i].first)->parallel.start;
	}
	qsort(parts, n, sizeof(*parts), by_span);
	first = parts[n / 2].first;
	free(parts);
	return first;
}

static void choose(struct view *v)
{
	uint64_t from = oldest(v), have = v->t->count - from, show;

	for (uint64_t n = from; n < v->t->count; n++)
		add_lane(v, at(v, n)->parallel.cpu);
	qsort(v->cpus, v->cpu_count, sizeof(v->cpus[0]), ascending);
	show = SHOWN_PER_CPU * v->cpu_count > SHOWN_MIN ? SHOWN_PER_CPU * v->cpu_count : SHOWN_MIN;
	if (show > have)
		show = have;
	v->first = typical(v, from, show);
	v->last = v->first + show;
	v->start = UINT64_MAX;
	for (uint64_t n = v->first; n < v->last; n++) {
		const struct record *r = at(v, n);

		if (r->parallel.start < v->start)
			v->start = r->parallel.start;
		if (r->serial.end > v->end)
			v->end = r->serial.end;
	}
	v->lane = v->cpu_count <= 8 ? 46 : v->cpu_count <= 32 ? 18 : 6;
	v->serial_y = TOP + v->cpu_count * (v->lane + GAP) + 34;
	v->axis_y = v->serial_y + 46 + 14;
	v->height = v->axis_y + 62;
}

/* From blue over violet and red to orange by the place in the order: readable on white and on black, and
 * under white. */
static void colour(const struct view *v, uint64_t n, char text[8])
{
	double span = (double)(v->last - v->first),
	       place = span > 1 ? ((double)n - (double)v->first) / (span - 1) : 0;
	double hue = 205 + 180 * (place < 0 ? 0 : place > 1 ? 1 : place), s = 0.68, l = 0.56;
	double c = (1 - fabs(2 * l - 1)) * s, h = fmod(hue, 360) / 60, x = c * (1 - fabs(fmod(h, 2) - 1));
	double rgb[6][3] = {{c, x, 0}, {x, c, 0}, {0, c, x}, {0, x, c}, {x, 0, c}, {c, 0, x}};
	const double *p = rgb[(int)h % 6];
	int part[3];

	for (int i = 0; i < 3; i++)
		part[i] = (int)lround(255 * (p[i] + l - c / 2)) & 255;
	snprintf(text, 8, "#%02x%02x%02x", (unsigned int)part[0], (unsigned int)part[1],
		 (unsigned int)part[2]);
}

static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++)
		if (*s == '<' || *s == '&')
			fprintf(f, "&#%d;", *s);
		else
			fputc(*s, f);
}

static void head(FILE *f, const struct view *v, const char *title)
{
	fprintf(
	    f,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
	    "height=\"%.0f\" "
	    "font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"13\">\n"
	    "<style>\n"
	    ".paper{fill:#fff}.ink{fill:#1c2126}.soft{fill:#5c6670}.lane{fill:#eef1f4}.rule{stroke:#d5dae0}"
	    ".hold{fill:#c3cad2}.mark{fill:#fff}\n"
	    "@media (prefers-color-scheme: dark){.paper{fill:#14181c}.ink{fill:#e8ecf0}.soft{fill:#9aa5b0}"
	    ".lane{fill:#20262c}.rule{stroke:#39424b}.hold{fill:#4a545f}}\n"
	    "</style>\n<rect class=\"paper\" width=\"100%%\" height=\"100%%\"/>\n",
	    WIDTH, v->height, WIDTH, v->height);
	fputs("<text class=\"ink\" x=\"24\" y=\"38\" font-size=\"20\" font-weight=\"bold\">Parallel, but in "
	      "order: ",
	      f);
	put_escaped(f, title);
	fputs("</text>\n", f);
	fprintf(f,
		"<text class=\"soft\" x=\"24\" y=\"62\">%llu bursts of packets out of %llu, numbered as they "
		"were read. Every CPU works on "
		"whichever comes next; below, they leave in the order in which they came.</text>\n",
		(unsigned long long)(v->last - v->first), (unsigned long long)v->t->count);
}

static void legend(FILE *f, const struct view *v)
{
	char c[8];
	double x = 24;

	for (int i = 0; i < 40; i++, x += 4) {
		colour(v, v->first + (v->last - v->first - 1) * (uint64_t)i / 39, c);
		fprintf(f, "<rect x=\"%.0f\" y=\"79\" width=\"4.5\" height=\"14\" fill=\"%s\"/>", x, c);
	}
	fprintf(f, "\n<text class=\"ink\" x=\"%.0f\" y=\"91\">place in the order, first to last</text>\n",
		x + 10);
	x += 266;
	fprintf(f,
		"<rect class=\"hold\" x=\"%.0f\" y=\"79\" width=\"24\" height=\"14\" rx=\"2\"/>"
		"<text class=\"ink\" x=\"%.0f\" y=\"91\">this CPU runs the serial stage</text>\n",
		x, x + 34);
	x += 276;
	fprintf(f,
		"<path d=\"M%.0f 80l24 12\" stroke=\"#8a63d2\" stroke-width=\"1.5\"/>"
		"<text class=\"ink\" x=\"%.0f\" y=\"91\">finished, waits for its turn</text>\n",
		x, x + 34);
}

/* A round step that gives about TICKS of them. */
static double step_of(double span)
{
	double raw = span / TICKS, ten = pow(10, floor(log10(raw)));

	return raw / ten < 1.5 ? ten : raw / ten < 3.5 ? 2 * ten : raw / ten < 7.5 ? 5 * ten : 10 * ten;
}

static void axis(FILE *f, const struct view *v)
{
	double span = (double)(v->end - v->start), step = step_of(span);
	bool milli = span >= 4e6;

	for (double t = 0; t <= span; t += step) {
		double x = LEFT + (WIDTH - LEFT - RIGHT) * t / span;

		fprintf(
		    f,
		    "<path class=\"rule\" d=\"M%.1f %.0fV%.0f\"/><text class=\"soft\" x=\"%.1f\" y=\"%.0f\" "
		    "text-anchor=\"middle\">%g</text>\n",
		    x, TOP - 6, v->axis_y, x, v->axis_y + 18, milli ? t / 1e6 : t / 1e3);
	}
	fprintf(f, "<text class=\"soft\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
		LEFT + (WIDTH - LEFT - RIGHT) / 2, v->axis_y + 42, milli ? "milliseconds" : "microseconds");
}

static void lane(FILE *f, double y, double height, const char *name, const char *right)
{
	double middle = y + height / 2 + 5;

	fprintf(f, "<rect class=\"lane\" x=\"%.0f\" y=\"%.1f\" width=\"%.0f\" height=\"%.1f\" rx=\"4\"/>",
		LEFT, y, WIDTH - LEFT - RIGHT, height);
	if (height >= 12)
		fprintf(f,
			"<text class=\"ink\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>"
			"<text class=\"soft\" x=\"%.0f\" y=\"%.1f\">%s</text>",
			LEFT - 12, middle, name, WIDTH - RIGHT + 10, middle, right);
	fputc('\n', f);
}

/* `number` below 1: a box without one. */
static void box(FILE *f, const struct view *v, const struct esp_span *s, double y, double height,
		const char *fill, long long number)
{
	double x = x_of(v, s->start), w = x_of(v, s->end) - x;

	/* A slit between neighbours, where there is room for it. */
	w = w > 3 ? w - 1 : w < 0.8 ? 0.8 : w;
	fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%d\" %s/>", x, y, w,
		height, w > 6 ? 2 : 0, fill);
	if (number > 0 && height >= 12 && w >= (number > 999 ? 34 : number > 99 ? 26 : 18))
		fprintf(f,
			"<text class=\"mark\" x=\"%.1f\" y=\"%.1f\" font-size=\"11\" "
			"text-anchor=\"middle\">%lld</text>",
			x + w / 2, y + height / 2 + 4, number);
	fputc('\n', f);
}

static uint64_t clipped(const struct view *v, const struct esp_span *s)
{
	uint64_t from = s->start > v->start ? s->start : v->start, to = s->end < v->end ? s->end : v->end;

	return to > from ? to - from : 0;
}

static void lanes(FILE *f, const struct view *v)
{
	double span = (double)(v->end - v->start);
	uint64_t serial = 0;
	char name[32], right[32];

	for (unsigned int i = 0; i < v->cpu_count; i++) {
		uint64_t busy = 0;

		for (uint64_t n = oldest(v); n < v->t->count; n++) {
			const struct record *r = at(v, n);

			busy += r->parallel.cpu == v->cpus[i] ? clipped(v, &r->parallel) : 0;
			busy += r->serial.cpu == v->cpus[i] ? clipped(v, &r->serial) : 0;
			serial += i == 0 ? clipped(v, &r->serial) : 0;
		}
		snprintf(name, sizeof(name), "CPU %d", v->cpus[i]);
		snprintf(right, sizeof(right), "%.0f %% busy", 100 * (double)busy / span);
		lane(f, TOP + i * (v->lane + GAP), v->lane, name, right);
	}
	snprintf(right, sizeof(right), "%.0f %% busy", 100 * (double)serial / span);
	lane(f, v->serial_y, 46, "serial, in order", right);
}

static void draw(FILE *f, const struct view *v)
{
	char c[8], fill[24];

	lanes(f, v);
	axis(f, v);
	for (uint64_t n = v->first; n < v->last; n++) {
		const struct record *r = at(v, n);

		colour(v, n, c);
		fprintf(f,
			"<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\" stroke-width=\"1.2\" "
			"stroke-opacity=\"0.75\"/>\n",
			x_of(v, r->parallel.end), y_of(v, r->parallel.cpu) + v->lane,
			x_of(v, r->serial.start), v->serial_y, c);
	}
	for (uint64_t n = oldest(v); n < v->t->count; n++) {
		const struct record *r = at(v, n);

		long long number = n < v->last ? (long long)n - (long long)v->first + 1 : 0;

		colour(v, n, c);
		snprintf(fill, sizeof(fill), "fill=\"%s\"", c);
		if (visible(v, &r->parallel))
			box(f, v, &r->parallel, y_of(v, r->parallel.cpu), v->lane, fill, number);
		if (visible(v, &r->serial)) {
			box(f, v, &r->serial, y_of(v, r->serial.cpu), v->lane, "class=\"hold\"", 0);
			box(f, v, &r->serial, v->serial_y, 46, fill, number);
		}
	}
}

int esp_timeline_draw(const struct esp_timeline *t, const char *path, const char *title)
{
	struct view *v = calloc(1, sizeof(*v));
	FILE *f;
	bool bad;

	if (!v || !(f = fopen(path, "we"))) {
		free(v);
		return -errno;
	}
	v->t = t;
	if (t->count) {
		choose(v);
		head(f, v, title);
		legend(f, v);
		draw(f, v);
	} else {
		v->height = 90;
		head(f, v, title);
	}
	fputs("</svg>\n", f);
	free(v);
	bad = ferror(f);
	return fclose(f) || bad ? -(errno ? errno : EIO) : 0;
}

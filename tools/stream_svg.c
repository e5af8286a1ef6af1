/* SPDX-License-Identifier: MIT */
/* padata trace-svg: a picture of what --trace wrote. It reads only that: an event a line. */
#include "stream_alloc.h"
#include "stream_commands.h"
#include "stream_say.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1200.0
#define LEFT 140.0
#define ROW_HEIGHT 24
#define HEAD 30

struct span {
	long row;
	double from, length;
	char name[48];
};

struct row {
	long number;
	char name[48];
};

struct picture {
	struct span *spans;
	size_t span_count;
	struct row *rows;
	size_t row_count;
	double end;
};

static bool field(const char *line, const char *name, double *value)
{
	const char *at = strstr(line, name);
	if (!at)
		return false;
	*value = strtod(at + strlen(name), NULL);
	return true;
}

/* What the name holds goes into the picture: nothing in it may be taken for markup. */
static bool text_field(const char *line, const char *name, char *text, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ,()_-.";
	const char *at = strstr(line, name);
	if (!at)
		return false;
	at += strlen(name);
	size_t length = strspn(at, plain);
	if (at[length] != '"' || length >= size)
		return false;
	memcpy(text, at, length);
	text[length] = '\0';
	return true;
}

static void add_span(struct picture *p, const char *line)
{
	struct span span;
	double row;
	if (!field(line, "\"tid\":", &row) || !field(line, "\"ts\":", &span.from) ||
	    !field(line, "\"dur\":", &span.length) ||
	    !text_field(line, "\"name\":\"", span.name, sizeof(span.name)))
		return;
	span.row = (long)row;
	if ((p->span_count & (p->span_count - 1)) == 0)
		p->spans = must_realloc(p->spans, (p->span_count ? p->span_count * 2 : 1) * sizeof(span));
	p->spans[p->span_count++] = span;
	if (span.from + span.length > p->end)
		p->end = span.from + span.length;
}

static void add_row(struct picture *p, const char *line)
{
	struct row row;
	double number;
	if (!field(line, "\"tid\":", &number) ||
	    !text_field(line, "\"args\":{\"name\":\"", row.name, sizeof(row.name)))
		return;
	row.number = (long)number;
	p->rows = must_realloc(p->rows, (p->row_count + 1) * sizeof(row));
	size_t at = p->row_count++;
	while (at && p->rows[at - 1].number > row.number) {
		p->rows[at] = p->rows[at - 1];
		at--;
	}
	p->rows[at] = row;
}

static int height_of(const struct picture *p, long number)
{
	for (size_t i = 0; i < p->row_count; i++) {
		if (p->rows[i].number == number)
			return HEAD + (int)i * ROW_HEIGHT;
	}
	return -1;
}

/* A colour of its own for each job, the same in every row. */
static unsigned int hue(const char *name)
{
	const char *number = strrchr(name, ' ');
	return (unsigned int)(number ? strtoul(number, NULL, 10) : 0) * 47 % 360;
}

static void draw(const struct picture *p)
{
	int height = HEAD + (int)p->row_count * ROW_HEIGHT + 10;
	double scale = p->end > 0 ? (WIDTH - LEFT - 10) / p->end : 0;
	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%d\" "
	       "font-family=\"sans-serif\" font-size=\"12\">\n",
	       WIDTH, height);
	printf("<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
	printf("<text x=\"%.0f\" y=\"18\">0 s</text><text x=\"%.0f\" y=\"18\" text-anchor=\"end\">%.3f "
	       "s</text>\n",
	       LEFT, WIDTH - 10, p->end / 1e6);
	for (size_t i = 0; i < p->row_count; i++)
		printf("<text x=\"4\" y=\"%d\">%s</text>\n", HEAD + (int)i * ROW_HEIGHT + 15,
		       p->rows[i].name);
	for (size_t i = 0; i < p->span_count; i++) {
		const struct span *s = &p->spans[i];
		int y = height_of(p, s->row);
		if (y < 0)
			continue;
		double width = s->length * scale;
		printf("<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" "
		       "fill=\"hsl(%u,60%%,60%%)\"><title>%s: %.3f ms</title></rect>\n",
		       LEFT + s->from * scale, y, width < 0.3 ? 0.3 : width, ROW_HEIGHT - 4, hue(s->name),
		       s->name, s->length / 1e3);
	}
	printf("</svg>\n");
}

int trace_svg_main(int argc, char **argv)
{
	struct picture p = {0};
	char *line = NULL;
	size_t room = 0;
	if (argc != 2)
		die("trace-svg: padata trace-svg FILE");
	FILE *file = fopen(argv[1], "re");
	if (!file)
		die("%s: %s", argv[1], strerror(errno));
	while (getline(&line, &room, file) >= 0) {
		if (strstr(line, "\"ph\":\"X\""))
			add_span(&p, line);
		else if (strstr(line, "\"thread_name\""))
			add_row(&p, line);
	}
	bool bad = ferror(file) != 0;
	int error = errno;
	fclose(file);
	free(line);
	if (bad)
		die("%s: %s", argv[1], strerror(error));
	if (!p.row_count)
		die("%s: not what --trace writes", argv[1]);
	draw(&p);
	free(p.spans);
	free(p.rows);
	if (fflush(stdout) != 0)
		die("standard output: %s", strerror(errno));
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "stream_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool parse_size(const char *text, size_t *size)
{
	static const char units[] = "kmgtKMGT";
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	if (end == text || errno || !(value >= 0) || strspn(text, "0123456789.") != (size_t)(end - text))
		return false;
	const char *unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		double step = unit - units < 4 ? 1000 : 1024;
		for (long i = (unit - units) % 4; i >= 0; i--)
			value *= step;
		end++;
	}
	if (*end || value > 1e15)
		return false;
	*size = (size_t)value;
	return true;
}

bool parse_seconds(const char *text, double *seconds)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || !(value >= 0) || value > 1e9 ||
	    strspn(text, "0123456789.") != (size_t)(end - text))
		return false;
	switch (*end) {
	case 's':
		end++;
		break;
	case 'm':
		value *= 60;
		end++;
		break;
	case 'h':
		value *= 3600;
		end++;
		break;
	case 'd':
		value *= 86400;
		end++;
		break;
	default:
		break;
	}
	*seconds = value;
	return *end == '\0';
}

bool parse_count(const char *text, unsigned long long low, unsigned long long high, unsigned long long *count)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return !*end && !errno && *count >= low && *count <= high;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t unescape(char *text)
{
	static const char from[] = "ntr0\\", to[] = "\n\t\r\0\\";
	char *out = text;
	for (const char *in = text; *in; in++) {
		const char *known = in[0] == '\\' && in[1] ? strchr(from, in[1]) : NULL;
		if (known) {
			*out++ = to[known - from];
			in++;
		} else if (in[0] == '\\' && in[1] == 'x' && hex(in[2]) >= 0 && hex(in[3]) >= 0) {
			*out++ = (char)(hex(in[2]) * 16 + hex(in[3]));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	return (size_t)(out - text);
}

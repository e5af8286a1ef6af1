/* SPDX-License-Identifier: MIT */
#include "stream_util.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t stderr_mutex = PTHREAD_MUTEX_INITIALIZER;
void (*stderr_clear)(void);

void stderr_lock(void)
{
	pthread_mutex_lock(&stderr_mutex);
	if (stderr_clear)
		stderr_clear();
}

void stderr_unlock(void)
{
	pthread_mutex_unlock(&stderr_mutex);
}

void stderr_lines(const char *bytes, size_t length)
{
	stderr_lock();
	write_all(STDERR_FILENO, bytes, length);
	stderr_unlock();
}

static void say_list(const char *format, va_list list)
{
	char line[2048] = "padata: ";
	size_t room = sizeof(line) - 1;
	size_t length = strlen(line);
	int n = vsnprintf(line + length, room - length, format, list);
	if (n > 0)
		length += (size_t)n < room - length ? (size_t)n : room - length - 1;
	/* What a line quotes may hold newlines, and a message is one line. */
	for (size_t i = 0; i < length; i++) {
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	}
	line[length++] = '\n';
	stderr_lines(line, length);
}

void say(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	say_list(format, list);
	va_end(list);
}

void die(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	say_list(format, list);
	va_end(list);
	exit(EXIT_ERROR);
}

int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

size_t resident_peak(void)
{
	/* getrusage(2) would count what the process was before it became this program. */
	char line[256];
	size_t kib = 0;
	FILE *status = fopen("/proc/self/status", "re");
	while (status && fgets(line, sizeof(line), status)) {
		if (sscanf(line, "VmHWM: %zu", &kib) == 1)
			break;
	}
	if (status)
		fclose(status);
	return kib * 1024;
}

void *must_alloc(size_t size)
{
	void *memory = malloc(size ? size : 1);
	if (!memory) {
		say("out of memory");
		_exit(EXIT_ERROR);
	}
	return memory;
}

void *must_realloc(void *memory, size_t size)
{
	void *bigger = realloc(memory, size ? size : 1);
	if (!bigger) {
		say("out of memory");
		_exit(EXIT_ERROR);
	}
	return bigger;
}

char *must_copy(const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(must_alloc(size), text, size);
}

int write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;
	while (length) {
		ssize_t n = write(fd, at, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };
			poll(&p, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

ssize_t read_all(int fd, void *bytes, size_t length)
{
	size_t got = 0;
	while (got < length) {
		ssize_t n = read(fd, (char *)bytes + got, length - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLIN };
			poll(&p, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t pread_all(int fd, void *bytes, size_t length, off_t at)
{
	size_t got = 0;
	while (got < length) {
		ssize_t n = pread(fd, (char *)bytes + got, length - got, at + (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

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
	if (end == text || !(value >= 0) || value > 1e9 || strspn(text, "0123456789.") != (size_t)(end - text))
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

void die_of(int sig)
{
	sigset_t set;
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	_exit(128 + sig);
}

void die_of_sigpipe(void)
{
	die_of(SIGPIPE);
}

const void *last_match(const void *bytes, size_t length, const void *what, size_t what_length)
{
	const char *start = bytes;
	if (what_length == 0)
		return start + length;
	if (what_length == 1)
		return memrchr(bytes, *(const unsigned char *)what, length);
	while (length >= what_length) {
		/* The first byte of the text decides where a match may begin. */
		const char *p = memrchr(start, *(const unsigned char *)what, length - what_length + 1);
		if (!p)
			return NULL;
		if (memcmp(p, what, what_length) == 0)
			return p;
		length = (size_t)(p - start) + what_length - 1;
	}
	return NULL;
}

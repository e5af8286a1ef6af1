/* SPDX-License-Identifier: MIT */
#include "stream_say.h"
#include "stream_io.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* SPDX-License-Identifier: MIT */
#ifndef TEST_H
#define TEST_H

/*
 * A test program is a table of cases and main(): TEST_MAIN(cases). Each case
 * prints one line, "ok NAME", "not ok NAME ..." or "skip NAME: reason", which
 * tests/run counts. A case that fails ends the program. A watchdog ends one
 * that hangs, and says where it was.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether this is built with a sanitizer that sees addresses or threads, and with the latter. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1
#endif
#endif
#ifndef THREAD_SANITIZED
#define THREAD_SANITIZED 0
#endif

struct test_case {
	const char *name; /* the promise's number first, then what is checked */
	void (*run)(void);
};

static const char *test_name = "";
static int test_skipped;

static void test_failed(const char *file, int line, const char *what)
{
	printf("not ok %s (%s:%d: %s)\n", test_name, file, line, what);
	fflush(stdout);
	_exit(1);
}

#define CHECK(condition)                                            \
	do {                                                        \
		if (!(condition))                                   \
			test_failed(__FILE__, __LINE__, #condition); \
	} while (0)

/* Both sides as long long; prints the two values when they differ. */
#define CHECK_EQ(got, expected)                                                                  \
	do {                                                                                     \
		long long got_ = (long long)(got), expected_ = (long long)(expected);            \
		if (got_ != expected_) {                                                         \
			char what_[256];                                                         \
			snprintf(what_, sizeof(what_), "%s is %lld, not %s (%lld)", #got, got_,  \
				 #expected, expected_);                                          \
			test_failed(__FILE__, __LINE__, what_);                                  \
		}                                                                                \
	} while (0)

/* Leave the case: it cannot be checked on this machine, because. */
#define SKIP(reason)                                            \
	do {                                                    \
		printf("skip %s: %s\n", test_name, reason);     \
		test_skipped = 1;                               \
		return;                                         \
	} while (0)

static void test_watchdog(int sig)
{
	(void)sig;
	static const char hang[] = " hangs\n";
	ssize_t n = write(1, "not ok ", 7);
	n += write(1, test_name, strlen(test_name));
	n += write(1, hang, sizeof(hang) - 1);
	(void)n;
	abort(); /* a core, or a debugger, shows the state */
}

#define TEST_MAIN(cases)                                                                  \
	int main(void)                                                                    \
	{                                                                                 \
		signal(SIGALRM, test_watchdog);                                           \
		for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++) {         \
			test_name = (cases)[i].name;                                      \
			test_skipped = 0;                                                 \
			alarm(120);                                                       \
			(cases)[i].run();                                                 \
			if (!test_skipped)                                                \
				printf("ok %s\n", test_name);                             \
			fflush(stdout);                                                   \
		}                                                                         \
		return 0;                                                                 \
	}

#endif

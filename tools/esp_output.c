/* SPDX-License-Identifier: MIT */
#include "esp_output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "esp_progress.h"
#include "esp_tool.h"

static struct {
	pthread_mutex_t lock; /* of temporary: whoever holds it may rename or unlink */
	int fd;
	const char *name;
	char *final, *temporary; /* NULL: written under its own name */
} out = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void discard_locked(void)
{
	if (out.temporary)
		unlink(out.temporary);
	free(out.temporary);
	out.temporary = NULL;
}

void esp_output_discard(void)
{
	pthread_mutex_lock(&out.lock);
	discard_locked();
	pthread_mutex_unlock(&out.lock);
}

/* Signals are waited for in a thread of their own, because the others may be blocked in a write. */
static void *wait_for_signal(void *arg)
{
	sigset_t *set = arg;
	int sig = 0;

	sigwait(set, &sig);
	pthread_mutex_lock(&out.lock);
	if (out.temporary)
		esp_say("interrupted; %s was not written", out.name);
	else
		esp_progress_clear();
	discard_locked();
	_exit(ESP_EXIT_SIGNAL + sig);
}

void esp_output_guard(void)
{
	static sigset_t set;
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	pthread_attr_t attr;
	pthread_t thread;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction was;

		/* One that is ignored stays so: nohup, and what a shell runs in the background. */
		if (!sigaction(signals[i], NULL, &was) && was.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* seen as EPIPE, and reported like any failed write */
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, wait_for_signal, &set))
		esp_fail(ESP_EXIT_SYSTEM, "cannot start a thread: %s", strerror(errno));
	pthread_attr_destroy(&attr);
}

static int open_temporary(void)
{
	char *copy = esp_memory(strdup(out.final)), *base = esp_memory(strdup(out.final));
	char *path;
	mode_t mask = umask(0);
	struct stat st;
	int fd;

	umask(mask);
	if (asprintf(&path, "%s/.%s.XXXXXX", dirname(copy), basename(base)) < 0)
		esp_memory(NULL);
	free(copy);
	free(base);
	pthread_mutex_lock(&out.lock);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		out.temporary = path;
		fchmod(fd, stat(out.final, &st) ? 0666 & ~mask : st.st_mode & 0777);
	} else {
		free(path);
	}
	pthread_mutex_unlock(&out.lock);
	return fd;
}

int esp_output_open(const char *name)
{
	struct stat st;
	int fd;

	out.name = strcmp(name, "-") ? name : "standard output";
	if (out.name != name) {
		if (isatty(STDOUT_FILENO))
			esp_fail(ESP_EXIT_OUTPUT,
				 "standard output is a terminal; a capture is written to a file or a pipe");
		fd = dup(STDOUT_FILENO);
	} else if (!stat(name, &st) && !S_ISREG(st.st_mode)) {
		fd = open(name, O_WRONLY | O_CLOEXEC);
	} else {
		/* Behind a symbolic link, the file itself is replaced. */
		out.final = realpath(name, NULL);
		if (!out.final)
			out.final = esp_memory(strdup(name));
		fd = open_temporary();
	}
	if (fd < 0)
		esp_fail(ESP_EXIT_OUTPUT, "%s: cannot be written: %s", out.name, strerror(errno));
	out.fd = fd;
	return fd;
}

const char *esp_output_name(void)
{
	return out.name;
}

static void sync_directory(const char *path)
{
	char *copy = esp_memory(strdup(path));
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

void esp_output_commit(void)
{
	bool bad = out.final && fsync(out.fd);
	int error = errno;

	if (close(out.fd) && !bad) {
		bad = true;
		error = errno;
	}
	if (!bad && out.final) {
		pthread_mutex_lock(&out.lock);
		if (rename(out.temporary, out.final)) {
			bad = true;
			error = errno;
		} else {
			free(out.temporary);
			out.temporary = NULL;
		}
		pthread_mutex_unlock(&out.lock);
	}
	if (bad)
		esp_fail(ESP_EXIT_OUTPUT, "%s: cannot be written: %s", out.name, strerror(error));
	if (out.final)
		sync_directory(out.final);
	free(out.final);
	out.final = NULL;
}

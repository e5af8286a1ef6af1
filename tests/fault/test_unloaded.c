/* SPDX-License-Identifier: MIT */
/*
 * The shared library is unloaded after everything was freed, and loaded again, while threads that called it live
 * on, end, and fork: what it left with them (data of a thread, handlers of fork) may not lead into nothing.
 */

#include "fault.h"

#include <dlfcn.h>

/* No symbol of the static library is asked for: all come from the shared one. */
static struct {
	__typeof__(create_workqueue) *create;
	__typeof__(destroy_workqueue) *destroy;
	__typeof__(padata_alloc) *alloc;
	__typeof__(padata_free) *free;
	__typeof__(padata_start) *start;
	__typeof__(padata_do_parallel) *do_parallel;
	__typeof__(padata_do_serial) *do_serial;
	__typeof__(padata_wait_room) *wait_room;
	__typeof__(padata_cpu_active_mask) *active;
	__typeof__(cpumask_first) *first;
} lib;

static void *library;

static void find(const char *name, void *function)
{
	void *found = dlsym(library, name);

	CHECK(found);
	memcpy(function, &found, sizeof(found));
}

static void load(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	CHECK(n > 0);
	path[n] = 0;
	for (int up = 0; up < 3; up++) /* BUILD/tests/fault/test_unloaded */
		*strrchr(path, '/') = 0;
	strcat(path, "/libpadata.so");
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		printf("# %s\n", dlerror());
	CHECK(library);
	find("padata_create_workqueue", &lib.create);
	find("padata_destroy_workqueue", &lib.destroy);
	find("padata_alloc", &lib.alloc);
	find("padata_free", &lib.free);
	find("padata_start", &lib.start);
	find("padata_do_parallel", &lib.do_parallel);
	find("padata_do_serial", &lib.do_serial);
	find("padata_wait_room", &lib.wait_room);
	find("padata_cpu_active_mask", &lib.active);
	find("padata_cpumask_first", &lib.first);
}

enum { N = 300 };
static int next;

static void finish(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	lib.do_serial(padata);
}

static void in_order(struct padata_priv *padata)
{
	CHECK_EQ(TASK(padata)->id, next);
	next++;
}

static void whole_life(void)
{
	struct workqueue_struct *wq = lib.create("fault");
	struct padata_instance *inst = lib.alloc(lib.active(), wq);
	struct task *t = malloc(N * sizeof(*t));
	int cpu = (int)lib.first(lib.active()), result;

	CHECK(inst && t);
	lib.start(inst);
	next = 0;
	for (int i = 0; i < N; i++) {
		task_init(&t[i], i, finish, in_order);
		while ((result = lib.do_parallel(inst, &t[i].p, cpu)) == -EBUSY)
			CHECK_EQ(lib.wait_room(inst), 0);
		CHECK_EQ(result, -EINPROGRESS);
	}
	lib.free(inst);
	lib.destroy(wq);
	CHECK_EQ(next, N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(atomic_load(&t[i].parallels), 1);
	free(t);
}

static sem_t used, unloaded;

/* Ends after the library has gone, with its data still with it. */
static void *uses_it(void *unused)
{
	whole_life();
	sem_post(&used);
	wait_for(&unloaded);
	return unused;
}

static void loaded_and_unloaded(void)
{
	int threads = 0;

	sem_init(&used, 0, 0);
	sem_init(&unloaded, 0, 0);
	for (int round = 0; round < 30; round++) {
		pthread_t user;
		int status;
		pid_t pid;

		load();
		user = thread(uses_it, NULL);
		wait_for(&used);
		CHECK_EQ(dlclose(library), 0);
		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		sem_post(&unloaded);
		join(user);
		if (round == 0)
			threads = thread_count(); /* with a sanitizer's own */
		EVENTUALLY(thread_count() == threads);
	}
}

CHILD_MAY_START_THREADS

static const struct test_case cases[] = {
	{"L5 dlclose after everything was freed, with threads that called it: 30 times", loaded_and_unloaded},
};

TEST_MAIN(cases)

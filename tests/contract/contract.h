/* SPDX-License-Identifier: MIT */
#ifndef CONTRACT_H
#define CONTRACT_H

/*
 * What the tests of the contract share: a workqueue with one instance on every
 * usable CPU, tasks that count their callbacks, ways to hold a CPU's worker
 * and to see that a thread sleeps.
 */

#include <dirent.h>
#include <errno.h>
#include <linux/padata.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Wait for a condition that another thread makes true; the watchdog ends a wait without end. */
#define EVENTUALLY(condition)         \
	do {                          \
		while (!(condition))  \
			usleep(20);   \
	} while (0)

static inline void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		CHECK_EQ(errno, EINTR);
}

static inline pthread_t thread(void *(*body)(void *), void *argument)
{
	pthread_t id;
	CHECK_EQ(pthread_create(&id, NULL, body, argument), 0);
	return id;
}

static inline void join(pthread_t id)
{
	CHECK_EQ(pthread_join(id, NULL), 0);
}

/* The nth CPU that the process may run on, or -1. */
static inline int usable_cpu(unsigned int n)
{
	int cpu;
	for_each_cpu(cpu, cpu_active_mask)
		if (n-- == 0)
			return cpu;
	return -1;
}

static inline int usable_cpus(void)
{
	return (int)cpumask_weight(cpu_active_mask);
}

struct rig {
	struct workqueue_struct *wq;
	struct padata_instance *inst;
};

/* A started instance on every usable CPU; window 0 leaves the default. */
static inline struct rig rig_make(unsigned int window)
{
	struct rig rig;
	rig.wq = create_workqueue("rig");
	CHECK(rig.wq);
	rig.inst = padata_alloc(cpu_active_mask, rig.wq);
	CHECK(rig.inst);
	if (window)
		CHECK_EQ(padata_set_window(rig.inst, window), 0);
	padata_start(rig.inst);
	return rig;
}

static inline void rig_end(struct rig rig)
{
	padata_free(rig.inst);
	destroy_workqueue(rig.wq);
}

/* The order in which serial() was called, by number of the task. */
#define RECORD_MAX 200000
static struct {
	atomic_int taken;
	atomic_int length;
	atomic_int ids[RECORD_MAX];
} record;

static inline void record_clear(void)
{
	atomic_store(&record.taken, 0);
	atomic_store(&record.length, 0);
}

static inline int recorded(void)
{
	return atomic_load(&record.length);
}

static inline void record_id(int id)
{
	int at = atomic_fetch_add(&record.taken, 1);
	CHECK(at < RECORD_MAX);
	atomic_store(&record.ids[at], id);
	atomic_fetch_add(&record.length, 1);
}

struct task {
	struct padata_priv p;
	int id;
	int cb_cpu;
	atomic_int parallels;
	atomic_int serials;
	atomic_int parallel_cpu;
	atomic_int serial_cpu;
	sem_t *begun; /* posted by parallel_hold() or serial_hold() ... */
	sem_t *hold;  /* ... which then wait here */
};

#define TASK(padata) container_of(padata, struct task, p)

static inline void note_parallel(struct task *t)
{
	atomic_store(&t->parallel_cpu, sched_getcpu());
	atomic_fetch_add(&t->parallels, 1);
}

static inline void note_serial(struct task *t)
{
	atomic_store(&t->serial_cpu, sched_getcpu());
	record_id(t->id);
	atomic_fetch_add(&t->serials, 1);
}

static inline void parallel_finish(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	padata_do_serial(padata);
}

static inline void parallel_leave(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
}

static inline void parallel_hold(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	note_parallel(t);
	sem_post(t->begun);
	wait_for(t->hold);
	padata_do_serial(padata);
}

static inline void serial_note(struct padata_priv *padata)
{
	note_serial(TASK(padata));
}

static inline void serial_hold(struct padata_priv *padata)
{
	struct task *t = TASK(padata);
	sem_post(t->begun);
	wait_for(t->hold);
	note_serial(t);
}

typedef void callback(struct padata_priv *padata);

static inline void task_init(struct task *t, int id, callback *parallel, callback *serial)
{
	memset(t, 0, sizeof(*t));
	t->id = id;
	t->p.parallel = parallel;
	t->p.serial = serial;
}

static inline struct task *tasks_make(int n, callback *parallel, callback *serial)
{
	struct task *t = malloc((size_t)n * sizeof(*t));
	CHECK(t);
	for (int i = 0; i < n; i++)
		task_init(&t[i], i, parallel, serial);
	return t;
}

static inline void accept_task(struct padata_instance *inst, struct task *t, int cb_cpu)
{
	t->cb_cpu = cb_cpu;
	CHECK_EQ(padata_do_parallel(inst, &t->p, cb_cpu), -EINPROGRESS);
}

/* Submit, however long the window is full or the mask is being changed. */
static inline void accept_in_time(struct padata_instance *inst, struct task *t, int cb_cpu)
{
	int result;
	t->cb_cpu = cb_cpu;
	while ((result = padata_do_parallel(inst, &t->p, cb_cpu)) == -EBUSY)
		CHECK_EQ(padata_wait_room(inst), 0);
	CHECK_EQ(result, -EINPROGRESS);
}

/* A work item that holds its CPU's worker. */
struct holder {
	struct work_struct work;
	sem_t begun, hold;
};

static inline void holder_run(struct work_struct *work)
{
	struct holder *h = container_of(work, struct holder, work);
	sem_post(&h->begun);
	wait_for(&h->hold);
}

static inline void hold_cpu(struct holder *h, struct workqueue_struct *wq, int cpu)
{
	sem_init(&h->begun, 0, 0);
	sem_init(&h->hold, 0, 0);
	INIT_WORK(&h->work, holder_run);
	CHECK(queue_work_on(cpu, wq, &h->work));
	wait_for(&h->begun);
}

static inline void release_cpu(struct holder *h)
{
	sem_post(&h->hold);
}

struct knock {
	struct work_struct work;
	sem_t done;
};

static inline void knock_run(struct work_struct *work)
{
	sem_post(&container_of(work, struct knock, work)->done);
}

/*
 * Let a CPU's worker go through its work a few times: what it could have begun
 * when this was called, it has begun when this returns.
 */
static inline void settle(struct workqueue_struct *wq, int cpu)
{
	for (int round = 0; round < 5; round++) {
		struct knock k;
		sem_init(&k.done, 0, 0);
		INIT_WORK(&k.work, knock_run);
		CHECK(queue_work_on(cpu, wq, &k.work));
		wait_for(&k.done);
		sem_destroy(&k.done);
	}
}

/* A field of /proc/self/task/TID/stat: R, S, D ...; 0 for a thread that is gone. */
static inline char thread_state(int tid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	const char *after = strrchr(text, ')');
	return after && after[1] ? after[2] : 0;
}

/* Wait until the thread whose number appears in *tid sleeps in the kernel. */
static inline void until_asleep(atomic_int *tid)
{
	EVENTUALLY(atomic_load(tid) != 0);
	for (int seen = 0; seen < 10;) {
		seen = thread_state(atomic_load(tid)) == 'S' ? seen + 1 : 0;
		usleep(200);
	}
}

static inline int entries(const char *directory)
{
	int n = 0;
	DIR *d = opendir(directory);
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static inline int thread_count(void)
{
	return entries("/proc/self/task");
}

static inline int open_files(void)
{
	return entries("/proc/self/fd");
}

/* Run body in a child; returns its status, and what it wrote to standard error. */
static inline int in_child(void (*body)(void), char *text, size_t size)
{
	int fds[2];
	CHECK_EQ(pipe(fds), 0);
	fflush(stdout);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		signal(SIGALRM, SIG_DFL);
		alarm(60);
		body();
		_exit(0);
	}
	close(fds[1]);
	size_t length = 0;
	for (ssize_t n; (n = read(fds[0], text + length, size - 1 - length)) > 0;)
		length += (size_t)n;
	text[length] = 0;
	close(fds[0]);
	int status;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* The body must die by SIGABRT, with a line on standard error that holds the word. */
static inline void must_abort(void (*body)(void), const char *word)
{
	char text[4096];
	int status = in_child(body, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, word))
		printf("status %#x, standard error: %s\n", (unsigned int)status, text);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGABRT);
	CHECK(strstr(text, word));
}

/* The thread sanitizer lets a child with the memory of many threads start threads, where it can. */
#define CHILD_MAY_START_THREADS                                                        \
	__attribute__((visibility("default"))) const char *__tsan_default_options(void); \
	const char *__tsan_default_options(void)                                       \
	{                                                                              \
		return "die_after_fork=0";                                             \
	}

/* xorshift64*: the same numbers from the same seed, on every machine. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 2685821657736338717u;
}

static inline uint64_t random_seed(void)
{
	const char *given = getenv("PADATA_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
	seed = seed ? seed : 1;
	printf("# PADATA_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout); /* to be seen after a hang too */
	return seed;
}

#endif

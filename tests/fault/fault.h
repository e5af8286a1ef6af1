/* SPDX-License-Identifier: MIT */
#ifndef FAULT_H
#define FAULT_H

/*
 * What the tests of faults share. A fault is made by a function that the linker puts between the library and
 * libc (fault.mk says which, `__wrap_` is its name), or by the system itself. A stream of tasks is under way
 * meanwhile, and checks itself: whatever happens, each task that was accepted goes once through parallel() and
 * once through serial(), on its cb_cpu, in the order of submission, and nobody is completed before an earlier
 * one is finished.
 */

#include "../contract/contract.h"

/* Fails once, at the nth place from when it is set; 0 never. */
struct countdown {
	atomic_long left;
	atomic_bool fired;
};

static inline void countdown_set(struct countdown *c, long n)
{
	atomic_store(&c->fired, false);
	atomic_store(&c->left, n);
}

/* Whether it came so far. */
static inline bool countdown_end(struct countdown *c)
{
	atomic_store(&c->left, 0);
	return atomic_load(&c->fired);
}

static inline bool fails_here(struct countdown *c)
{
	if (atomic_load(&c->left) <= 0 || atomic_fetch_sub(&c->left, 1) != 1)
		return false;
	atomic_store(&c->fired, true);
	return true;
}

/* Random numbers of the calling thread, all from the seed that is printed. */
static atomic_uint_fast64_t fault_seed;

static inline unsigned int chance(unsigned int of)
{
	static _Thread_local uint64_t state;

	if (!state) {
		uint64_t seed = atomic_fetch_add(&fault_seed, 0x9e3779b97f4a7c15u);

		state = (seed ^ seed >> 31) * 0xbf58476d1ce4e5b9u | 1;
	}
	return (unsigned int)(random_next(&state) >> 33) % of;
}

enum { STREAM_POOL = 256, STREAM_CPUS = 64 };
enum stream_state { STREAM_IDLE, STREAM_ACCEPTED, STREAM_STARTED, STREAM_FINISHED };

struct stream_task {
	struct padata_priv p;
	struct stream *of;
	unsigned long number; /* from 1 */
	unsigned long before; /* the last one for the same cb_cpu, 0 for none */
	int cb_cpu;
	atomic_int state;
	unsigned long payload; /* plain memory: from the producer to parallel() to serial() */
};

struct stream {
	struct padata_instance *inst;
	atomic_bool may_refuse; /* CPUs go, or it is stopped: 0 and -EINVAL are answers too */
	int cpus[STREAM_CPUS], cpu_count;

	/* The producer's. */
	unsigned long accepted, last_for[STREAM_CPUS];

	atomic_ulong completed, last_done[STREAM_CPUS];
	atomic_ulong finished[STREAM_POOL]; /* [n % STREAM_POOL] is the last number that was finished there */
	struct stream_task tasks[STREAM_POOL];

	pthread_t producer, finisher;
	atomic_bool end, finisher_end;

	/* What parallel() left unfinished. */
	pthread_mutex_t lock;
	struct stream_task *left[STREAM_POOL];
	int left_count;
	sem_t left_sem;
};

static inline void stream_finish(struct stream_task *t)
{
	CHECK_EQ(atomic_exchange(&t->state, STREAM_FINISHED), STREAM_STARTED);
	atomic_store(&t->of->finished[t->number % STREAM_POOL], t->number);
	padata_do_serial(&t->p);
}

static inline void stream_parallel(struct padata_priv *padata)
{
	struct stream_task *t = container_of(padata, struct stream_task, p);
	struct stream *s = t->of;

	CHECK_EQ(atomic_exchange(&t->state, STREAM_STARTED), STREAM_ACCEPTED);
	CHECK_EQ(t->payload, t->number);
	t->payload++;
	if (t->number % 3) {
		stream_finish(t);
		return;
	}
	pthread_mutex_lock(&s->lock);
	s->left[s->left_count++] = t;
	pthread_mutex_unlock(&s->lock);
	sem_post(&s->left_sem);
}

static inline void stream_serial(struct padata_priv *padata)
{
	struct stream_task *t = container_of(padata, struct stream_task, p);
	struct stream *s = t->of;

	CHECK_EQ(t->payload, t->number + 1);
	CHECK_EQ(atomic_exchange(&s->last_done[t->cb_cpu], t->number), t->before);
	for (unsigned long n = t->number; n && n + 64 > t->number; n--)
		CHECK(atomic_load(&s->finished[n % STREAM_POOL]) >= n);
	CHECK_EQ(atomic_exchange(&t->state, STREAM_IDLE), STREAM_FINISHED);
	atomic_fetch_add(&s->completed, 1);
}

/* One task, by the one producer: what padata_do_parallel() said. */
static inline int stream_submit(struct stream *s)
{
	unsigned long number = s->accepted + 1;
	struct stream_task *t = &s->tasks[number % STREAM_POOL];
	int cpu = s->cpus[chance((unsigned int)s->cpu_count)], result;

	EVENTUALLY(atomic_load(&t->state) == STREAM_IDLE);
	memset(&t->p, 0, sizeof(t->p));
	t->p.parallel = stream_parallel;
	t->p.serial = stream_serial;
	t->of = s;
	t->number = t->payload = number;
	t->before = s->last_for[cpu];
	t->cb_cpu = cpu;
	atomic_store(&t->state, STREAM_ACCEPTED);
	result = padata_do_parallel(s->inst, &t->p, cpu);
	if (result == -EINPROGRESS) {
		s->last_for[cpu] = number;
		s->accepted++;
	} else {
		atomic_store(&t->state, STREAM_IDLE);
		CHECK(result == -EBUSY || (atomic_load(&s->may_refuse) && (result == 0 || result == -EINVAL)));
	}
	return result;
}

static inline void stream_wait_room(struct stream *s)
{
	int result = padata_wait_room(s->inst);

	CHECK(result == 0 || (result == -EINVAL && atomic_load(&s->may_refuse)));
}

static inline void *stream_produce(void *argument)
{
	struct stream *s = argument;

	while (!atomic_load(&s->end)) {
		int result = stream_submit(s);

		if (result == -EBUSY)
			stream_wait_room(s);
		else if (result != -EINPROGRESS)
			usleep(50);
		else if (chance(200) == 0)
			usleep(chance(200)); /* the workers come to rest */
	}
	return NULL;
}

static inline void *stream_finish_left(void *argument)
{
	struct stream *s = argument;

	for (;;) {
		struct stream_task *t = NULL;

		wait_for(&s->left_sem);
		pthread_mutex_lock(&s->lock);
		if (s->left_count) {
			int i = (int)chance((unsigned int)s->left_count);

			t = s->left[i];
			s->left[i] = s->left[--s->left_count];
		}
		pthread_mutex_unlock(&s->lock);
		if (t)
			stream_finish(t);
		else if (atomic_load(&s->finisher_end))
			return NULL;
	}
}

/* A started instance's stream, without a producer: stream_submit() is the caller's. */
static inline void stream_open(struct stream *s, struct padata_instance *inst)
{
	int cpu;

	if (!atomic_load(&fault_seed))
		atomic_store(&fault_seed, random_seed());
	memset(s, 0, sizeof(*s));
	s->inst = inst;
	for_each_cpu(cpu, cpu_active_mask)
		if (cpu < STREAM_CPUS)
			s->cpus[s->cpu_count++] = cpu;
	CHECK(s->cpu_count > 0);
	pthread_mutex_init(&s->lock, NULL);
	sem_init(&s->left_sem, 0, 0);
	s->finisher = thread(stream_finish_left, s);
}

/* With a thread that submits without end. */
static inline void stream_begin(struct stream *s, struct padata_instance *inst)
{
	stream_open(s, inst);
	s->producer = thread(stream_produce, s);
}

/* So many more tasks have completed. */
static inline void stream_flows(struct stream *s, unsigned long tasks)
{
	unsigned long until = atomic_load(&s->completed) + tasks;

	EVENTUALLY(atomic_load(&s->completed) >= until);
}

/* Everything that was accepted has come out. */
static inline void stream_close(struct stream *s)
{
	CHECK_EQ(padata_flush(s->inst), 0);
	atomic_store(&s->finisher_end, true);
	sem_post(&s->left_sem);
	join(s->finisher);
	CHECK_EQ(atomic_load(&s->completed), s->accepted);
	for (int i = 0; i < s->cpu_count; i++)
		CHECK_EQ(atomic_load(&s->last_done[s->cpus[i]]), s->last_for[s->cpus[i]]);
	for (int i = 0; i < STREAM_POOL; i++)
		CHECK_EQ(atomic_load(&s->tasks[i].state), STREAM_IDLE);
	sem_destroy(&s->left_sem);
	pthread_mutex_destroy(&s->lock);
}

static inline void stream_end(struct stream *s)
{
	atomic_store(&s->end, true);
	join(s->producer);
	stream_close(s);
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MODEL_H
#define MODEL_H

/*
 * The plain model that the random programs are checked against: a task goes
 * once through each state; for one cb_cpu the numbers of each submitter ascend;
 * nobody's serial() begins before all earlier tasks of his submitter are
 * finished; the window is never exceeded; every callback runs on a CPU that its
 * instance may have now.
 */

#include "../contract/contract.h"

enum {
	CPUS = 64,
	INSTANCES = 4,
	PRODUCERS = 3,
	SUBMITTERS = PRODUCERS + CPUS, /* a serial() that submits is a submitter of its lane */
	POOL = 48,
	BATCH = 8,
	RING = 4096,
	LEFT = 4096,
};

enum state { IDLE, ACCEPTED, STARTED, FINISHED };

struct instance;

struct item {
	struct padata_priv p;
	struct instance *of;
	atomic_int state;
	int cb_cpu, submitter, resubmit;
	bool leave, heap;
	atomic_bool taken; /* by its producer, until the last serial() gives it back */
	unsigned long number;
	uint64_t payload; /* plain memory: handed from the submitter to parallel() to serial() */
};

struct submitter {
	unsigned long next;		    /* the submitter's own */
	atomic_ulong finished[RING];	    /* [n % RING] is n + 1 when n is finished, or more */
	atomic_ulong last_serial[CPUS];	    /* for each cb_cpu, one more than the last number */
};

struct instance {
	struct padata_instance *inst;
	struct workqueue_struct *wq;
	atomic_uint window; /* changes only while nothing is outstanding */
	int producers;
	uint64_t seed;

	/* What the controller does: odd while it does it. */
	atomic_ulong turn;
	atomic_uint_fast64_t mask; /* during a change: the old and the new */
	atomic_bool started, ending, producers_end;
	atomic_int calling; /* callbacks that call, and may not once padata_free() is about to */

	atomic_long outstanding;
	atomic_ulong accepted, completed;
	struct submitter submitters[SUBMITTERS];
	atomic_int lane_busy[CPUS];
	struct item pool[PRODUCERS][POOL];
};

static struct instance *instances[INSTANCES];
static uint64_t usable;
static int lane_cpu[CPUS], lanes;

/* What parallel() left unfinished, for anybody to finish. */
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct item *left[LEFT];
static int left_count;
static sem_t left_sem;
static atomic_bool completers_end;

static _Thread_local uint64_t thread_random;

static unsigned int chance(unsigned int of)
{
	return (unsigned int)(random_next(&thread_random) >> 33) % of;
}

static void seed_thread(uint64_t seed)
{
	thread_random = (seed ^ 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u | 1;
}

static void right_cpu(struct instance *in)
{
	int cpu = sched_getcpu();
	CHECK(cpu >= 0 && cpu < CPUS);
	CHECK(atomic_load(&in->mask) >> cpu & 1);
}

static void finish(struct item *t)
{
	struct submitter *s = &t->of->submitters[t->submitter];
	CHECK_EQ(atomic_exchange(&t->state, FINISHED), STARTED);
	atomic_store(&s->finished[t->number % RING], t->number + 1);
	padata_do_serial(&t->p);
}

static struct item *take_left(void)
{
	struct item *t = NULL;
	pthread_mutex_lock(&left_lock);
	if (left_count) {
		int i = (int)chance((unsigned int)left_count);
		t = left[i];
		left[i] = left[--left_count];
	}
	pthread_mutex_unlock(&left_lock);
	return t;
}

static void leave(struct item *t)
{
	pthread_mutex_lock(&left_lock);
	CHECK(left_count < LEFT);
	left[left_count++] = t;
	pthread_mutex_unlock(&left_lock);
	sem_post(&left_sem);
}

/* Whether a callback may call; it then says when it has. */
static int may_call(struct instance *in)
{
	atomic_fetch_add(&in->calling, 1);
	if (!atomic_load(&in->ending))
		return 1;
	atomic_fetch_sub(&in->calling, 1);
	return 0;
}

/* Calls that must answer at once in a callback, and change nothing. */
static void try_calls_in_callback(struct instance *in)
{
	struct padata_priv none = {0};
	struct cpumask mask;
	if (!may_call(in))
		return;
	switch (chance(40)) {
	case 0:
		CHECK_EQ(padata_flush(in->inst), -EDEADLK);
		break;
	case 1:
		CHECK_EQ(padata_wait_room(in->inst), -EDEADLK);
		break;
	case 2:
		cpumask_clear(&mask);
		CHECK_EQ(padata_set_cpumask(in->inst, &mask), -EDEADLK);
		break;
	case 3:
		CHECK_EQ(padata_remove_cpu(in->inst, sched_getcpu()), -EDEADLK);
		break;
	case 4:
		CHECK(padata_do_parallel(in->inst, &none, sched_getcpu()) != -EINPROGRESS);
		break;
	case 5:
		CHECK(padata_room_fd(in->inst) >= 0);
		CHECK_EQ(padata_get_window(in->inst), atomic_load(&in->window));
		break;
	default:
		break;
	}
	atomic_fetch_sub(&in->calling, 1);
}

static void parallel(struct padata_priv *padata)
{
	struct item *t = container_of(padata, struct item, p);
	struct instance *in = t->of;
	if (!thread_random)
		seed_thread((uint64_t)gettid() * 77 + t->number);
	right_cpu(in);
	CHECK_EQ(atomic_exchange(&t->state, STARTED), ACCEPTED);
	CHECK_EQ(t->payload, t->number * 3 + (unsigned int)t->cb_cpu);
	t->payload++;
	try_calls_in_callback(in);
	if (chance(50) == 0)
		sched_yield();
	right_cpu(in);
	if (t->leave) {
		leave(t);
		return;
	}
	if (chance(8) == 0) {
		struct item *other = take_left();
		if (other)
			finish(other);
	}
	finish(t);
}

static void serial(struct padata_priv *padata);

/* ahead: how many are submitted before it, in the same batch. */
static void set_up(struct item *t, struct instance *in, int submitter, int cb_cpu, unsigned int ahead)
{
	memset(&t->p, 0, sizeof(t->p));
	t->p.parallel = parallel;
	t->p.serial = serial;
	t->of = in;
	t->submitter = submitter;
	t->cb_cpu = cb_cpu;
	t->number = in->submitters[submitter].next + ahead;
	t->payload = t->number * 3 + (unsigned int)cb_cpu;
	t->leave = chance(3) == 0;
	atomic_store(&t->state, ACCEPTED);
}

/* What an answer may be while the controller did nothing: `turn` is from before the call, as the rest. */
struct view {
	unsigned long turn;
	uint64_t mask;
	bool started;
};

static struct view look(struct instance *in)
{
	struct view v = {.turn = atomic_load(&in->turn)};
	v.mask = atomic_load(&in->mask);
	v.started = atomic_load(&in->started);
	return v;
}

static void check_answer(struct instance *in, struct view v, int cb_cpu, int result, int accepted)
{
	/* Never more than are outstanding, as who submitted counts late, and serial() early. */
	long now = atomic_fetch_add(&in->outstanding, accepted) + accepted;
	atomic_fetch_add(&in->accepted, (unsigned long)accepted);
	if (v.turn % 2 == 0 && atomic_load(&in->turn) == v.turn) {
		bool inside = v.mask >> cb_cpu & 1;
		CHECK(!accepted || now <= (long)atomic_load(&in->window) || atomic_load(&in->turn) != v.turn);
		if (accepted)
			CHECK(v.started && inside);
		else if (result == 0)
			CHECK(!v.started);
		else if (result == -EINVAL)
			CHECK(!inside);
		else
			CHECK_EQ(result, -EBUSY);
	} else {
		CHECK(accepted || result == 0 || result == -EINVAL || result == -EBUSY);
	}
}

/* Submits a task that is set up; true when it was accepted. Another may free it at once then. */
static int submit(struct item *t, struct instance *in, int submitter)
{
	struct view v = look(in);
	int cb_cpu = t->cb_cpu;
	int result = padata_do_parallel(in->inst, &t->p, cb_cpu);
	bool accepted = result == -EINPROGRESS;
	in->submitters[submitter].next += accepted;
	check_answer(in, v, cb_cpu, result, accepted);
	return result;
}

/* The same for n tasks of one cb_cpu; how many were accepted, or the refusal. */
static int submit_batch(struct item **items, unsigned int n, struct instance *in, int submitter)
{
	struct padata_priv *tasks[BATCH];
	struct view v = look(in);
	int cb_cpu = items[0]->cb_cpu;
	for (unsigned int i = 0; i < n; i++)
		tasks[i] = &items[i]->p;
	int result = padata_do_parallel_batch(in->inst, tasks, n, cb_cpu);
	int accepted = result > 0 ? result : 0;
	CHECK(accepted <= (int)n);
	in->submitters[submitter].next += (unsigned int)accepted;
	check_answer(in, v, cb_cpu, result, accepted);
	return result;
}

static void give_back(struct item *t)
{
	atomic_store(&t->state, IDLE);
	if (t->heap) {
		memset(t, 0xa5, sizeof(*t));
		free(t);
	} else {
		atomic_store(&t->taken, false);
	}
}

static void serial(struct padata_priv *padata)
{
	struct item *t = container_of(padata, struct item, p);
	struct instance *in = t->of;
	struct submitter *s = &in->submitters[t->submitter];
	int cb_cpu = t->cb_cpu;
	if (!thread_random)
		seed_thread((uint64_t)gettid() * 77 + t->number);
	atomic_fetch_sub(&in->outstanding, 1);
	CHECK_EQ(sched_getcpu(), cb_cpu);
	right_cpu(in);
	CHECK_EQ(atomic_fetch_add(&in->lane_busy[cb_cpu], 1), 0);
	CHECK_EQ(atomic_exchange(&t->state, IDLE), FINISHED);
	CHECK_EQ(t->payload, t->number * 3 + (unsigned int)cb_cpu + 1);
	CHECK(atomic_load(&s->last_serial[cb_cpu]) <= t->number);
	atomic_store(&s->last_serial[cb_cpu], t->number + 1);
	unsigned int window = atomic_load(&in->window);
	unsigned long oldest = t->number > window ? t->number - window : 0;
	for (unsigned long n = t->number; n-- > oldest;)
		CHECK(atomic_load(&s->finished[n % RING]) >= n + 1);
	try_calls_in_callback(in);
	if (chance(8) == 0) {
		struct item *other = take_left();
		if (other)
			finish(other);
	}
	bool again = t->resubmit-- > 0 && may_call(in);
	if (again) {
		set_up(t, in, PRODUCERS + cb_cpu, lane_cpu[chance((unsigned int)lanes)], 0);
		again = submit(t, in, PRODUCERS + cb_cpu) == -EINPROGRESS;
		atomic_fetch_sub(&in->calling, 1);
	}
	if (!again)
		give_back(t);
	CHECK_EQ(sched_getcpu(), cb_cpu);
	CHECK_EQ(atomic_fetch_sub(&in->lane_busy[cb_cpu], 1), 1);
	atomic_fetch_add(&in->completed, 1);
}

#endif

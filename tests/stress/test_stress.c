/* SPDX-License-Identifier: MIT */
/*
 * Random programs over the whole interface, each checked against a plain model
 * of the contract. PADATA_STRESS_SECONDS says for how long (5), PADATA_SEED
 * which ones.
 *
 * An episode has a few instances on shared workqueues. Each instance has
 * producers, and one controller that alone changes its mask and its flag, so
 * that the controller knows what every answer may be. Completers finish what
 * parallel() left. The model: a task goes once through each state; for one
 * cb_cpu the numbers of each submitter ascend; nobody's serial() begins before
 * all earlier tasks of his submitter are finished; the window is never
 * exceeded; every callback runs on a CPU that its instance may have now.
 */

#include <poll.h>

#include "../contract/contract.h"

enum {
	CPUS = 64,
	INSTANCES = 4,
	PRODUCERS = 3,
	SUBMITTERS = PRODUCERS + CPUS, /* a serial() that submits is a submitter of its lane */
	POOL = 48,
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
	unsigned int window;
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
		CHECK_EQ(padata_get_window(in->inst), in->window);
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

static void set_up(struct item *t, struct instance *in, int submitter, int cb_cpu)
{
	memset(&t->p, 0, sizeof(t->p));
	t->p.parallel = parallel;
	t->p.serial = serial;
	t->of = in;
	t->submitter = submitter;
	t->cb_cpu = cb_cpu;
	t->number = in->submitters[submitter].next;
	t->payload = t->number * 3 + (unsigned int)cb_cpu;
	t->leave = chance(3) == 0;
	atomic_store(&t->state, ACCEPTED);
}

/* Submits a task that is set up; true when it was accepted. Another may free it at once then. */
static int submit(struct item *t, struct instance *in, int submitter)
{
	unsigned long turn = atomic_load(&in->turn);
	uint64_t mask = atomic_load(&in->mask);
	bool started = atomic_load(&in->started);
	int cb_cpu = t->cb_cpu;
	int result = padata_do_parallel(in->inst, &t->p, cb_cpu);
	if (result == -EINPROGRESS) {
		in->submitters[submitter].next++;
		long now = atomic_fetch_add(&in->outstanding, 1) + 1;
		CHECK(now <= (long)in->window);
		atomic_fetch_add(&in->accepted, 1);
	}
	if (turn % 2 == 0 && atomic_load(&in->turn) == turn) {
		bool inside = mask >> cb_cpu & 1;
		if (result == 0)
			CHECK(!started);
		else if (result == -EINVAL)
			CHECK(!inside);
		else if (result == -EINPROGRESS)
			CHECK(started && inside);
		else
			CHECK_EQ(result, -EBUSY);
	} else {
		CHECK(result == 0 || result == -EINVAL || result == -EBUSY || result == -EINPROGRESS);
	}
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
	unsigned long oldest = t->number > in->window ? t->number - in->window : 0;
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
		set_up(t, in, PRODUCERS + cb_cpu, lane_cpu[chance((unsigned int)lanes)]);
		again = submit(t, in, PRODUCERS + cb_cpu) == -EINPROGRESS;
		atomic_fetch_sub(&in->calling, 1);
	}
	if (!again)
		give_back(t);
	CHECK_EQ(sched_getcpu(), cb_cpu);
	CHECK_EQ(atomic_fetch_sub(&in->lane_busy[cb_cpu], 1), 1);
	atomic_fetch_add(&in->completed, 1);
}

static void wait_for_room(struct instance *in)
{
	struct pollfd p = {.events = POLLIN};
	switch (chance(4)) {
	case 0:
		sched_yield();
		break;
	case 1:
		p.fd = padata_room_fd(in->inst);
		CHECK(p.fd >= 0);
		CHECK(poll(&p, 1, 5) >= 0);
		break;
	default: {
		int result = padata_wait_room(in->inst);
		CHECK(result == 0 || result == -EINVAL);
	}
	}
}

struct producer {
	struct instance *in;
	int which;
};

static void *produce(void *argument)
{
	struct producer *me = argument;
	struct instance *in = me->in;
	seed_thread(in->seed + (unsigned int)me->which);
	while (!atomic_load(&in->producers_end)) {
		struct item *t = &in->pool[me->which][chance(POOL)];
		bool heap = chance(4) == 0;
		if (heap) {
			t = calloc(1, sizeof(*t));
			CHECK(t);
			t->heap = true;
		} else if (atomic_exchange(&t->taken, true)) {
			sched_yield();
			continue;
		}
		CHECK_EQ(atomic_load(&t->state), IDLE);
		t->resubmit = (int)chance(4);
		set_up(t, in, me->which, lane_cpu[chance((unsigned int)lanes)]);
		int result = submit(t, in, me->which);
		if (result == -EINPROGRESS)
			continue;
		give_back(t);
		if (result == -EBUSY)
			wait_for_room(in);
		else
			sched_yield();
	}
	return NULL;
}

static uint64_t random_mask(void)
{
	uint64_t mask = usable & random_next(&thread_random);
	return chance(8) && !mask ? usable : mask;
}

static void change_begins(struct instance *in)
{
	atomic_fetch_add(&in->turn, 1);
}

static void change_ends(struct instance *in)
{
	atomic_fetch_add(&in->turn, 1);
}

static void change_mask(struct instance *in, uint64_t mask, int add, int remove)
{
	struct cpumask set;
	change_begins(in);
	uint64_t old = atomic_load(&in->mask);
	if (add >= 0) {
		mask = old | (uint64_t)1 << add;
		atomic_store(&in->mask, old | mask);
		CHECK_EQ(padata_add_cpu(in->inst, add), 0);
	} else if (remove >= 0) {
		mask = old & ~((uint64_t)1 << remove);
		CHECK_EQ(padata_remove_cpu(in->inst, remove), 0);
	} else {
		cpumask_clear(&set);
		for (unsigned int cpu = 0; cpu < CPUS; cpu++)
			if (mask >> cpu & 1)
				cpumask_set_cpu(cpu, &set);
		atomic_store(&in->mask, old | mask);
		CHECK_EQ(padata_set_cpumask(in->inst, &set), 0);
	}
	atomic_store(&in->mask, mask);
	change_ends(in);
}

static void set_started(struct instance *in, bool started)
{
	change_begins(in);
	if (started)
		padata_start(in->inst);
	else
		padata_stop(in->inst);
	atomic_store(&in->started, started);
	change_ends(in);
}

static void *control(void *argument)
{
	struct instance *in = argument;
	seed_thread(in->seed + 99);
	struct pollfd p = {.events = POLLIN};
	while (!atomic_load(&in->producers_end)) {
		int cpu = lane_cpu[chance((unsigned int)lanes)], result;
		unsigned long accepted;
		bool started = atomic_load(&in->started);
		switch (chance(12)) {
		case 0:
		case 1:
			change_mask(in, random_mask(), -1, -1);
			break;
		case 2:
			change_mask(in, 0, cpu, -1);
			break;
		case 3:
			change_mask(in, 0, -1, cpu);
			break;
		case 4:
			set_started(in, false);
			break;
		case 5:
		case 6:
			set_started(in, true);
			break;
		case 7:
			accepted = atomic_load(&in->accepted);
			CHECK_EQ(padata_flush(in->inst), 0);
			CHECK(atomic_load(&in->completed) >= accepted);
			break;
		case 8:
			CHECK_EQ(padata_wait_room(in->inst), started ? 0 : -EINVAL);
			break;
		case 9:
			p.fd = padata_room_fd(in->inst);
			CHECK(p.fd >= 0);
			CHECK(poll(&p, 1, 0) >= 0);
			break;
		case 10:
			result = padata_set_window(in->inst, in->window);
			CHECK(result == -EBUSY || (result == 0 && !started));
			CHECK_EQ(padata_get_window(in->inst), in->window);
			break;
		default:
			change_mask(in, usable, -1, -1);
			set_started(in, true);
			usleep(chance(2000));
		}
		if (chance(2))
			usleep(chance(300));
	}
	return NULL;
}

static void *complete(void *argument)
{
	seed_thread(*(uint64_t *)argument);
	for (;;) {
		wait_for(&left_sem);
		if (chance(100) == 0)
			usleep(chance(500)); /* some pile up */
		struct item *t = take_left();
		if (t)
			finish(t);
		else if (atomic_load(&completers_end))
			return NULL;
	}
}

static struct instance *instance_make(struct workqueue_struct *wq, uint64_t seed)
{
	struct instance *in = calloc(1, sizeof(*in));
	CHECK(in);
	in->seed = seed;
	in->window = chance(3) ? 1 + chance(64) : 1 + chance(7);
	in->producers = 1 + (int)chance(PRODUCERS);
	uint64_t mask = chance(3) ? usable : random_mask();
	struct cpumask set;
	cpumask_clear(&set);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		if (mask >> cpu & 1)
			cpumask_set_cpu(cpu, &set);
	in->inst = padata_alloc(&set, wq);
	CHECK(in->inst);
	CHECK_EQ(padata_set_window(in->inst, in->window), 0);
	atomic_store(&in->mask, mask);
	set_started(in, true);
	return in;
}

static void instance_free(struct instance *in)
{
	atomic_store(&in->ending, true);
	EVENTUALLY(atomic_load(&in->calling) == 0);
	padata_free(in->inst);
	CHECK_EQ(atomic_load(&in->outstanding), 0);
	CHECK_EQ(atomic_load(&in->completed), atomic_load(&in->accepted));
	for (int i = 0; i < PRODUCERS; i++)
		for (int k = 0; k < POOL; k++)
			CHECK(!atomic_load(&in->pool[i][k].taken));
	free(in);
}

static unsigned long episode(uint64_t seed)
{
	seed_thread(seed);
	struct workqueue_struct *wq[2];
	pthread_t producers[INSTANCES][PRODUCERS], controllers[INSTANCES], completers[2];
	struct producer roles[INSTANCES][PRODUCERS];
	uint64_t completer_seeds[2] = {seed + 7, seed + 8};
	int count = 1 + (int)chance(INSTANCES), queues = 1 + (int)chance(2);
	unsigned long done = 0;

	atomic_store(&completers_end, false);
	sem_init(&left_sem, 0, 0);
	for (int i = 0; i < queues; i++) {
		wq[i] = create_workqueue("stress");
		CHECK(wq[i]);
	}
	for (int i = 0; i < count; i++)
		instances[i] = instance_make(wq[chance((unsigned int)queues)], random_next(&thread_random));
	for (int i = 0; i < 2; i++)
		completers[i] = thread(complete, &completer_seeds[i]);
	for (int i = 0; i < count; i++) {
		controllers[i] = thread(control, instances[i]);
		for (int k = 0; k < instances[i]->producers; k++) {
			roles[i][k] = (struct producer){instances[i], k};
			producers[i][k] = thread(produce, &roles[i][k]);
		}
	}
	usleep(20000 + chance(150000));
	for (int i = 0; i < count; i++)
		atomic_store(&instances[i]->producers_end, true);
	for (int i = 0; i < count; i++) {
		join(controllers[i]);
		for (int k = 0; k < instances[i]->producers; k++)
			join(producers[i][k]);
		if (chance(3) == 0)
			CHECK_EQ(padata_flush(instances[i]->inst), 0);
		done += atomic_load(&instances[i]->accepted);
		instance_free(instances[i]);
	}
	atomic_store(&completers_end, true);
	for (int i = 0; i < 2; i++)
		sem_post(&left_sem);
	for (int i = 0; i < 2; i++)
		join(completers[i]);
	CHECK_EQ(left_count, 0);
	sem_destroy(&left_sem);
	for (int i = 0; i < queues; i++)
		destroy_workqueue(wq[i]);
	return done;
}

static void random_programs(void)
{
	const char *given = getenv("PADATA_STRESS_SECONDS");
	double limit = given ? atof(given) : 5;
	uint64_t seed = random_seed();
	struct timespec begin, now;
	int cpu, episodes = 0;
	unsigned long tasks = 0;
	for_each_cpu(cpu, cpu_active_mask)
		if (cpu < CPUS) {
			usable |= (uint64_t)1 << cpu;
			lane_cpu[lanes++] = cpu;
		}
	if (!lanes)
		SKIP("no usable CPU below 64");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		alarm(120);
		tasks += episode(seed + (uint64_t)episodes * 1000003);
		episodes++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9 < limit);
	printf("# %d episodes, %lu tasks\n", episodes, tasks);
}

static const struct test_case cases[] = {
	{"S1 S3 S4 S5 E1 E2 E3 E5 E6 L4 M2 M3 M4 random programs against the model", random_programs},
};

TEST_MAIN(cases)

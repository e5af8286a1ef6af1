/* SPDX-License-Identifier: MIT */
/*
 * Random programs over the whole interface, each checked against a plain model
 * of the contract (model.h). PADATA_STRESS_SECONDS says for how long (5),
 * PADATA_SEED which ones; each episode prints its own.
 *
 * An episode has a few instances on shared workqueues. Each instance has
 * producers, and one controller that alone changes its mask and its flag, so
 * that the model knows what every answer may be. Completers finish what
 * parallel() left.
 */

#include <poll.h>

#include "model.h"

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

/* A task that nobody has, or NULL. */
static struct item *get(struct instance *in, int which)
{
	struct item *t = &in->pool[which][chance(POOL)];
	if (chance(4) == 0) {
		t = calloc(1, sizeof(*t));
		CHECK(t);
		t->heap = true;
	} else if (atomic_exchange(&t->taken, true)) {
		return NULL;
	}
	CHECK_EQ(atomic_load(&t->state), IDLE);
	t->resubmit = (int)chance(4);
	return t;
}

/* A source that ends after some tasks, or when nobody is to submit any more. */
enum { PULLED = 256 };

struct feed {
	struct padata_source source;
	struct producer *producer;
	unsigned int given, end;
	struct item *items[PULLED];
};

static unsigned int pull(struct padata_source *source, struct padata_priv **tasks, unsigned int max, int *cb_cpu)
{
	struct feed *feed = container_of(source, struct feed, source);
	struct instance *in = feed->producer->in;
	unsigned int n = 0, wanted;

	if (!thread_random)
		seed_thread((uint64_t)gettid() * 77 + in->seed);
	CHECK_EQ(*cb_cpu, sched_getcpu());
	CHECK(max > 0 && max <= atomic_load(&in->window));
	if (chance(2))
		*cb_cpu = lane_cpu[chance((unsigned int)lanes)];
	for (wanted = 1 + chance(max); wanted && feed->given < feed->end && !atomic_load(&in->producers_end); wanted--) {
		struct item *t = get(in, feed->producer->which);

		if (!t)
			continue;
		set_up(t, in, feed->producer->which, *cb_cpu, feed->given);
		feed->items[feed->given++] = t;
		tasks[n++] = &t->p;
	}
	return n;
}

/* For a while the workers fetch what this producer would have submitted. */
static void let_pull(struct producer *me)
{
	struct instance *in = me->in;
	struct feed *feed = calloc(1, sizeof(*feed));
	int result;

	CHECK(feed);
	feed->source.pull = pull;
	feed->producer = me;
	feed->end = 1 + chance(PULLED);
	result = padata_pull(in->inst, &feed->source);
	CHECK(result == 0 || result == -ECANCELED || result == -EINVAL || result == -EBUSY);
	if (result == 0)
		CHECK_EQ(feed->source.accepted, feed->given);
	CHECK(feed->source.accepted <= feed->given);
	in->submitters[me->which].next += feed->source.accepted;
	atomic_fetch_add(&in->outstanding, (long)feed->source.accepted);
	atomic_fetch_add(&in->accepted, (unsigned long)feed->source.accepted);
	for (unsigned int i = (unsigned int)feed->source.accepted; i < feed->given; i++)
		give_back(feed->items[i]);
	free(feed);
}

static void *produce(void *argument)
{
	struct producer *me = argument;
	struct instance *in = me->in;
	seed_thread(in->seed + (unsigned int)me->which);
	while (!atomic_load(&in->producers_end)) {
		struct item *t[BATCH];
		unsigned int wanted = chance(4) ? 1 : 1 + chance(BATCH), n = 0;
		int cb_cpu = lane_cpu[chance((unsigned int)lanes)], result;
		if (chance(16) == 0)
			let_pull(me);
		for (unsigned int i = 0; i < wanted; i++)
			if ((t[n] = get(in, me->which))) {
				set_up(t[n], in, me->which, cb_cpu, n);
				n++;
			}
		if (n == 0) {
			sched_yield();
			continue;
		}
		if (wanted > 1)
			result = submit_batch(t, n, in, me->which);
		else
			result = submit(t[0], in, me->which);
		for (unsigned int i = result == -EINPROGRESS ? 1 : result > 0 ? (unsigned int)result : 0; i < n; i++)
			give_back(t[i]);
		if (result == -EBUSY)
			wait_for_room(in);
		else if (result == 0 || result == -EINVAL)
			sched_yield();
	}
	return NULL;
}

static unsigned int window_size(void)
{
	return chance(3) ? 1 + chance(64) : chance(3) ? 1 + chance(7) : 1;
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

static void set_window(struct instance *in)
{
	unsigned int window = window_size();
	bool started = atomic_load(&in->started);
	change_begins(in);
	int result = padata_set_window(in->inst, window);
	CHECK(result == -EBUSY || (result == 0 && !started));
	if (result == 0)
		atomic_store(&in->window, window);
	change_ends(in);
	CHECK_EQ(padata_get_window(in->inst), atomic_load(&in->window));
}

/* The child only asks: an allocator of a sanitizer may have been held when it came into being. */
static void fork_once(struct instance *in)
{
	int status;
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct item t;
		alarm(60);
		set_up(&t, in, 0, lane_cpu[0], 0);
		_exit(padata_do_parallel(in->inst, &t.p, lane_cpu[0]) == -ENODEV &&
			      padata_flush(in->inst) == -ENODEV && padata_wait_room(in->inst) == -ENODEV &&
			      padata_add_cpu(in->inst, lane_cpu[0]) == -ENODEV ?
			  0 :
			  1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void work_beside(struct instance *in)
{
	struct knock k;
	sem_init(&k.done, 0, 0);
	INIT_WORK(&k.work, knock_run);
	CHECK(queue_work_on(lane_cpu[chance((unsigned int)lanes)], in->wq, &k.work));
	flush_workqueue(in->wq);
	CHECK_EQ(sem_trywait(&k.done), 0);
	sem_destroy(&k.done);
}

static void *control(void *argument)
{
	struct instance *in = argument;
	seed_thread(in->seed + 99);
	struct pollfd p = {.events = POLLIN};
	while (!atomic_load(&in->producers_end)) {
		int cpu = lane_cpu[chance((unsigned int)lanes)];
		unsigned long accepted;
		bool started = atomic_load(&in->started);
		switch (chance(14)) {
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
			set_window(in);
			break;
		case 11:
			work_beside(in);
			break;
		case 12:
			if (chance(4) == 0)
				fork_once(in);
			break;
		default:
			change_mask(in, usable, -1, -1);
			set_started(in, true);
			usleep(chance(2000));
		}
		if (chance(2))
			usleep(chance(300));
	}
	/* No source is to wait for CPUs that nobody gives any more. */
	if (chance(2))
		set_started(in, false);
	else
		change_mask(in, usable, -1, -1);
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
	in->wq = wq;
	atomic_store(&in->window, window_size());
	in->producers = 1 + (int)chance(PRODUCERS);
	uint64_t mask = chance(3) ? usable : random_mask();
	struct cpumask set;
	cpumask_clear(&set);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		if (mask >> cpu & 1)
			cpumask_set_cpu(cpu, &set);
	in->inst = padata_alloc(&set, wq);
	CHECK(in->inst);
	CHECK_EQ(padata_set_window(in->inst, atomic_load(&in->window)), 0);
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
	printf("# episode PADATA_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
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

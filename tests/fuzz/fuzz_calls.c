/* SPDX-License-Identifier: MIT */
/*
 * Sequences of library calls, on real workers: each byte picks a call and what it is given. One thread calls, so a plain
 * model knows what each answer may be, and at the end every accepted task has come out once, in order.
 */

#include <padata.h>
#include <sched.h>
#include <stdatomic.h>

#include "fuzz.h"

enum { INSTANCES = 3, TASKS = 40, BATCH = 8, CPUS = 64 };
enum { FREE, ACCEPTED, LEFT, DONE };

struct model;

struct task {
	struct padata_priv p;
	struct model *of;
	unsigned long number;
	int cb_cpu;
	bool leave;
	atomic_int again;
	atomic_int state;
};

struct model {
	struct padata_instance *inst;
	unsigned int window;
	bool started;
	uint64_t mask;
	unsigned long next;		 /* numbers of the caller */
	atomic_ulong last[CPUS];	 /* for each cb_cpu, the last number whose serial() was called */
	atomic_long outstanding;
	struct task tasks[TASKS];
};

static struct model models[INSTANCES];
static struct workqueue_struct *wq;
static uint64_t usable;
static int first_cpu, cpus;

static void parallel(struct padata_priv *padata)
{
	struct task *t = container_of(padata, struct task, p);

	if (t->leave)
		atomic_store(&t->state, LEFT); /* the caller may finish it from here on */
	else
		padata_do_serial(padata);
}

static void serial(struct padata_priv *padata)
{
	struct task *t = container_of(padata, struct task, p);
	struct model *m = t->of;

	CHECK(sched_getcpu() == t->cb_cpu);
	CHECK(padata_flush(m->inst) == -EDEADLK && padata_wait_room(m->inst) == -EDEADLK);
	if (t->number)
		CHECK(atomic_exchange(&m->last[t->cb_cpu], t->number) < t->number);
	if (atomic_fetch_sub(&t->again, 1) > 0) {
		t->number = 0; /* its place among the caller's is not known */
		t->leave = false;
		if (padata_do_parallel(m->inst, padata, t->cb_cpu) == -EINPROGRESS)
			return;
	}
	atomic_store(&t->state, DONE);
	atomic_fetch_sub(&m->outstanding, 1);
}

static void finish_left(struct model *m, unsigned int nth)
{
	for (unsigned int i = 0; i < TASKS; i++) {
		struct task *t = &m->tasks[(i + nth) % TASKS];
		int left = LEFT;

		if (atomic_compare_exchange_strong(&t->state, &left, ACCEPTED)) {
			padata_do_serial(&t->p);
			return;
		}
	}
}

/* Finish whatever was or will be left: from here on all completes by itself. */
static void settle(struct model *m)
{
	while (atomic_load(&m->outstanding) > 0) {
		finish_left(m, 0);
		sched_yield();
	}
}

static struct task *fresh(struct model *m, uint8_t how)
{
	for (int i = 0; i < TASKS; i++) {
		struct task *t = &m->tasks[i];
		int state = atomic_load(&t->state);

		if (state != FREE && state != DONE)
			continue;
		memset(&t->p, 0, sizeof(t->p));
		t->p.parallel = parallel;
		t->p.serial = serial;
		t->of = m;
		t->leave = how & 1;
		atomic_store(&t->again, how & 2 ? 2 : 0);
		atomic_store(&t->state, ACCEPTED);
		return t;
	}
	return NULL;
}

static int some_cpu(uint8_t how)
{
	return how == 255 ? -1 : how == 254 ? 1 << 20 : first_cpu + how % (cpus + 1);
}

/* What padata_do_parallel() may say. */
static void check_answer(const struct model *m, int result, int cpu, bool taken)
{
	bool inside = cpu >= 0 && cpu < CPUS && m->mask & usable & (uint64_t)1 << cpu;

	if (!m->started)
		CHECK(result == 0);
	else if (!inside)
		CHECK(result == -EINVAL);
	else
		CHECK(taken || result == -EBUSY);
}

static void submit(struct model *m, uint8_t how, int cpu, unsigned int n)
{
	struct padata_priv *tasks[BATCH];
	struct task *t[BATCH];
	unsigned int made = 0, taken = 0;
	int result;

	while (made < n && (t[made] = fresh(m, how))) {
		t[made]->cb_cpu = cpu;
		t[made]->number = m->next + made + 1;
		tasks[made] = &t[made]->p;
		made++;
	}
	if (!made)
		return;
	atomic_fetch_add(&m->outstanding, made);
	if (n == 1) {
		result = padata_do_parallel(m->inst, tasks[0], cpu);
		taken = result == -EINPROGRESS;
	} else {
		result = padata_do_parallel_batch(m->inst, tasks, made, cpu);
		taken = result > 0 ? (unsigned int)result : 0;
		CHECK(taken <= made);
	}
	check_answer(m, result, cpu, taken);
	m->next += taken;
	atomic_fetch_sub(&m->outstanding, made - taken);
	for (unsigned int i = taken; i < made; i++)
		atomic_store(&t[i]->state, FREE);
}

/* Gives what the model has free, in pieces. */
struct feed {
	struct padata_source source;
	struct model *of;
	uint8_t how;
	int cpu, bad;		/* bad: the number of the one that is refused, or -1 */
	unsigned int left, given;
	struct task *tasks[TASKS];
};

static unsigned int feed_pull(struct padata_source *source, struct padata_priv **tasks, unsigned int max, int *cb_cpu)
{
	struct feed *f = container_of(source, struct feed, source);
	unsigned int n = 0;

	CHECK(max > 0 && max <= f->of->window && *cb_cpu == sched_getcpu());
	CHECK(f->of->mask & usable & (uint64_t)1 << *cb_cpu);
	CHECK(padata_pull(f->of->inst, source) == -EDEADLK);
	*cb_cpu = f->cpu;
	while (n < max && n < 1 + f->how % 4u && f->left) {
		struct task *t = fresh(f->of, f->how);

		if (!t)
			break;
		t->cb_cpu = f->cpu;
		t->number = f->of->next + ++f->given;
		if ((int)f->given == f->bad)
			t->p.serial = NULL;
		atomic_fetch_add(&f->of->outstanding, 1);
		f->tasks[f->given - 1] = t;
		tasks[n++] = &t->p;
		f->left--;
	}
	return f->how == 254 ? max + 1 : n;
}

/* Where nothing would end the source it is not called: one that has no CPU, or no room, waits. */
static void pull(struct model *m, uint8_t how, int cpu, uint8_t n)
{
	struct feed f = {.source.pull = feed_pull, .of = m, .how = how & ~1u, .cpu = cpu, .left = n % (TASKS / 2)};
	bool inside = cpu >= 0 && cpu < CPUS && m->mask & usable & (uint64_t)1 << cpu;
	int result;

	settle(m);
	CHECK(padata_flush(m->inst) == 0);
	f.bad = n & 128 ? 1 + how % 8 : -1;
	if (m->started && !(m->mask & usable))
		return;
	result = padata_pull(m->inst, &f.source);
	CHECK(f.source.accepted <= f.given);
	if (!m->started)
		CHECK(result == -ECANCELED && f.source.accepted == 0);
	else if (f.how == 254 || (f.given && !inside) || (f.bad > 0 && (int)f.given >= f.bad))
		CHECK(result == -EINVAL && f.source.accepted < f.given + (f.how == 254));
	else
		CHECK(result == 0 && f.source.accepted == f.given);
	m->next += f.source.accepted;
	for (unsigned int i = (unsigned int)f.source.accepted; i < f.given; i++) {
		atomic_fetch_sub(&m->outstanding, 1);
		atomic_store(&f.tasks[i]->state, FREE);
	}
}

static void set_mask(struct model *m, uint8_t how)
{
	struct cpumask mask;

	settle(m);
	cpumask_clear(&mask);
	m->mask = 0;
	for (int i = 0; i < 8; i++) {
		if (how >> i & 1 && first_cpu + i < CPUS) {
			cpumask_set_cpu((unsigned int)(first_cpu + i), &mask);
			if ((unsigned int)(first_cpu + i) < nr_cpu_ids)
				m->mask |= (uint64_t)1 << (first_cpu + i);
		}
	}
	CHECK(padata_set_cpumask(m->inst, &mask) == 0);
}

static void change_cpu(struct model *m, uint8_t how)
{
	bool add = how & 1;
	int cpu = some_cpu(how), result;

	settle(m);
	result = add ? padata_add_cpu(m->inst, cpu) : padata_remove_cpu(m->inst, cpu);
	if (cpu < 0 || (unsigned int)cpu >= nr_cpu_ids) {
		CHECK(result == -EINVAL);
		return;
	}
	CHECK(result == 0);
	m->mask = add ? m->mask | (uint64_t)1 << cpu : m->mask & ~((uint64_t)1 << cpu);
}

static void set_window(struct model *m, uint8_t how)
{
	unsigned int window = how % 32;
	int result;

	if (how & 128)
		settle(m);
	result = padata_set_window(m->inst, window);
	if (!window)
		CHECK(result == -EINVAL);
	else if (m->started)
		CHECK(result == -EBUSY);
	else
		CHECK(result == 0 || result == -EBUSY);
	if (result == 0)
		m->window = window;
	CHECK(padata_get_window(m->inst) == m->window);
}

static void make(struct model *m, uint8_t how)
{
	struct cpumask mask;

	memset(m, 0, sizeof(*m));
	cpumask_copy(&mask, cpu_active_mask);
	m->mask = usable;
	if (how & 1) {
		cpumask_clear(&mask);
		m->mask = 0;
	}
	m->inst = padata_alloc(&mask, wq);
	CHECK(m->inst);
	m->window = PADATA_DEFAULT_WINDOW;
	if (how & 2) {
		padata_start(m->inst);
		m->started = true;
	}
}

static void end(struct model *m)
{
	settle(m);
	padata_free(m->inst);
	CHECK(atomic_load(&m->outstanding) == 0);
	for (int i = 0; i < TASKS; i++)
		CHECK(atomic_load(&m->tasks[i].state) == FREE || atomic_load(&m->tasks[i].state) == DONE);
	m->inst = NULL;
}

static void wait_room(struct model *m)
{
	if (atomic_load(&m->outstanding) >= (long)m->window)
		settle(m);
	CHECK(padata_wait_room(m->inst) == (m->started ? 0 : -EINVAL));
}

static void nothing(struct model *m)
{
	struct padata_priv none = {0};

	CHECK(padata_do_parallel(NULL, &none, 0) == -EINVAL);
	CHECK(padata_do_parallel(m->inst, NULL, first_cpu) == (m->started ? -EINVAL : 0));
	CHECK(padata_do_parallel(m->inst, &none, first_cpu) == (m->started ? -EINVAL : 0));
	CHECK(padata_do_parallel_batch(m->inst, NULL, 1, first_cpu) == -EINVAL);
	CHECK(padata_set_cpumask(m->inst, NULL) == -EINVAL && padata_set_cpumask(NULL, NULL) == -EINVAL);
	CHECK(padata_pull(NULL, NULL) == -EINVAL && padata_pull(m->inst, NULL) == -EINVAL);
	CHECK(padata_flush(NULL) == -EINVAL && padata_wait_room(NULL) == -EINVAL && padata_room_fd(NULL) == -EINVAL);
	padata_start(NULL);
	padata_stop(NULL);
	padata_free(NULL);
}

static void call(struct input *in)
{
	uint8_t what = take_byte(in), how = take_byte(in);
	struct model *m = &models[what % INSTANCES];

	if (!m->inst) {
		make(m, how);
		return;
	}
	switch (what / INSTANCES % 15) {
	case 0:
		padata_start(m->inst);
		m->started = true;
		break;
	case 1:
		padata_stop(m->inst);
		m->started = false;
		break;
	case 2:
		set_mask(m, how);
		break;
	case 3:
		change_cpu(m, how);
		break;
	case 4:
		set_window(m, how);
		break;
	case 5:
		settle(m);
		CHECK(padata_flush(m->inst) == 0);
		break;
	case 6:
		wait_room(m);
		break;
	case 7:
		CHECK(padata_room_fd(m->inst) >= 0);
		break;
	case 8:
		finish_left(m, how);
		break;
	case 9:
		end(m);
		break;
	case 10:
		nothing(m);
		break;
	case 11:
		submit(m, how, some_cpu(take_byte(in)), 1 + take_byte(in) % BATCH);
		break;
	case 12:
		pull(m, how, some_cpu(take_byte(in)), take_byte(in));
		break;
	default:
		submit(m, how, some_cpu(take_byte(in)), 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	int cpu;

	if (!cpus) {
		first_cpu = (int)cpumask_first(cpu_active_mask);
		for_each_cpu(cpu, cpu_active_mask)
			if (cpu < CPUS)
				usable |= (uint64_t)1 << cpu;
		cpus = (int)cpumask_weight(cpu_active_mask);
		CHECK(usable);
	}
	wq = create_workqueue("fuzz");
	CHECK(wq);
	for (int calls = 0; in.left && calls < 200; calls++)
		call(&in);
	for (int i = 0; i < INSTANCES; i++)
		if (models[i].inst)
			end(&models[i]);
	destroy_workqueue(wq);
	return 0;
}

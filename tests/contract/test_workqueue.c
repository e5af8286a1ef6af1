/* SPDX-License-Identifier: MIT */
/* Workqueues and their workers. */

#include "contract.h"

static struct workqueue_struct *wq;

struct place {
	struct work_struct work;
	sem_t done;
	int cpu, tid, policy_cpus, only_cpu;
	sigset_t blocked;
	char name[32];
};

static void note_place(struct work_struct *work)
{
	struct place *p = container_of(work, struct place, work);
	cpu_set_t set;
	p->cpu = sched_getcpu();
	p->tid = gettid();
	sched_getaffinity(0, sizeof(set), &set);
	p->policy_cpus = CPU_COUNT(&set);
	p->only_cpu = CPU_ISSET((unsigned int)p->cpu, &set);
	pthread_sigmask(SIG_BLOCK, NULL, &p->blocked);
	pthread_getname_np(pthread_self(), p->name, sizeof(p->name));
	sem_post(&p->done);
}

static void run_on(struct place *p, int cpu)
{
	memset(p, 0, sizeof(*p));
	sem_init(&p->done, 0, 0);
	INIT_WORK(&p->work, note_place);
	CHECK(cpu < 0 ? queue_work(wq, &p->work) : queue_work_on(cpu, wq, &p->work));
	wait_for(&p->done);
}

static int has_number(const char *text, int number)
{
	char digits[16];
	snprintf(digits, sizeof(digits), "%d", number);
	for (const char *at = text; (at = strstr(at, digits)); at++)
		if ((at == text || at[-1] < '0' || at[-1] > '9') &&
		    (at[strlen(digits)] < '0' || at[strlen(digits)] > '9'))
			return 1;
	return 0;
}

static void workers(void)
{
	wq = alloc_workqueue("que%s-%c", WQ_MEM_RECLAIM | WQ_CPU_INTENSIVE, 1, "ue", 'x');
	CHECK(wq);
	for (int i = 0; i < usable_cpus(); i++) {
		struct place p, again;
		int cpu = usable_cpu((unsigned int)i);
		run_on(&p, cpu);
		run_on(&again, cpu);
		CHECK_EQ(p.cpu, cpu);
		CHECK_EQ(p.policy_cpus, 1);
		CHECK(p.only_cpu);
		CHECK_EQ(p.tid, again.tid);
		CHECK(strstr(p.name, "queue"));
		CHECK(has_number(p.name, cpu));
		for (int sig = 1; sig < SIGRTMAX; sig++)
			if (sig != SIGKILL && sig != SIGSTOP && !(sig >= 32 && sig < SIGRTMIN))
				CHECK_EQ(sigismember(&p.blocked, sig), 1);
	}
	destroy_workqueue(wq);
}

/* The queue's first worker is there from the start; a mask brings the others, however many instances have it. */
static void as_many_as_masks_use(void)
{
	int before = thread_count();
	wq = create_workqueue("shared");
	CHECK(wq);
	CHECK_EQ(thread_count(), before + 1);
	struct padata_instance *inst[4];
	struct cpumask mask;
	cpumask_clear(&mask);
	for (int cpus = 0; cpus <= 2 && cpus <= usable_cpus(); cpus++) {
		if (cpus)
			cpumask_set_cpu((unsigned int)usable_cpu((unsigned int)cpus - 1), &mask);
		for (size_t i = 0; i < COUNT(inst); i++) {
			inst[i] = padata_alloc(&mask, wq);
			CHECK(inst[i]);
			CHECK_EQ(thread_count(), before + (cpus ? cpus : 1));
		}
		for (size_t i = 0; i < COUNT(inst); i++)
			padata_free(inst[i]);
	}
	destroy_workqueue(wq);
	EVENTUALLY(thread_count() == before);
}

/* The name may be longer than the 15 bytes that the system keeps: the CPU shows all the same. */
static void long_names(void)
{
	wq = create_workqueue("a very long name, with % and spaces %s %n");
	CHECK(wq);
	for (int i = 0; i < usable_cpus(); i++) {
		struct place p;
		run_on(&p, usable_cpu((unsigned int)i));
		CHECK(!strncmp(p.name, "a very", 6));
		CHECK(has_number(p.name, usable_cpu((unsigned int)i)));
	}
	destroy_workqueue(wq);
	wq = create_workqueue("");
	CHECK(wq);
	settle(wq, usable_cpu(0));
	destroy_workqueue(wq);
}

static void null_name(void)
{
	errno = 0;
	CHECK(!create_workqueue(NULL));
	CHECK_EQ(errno, EINVAL);
	const char *volatile none = NULL;
	errno = 0;
	CHECK(!alloc_workqueue(none, 0, 0, 0));
	CHECK_EQ(errno, EINVAL);
}

static void on_the_callers_cpu(void)
{
	wq = create_workqueue("here");
	cpu_set_t before, set;
	CHECK_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
	for (int i = 0; i < usable_cpus(); i++) {
		struct place p;
		int cpu = usable_cpu((unsigned int)i);
		CPU_ZERO(&set);
		CPU_SET((unsigned int)cpu, &set);
		run_on(&p, cpu); /* the worker is there before the process is confined */
		CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
		run_on(&p, -1);
		CHECK_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
		CHECK_EQ(p.cpu, cpu);
	}
	destroy_workqueue(wq);
}

static void unusable_cpus_work_elsewhere(void)
{
	wq = create_workqueue("elsewhere");
	static const int cpus[] = {-1000, INT32_MAX, PADATA_NR_CPUS, PADATA_NR_CPUS - 1};
	for (size_t i = 0; i < COUNT(cpus); i++) {
		struct place p;
		memset(&p, 0, sizeof(p));
		sem_init(&p.done, 0, 0);
		INIT_WORK(&p.work, note_place);
		CHECK(queue_work_on(cpus[i], wq, &p.work));
		wait_for(&p.done);
		CHECK(cpumask_test_cpu(p.cpu, cpu_active_mask));
	}
	destroy_workqueue(wq);
}

struct counted {
	struct work_struct work;
	atomic_int runs;
};

static void count(struct work_struct *work)
{
	atomic_fetch_add(&container_of(work, struct counted, work)->runs, 1);
}

static void false_while_queued(void)
{
	wq = create_workqueue("queued");
	struct holder h;
	struct counted c = {.runs = 0};
	INIT_WORK(&c.work, count);
	int cpu = usable_cpu(0);
	hold_cpu(&h, wq, cpu);
	CHECK(queue_work_on(cpu, wq, &c.work));
	for (int i = 0; i < 10; i++)
		CHECK(!queue_work_on(cpu, wq, &c.work));
	CHECK(!queue_work(wq, &c.work));
	/* The holder itself has begun, so it can be queued again. */
	CHECK(queue_work_on(cpu, wq, &h.work));
	release_cpu(&h);
	wait_for(&h.begun);
	release_cpu(&h);
	flush_workqueue(wq);
	CHECK_EQ(atomic_load(&c.runs), 1);
	CHECK(queue_work_on(cpu, wq, &c.work));
	flush_workqueue(wq);
	CHECK_EQ(atomic_load(&c.runs), 2);
	destroy_workqueue(wq);
}

struct own {
	struct work_struct work;
	int generation;
};

static atomic_int freed;

static void requeue_then_free(struct work_struct *work)
{
	struct own *o = container_of(work, struct own, work);
	if (o->generation++ < 20) {
		CHECK(queue_work_on(usable_cpu((unsigned int)(o->generation % usable_cpus())), wq, work));
		return;
	}
	memset(o, 0xa5, sizeof(*o));
	free(o);
	atomic_fetch_add(&freed, 1);
}

static void work_queues_and_frees_itself(void)
{
	wq = create_workqueue("own");
	atomic_store(&freed, 0);
	for (int i = 0; i < 500; i++) {
		struct own *o = calloc(1, sizeof(*o));
		CHECK(o);
		INIT_WORK(&o->work, requeue_then_free);
		CHECK(queue_work(wq, &o->work));
	}
	EVENTUALLY(atomic_load(&freed) == 500);
	destroy_workqueue(wq);
}

static void *queue_many(void *argument)
{
	struct counted *c = argument;
	for (int i = 0; i < 1000; i++)
		CHECK(queue_work_on(usable_cpu((unsigned int)(i % usable_cpus())), wq, &c[i].work));
	flush_workqueue(wq);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(atomic_load(&c[i].runs), 1);
	return NULL;
}

static void flush_waits(void)
{
	wq = create_workqueue("flushed");
	flush_workqueue(wq);
	for (int round = 0; round < 5; round++) {
		struct counted *c = calloc(3 * 1000, sizeof(*c));
		CHECK(c);
		for (int i = 0; i < 3 * 1000; i++)
			INIT_WORK(&c[i].work, count);
		pthread_t threads[3];
		for (int i = 0; i < 3; i++)
			threads[i] = thread(queue_many, c + i * 1000);
		for (int i = 0; i < 3; i++)
			join(threads[i]);
		free(c);
	}
	destroy_workqueue(wq);
}

/* Two threads race to queue one work: what is accepted is what runs. */
static struct counted contested;
static atomic_int accepted;

static void *contend(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++)
		if (queue_work_on(usable_cpu(0), wq, &contested.work))
			atomic_fetch_add(&accepted, 1);
	return NULL;
}

static void accepted_is_run(void)
{
	wq = create_workqueue("contended");
	INIT_WORK(&contested.work, count);
	atomic_store(&contested.runs, 0);
	atomic_store(&accepted, 0);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		threads[i] = thread(contend, NULL);
	for (int i = 0; i < 3; i++)
		join(threads[i]);
	flush_workqueue(wq);
	CHECK_EQ(atomic_load(&contested.runs), atomic_load(&accepted));
	CHECK(atomic_load(&accepted) > 0);
	destroy_workqueue(wq);
}

/* An idle worker sleeps, and signals to the process reach the program's own threads. */
static atomic_int signalled;

static void on_signal(int sig)
{
	(void)sig;
	atomic_store(&signalled, gettid());
}

static void idle_workers_sleep_and_take_no_signal(void)
{
	wq = create_workqueue("idle");
	struct place p;
	run_on(&p, usable_cpu(0));
	atomic_int tid = p.tid;
	until_asleep(&tid);
	struct sigaction action = {.sa_handler = on_signal};
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	for (int i = 0; i < 100; i++) {
		atomic_store(&signalled, 0);
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		EVENTUALLY(atomic_load(&signalled) != 0);
		CHECK_EQ(atomic_load(&signalled), getpid());
	}
	destroy_workqueue(wq);
}

static const struct test_case cases[] = {
	{"E1 a worker for each CPU: pinned, named after the queue and the CPU, signals blocked", workers},
	{"E1 L4 one worker for each CPU that a mask uses, shared by the instances", as_many_as_masks_use},
	{"L1 long and empty queue names", long_names},
	{"L1 a NULL name is EINVAL", null_name},
	{"E1 queue_work runs on the caller's CPU", on_the_callers_cpu},
	{"E1 queue_work_on of a CPU that is none runs elsewhere", unusable_cpus_work_elsewhere},
	{"E1 queue_work is false while the work is queued and has not begun", false_while_queued},
	{"S5 a work function queues its work again, and frees it", work_queues_and_frees_itself},
	{"L5 flush_workqueue waits for what was queued before", flush_waits},
	{"E1 what queue_work accepts is run exactly once", accepted_is_run},
	{"K2 an idle worker sleeps and takes no signal", idle_workers_sleep_and_take_no_signal},
};

TEST_MAIN(cases)

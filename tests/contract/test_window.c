/* SPDX-License-Identifier: MIT */
/* The maximum of outstanding tasks, waiting for room, flushing (S4). */

#include <poll.h>

#include "contract.h"

static void set_and_get(void)
{
	struct workqueue_struct *wq = create_workqueue("window");
	struct padata_instance *inst = padata_alloc(cpu_active_mask, wq);
	CHECK(inst);
	CHECK_EQ(padata_get_window(inst), PADATA_DEFAULT_WINDOW);
	CHECK_EQ(padata_set_window(inst, 0), -EINVAL);
	CHECK_EQ(padata_set_window(inst, (1u << 30) + 1), -EINVAL);
	CHECK_EQ(padata_set_window(inst, UINT32_MAX), -EINVAL);
	CHECK_EQ(padata_set_window(NULL, 5), -EINVAL);
	CHECK_EQ(padata_get_window(inst), PADATA_DEFAULT_WINDOW);
	static const unsigned int sizes[] = {1, 2, 3, 5, 7, 4096, 1};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		CHECK_EQ(padata_set_window(inst, sizes[i]), 0);
		CHECK_EQ(padata_get_window(inst), sizes[i]);
	}
	padata_start(inst);
	CHECK_EQ(padata_set_window(inst, 9), -EBUSY);
	CHECK_EQ(padata_set_window(inst, 1), -EBUSY);
	CHECK_EQ(padata_get_window(inst), 1);

	struct task t;
	task_init(&t, 0, parallel_leave, serial_note);
	accept_task(inst, &t, usable_cpu(0));
	padata_stop(inst);
	CHECK_EQ(padata_set_window(inst, 9), -EBUSY);
	EVENTUALLY(atomic_load(&t.parallels) == 1);
	padata_do_serial(&t.p);
	CHECK_EQ(padata_flush(inst), 0);
	CHECK_EQ(padata_set_window(inst, 9), 0);
	CHECK_EQ(padata_get_window(inst), 9);
	padata_start(inst);
	struct task *many = tasks_make(10, parallel_leave, serial_note);
	for (int i = 0; i < 9; i++)
		accept_task(inst, &many[i], usable_cpu(0));
	CHECK_EQ(padata_do_parallel(inst, &many[9].p, usable_cpu(0)), -EBUSY);
	for (int i = 0; i < 9; i++) {
		EVENTUALLY(atomic_load(&many[i].parallels) == 1);
		padata_do_serial(&many[i].p);
	}
	padata_free(inst);
	destroy_workqueue(wq);
	free(many);
}

/* Outstanding as the callers see it is never more than what the library counts. */
static struct rig rig;
static atomic_int outstanding, window_now;
enum { PRODUCERS = 3, PER_PRODUCER = 4000 };

static void serial_counts_down(struct padata_priv *padata)
{
	(void)padata;
	atomic_fetch_sub(&outstanding, 1);
}

static void *produce(void *argument)
{
	struct task *t = argument;
	for (int i = 0; i < PER_PRODUCER; i++) {
		accept_in_time(rig.inst, &t[i], t[i].cb_cpu);
		int now = atomic_fetch_add(&outstanding, 1) + 1;
		CHECK(now <= atomic_load(&window_now));
	}
	return NULL;
}

static void never_exceeded(void)
{
	static const int windows[] = {1, 2, 3, 5, 7};
	for (size_t w = 0; w < COUNT(windows); w++) {
		rig = rig_make((unsigned int)windows[w]);
		atomic_store(&outstanding, 0);
		atomic_store(&window_now, windows[w]);
		struct task *t = tasks_make(PRODUCERS * PER_PRODUCER, parallel_finish, serial_counts_down);
		for (int i = 0; i < PRODUCERS * PER_PRODUCER; i++)
			t[i].cb_cpu = usable_cpu((unsigned int)(i % usable_cpus()));
		pthread_t threads[PRODUCERS];
		for (int i = 0; i < PRODUCERS; i++)
			threads[i] = thread(produce, t + i * PER_PRODUCER);
		for (int i = 0; i < PRODUCERS; i++)
			join(threads[i]);
		rig_end(rig);
		CHECK_EQ(atomic_load(&outstanding), 0);
		for (int i = 0; i < PRODUCERS * PER_PRODUCER; i++)
			CHECK_EQ(atomic_load(&t[i].parallels), 1);
		free(t);
	}
}

/* Nothing is finished: several producers at once get exactly the maximum accepted between them. */
enum { FILLERS = 4 };
static atomic_int filled;

static void *fill(void *argument)
{
	struct task *t = argument;
	while (padata_do_parallel(rig.inst, &t->p, usable_cpu(0)) == -EINPROGRESS) {
		t++;
		atomic_fetch_add(&filled, 1);
	}
	return NULL;
}

static void filled_to_the_brim(void)
{
	static const int windows[] = {1, 2, 7, 64, 1000};
	for (size_t w = 0; w < COUNT(windows); w++)
		for (int round = 0; round < 20; round++) {
			int n = windows[w];
			rig = rig_make((unsigned int)n);
			record_clear();
			atomic_store(&filled, 0);
			struct task *t = tasks_make(FILLERS * (n + 1), parallel_leave, serial_note);
			pthread_t threads[FILLERS];
			for (int i = 0; i < FILLERS; i++)
				threads[i] = thread(fill, t + i * (n + 1));
			for (int i = 0; i < FILLERS; i++)
				join(threads[i]);
			CHECK_EQ(atomic_load(&filled), n);
			for (int i = 0, done = 0; done < n; i = (i + 1) % (FILLERS * (n + 1)))
				if (atomic_exchange(&t[i].parallels, 0) == 1) {
					padata_do_serial(&t[i].p);
					done++;
				}
			rig_end(rig);
			CHECK_EQ(recorded(), n);
			free(t);
		}
}

static atomic_int waiter, waiter_result;
enum { PENDING = 1 };

static void *wait_room(void *unused)
{
	(void)unused;
	atomic_store(&waiter, gettid());
	atomic_store(&waiter_result, padata_wait_room(rig.inst));
	return NULL;
}

static pthread_t waiter_begin(void)
{
	atomic_store(&waiter, 0);
	atomic_store(&waiter_result, PENDING);
	return thread(wait_room, NULL);
}

/* A waiter looks again by itself a few milliseconds later, once; after that it has to be woken. */
static void until_waiter_sleeps_for_good(void)
{
	until_asleep(&waiter);
	usleep(50000);
	until_asleep(&waiter);
	CHECK_EQ(atomic_load(&waiter_result), PENDING);
}

/* Room appears once, while every other task of the window stays unfinished. */
static void wait_room_sees_the_first_room(void)
{
	static const int windows[] = {1, 2, 3, 64};
	for (size_t w = 0; w < COUNT(windows); w++) {
		int n = windows[w];
		rig = rig_make((unsigned int)n);
		CHECK_EQ(padata_wait_room(rig.inst), 0);
		struct task *t = tasks_make(n + 1, parallel_leave, serial_note);
		for (int i = 0; i < n; i++)
			accept_task(rig.inst, &t[i], usable_cpu(0));
		pthread_t id = waiter_begin();
		until_waiter_sleeps_for_good();
		EVENTUALLY(atomic_load(&t[0].parallels) == 1);
		padata_do_serial(&t[0].p);
		join(id);
		CHECK_EQ(atomic_load(&waiter_result), 0);
		accept_task(rig.inst, &t[n], usable_cpu(0));
		for (int i = 1; i <= n; i++) {
			EVENTUALLY(atomic_load(&t[i].parallels) == 1);
			padata_do_serial(&t[i].p);
		}
		rig_end(rig);
		free(t);
	}
}

static void *wait_and_submit(void *argument)
{
	struct task *t = argument;
	for (int i = 0; i < 500; i++)
		accept_in_time(rig.inst, &t[i], t[i].cb_cpu);
	return NULL;
}

/* More threads wait than there is room: each of them gets its turn. */
static void many_wait_for_room(void)
{
	rig = rig_make(1);
	struct task *t = tasks_make(7 * 500, parallel_finish, serial_note);
	record_clear();
	for (int i = 0; i < 7 * 500; i++)
		t[i].cb_cpu = usable_cpu((unsigned int)(i % usable_cpus()));
	pthread_t threads[7];
	for (int i = 0; i < 7; i++)
		threads[i] = thread(wait_and_submit, t + i * 500);
	for (int i = 0; i < 7; i++)
		join(threads[i]);
	rig_end(rig);
	CHECK_EQ(recorded(), 7 * 500);
	free(t);
}

static void wait_room_of_a_stopped_instance(void)
{
	rig = rig_make(1);
	struct task t;
	task_init(&t, 0, parallel_leave, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	pthread_t id = waiter_begin();
	until_waiter_sleeps_for_good();
	padata_stop(rig.inst);
	join(id);
	CHECK_EQ(atomic_load(&waiter_result), -EINVAL);
	CHECK_EQ(padata_wait_room(rig.inst), -EINVAL);
	EVENTUALLY(atomic_load(&t.parallels) == 1);
	padata_do_serial(&t.p);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(padata_wait_room(rig.inst), -EINVAL);
	padata_start(rig.inst);
	CHECK_EQ(padata_wait_room(rig.inst), 0);
	CHECK_EQ(padata_wait_room(NULL), -EINVAL);
	rig_end(rig);
}

static int readable(int fd, int timeout)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;
	while ((n = poll(&p, 1, timeout)) < 0)
		CHECK_EQ(errno, EINTR);
	CHECK(n == 0 || p.revents == POLLIN);
	return n;
}

static void room_fd_is_level(void)
{
	static const int windows[] = {1, 2, 3, 64};
	for (size_t w = 0; w < COUNT(windows); w++) {
		int n = windows[w];
		rig = rig_make((unsigned int)n);
		int fd = padata_room_fd(rig.inst);
		CHECK(fd >= 0);
		CHECK_EQ(padata_room_fd(rig.inst), fd);
		struct task *t = tasks_make(n, parallel_leave, serial_note);
		for (int round = 0; round < 20; round++) {
			for (int i = 0; i < n; i++) {
				CHECK_EQ(readable(fd, -1), 1); /* still so, however often it is asked */
				CHECK_EQ(readable(fd, 0), 1);
				accept_in_time(rig.inst, &t[i], usable_cpu(0));
			}
			/* A worker that still reports the room of before may be late, but needs no help. */
			EVENTUALLY(readable(fd, 0) == 0);
			for (int i = 0; i < n; i++)
				EVENTUALLY(atomic_load(&t[i].parallels) == round + 1);
			for (int i = 1; i < n; i++)
				padata_do_serial(&t[i].p);
			settle(rig.wq, usable_cpu(0));
			CHECK_EQ(readable(fd, 0), 0);
			padata_do_serial(&t[0].p);
			CHECK_EQ(readable(fd, -1), 1);
			CHECK_EQ(padata_flush(rig.inst), 0);
		}
		rig_end(rig);
		free(t);
	}
}

/* A descriptor made while the window is full, or asked for in a callback. */
static void room_fd_made_when_full(void)
{
	rig = rig_make(1);
	struct task t;
	task_init(&t, 0, parallel_leave, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	int fd = padata_room_fd(rig.inst);
	CHECK(fd >= 0);
	CHECK_EQ(readable(fd, 0), 0);
	EVENTUALLY(atomic_load(&t.parallels) == 1);
	settle(rig.wq, usable_cpu(0));
	CHECK_EQ(readable(fd, 0), 0);
	padata_do_serial(&t.p);
	CHECK_EQ(readable(fd, -1), 1);
	CHECK(padata_room_fd(NULL) < 0);
	rig_end(rig);
}

/* A producer that only ever polls: no wake-up is lost in 20,000 rounds. */
static void producing_by_poll(void)
{
	rig = rig_make(2);
	int fd = padata_room_fd(rig.inst);
	CHECK(fd >= 0);
	record_clear();
	struct task *t = tasks_make(20000, parallel_finish, serial_note);
	for (int i = 0; i < 20000; i++) {
		int result;
		while ((result = padata_do_parallel(rig.inst, &t[i].p, usable_cpu(0))) == -EBUSY)
			CHECK_EQ(readable(fd, -1), 1);
		CHECK_EQ(result, -EINPROGRESS);
	}
	rig_end(rig);
	CHECK_EQ(recorded(), 20000);
	free(t);
}

static void *flusher(void *unused)
{
	(void)unused;
	atomic_store(&waiter, gettid());
	atomic_store(&waiter_result, padata_flush(rig.inst));
	return NULL;
}

static void flush_waits_for_what_came_before(void)
{
	rig = rig_make(0);
	enum { N = 100 };
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(padata_flush(NULL), -EINVAL);
	struct task *t = tasks_make(2 * N, parallel_leave, serial_note);
	record_clear();
	for (int i = 0; i < N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	atomic_store(&waiter, 0);
	atomic_store(&waiter_result, PENDING);
	pthread_t id = thread(flusher, NULL);
	until_asleep(&waiter);
	for (int i = N; i < 2 * N; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	for (int i = 0; i < 2 * N; i++)
		EVENTUALLY(atomic_load(&t[i].parallels) == 1);
	for (int i = 1; i < N; i++)
		padata_do_serial(&t[i].p);
	settle(rig.wq, usable_cpu(0));
	CHECK_EQ(atomic_load(&waiter_result), PENDING);
	padata_do_serial(&t[0].p);
	join(id); /* although the later tasks stay unfinished */
	CHECK_EQ(atomic_load(&waiter_result), 0);
	for (int i = 0; i < N; i++)
		CHECK_EQ(atomic_load(&t[i].serials), 1);
	CHECK_EQ(recorded(), N);
	for (int i = N; i < 2 * N; i++)
		padata_do_serial(&t[i].p);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(recorded(), 2 * N);
	rig_end(rig);
	free(t);
}

/* The later task is finished, and its serial() in progress, when the earlier one completes. */
static void flush_does_not_wait_for_a_later_serial(void)
{
	sem_t begun, hold;
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	rig = rig_make(0);
	record_clear();
	struct task first, later;
	task_init(&first, 0, parallel_leave, serial_note);
	task_init(&later, 1, parallel_finish, serial_hold);
	later.begun = &begun;
	later.hold = &hold;
	accept_task(rig.inst, &first, usable_cpu(0));
	EVENTUALLY(atomic_load(&first.parallels) == 1);
	atomic_store(&waiter, 0);
	atomic_store(&waiter_result, PENDING);
	pthread_t id = thread(flusher, NULL);
	until_asleep(&waiter);
	accept_task(rig.inst, &later, usable_cpu(0));
	EVENTUALLY(atomic_load(&later.parallels) == 1);
	padata_do_serial(&first.p);
	wait_for(&begun);
	for (int i = 0; i < 5000 && atomic_load(&waiter_result) == PENDING; i++)
		usleep(1000);
	int result = atomic_load(&waiter_result);
	sem_post(&hold);
	join(id);
	rig_end(rig);
	CHECK_EQ(result, 0);
}

static void flush_of_a_stopped_instance(void)
{
	rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	padata_stop(rig.inst);
	CHECK_EQ(padata_flush(rig.inst), 0);
	CHECK_EQ(atomic_load(&t.serials), 1);
	rig_end(rig);
}

static void parallel_asks_to_sleep(struct padata_priv *padata)
{
	CHECK_EQ(padata_flush(rig.inst), -EDEADLK);
	CHECK_EQ(padata_wait_room(rig.inst), -EDEADLK);
	padata_do_serial(padata);
}

static void serial_asks_to_sleep(struct padata_priv *padata)
{
	CHECK_EQ(padata_flush(rig.inst), -EDEADLK);
	CHECK_EQ(padata_wait_room(rig.inst), -EDEADLK);
	CHECK(padata_room_fd(rig.inst) >= 0);
	CHECK_EQ(padata_get_window(rig.inst), 3);
	note_serial(TASK(padata));
}

static void sleeping_calls_in_callbacks(void)
{
	rig = rig_make(3);
	for (int i = 0; i < 10; i++) {
		struct task t;
		task_init(&t, 0, parallel_asks_to_sleep, serial_asks_to_sleep);
		accept_task(rig.inst, &t, usable_cpu((unsigned int)(i % usable_cpus())));
		CHECK_EQ(padata_flush(rig.inst), 0);
		CHECK_EQ(atomic_load(&t.serials), 1);
	}
	rig_end(rig);
}

static const struct test_case cases[] = {
	{"S4 padata_set_window and padata_get_window", set_and_get},
	{"S4 the maximum is never exceeded, by several producers", never_exceeded},
	{"S4 several producers fill it to exactly the maximum", filled_to_the_brim},
	{"S4 padata_wait_room sleeps, and returns at the first room", wait_room_sees_the_first_room},
	{"S4 more threads wait than there is room", many_wait_for_room},
	{"S4 padata_wait_room fails on a stopped instance, and when it is being stopped",
	 wait_room_of_a_stopped_instance},
	{"S4 padata_room_fd is readable exactly while there is room", room_fd_is_level},
	{"S4 padata_room_fd made while the window is full", room_fd_made_when_full},
	{"S4 a producer that polls never misses room", producing_by_poll},
	{"S4 padata_flush waits for what was accepted before, and for no more", flush_waits_for_what_came_before},
	{"S4 padata_flush does not wait for the serial() of a later task", flush_does_not_wait_for_a_later_serial},
	{"S4 padata_flush of a stopped instance", flush_of_a_stopped_instance},
	{"S4 flush and wait_room return -EDEADLK in callbacks", sleeping_calls_in_callbacks},
};

TEST_MAIN(cases)

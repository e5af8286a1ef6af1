/* SPDX-License-Identifier: MIT */

/* Room, and who waits for it, against what changes it: a change of the mask, other producers, a start. */

#include "world.h"

#include "instance.h"

#include <unistd.h>

static struct world w;
static struct job jobs[MAX_JOBS];

static void begin(int n, unsigned long cpus, unsigned int window)
{
	world_begin(&w, cpus, window);
	for (int i = 0; i < n; i++)
		job_init(&jobs[i], &w, i, 0);
}

static void *take_cpu_1_out(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_remove_cpu(w.pinst, 1) == 0);
	return NULL;
}

/* Nothing completes: it is the end of the change that tells. */
static void wait_room_against_mask_change(void)
{
	pthread_t changer;

	begin(0, 3, 1);
	pthread_create(&changer, NULL, take_cpu_1_out, NULL);
	SCHED_CHECK(padata_wait_room(w.pinst) == 0);
	pthread_join(changer, NULL);
	world_end(&w);
}

static void wait_room_against_mask_change_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	wait_room_against_mask_change();
}

/* Whoever asks how much there is may be behind: it is less than there was, and never more than the window. */
static void *submit_second(void *unused)
{
	(void)unused;
	submit_all(&jobs[1], 1);
	return NULL;
}

static void *look_at_room(void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++)
		SCHED_CHECK(pd_room(w.pinst) <= 1);
	return NULL;
}

static void room_of_two_producers(void)
{
	pthread_t producer, looker;

	begin(2, 1, 1);
	jobs[1].producer = 1;
	pthread_create(&producer, NULL, submit_second, NULL);
	pthread_create(&looker, NULL, look_at_room, NULL);
	submit_all(jobs, 1);
	pthread_join(producer, NULL);
	pthread_join(looker, NULL);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

/* The first two to ask for the descriptor get the same one. */
static int fds[2];

static void *ask_for_the_descriptor(void *fd)
{
	*(int *)fd = padata_room_fd(w.pinst);
	return NULL;
}

static void room_fd_made_by_two(void)
{
	pthread_t other;

	begin(0, 1, 1);
	pthread_create(&other, NULL, ask_for_the_descriptor, &fds[1]);
	ask_for_the_descriptor(&fds[0]);
	pthread_join(other, NULL);
	SCHED_CHECK(fds[0] >= 0 && fds[0] == fds[1]);
	world_end(&w);
}

/* Two raise the window's limit at once: it ends where the higher one has it. */
static struct pd_window window;

static void *raise_to_3(void *unused)
{
	(void)unused;
	pd_window_allow(&window, 3);
	return NULL;
}

static void limit_raised_by_two(void)
{
	pthread_t other;

	SCHED_CHECK(pd_window_init(&window, 2, 0) == 0);
	pthread_create(&other, NULL, raise_to_3, NULL);
	pd_window_allow(&window, 4);
	SCHED_CHECK(!pd_window_short(&window, 0, 4));
	pthread_join(other, NULL);
	SCHED_CHECK(!pd_window_short(&window, 0, 4));
	pd_window_destroy(&window);
}

/* No room is no room, whether the descriptor is made before, after, or as the last of it goes. */
static void *submit_first(void *unused)
{
	(void)unused;
	submit_all(jobs, 1);
	return NULL;
}

static void room_fd_against_submission(void)
{
	pthread_t producer;
	struct job *job;
	int fd = -1;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	pthread_create(&producer, NULL, submit_first, NULL);
	for (int i = 0; i < (int)search_or(1, 3); i++)
		fd = padata_room_fd(w.pinst);
	pthread_join(producer, NULL);
	SCHED_CHECK(!readable(fd));
	while (!(job = atomic_load_explicit(&w.deferred[0], memory_order_acquire)))
		sched_yield();
	job_finish(job);
	while (!readable(fd))
		sched_yield();
	world_end(&w);
	check_all(&w, jobs, 1, 1);
}

static void room_fd_against_submission_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	room_fd_against_submission();
}

/*
 * ... and whoever shows room at that moment looks again, and sees who took it: a thread that stands for a
 * lane, whose submission of what it pulled passes no fence.
 */
static void *submit_as_a_lane(void *unused)
{
	struct padata_priv *task = &jobs[0].padata;
	unsigned int n = 1;
	uint64_t seq;
	bool claimed;

	SCHED_CHECK(pd_submit(w.pinst, &task, &n, 0, &seq, &claimed) == -EINPROGRESS && claimed);
	return unused;
}

static void room_fd_shown_against_submission(void)
{
	pthread_t lane;
	int fd;

	begin(1, 1, 1);
	sched_explore(false);
	fd = padata_room_fd(w.pinst);
	sched_explore(true);
	pthread_create(&lane, NULL, submit_as_a_lane, NULL);
	pd_room_fd_update(w.pinst);
	pthread_join(lane, NULL);
	SCHED_CHECK(!readable(fd));
	sched_explore(false);
	atomic_fetch_add_explicit(&w.accepted, 1, memory_order_relaxed);
	w.mask = 0;
	pd_task_set_state(&jobs[0].padata, PD_TASK_RUNNING);
	job_parallel(&jobs[0].padata);
	world_end(&w);
	check_all(&w, jobs, 1, 1);
}

/* Who has waited so long that it sleeps for no time only misses no completion. */
static void *finish_late(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	usleep(12000);
	job_finish(&jobs[0]);
	return NULL;
}

static void wait_room_for_long(void)
{
	pthread_t foreign;

	begin(1, 1, 1);
	jobs[0].deferred = true;
	submit_all(jobs, 1);
	pthread_create(&foreign, NULL, finish_late, NULL);
	SCHED_CHECK(padata_wait_room(w.pinst) == 0);
	pthread_join(foreign, NULL);
	world_end(&w);
}

static void wait_room_for_long_by_fences(void)
{
	pd_barrier_is_asymmetric = false;
	wait_room_for_long();
}

/* M3: while a change waits all are refused alike, those for a CPU that it puts in too. */
static void *put_cpu_1_in(void *unused)
{
	(void)unused;
	SCHED_CHECK(padata_add_cpu(w.pinst, 1) == 0);
	return NULL;
}

static void refused_while_a_cpu_comes(void)
{
	pthread_t changer;

	begin(2, 1, 2);
	w.mask = 3;
	jobs[0].deferred = true;
	jobs[1].cb_cpu = 1;
	submit_all(jobs, 1);
	pthread_create(&changer, NULL, put_cpu_1_in, NULL);
	while (!(atomic_load_explicit(&w.pinst->window.gate, memory_order_relaxed) & PD_GATE_CHANGING) ||
	       !atomic_load_explicit(&w.deferred[0], memory_order_acquire))
		sched_yield();
	SCHED_CHECK(job_submit(&jobs[1]) == -EBUSY);
	job_finish(&jobs[0]);
	pthread_join(changer, NULL);
	SCHED_CHECK(job_submit(&jobs[1]) == -EINPROGRESS);
	world_end(&w);
	check_all(&w, jobs, 2, 1);
}

int main(int argc, char **argv)
{
	static const struct sched_scenario table[] = {
		{"wait_room_against_mask_change", wait_room_against_mask_change, 2, 0, false},
		{"wait_room_against_mask_change_by_fences", wait_room_against_mask_change_by_fences, 0, 0, false},
		{"limit_raised_by_two", limit_raised_by_two, 3, 1, false},
		{"room_fd_made_by_two", room_fd_made_by_two, 2, 0, false},
		{"room_fd_against_submission", room_fd_against_submission, 2, 0, false},
		{"room_fd_against_submission_by_fences", room_fd_against_submission_by_fences, 0, 0, false},
		{"room_fd_shown_against_submission", room_fd_shown_against_submission, 2, 1, false},
		{"wait_room_for_long", wait_room_for_long, 2, 0, true},
		{"wait_room_for_long_by_fences", wait_room_for_long_by_fences, 0, 0, true},
		{"refused_while_a_cpu_comes", refused_while_a_cpu_comes, 2, 0, false},
		{"room_of_two_producers", room_of_two_producers, 2, 0, false},
	};

	return sched_main(argc, argv, table, sizeof(table) / sizeof(table[0]));
}

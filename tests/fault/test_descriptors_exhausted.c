/* SPDX-License-Identifier: MIT */
/* No file descriptor is left: padata_room_fd() says so, and nothing else needs one. */

#include "fault.h"

#include <fcntl.h>
#include <poll.h>

static struct stream s;
static int taken[4096], taken_count;

static void take_all(void)
{
	int fd;

	while (taken_count < (int)COUNT(taken) && (fd = dup(0)) >= 0)
		taken[taken_count++] = fd;
	CHECK_EQ(errno, EMFILE);
}

static void give_back(void)
{
	while (taken_count)
		close(taken[--taken_count]);
}

static void without_descriptors(void)
{
	struct rlimit few = {64, 64};
	struct padata_instance *other;
	struct workqueue_struct *wq;
	struct pollfd p = {.events = POLLIN};
	struct cpumask all;
	struct rig rig;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	if (fcntl(0, F_GETFD) < 0)
		CHECK_EQ(open("/dev/null", O_RDONLY), 0);
	cpumask_copy(&all, cpu_active_mask);
	take_all();

	/* The whole life, for which none is needed. */
	rig = rig_make(8);
	stream_begin(&s, rig.inst);
	stream_flows(&s, 200);
	CHECK_EQ(padata_room_fd(rig.inst), -EMFILE);
	CHECK_EQ(padata_room_fd(rig.inst), -EMFILE);
	CHECK_EQ(padata_set_cpumask(rig.inst, &all), 0);
	stream_flows(&s, 200);
	wq = create_workqueue("fault");
	CHECK(wq);
	other = padata_alloc(cpu_active_mask, wq);
	CHECK(other);
	padata_free(other);
	destroy_workqueue(wq);
	/* It is not there, and only CPU 0 is known of the machine; of the process all are. */
	CHECK(cpumask_equal(cpu_online_mask, cpumask_of(0)));
	CHECK(cpumask_equal(cpu_active_mask, &all));
	give_back();

	p.fd = padata_room_fd(rig.inst);
	CHECK(p.fd >= 0);
	stream_flows(&s, 200);
	stream_end(&s);
	CHECK_EQ(poll(&p, 1, 0), 1);
	rig_end(rig);
}

/* In a child, whose limit is its own. */
static void no_descriptor_is_left(void)
{
	char text[4096];
	int status = in_child(without_descriptors, text, sizeof(text));

	if (status)
		printf("# %s\n", text);
	CHECK_EQ(status, 0);
}

static void somebody_closes_it(void)
{
	struct rig rig = rig_make(1);
	sem_t begun, hold;
	struct task t;
	int fd = padata_room_fd(rig.inst);

	CHECK(fd >= 0);
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	close(fd);
	task_init(&t, 0, parallel_hold, serial_note);
	t.begun = &begun;
	t.hold = &hold;
	padata_do_parallel(rig.inst, &t.p, usable_cpu(0));
}

static void a_closed_descriptor(void)
{
	must_abort(somebody_closes_it, "padata_room_fd");
}

CHILD_MAY_START_THREADS

static const struct test_case cases[] = {
	{"S4 L1 E2 no descriptor is left: -EMFILE from padata_room_fd, everything else goes on", no_descriptor_is_left},
	{"S4 the program closes the descriptor: one line that says so", a_closed_descriptor},
};

TEST_MAIN(cases)

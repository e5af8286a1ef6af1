/* SPDX-License-Identifier: MIT */
/*
 * pthread_cancel() of a thread that calls the library: it ends between two calls, never inside one, so that
 * nothing is left half done; and a worker, whatever a callback does, is not cancelled at all.
 */

#include "fault.h"

static struct rig rig;
static struct stream s;

static void *produce(void *unused)
{
	for (;;) {
		if (stream_submit(&s) == -EBUSY)
			stream_wait_room(&s);
		pthread_testcancel();
	}
	return unused;
}

static void a_producer(void)
{
	rig = rig_make(4);
	stream_open(&s, rig.inst);
	for (int i = 0; i < 200; i++) {
		void *result;

		s.producer = thread(produce, NULL);
		stream_flows(&s, chance(20));
		usleep(chance(200));
		CHECK_EQ(pthread_cancel(s.producer), 0);
		CHECK_EQ(pthread_join(s.producer, &result), 0);
		CHECK(result == PTHREAD_CANCELED);
	}
	stream_close(&s);
	rig_end(rig);
}

static atomic_bool inside;
static struct cpumask mask; /* not on a stack that is unwound, which the address sanitizer would hold against us */

/* Every call that sleeps, in turn, with the request to end pending before it, or coming while it sleeps. */
static void *sleeper(void *argument)
{
	atomic_store(&inside, true);
	for (;;) {
		switch (*(int *)argument) {
		case 0:
			CHECK_EQ(padata_flush(rig.inst), 0);
			break;
		case 1:
			CHECK_EQ(padata_wait_room(rig.inst), 0);
			break;
		case 2:
			CHECK_EQ(padata_set_cpumask(rig.inst, &mask), 0);
			break;
		case 3:
			flush_workqueue(rig.wq);
			break;
		case 4: {
			struct workqueue_struct *wq = create_workqueue("fault");
			struct padata_instance *inst;

			CHECK(wq);
			inst = padata_alloc(cpu_active_mask, wq);
			CHECK(inst);
			padata_free(inst);
			destroy_workqueue(wq);
			break;
		}
		case 5:
			CHECK(!cpumask_empty(cpu_online_mask));
			break;
		default:
			CHECK(padata_room_fd(rig.inst) >= 0);
		}
		pthread_testcancel();
	}
	return NULL;
}

static void a_sleeper(void)
{
	cpumask_copy(&mask, cpu_active_mask);
	for (int call = 0; call < 7; call++) {
		int threads = thread_count(), files;

		rig = rig_make(4);
		CHECK(padata_room_fd(rig.inst) >= 0);
		files = open_files();
		stream_begin(&s, rig.inst);
		for (int i = 0; i < 60; i++) {
			pthread_t id;
			void *result;

			atomic_store(&inside, false);
			id = thread(sleeper, &call);
			if (i % 2)
				EVENTUALLY(atomic_load(&inside));
			usleep(chance(300));
			CHECK_EQ(pthread_cancel(id), 0);
			CHECK_EQ(pthread_join(id, &result), 0);
			CHECK(result == PTHREAD_CANCELED);
		}
		stream_flows(&s, 20);
		CHECK_EQ(open_files(), files);
		stream_end(&s);
		rig_end(rig);
		EVENTUALLY(thread_count() == threads);
	}
}

static void cancel_and_finish(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	pthread_cancel(pthread_self());
	pthread_testcancel();
	usleep(1);
	padata_do_serial(padata);
}

static void cancel_and_note(struct padata_priv *padata)
{
	pthread_cancel(pthread_self());
	usleep(1);
	note_serial(TASK(padata));
}

static void a_worker(void)
{
	struct task t[50];

	rig = rig_make(0);
	record_clear();
	for (int i = 0; i < 50; i++) {
		task_init(&t[i], i, cancel_and_finish, cancel_and_note);
		accept_task(rig.inst, &t[i], usable_cpu(0));
	}
	rig_end(rig);
	CHECK_EQ(recorded(), 50);
	for (int i = 0; i < 50; i++)
		CHECK_EQ(record.ids[i], i);
}

static const struct test_case cases[] = {
	{"S2 S4 E2 a producer is cancelled: all that it submitted comes out, in order", a_producer},
	{"S4 M3 L4 L5 a thread is cancelled in each call that sleeps: the call is finished first", a_sleeper},
	{"E1 a callback that is cancelled goes on, and its worker too", a_worker},
};

TEST_MAIN(cases)

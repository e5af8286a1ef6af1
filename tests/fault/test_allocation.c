/* SPDX-License-Identifier: MIT */
/*
 * Memory that is short. Each allocation of a whole life, in turn, fails once: the call that needed it says so and
 * has changed nothing, the same call succeeds the next time, and all memory comes back.
 */

#include "fault.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *p);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

static struct countdown memory;
static atomic_bool no_thread_data;
static atomic_long live;

static void *counted(void *p)
{
	if (p)
		atomic_fetch_add(&live, 1);
	return p;
}

static bool refused(void)
{
	if (!fails_here(&memory))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refused() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return refused() ? NULL : counted(__real_aligned_alloc(align, size));
}

void __wrap_free(void *p)
{
	if (p)
		atomic_fetch_sub(&live, 1);
	__real_free(p);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return atomic_load(&no_thread_data) ? ENOMEM : __real_pthread_setspecific(key, value);
}

static int failures;

/* Until it succeeds; all that may stand in its way is the one allocation. */
#define TRY(succeeds, error)                             \
	do {                                             \
		errno = 0;                               \
		while (!(succeeds)) {                    \
			CHECK_EQ(error, ENOMEM);         \
			CHECK_EQ(++failures, 1);         \
		}                                        \
	} while (0)

static void whole_life(void)
{
	static struct stream s;
	struct workqueue_struct *wq = NULL;
	struct padata_instance *inst = NULL;
	struct cpumask one;
	cpumask_var_t mask;
	int cpu = usable_cpu(0), result = 0;

	failures = 0;
	TRY(zalloc_cpumask_var(&mask, GFP_KERNEL), errno);
	cpumask_copy(mask, cpu_active_mask);
	cpumask_clear(&one);
	cpumask_set_cpu((unsigned int)cpu, &one);
	TRY(wq = create_workqueue("fault"), errno);
	TRY(inst = padata_alloc(&one, wq), errno);
	TRY((result = padata_set_window(inst, 4096)) == 0, -result);
	CHECK_EQ(padata_get_window(inst), 4096);
	TRY((result = padata_set_window(inst, 33)) == 0, -result);
	CHECK_EQ(padata_get_window(inst), 33);
	padata_start(inst);
	stream_open(&s, inst);
	atomic_store(&s.may_refuse, true); /* its CPUs are not all in the mask */
	s.producer = thread(stream_produce, &s);
	stream_flows(&s, 20);
	TRY((result = padata_set_cpumask(inst, mask)) == 0, -result);
	stream_flows(&s, 20);
	TRY((result = padata_remove_cpu(inst, cpu)) == 0, -result);
	TRY((result = padata_add_cpu(inst, cpu)) == 0, -result);
	/* These need none. */
	CHECK(padata_room_fd(inst) >= 0);
	CHECK_EQ(padata_flush(inst), 0);
	flush_workqueue(wq);
	stream_flows(&s, 20);
	stream_end(&s);
	padata_free(inst);
	destroy_workqueue(wq);
	free_cpumask_var(mask);
}

static void each_allocation(void)
{
	long n = 1, unsaid = 0;

	whole_life(); /* what is kept for each thread is there after this */
	for (bool fired = true; fired; n++) {
		long before = atomic_load(&live);

		countdown_set(&memory, n);
		whole_life();
		fired = countdown_end(&memory);
		CHECK(failures <= fired);
		unsaid += fired - failures;
		CHECK_EQ(atomic_load(&live), before);
	}
	printf("# %ld allocations, %ld done without\n", n - 2, unsaid);
	CHECK(n > 10);
	CHECK(unsaid <= 1); /* a queue that stays larger than a smaller window needs */
}

/* The masks that are handed out have no way to say it: they are empty. */
static void *asks_for_masks(void *argument)
{
	int how = *(int *)argument;

	if (how)
		atomic_store(&no_thread_data, true);
	else
		countdown_set(&memory, 1);
	CHECK(cpumask_empty(cpumask_of(0)));
	if (!how)
		countdown_set(&memory, 1);
	CHECK(cpumask_empty(cpu_active_mask));
	if (!how)
		countdown_set(&memory, 1);
	CHECK(cpumask_empty(cpu_online_mask));
	if (!how)
		countdown_set(&memory, 1);
	CHECK(cpumask_empty(cpu_possible_mask));
	atomic_store(&no_thread_data, false);
	CHECK(!cpumask_empty(cpu_active_mask));
	CHECK(cpumask_test_cpu(0, cpumask_of(0)));
	return NULL;
}

static void masks_for_nobody(void)
{
	long before = atomic_load(&live);

	for (int how = 0; how < 2; how++)
		join(thread(asks_for_masks, &how));
	CHECK_EQ(atomic_load(&live), before);
}

static struct rig rig;

static void *first_call(void *unused)
{
	atomic_store(&no_thread_data, true);
	padata_stop(rig.inst);
	return unused;
}

static void a_thread_that_cannot_be_known(void)
{
	rig = rig_make(0);
	join(thread(first_call, NULL));
}

static void no_room_for_thread_data(void)
{
	must_abort(a_thread_that_cannot_be_known, "no memory to register a thread");
}

CHILD_MAY_START_THREADS

static const struct test_case cases[] = {
	{"L1 M1 S4 L5 each allocation of a life fails once: ENOMEM, nothing changed, no task lost, no leak",
	 each_allocation},
	{"interface: masks are empty where there is no memory for them", masks_for_nobody},
	{"S2 a thread for which libc has no room: one line that says so", no_room_for_thread_data},
};

TEST_MAIN(cases)

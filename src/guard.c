/* SPDX-License-Identifier: MIT */

#include "guard.h"
#include "init.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>

_Thread_local struct pd_guard pd_guard_self __attribute__((__tls_model__("initial-exec")));

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pd_guard *registry; /* under the lock */
static pthread_key_t exit_key;

static void unregister(void *guard)
{
	struct pd_guard **link = &registry;

	pthread_mutex_lock(&registry_lock);
	while (*link && *link != guard)
		link = &(*link)->next;
	if (*link)
		*link = ((struct pd_guard *)guard)->next;
	pthread_mutex_unlock(&registry_lock);
	((struct pd_guard *)guard)->registered = false;
}

static void lock_registry(void)
{
	pthread_mutex_lock(&registry_lock);
}

static void unlock_registry(void)
{
	pthread_mutex_unlock(&registry_lock);
}

/* With the lock, as taken before the fork. The other threads are not in the child; their memory may be used anew. */
static void forget_others(void)
{
	registry = NULL;
	if (pd_guard_self.registered) {
		pd_guard_self.next = NULL;
		registry = &pd_guard_self;
	}
	pthread_mutex_unlock(&registry_lock);
}

void pd_guard_init(void)
{
	if (pthread_key_create(&exit_key, unregister))
		pd_die("no key for thread-local data is left");
	pthread_atfork(lock_registry, unlock_registry, forget_others);
}

void pd_guard_register(void)
{
	/* Without it the registry would keep the memory of threads that have ended. */
	if (pthread_setspecific(exit_key, &pd_guard_self))
		pd_die("no memory to register a thread");
	pd_guard_self.registered = true;
	pthread_mutex_lock(&registry_lock);
	pd_guard_self.next = registry;
	registry = &pd_guard_self;
	pthread_mutex_unlock(&registry_lock);
}

static bool is_inside(struct pd_guard *guard, const void *instance, bool sleepers)
{
	for (int place = 0; place < PD_PLACES; place++) {
		/* Acquire: pairs with the release in pd_guard_leave(), see there. */
		uintptr_t inside = atomic_load_explicit(&guard->inside[place], memory_order_acquire);

		/* A lane is waited for by its inbox; it matters only when its instance is to be freed. */
		if (!sleepers && (place == PD_IN_LANE || inside & PD_GUARD_SLEEPER))
			continue;
		if ((inside & ~(uintptr_t)PD_GUARD_SLEEPER) == (uintptr_t)instance)
			return true;
	}
	return false;
}

static bool anybody_inside(const void *instance)
{
	bool inside = false;

	pthread_mutex_lock(&registry_lock);
	for (struct pd_guard *guard = registry; guard && !inside; guard = guard->next)
		inside = guard != &pd_guard_self && is_inside(guard, instance, true);
	pthread_mutex_unlock(&registry_lock);
	return inside;
}

static void wait_for_calls(const void *instance)
{
	/*
	 * Held throughout, so that no guard's thread, and with it its memory, goes while it is looked at. A
	 * call that does not sleep has no need of it.
	 */
	pthread_mutex_lock(&registry_lock);
	for (struct pd_guard *guard = registry; guard; guard = guard->next) {
		uint64_t entries = atomic_load_explicit(&guard->entries, memory_order_relaxed);

		if (guard == &pd_guard_self)
			continue;
		while (is_inside(guard, instance, false) &&
		       /* Acquire: pairs with the release in pd_guard_enter(), see there. */
		       entries == atomic_load_explicit(&guard->entries, memory_order_acquire))
			sched_yield();
	}
	pthread_mutex_unlock(&registry_lock);
}

void pd_guard_wait(const void *instance, bool sleepers)
{
	if (!sleepers) {
		wait_for_calls(instance);
		return;
	}
	/* One that sleeps may be a change, which waits for calls itself. */
	while (anybody_inside(instance))
		sched_yield();
}

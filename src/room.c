/* SPDX-License-Identifier: MIT */

/* The maximum of outstanding tasks: how much room there is, and waiting for some. */

#include "instance.h"

#include <limits.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A producer that waits for half a window may miss a completion, and then looks again by itself after this
 * time. It is longer than the system's tick: a timer that is due before costs every sleep a write to the
 * processor's timer, which in a virtual machine is an exit.
 */
static const uint64_t look_again_ns = 12000000;
/* About what it takes to wake a sleeper, until it runs. */
static const uint64_t spin_ns = 30000;

/* So many sequence numbers have passed: their tasks have completed, or there was none. */
static uint64_t passed(struct padata_instance *pinst)
{
	unsigned int lanes = pd_instance_lanes(pinst);
	uint64_t sum = atomic_load_explicit(&pinst->skipped, memory_order_relaxed);

	for (unsigned int i = 0; i < lanes; i++) {
		/* Acquire: pairs with the release in run_serial(), see there; pd_window_allow() passes it on.
		 */
		sum += atomic_load_explicit(&pinst->lane_list[i]->completed, memory_order_acquire);
	}
	return sum;
}

/* The first sequence number for which there is no room, as far as has completed. */
static uint64_t room_ends(struct padata_instance *pinst)
{
	return passed(pinst) + atomic_load_explicit(&pinst->size, memory_order_relaxed);
}

unsigned int pd_outstanding(struct padata_instance *pinst)
{
	uint64_t first = passed(pinst), next = pd_window_next(&pinst->window);

	return next > first ? (unsigned int)(next - first) : 0;
}

unsigned int pd_room(struct padata_instance *pinst)
{
	uint64_t end = room_ends(pinst), next = pd_window_next(&pinst->window);

	return next < end ? (unsigned int)(end - next) : 0;
}

bool pd_room_allow(struct padata_instance *pinst)
{
	uint64_t end = room_ends(pinst);

	pd_window_allow(&pinst->window, end);
	return pd_window_next(&pinst->window) < end;
}

void pd_room_wake(struct padata_instance *pinst)
{
	atomic_fetch_and_explicit(&pinst->awaited, ~(PD_AWAIT_ROOM | PD_AWAIT_HALF), memory_order_relaxed);
	/*
	 * Release: pairs with the acquire in sleep_for_room() and see_it_through(): who finds this turn sees the
	 * room, the gate or the source as we saw it; without it he could sleep until a turn that is past.
	 */
	atomic_fetch_add_explicit(&pinst->room_turn, 1, memory_order_release);
	pd_futex_wake(&pinst->room_turn, INT_MAX);
}

/* 1: there is room. 0: not yet. -EINVAL: there will be none. */
static int look_for_room(struct padata_instance *pinst)
{
	uint64_t gate = pd_window_gate(&pinst->window);

	if (gate & PD_GATE_STOPPED)
		return -EINVAL;
	return !(gate & PD_GATE_CHANGING) && pd_room(pinst) > 0;
}

/*
 * Half of a window of short tasks is free again before a sleeper could be woken. Meanwhile the processor is
 * offered to whoever else wants it, the workers first of all.
 */
static void spin_for_room(struct padata_instance *pinst, uint64_t until)
{
	unsigned int half = atomic_load_explicit(&pinst->size, memory_order_relaxed) / 2;

	while (pd_room(pinst) <= half && pd_now() < until)
		sched_yield();
}

static int sleep_for_room(struct padata_instance *pinst)
{
	bool coalesce = true;

	for (;;) {
		/*
		 * Acquire: pairs with the release in pd_room_wake(), see there; and for the turn to be that of before
		 * we say that we wait. Otherwise it could be one of who took that back: if another producer has
		 * the room by our second look, we would sleep with nobody told.
		 */
		unsigned int turn = atomic_load_explicit(&pinst->room_turn, memory_order_acquire);
		uint64_t began = pd_now();
		int found = look_for_room(pinst);

		if (found)
			return found;
		/* Relaxed, both: a barrier follows. */
		atomic_store_explicit(&pinst->room_cpu, sched_getcpu(), memory_order_relaxed);
		atomic_fetch_or_explicit(&pinst->awaited, coalesce ? PD_AWAIT_HALF : PD_AWAIT_ROOM,
					 memory_order_relaxed);
		/*
		 * While it coalesces it may miss a completion, but no lane's coming to rest, which passes a
		 * full fence: pairs with the one in lane_run(). After that it may miss none.
		 */
		if (coalesce)
			atomic_thread_fence(memory_order_seq_cst);
		else
			pd_barrier_heavy();
		found = look_for_room(pinst);
		if (found)
			return found;
		pd_futex_wait(&pinst->room_turn, turn, coalesce ? look_again_ns : 0);
		if (pd_now() - began >= look_again_ns)
			coalesce = false;
	}
}

static int wait_room(struct padata_instance *pinst)
{
	int found = look_for_room(pinst);

	if (!found) {
		uint64_t began = pd_now();

		/* Relaxed: a hint. */
		atomic_store_explicit(&pinst->room_since, began, memory_order_relaxed);
		/* Relaxed: a guess, from how long it took last time. */
		if (atomic_load_explicit(&pinst->room_wait_ns, memory_order_relaxed) < spin_ns)
			spin_for_room(pinst, began + spin_ns);
		found = sleep_for_room(pinst);
		atomic_store_explicit(&pinst->room_wait_ns, pd_now() - began, memory_order_relaxed);
	}
	return found < 0 ? found : 0;
}

PD_EXPORT int padata_wait_room(struct padata_instance *pinst)
{
	int result = pd_enter_to_sleep(pinst);

	if (result)
		return result;
	result = wait_room(pinst);
	pd_leave_from_sleep();
	return result;
}

static void show_room(struct padata_instance *pinst, int fd, bool room)
{
	uint64_t count = 1;

	if (pinst->room_fd_shows == room)
		return;
	pinst->room_fd_shows = room;
	/*
	 * Neither can fail on an eventfd that is ours alone: it holds 1 to be read, or 0 to be added to. By
	 * syscall(2), which is no cancellation point.
	 */
	if (syscall(room ? SYS_write : SYS_read, fd, &count, sizeof(count)) < 0)
		pd_die("padata_room_fd: descriptor %d was closed or used by somebody else", fd);
}

/*
 * One thread at a time makes the descriptor show what is; who comes meanwhile leaves word, so nobody waits,
 * and the last look comes after the last change.
 */
void pd_room_fd_update(struct padata_instance *pinst)
{
	unsigned int asked;

	/* Release: pairs with the acquire below: the updater sees what we were to tell. */
	if (atomic_fetch_add_explicit(&pinst->room_fd_updates, 1, memory_order_release) != 0)
		return;
	do {
		unsigned int room;
		int fd;

		/* Acquire: pairs with the release above, and with that of the updater before, below: the
		 * descriptor as it left it. */
		asked = atomic_load_explicit(&pinst->room_fd_updates, memory_order_acquire);
		/* Relaxed, but only now: who heard of it by PD_AWAIT_FD has it from the updater before. */
		fd = atomic_load_explicit(&pinst->room_fd, memory_order_relaxed);
		room = pd_room(pinst);
		if (!room) {
			show_room(pinst, fd, false);
			atomic_fetch_or_explicit(&pinst->awaited, PD_AWAIT_FD, memory_order_relaxed);
			/*
			 * Either who completes from here on sees that the descriptor is watched, or we
			 * see the room.
			 */
			pd_barrier_heavy();
			room = pd_room(pinst);
		}
		/*
		 * No other look: one that finds none is wrong where a task completed meanwhile, and says so
		 * to nobody unless the descriptor is watched. Who has taken the room since asks for another
		 * round.
		 */
		if (room) {
			atomic_fetch_and_explicit(&pinst->awaited, ~PD_AWAIT_FD, memory_order_relaxed);
			show_room(pinst, fd, true);
		}
	} while (!atomic_compare_exchange_strong_explicit(&pinst->room_fd_updates, &asked, 0,
							  memory_order_release, memory_order_relaxed));
}

PD_EXPORT int padata_room_fd(struct padata_instance *pinst)
{
	int fd;

	if (!pinst)
		return -EINVAL;
	if (pd_instance_inherited(pinst))
		return -ENODEV;
	pd_guard_enter(PD_IN_CALL, pinst, 0);
	pthread_mutex_lock(&pinst->room_lock);
	fd = atomic_load_explicit(&pinst->room_fd, memory_order_relaxed);
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			fd = -errno;
		else
			atomic_store_explicit(&pinst->room_fd, fd, memory_order_relaxed);
	}
	pthread_mutex_unlock(&pinst->room_lock);
	/* Either who takes the last room from here on sees that there is a descriptor, or we see that. */
	pd_barrier_heavy();
	if (fd >= 0)
		pd_room_fd_update(pinst);
	pd_guard_leave(PD_IN_CALL);
	return fd;
}

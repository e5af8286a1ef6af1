/* SPDX-License-Identifier: MIT */
/* A submission to busy workers makes no system call (K3). */

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "contract.h"

static struct rig rig;
static struct task *t;
enum { TASKS = 900 };

static atomic_int armed; /* the submitting thread is in the stretch that is watched */
static atomic_int trapped, trapped_number, tampered;

/* A call that is trapped is not made; it is counted, and fails. */
static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (atomic_load(&armed)) {
		atomic_fetch_add(&trapped, 1);
		atomic_store(&trapped_number, info->si_syscall);
	} else {
		atomic_fetch_add(&tampered, 1);
	}
}

/* All that the thread does from here to its end is submit; what its end needs is let through. */
static int trap_system_calls(void)
{
	static const unsigned short through[] = {
		__NR_rt_sigreturn, __NR_exit, __NR_exit_group, __NR_rt_sigprocmask, __NR_madvise, __NR_munmap, __NR_write,
	};
	struct sock_filter filter[2 * COUNT(through) + 2];
	size_t n = 0;
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < COUNT(through); i++) {
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, through[i], 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
	struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static atomic_int filtered, busy, go_on, submitted;

static void *submit_watched(void *argument)
{
	int *cpus = argument;
	struct task *first = t + TASKS / 2;
	/* Once, unwatched: what is bound lazily is bound. */
	accept_task(rig.inst, first - 1, cpus[0]);
	if (!trap_system_calls()) {
		atomic_store(&filtered, -1);
		return NULL;
	}
	atomic_store(&armed, 1);
	atomic_store(&filtered, 1);
	for (int i = TASKS / 2; i < TASKS; i++) {
		int result = padata_do_parallel(rig.inst, &t[i].p, cpus[i % 2]);
		if (result == -EINPROGRESS)
			atomic_fetch_add(&submitted, 1);
	}
	atomic_store(&armed, 0);
	atomic_store(&go_on, 1);
	return NULL;
}

/* Busy, and never asleep. */
static void parallel_spins(struct padata_priv *padata)
{
	note_parallel(TASK(padata));
	atomic_fetch_add(&busy, 1);
	while (!atomic_load(&go_on))
		;
	padata_do_serial(padata);
}

static void submit_to_busy_workers(void)
{
	if (SANITIZED)
		SKIP("a sanitizer makes system calls of its own");
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	CHECK_EQ(sigaction(SIGSYS, &action, NULL), 0);
	int n = usable_cpus();
	int cpus[2] = {usable_cpu(0), usable_cpu((unsigned int)n - 1)};
	rig = rig_make(TASKS + 8192);
	t = tasks_make(TASKS, parallel_finish, serial_note);
	struct task *spin = tasks_make(n, parallel_spins, serial_note);
	record_clear();
	for (int i = 0; i < n; i++)
		accept_task(rig.inst, &spin[i], cpus[i % 2]);
	EVENTUALLY(atomic_load(&busy) == n);
	pthread_t id = thread(submit_watched, cpus);
	EVENTUALLY(atomic_load(&filtered) != 0);
	if (atomic_load(&filtered) < 0)
		atomic_store(&go_on, 1);
	join(id);
	CHECK_EQ(padata_flush(rig.inst), 0);
	rig_end(rig);
	free(spin);
	free(t);
	if (atomic_load(&filtered) < 0)
		SKIP("this machine has no seccomp filter");
	if (atomic_load(&trapped))
		printf("# system call %d\n", atomic_load(&trapped_number));
	CHECK_EQ(atomic_load(&trapped), 0);
	CHECK_EQ(atomic_load(&tampered), 0);
	CHECK_EQ(atomic_load(&submitted), TASKS / 2);
	CHECK_EQ(recorded(), n + 1 + TASKS / 2);
}

/* The filter does see calls: else the case above would say nothing. */
static void *call_watched(void *unused)
{
	(void)unused;
	if (!trap_system_calls()) {
		atomic_store(&filtered, -1);
		return NULL;
	}
	atomic_store(&armed, 1);
	syscall(SYS_futex, &busy, 1, 1, NULL, NULL, 0);
	syscall(SYS_sched_yield);
	atomic_store(&armed, 0);
	return NULL;
}

static void the_trap_works(void)
{
	if (SANITIZED)
		SKIP("a sanitizer makes system calls of its own");
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	CHECK_EQ(sigaction(SIGSYS, &action, NULL), 0);
	atomic_store(&filtered, 0);
	atomic_store(&trapped, 0);
	join(thread(call_watched, NULL));
	if (atomic_load(&filtered) < 0)
		SKIP("this machine has no seccomp filter");
	CHECK_EQ(atomic_load(&trapped), 2);
	atomic_store(&trapped, 0);
	atomic_store(&filtered, 0);
}

static const struct test_case cases[] = {
	{"K3 a system call of the submitting thread would be seen", the_trap_works},
	{"K3 a submission with the workers busy makes no system call", submit_to_busy_workers},
};

TEST_MAIN(cases)

/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a running gateway, and of the process that keeps root for it, as filters. All others
 * fail with EPERM, so that a C library that tries another way first goes on; new programs, new processes,
 * executable memory and, but for a metrics file, writing to files are among them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "confine.h"
#include "privileged.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef ARCH

static const unsigned int calls[] = {
    /* packets and control */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_recvmmsg,
    SYS_sendmmsg,
    SYS_accept4,
    SYS_connect,
    SYS_bind,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_ppoll,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_close,
    SYS_fcntl,
    SYS_dup,
    SYS_fstat,
    SYS_newfstatat,
    SYS_lseek,
    /* the numbers that outlive the process */
    SYS_pread64,
    SYS_pwrite64,
    SYS_fdatasync,
    SYS_ftruncate,
    /* threads and CPUs */
    SYS_futex,
    SYS_membarrier,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getattr,
    SYS_sched_setattr,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_setscheduler,
    SYS_getcpu,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_gettid,
    SYS_exit,
    SYS_exit_group,
    /* memory, for data */
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    /* time, signals, chance */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_tgkill,
    SYS_getpid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrandom,
    SYS_getrusage,
#ifdef __x86_64__
    SYS_poll,
    SYS_epoll_wait,
    SYS_time,
#endif
};

static const unsigned int file_calls[] = {
    SYS_renameat2, SYS_unlinkat, SYS_fchmod,
#ifdef __x86_64__
    SYS_rename,	   SYS_unlink,
#else
    SYS_renameat,
#endif
};

/* What the process that keeps root makes of them. */
static const unsigned int helper_calls[] = {
    SYS_recvfrom,   SYS_sendmsg,      SYS_sendto,	   SYS_close,
    SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall, SYS_unlinkat,
#ifdef __x86_64__
    SYS_unlink,
#endif
};

/* A call that is allowed where the lower half of argument `n` is this, as far as the bits of `mask` say. */
struct rule {
	unsigned int call;
	struct {
		unsigned int n, mask, bits;
	} when[2];
};

static const struct rule rules[] = {
    /* threads, not processes */
    {SYS_clone, {{0, CLONE_THREAD, CLONE_THREAD}}},
    {SYS_mmap, {{2, PROT_EXEC, 0}}},
    {SYS_mprotect, {{2, PROT_EXEC, 0}}},
    {SYS_prctl, {{0, ~0u, PR_SET_NAME}}},
    {SYS_openat, {{2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY}}},
    /* to learn a path's MTU */
    {SYS_socket, {{0, ~0u, AF_INET}, {1, 0xf, SOCK_DGRAM}}},
    {SYS_socket, {{0, ~0u, AF_INET6}, {1, 0xf, SOCK_DGRAM}}},
};

static const struct rule helper_rules[] = {
    {SYS_openat, {{0, ~0u, GW_HELPER_DIRECTORY}, {2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY}}},
    /* the device's number, and its MTU */
    {SYS_socket, {{0, ~0u, AF_UNIX}, {1, 0xf, SOCK_DGRAM}}},
    {SYS_ioctl, {{1, ~0u, SIOCGIFINDEX}}},
    {SYS_socket, {{0, ~0u, AF_NETLINK}, {2, ~0u, NETLINK_ROUTE}}},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PROGRAM_MAX (COUNT(calls) * 2 + COUNT(file_calls) * 2 + COUNT(rules) * 9 + 16)

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short len;
};

static void emit(struct program *p, unsigned short code, unsigned char yes, unsigned char no, unsigned int k)
{
	p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned int)offset);
}

static void result(struct program *p, unsigned int verdict)
{
	emit(p, BPF_RET | BPF_K, 0, 0, verdict);
}

static void allow(struct program *p, unsigned int call)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call);
	result(p, SECCOMP_RET_ALLOW);
}

/* Little-endian machines only, as all that ARCH names. */
static void allow_if(struct program *p, const struct rule *rule)
{
	size_t count = rule->when[1].mask ? 2 : 1;
	unsigned char left = (unsigned char)(3 * count + 1); /* instructions up to the end of this */

	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (unsigned char)(left + 1), rule->call);
	for (size_t i = 0; i < count; i++) {
		load(p, offsetof(struct seccomp_data, args) + rule->when[i].n * sizeof(uint64_t));
		emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, rule->when[i].mask);
		left = (unsigned char)(left - 3);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, left, rule->when[i].bits);
	}
	result(p, SECCOMP_RET_ALLOW);
	load(p, offsetof(struct seccomp_data, nr));
}

static void fail(struct program *p, unsigned int call, unsigned int error)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call);
	result(p, SECCOMP_RET_ERRNO | error);
}

static void begin(struct program *p)
{
	p->len = 0;
	load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
	result(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
}

static int install(struct program *p)
{
	struct sock_fprog filter = {.filter = p->code};

	result(p, SECCOMP_RET_ERRNO | EPERM);
	filter.len = p->len;
	if (GW_SANITIZED)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) ? -errno : 0;
}

int gw_confine_calls(bool writes_files)
{
	struct program p;

	begin(&p);
	for (size_t i = 0; i < COUNT(calls); i++)
		allow(&p, calls[i]);
	for (size_t i = 0; writes_files && i < COUNT(file_calls); i++)
		allow(&p, file_calls[i]);
	for (size_t i = 0; i < COUNT(rules); i++)
		allow_if(&p, &rules[i]);
	/* Of clone3 the flags cannot be seen here; without it the C library takes clone. */
	fail(&p, SYS_clone3, ENOSYS);
	if (writes_files)
		allow(&p, SYS_openat);
	return install(&p);
}

int gw_confine_helper(void)
{
	struct program p;

	begin(&p);
	for (size_t i = 0; i < COUNT(helper_calls); i++)
		allow(&p, helper_calls[i]);
	for (size_t i = 0; i < COUNT(helper_rules); i++)
		allow_if(&p, &helper_rules[i]);
	return install(&p);
}

#else

int gw_confine_calls(bool writes_files)
{
	(void)writes_files;
	return -ENOSYS;
}

int gw_confine_helper(void)
{
	return -ENOSYS;
}

#endif

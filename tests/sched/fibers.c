/* SPDX-License-Identifier: MIT */

/*
 * Threads as fibers. Each has a stack and a block of thread-local memory of
 * its own, which the thread register (FS) is set to at every switch: so
 * _Thread_local objects of the library, their addresses too, and errno, are
 * what they would be in a real thread, at the price of one instruction. The
 * block is a copy of the main thread's with the program's own part
 * set to its initial image; libc sees a thread like the main one.
 */

#include "internal.h"
#include "snapshot.h"

#include <asm/prctl.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __x86_64__
#error "The scheduler switches stacks and the thread register by hand, for x86-64 alone."
#endif

enum { STACK_SIZE = 128 << 10, TCB_SIZE = 0x900 };

OF_SCHEDULE struct fiber fibers[MAX_THREADS];
OF_SCHEDULE unsigned int self, n_fibers;
OF_SCHEDULE uint32_t runnable;
bool running;

static void *host_sp;
static char *host_tp;
static size_t static_tls; /* of all objects, below the thread pointer */
static const char *tls_image;
static size_t tls_image_size, tls_size; /* the program's own */
static bool fsgsbase;
static bool pauses; /* rather than ends */

void sched_switch_stack(void **from, void *to);
__asm__(".text\n.globl sched_switch_stack\n.type sched_switch_stack,@function\n"
	"sched_switch_stack:\n"
	"push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n"
	".size sched_switch_stack,.-sched_switch_stack\n");

static void set_thread_pointer(char *tp)
{
	if (likely(fsgsbase))
		__asm__ volatile("wrfsbase %0" ::"r"(tp) : "memory");
	else
		syscall(SYS_arch_prctl, ARCH_SET_FS, tp);
}

static void switch_to(void **from, void *sp, char *tp)
{
	set_thread_pointer(tp);
	sched_switch_stack(from, sp);
}

/* The program's own block ends at the thread pointer; those of the shared objects lie below it. */
static int measure_tls(struct dl_phdr_info *info, size_t size, void *lowest)
{
	static bool seen_program;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type != PT_TLS)
			continue;
		if (!seen_program && info->dlpi_name[0] == '\0') {
			size_t align = phdr->p_align ? phdr->p_align : 1;

			tls_image = (const char *)(info->dlpi_addr + phdr->p_vaddr);
			tls_image_size = phdr->p_filesz;
			tls_size = (phdr->p_memsz + align - 1) / align * align;
		}
		if (info->dlpi_tls_data && (char *)info->dlpi_tls_data < *(char **)lowest)
			*(char **)lowest = info->dlpi_tls_data;
	}
	if (info->dlpi_name[0] == '\0')
		seen_program = true;
	return 0;
}

void fibers_init(void)
{
	char *lowest;

	fsgsbase = getauxval(AT_HWCAP2) & 2;
	__asm__("mov %%fs:0,%0" : "=r"(host_tp));
	lowest = host_tp;
	dl_iterate_phdr(measure_tls, &lowest);
	static_tls = (size_t)(host_tp - lowest);
	free(malloc(100)); /* libc's own per-thread state is made before it is copied */
	for (unsigned int i = 0; i < MAX_THREADS; i++) {
		size_t below = (static_tls + 63) / 64 * 64;
		char *block = arena_carve(below + TCB_SIZE, 64);

		fibers[i].stack = arena_carve(STACK_SIZE, 64);
		fibers[i].tp = block + below;
		memcpy(fibers[i].tp - static_tls, host_tp - static_tls, static_tls + TCB_SIZE);
		memcpy(fibers[i].tp, &fibers[i].tp, sizeof(void *));	  /* %fs:0 */
		memcpy(fibers[i].tp + 16, &fibers[i].tp, sizeof(void *)); /* what pthread_self() is */
	}
}

static void entry(void)
{
	struct fiber *f = &fibers[self];

	fiber_exit(f->start(f->argument));
}

int fiber_create(void *(*start)(void *), void *argument)
{
	unsigned int id = n_fibers;
	struct fiber *f = &fibers[id];
	void **sp = (void **)((char *)f->stack + STACK_SIZE);

	if (id == MAX_THREADS)
		sched_fail("more than %d threads", MAX_THREADS);
	n_fibers++;
	memset(&f->now, 0, sizeof(f->now));
	memset(&f->rel, 0, sizeof(f->rel));
	memset(&f->acq, 0, sizeof(f->acq));
	if (id) {
		f->now = fibers[self].now;
		f->time = fibers[self].time;
		f->past = 0;
		past_learn(id, fibers[self].past);
		past_learn(self, id);
		f->cpu = fibers[self].cpu;
		f->affinity = fibers[self].affinity;
		tick();
	}
	f->now.hb[id] = f->now.coh[id] = 1;
	*--sp = NULL;
	*--sp = (void *)(uintptr_t)entry;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	f->sp = sp;
	memset(f->tp - tls_size, 0, tls_size);
	if (tls_image_size)
		memcpy(f->tp - tls_size, tls_image, tls_image_size);
	f->start = start;
	f->argument = argument;
	f->wait = RUNS;
	f->joined = f->detached = f->timed_out = false;
	f->idle_loads = f->stale_run = 0;
	f->deadline = 0;
	f->name[0] = '\0';
	thread_begins(id);
	runnable |= 1u << id;
	return (int)id;
}

bool fiber_is_gone(uintptr_t address)
{
	for (unsigned int i = 0; i < n_fibers; i++)
		if (fibers[i].wait == FINISHED && (address - (uintptr_t)fibers[i].stack < STACK_SIZE ||
						   (uintptr_t)fibers[i].tp - address <= tls_size))
			return true;
	return false;
}

void fiber_switch(unsigned int to)
{
	unsigned int from = self;

	self = to;
	switch_to(&fibers[from].sp, fibers[to].sp, fibers[to].tp);
}

size_t fiber_memory(unsigned int fiber, unsigned int part, void **memory)
{
	struct fiber *f = &fibers[fiber];

	/* One that ends still chooses who comes after it. */
	if (part > 1 || (f->wait == FINISHED && fiber != self))
		return 0;
	*memory = part ? f->tp - static_tls : f->sp;
	return part ? static_tls : (size_t)((char *)f->stack + STACK_SIZE - (char *)f->sp);
}

void fiber_pause(void)
{
	pauses = true;
	switch_to(&fibers[self].sp, host_sp, host_tp);
}

void fiber_exit(void *result)
{
	struct fiber *f = &fibers[self];

	system_thread_ends();
	f->result = result;
	f->wait = FINISHED;
	runnable &= ~(1u << self);
	if (self == 0) {
		for (unsigned int i = 1; i < n_fibers; i++)
			if (!fibers[i].joined && !fibers[i].detached)
				sched_fail("thread %u was not joined", i);
		alloc_report_leaks();
		events_report_leaks();
		fiber_abandon();
	}
	for (unsigned int i = 0; i < n_fibers; i++)
		if (fibers[i].wait == WAITS_JOIN && fibers[i].wait_on == self)
			wake(i);
	thread_gone();
}

void fiber_abandon(void)
{
	void *unused;

	running = false;
	switch_to(&unused, host_sp, host_tp);
	__builtin_unreachable();
}

static void *run_scenario(void *argument)
{
	void (*run)(void);

	memcpy(&run, argument, sizeof(run));
	run();
	return NULL;
}

bool fibers_go_on(void)
{
	pauses = false;
	running = true;
	switch_to(&host_sp, fibers[self].sp, fibers[self].tp);
	return pauses;
}

void fibers_begin(void (*run)(void))
{
	static void (*scenario)(void);

	scenario = run;
	n_fibers = 0;
	runnable = 0;
	self = 0;
	fibers[0].cpu = 0;
	fibers[0].affinity = allowed_cpus;
	fiber_create(run_scenario, &scenario);
}

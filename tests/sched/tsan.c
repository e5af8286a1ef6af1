/* SPDX-License-Identifier: MIT */

/* What the compiler's instrumentation calls, in place of the sanitizer's own runtime. */

#include "internal.h"

#include <string.h>

#define PC __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

static inline void plain_access(void *p, size_t size, bool write, void *pc)
{
	if (likely(running && !quiet))
		shadow_access((uintptr_t)p, size, write, pc);
	else if (running && write)
		shadow_write_quietly((uintptr_t)p, size);
}

#define PLAIN(size)                                                     \
	void __tsan_read##size(void *p);                                \
	void __tsan_read##size(void *p)                                 \
	{                                                               \
		plain_access(p, size, false, PC);                        \
	}                                                               \
	void __tsan_write##size(void *p);                               \
	void __tsan_write##size(void *p)                                \
	{                                                               \
		plain_access(p, size, true, PC);                         \
	}                                                               \
	void __tsan_unaligned_read##size(void *p);                      \
	void __tsan_unaligned_read##size(void *p)                       \
	{                                                               \
		plain_access(p, size, false, PC);                        \
	}                                                               \
	void __tsan_unaligned_write##size(void *p);                     \
	void __tsan_unaligned_write##size(void *p)                      \
	{                                                               \
		plain_access(p, size, true, PC);                         \
	}                                                               \
	void __tsan_read_write##size(void *p);                          \
	void __tsan_read_write##size(void *p)                           \
	{                                                               \
		plain_access(p, size, true, PC);                         \
	}

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *p, size_t size);
void __tsan_read_range(void *p, size_t size)
{
	shadow_access((uintptr_t)p, size, false, PC);
}

void __tsan_write_range(void *p, size_t size);
void __tsan_write_range(void *p, size_t size)
{
	shadow_access((uintptr_t)p, size, true, PC);
}

void __tsan_vptr_read(void **p);
void __tsan_vptr_read(void **p)
{
	shadow_access((uintptr_t)p, sizeof(*p), false, PC);
}

void __tsan_vptr_update(void **p, void *value);
void __tsan_vptr_update(void **p, void *value)
{
	(void)value;
	shadow_access((uintptr_t)p, sizeof(*p), true, PC);
}

void *sched_memcpy(void *to, const void *from, size_t size);
void *sched_memcpy(void *to, const void *from, size_t size)
{
	shadow_access((uintptr_t)from, size, false, PC);
	shadow_access((uintptr_t)to, size, true, PC);
	return memcpy(to, from, size);
}

void *sched_memmove(void *to, const void *from, size_t size);
void *sched_memmove(void *to, const void *from, size_t size)
{
	shadow_access((uintptr_t)from, size, false, PC);
	shadow_access((uintptr_t)to, size, true, PC);
	return memmove(to, from, size);
}

void *sched_memset(void *to, int byte, size_t size);
void *sched_memset(void *to, int byte, size_t size)
{
	shadow_access((uintptr_t)to, size, true, PC);
	return memset(to, byte, size);
}

#define RMW(bits, type, name, op)                                                                    \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order);                      \
	type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)                       \
	{                                                                                            \
		return (type)memory_rmw((void *)(uintptr_t)p, sizeof(type), op, v, (enum order)order, PC); \
	}

#define ATOMIC(bits, type)                                                                           \
	type __tsan_atomic##bits##_load(const volatile type *p, int order);                          \
	type __tsan_atomic##bits##_load(const volatile type *p, int order)                           \
	{                                                                                            \
		return (type)memory_load((void *)(uintptr_t)p, sizeof(type), (enum order)order, PC); \
	}                                                                                            \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order);                       \
	void __tsan_atomic##bits##_store(volatile type *p, type v, int order)                        \
	{                                                                                            \
		memory_store((void *)(uintptr_t)p, sizeof(type), v, (enum order)order, PC);          \
	}                                                                                            \
	RMW(bits, type, exchange, OP_XCHG)                                                           \
	RMW(bits, type, fetch_add, OP_ADD)                                                           \
	RMW(bits, type, fetch_sub, OP_SUB)                                                           \
	RMW(bits, type, fetch_and, OP_AND)                                                           \
	RMW(bits, type, fetch_or, OP_OR)                                                             \
	RMW(bits, type, fetch_xor, OP_XOR)                                                           \
	RMW(bits, type, fetch_nand, OP_NAND)                                                         \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,     \
							int order, int failure);                     \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,     \
							int order, int failure)                      \
	{                                                                                            \
		return (type)memory_cas((void *)(uintptr_t)p, sizeof(type), expected, v,             \
					(enum order)order, (enum order)failure, PC);                 \
	}                                                                                            \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v,  \
							  int order, int failure);                   \
	int __tsan_atomic##bits##_compare_exchange_strong(volatile type *p, type *expected, type v,  \
							  int order, int failure)                    \
	{                                                                                            \
		type was = (type)memory_cas((void *)(uintptr_t)p, sizeof(type), *expected, v,        \
					    (enum order)order, (enum order)failure, PC);             \
		int done = was == *expected;                                                         \
		*expected = was;                                                                     \
		return done;                                                                         \
	}

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
ATOMIC(128, value_t)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	memory_fence((enum order)order);
}

/* Against a signal handler alone; the program under test has none. */
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

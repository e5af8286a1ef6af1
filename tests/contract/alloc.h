/* SPDX-License-Identifier: MIT */
#ifndef ALLOC_H
#define ALLOC_H

/*
 * The program's allocator: glibc's, with a count of the calls, of what is
 * live, and a call that can be made to fail. Include it in one file of the
 * program. A sanitizer has an allocator of its own, which is left alone.
 */

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"

#define MAYBE_UNUSED __attribute__((unused))

static MAYBE_UNUSED atomic_long alloc_calls;	 /* malloc and its kin, mmap too */
static MAYBE_UNUSED atomic_long alloc_live;	 /* blocks */
static MAYBE_UNUSED atomic_long alloc_bytes;	 /* what they hold */
static MAYBE_UNUSED atomic_long alloc_fail = -1; /* this many calls from now, one fails; -1 never */
static MAYBE_UNUSED atomic_int thread_fail;	 /* every pthread_create() fails */

#define OURS __attribute__((visibility("default"), used))

OURS int pthread_create(pthread_t *restrict id, const pthread_attr_t *restrict attr, void *(*body)(void *),
			void *restrict argument)
{
	typedef int create(pthread_t *restrict, const pthread_attr_t *restrict, void *(*)(void *), void *restrict);
	static _Atomic(create *) real;
	if (atomic_load(&thread_fail))
		return EAGAIN;
	create *call = atomic_load(&real);
	if (!call) {
		void *found = dlsym(RTLD_NEXT, "pthread_create");
		memcpy(&call, &found, sizeof(call));
		atomic_store(&real, call);
	}
	return call(id, attr, body, argument);
}

#if !SANITIZED

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

static inline int alloc_refused(void)
{
	atomic_fetch_add(&alloc_calls, 1);
	if (atomic_load(&alloc_fail) < 0 || atomic_fetch_sub(&alloc_fail, 1) != 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

static inline void *alloc_counted(void *p)
{
	if (p) {
		atomic_fetch_add(&alloc_live, 1);
		atomic_fetch_add(&alloc_bytes, (long)malloc_usable_size(p));
	}
	return p;
}

static inline void alloc_gone(void *p)
{
	if (p) {
		atomic_fetch_sub(&alloc_live, 1);
		atomic_fetch_sub(&alloc_bytes, (long)malloc_usable_size(p));
	}
}

OURS void *malloc(size_t size)
{
	return alloc_refused() ? NULL : alloc_counted(__libc_malloc(size));
}

OURS void *calloc(size_t n, size_t size)
{
	return alloc_refused() ? NULL : alloc_counted(__libc_calloc(n, size));
}

OURS void *realloc(void *p, size_t size)
{
	if (alloc_refused())
		return NULL;
	alloc_gone(p);
	return alloc_counted(__libc_realloc(p, size));
}

OURS void *memalign(size_t align, size_t size)
{
	return alloc_refused() ? NULL : alloc_counted(__libc_memalign(align, size));
}

OURS void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

OURS int posix_memalign(void **p, size_t align, size_t size)
{
	void *got = memalign(align, size);
	if (!got)
		return ENOMEM;
	*p = got;
	return 0;
}

OURS void free(void *p)
{
	alloc_gone(p);
	__libc_free(p);
}

OURS void *mmap(void *at, size_t length, int prot, int flags, int fd, off_t offset)
{
	typedef void *map(void *, size_t, int, int, int, off_t);
	static _Atomic(map *) real;
	map *call = atomic_load(&real);
	if (!call) {
		void *found = dlsym(RTLD_NEXT, "mmap");
		memcpy(&call, &found, sizeof(call));
		atomic_store(&real, call);
	}
	if (alloc_refused())
		return MAP_FAILED;
	void *p = call(at, length, prot, flags, fd, offset);
	if (p != MAP_FAILED)
		atomic_fetch_add(&alloc_bytes, (long)length);
	return p;
}

OURS int munmap(void *at, size_t length)
{
	typedef int unmap(void *, size_t);
	static _Atomic(unmap *) real;
	unmap *call = atomic_load(&real);
	if (!call) {
		void *found = dlsym(RTLD_NEXT, "munmap");
		memcpy(&call, &found, sizeof(call));
		atomic_store(&real, call);
	}
	atomic_fetch_sub(&alloc_bytes, (long)length);
	return call(at, length);
}

#endif
#endif

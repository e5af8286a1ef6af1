# SPDX-License-Identifier: MIT
# tests/fault/: what each test puts between the library and libc. The library's sources know nothing of it.

wrap = $(addprefix -Wl$(comma)--wrap=,$(1))
FAULT := $(BUILD)/tests/fault

$(FAULT)/test_allocation: LDFLAGS += $(call wrap,malloc calloc aligned_alloc free pthread_setspecific)
$(FAULT)/test_thread_creation: LDFLAGS += $(call wrap,pthread_create pthread_attr_init pthread_attr_setaffinity_np \
	pthread_attr_setsigmask_np)
$(FAULT)/test_affinity_refused: LDFLAGS += $(call wrap,sched_getaffinity pthread_setaffinity_np sched_getcpu \
	pthread_create syscall)
$(FAULT)/test_interrupted_sleep: LDFLAGS += $(call wrap,syscall)
$(FAULT)/test_stopped_worker: LDFLAGS += $(call wrap,syscall clock_gettime sched_getcpu sched_yield pthread_mutex_lock \
	pthread_mutex_unlock)
$(FAULT)/test_clock_jumps: LDFLAGS += $(call wrap,clock_gettime)
$(FAULT)/test_membarrier_refused: LDFLAGS += $(call wrap,syscall)

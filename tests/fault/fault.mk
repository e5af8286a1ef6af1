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

$(FAULT)/test_esp: CPPFLAGS_ALL := -Iinclude -Iesp -D_GNU_SOURCE -MMD -MP $(if $(HAVE_IPSEC_MB),-DHAVE_IPSEC_MB) $(CPPFLAGS)
$(FAULT)/test_esp: LDFLAGS += $(call wrap,malloc calloc realloc aligned_alloc free read EVP_CIPHER_CTX_new EVP_CipherInit_ex \
	EVP_EncryptInit_ex EVP_DecryptInit_ex EVP_EncryptUpdate EVP_DecryptUpdate EVP_EncryptFinal_ex EVP_DecryptFinal_ex \
	EVP_CIPHER_CTX_ctrl alloc_mb_mgr imb_get_errno)
$(FAULT)/test_esp: TEST_LIBS = $(ESP_A) $(ESP_LIBS)
$(FAULT)/test_esp: $(ESP_A)

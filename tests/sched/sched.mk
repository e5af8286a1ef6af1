# SPDX-License-Identifier: MIT
# make check-sched: explore the library's own sources under a scheduler that chooses every step.
# make soak SECONDS=n: the same, for so long. See tests/sched/README.md.

SCHED_BUILD ?= build/sched
# Another tree of the library's sources: a mutant, or a patched copy.
SCHED_SRC   ?= src
SCHED_CC    ?= clang
SECONDS     ?= 3600

SCHED_CFLAGS := -std=c11 $(WARN) -O2 -flto -g -D_GNU_SOURCE -MMD -MP
# The program under test: instrumented, and with what it asks of libc sent to the scheduler.
SCHED_TESTED := -std=c11 $(WARN) -O1 -g -fno-pic -fno-pie -fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0 \
	-I$(SCHED_BUILD)/include -Iinclude -I$(SCHED_SRC) -D_GNU_SOURCE -MMD -MP
SCHED_REDIRECT := objcopy --redefine-syms=tests/sched/redirect --rename-section .data=pd_data \
	--rename-section .bss=pd_bss,alloc,load,data,contents

SCHED_OBJ := $(patsubst %,$(SCHED_BUILD)/%.o,\
	alloc events explore fibers main memory past report shadow snapshot sync system tsan views)
SCHED_LIB_OBJ := $(patsubst $(SCHED_SRC)/%.c,$(SCHED_BUILD)/src/%.o,$(wildcard $(SCHED_SRC)/*.c))
SCHED_SCENARIOS := $(patsubst tests/sched/%.c,$(SCHED_BUILD)/%,$(wildcard tests/sched/scenario_*.c))
SCHED_BUGS := 1 2 3 4 5 6 7 8 9 10
SCHED_RINGS := $(SCHED_BUILD)/ring_correct $(SCHED_BUGS:%=$(SCHED_BUILD)/ring_bug%)
SCHED_LITMUS := $(SCHED_BUILD)/litmus_strong $(SCHED_BUILD)/litmus_weak

$(SCHED_OBJ): $(SCHED_BUILD)/%.o: tests/sched/%.c
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(CC) $(SCHED_CFLAGS) -c -o $@ $<

# Optimised as one, once, and not at each link: a tenth less time for a schedule.
SCHEDULER := $(SCHED_BUILD)/scheduler.o
$(SCHEDULER): $(SCHED_OBJ)
	$(Q)$(CC) -O2 -flto -r -flinker-output=nolto-rel -o $@ $^

# Each schedule makes a window of the default size before it sets its own: a third of its time, if that is large.
SCHED_HEADER := $(SCHED_BUILD)/include/linux/padata.h
$(SCHED_HEADER): include/linux/padata.h
	@mkdir -p $(@D)
	$(Q)sed '/define PADATA_DEFAULT_WINDOW/s/1024u/16u/' $< >$@ && ! cmp -s $< $@

$(SCHED_BUILD)/src/%.o: $(SCHED_SRC)/%.c tests/sched/redirect $(SCHED_HEADER)
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(SCHED_CC) $(SCHED_TESTED) -c -o $@ $<
	$(Q)$(SCHED_REDIRECT) $@

$(SCHED_BUILD)/ring_scenarios.o $(SCHED_SCENARIOS:=.o): $(SCHED_BUILD)/%.o: \
		tests/sched/%.c tests/sched/redirect $(SCHED_HEADER)
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(SCHED_CC) $(SCHED_TESTED) -c -o $@ $<
	$(Q)$(SCHED_REDIRECT) $@

$(SCHED_BUILD)/ring%.o: tests/sched/ring.c tests/sched/redirect
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(SCHED_CC) $(SCHED_TESTED) -DBUG=$(patsubst bug%,%,$(patsubst correct,0,$*)) -c -o $@ $<
	$(Q)$(SCHED_REDIRECT) $@

$(SCHED_RINGS): $(SCHED_BUILD)/ring_%: $(SCHED_BUILD)/ring%.o $(SCHED_BUILD)/ring_scenarios.o $(SCHEDULER)
	@echo "  LD $@"
	$(Q)$(CC) -no-pie -o $@ $^ -pthread

$(SCHED_BUILD)/litmus_%.o: tests/sched/litmus.c tests/sched/redirect
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(SCHED_CC) $(SCHED_TESTED) -DWEAK=$(if $(filter weak,$*),1,0) -c -o $@ $<
	$(Q)$(SCHED_REDIRECT) $@

$(SCHED_LITMUS): %: %.o $(SCHEDULER)
	@echo "  LD $@"
	$(Q)$(CC) -no-pie -o $@ $^ -pthread

$(SCHED_SCENARIOS): %: %.o $(SCHED_LIB_OBJ) $(SCHEDULER)
	@echo "  LD $@"
	$(Q)$(CC) -no-pie -o $@ $^ -pthread

.SECONDARY: $(SCHED_BUGS:%=$(SCHED_BUILD)/ringbug%.o) $(SCHED_BUILD)/ringcorrect.o $(SCHED_SCENARIOS:=.o)

# They are made with the objects, and not from them.
$(SCHED_BUILD)/%.d: ;

sched: $(SCHED_LITMUS) $(SCHED_RINGS) $(SCHED_SCENARIOS)

check-sched: deps
	@$(MAKE) --no-print-directory -j$(JOBS) sched
	@tests/sched/check $(SCHED_BUILD)

soak: deps
	@$(MAKE) --no-print-directory -j$(JOBS) sched
	@tests/sched/check $(SCHED_BUILD) $(SECONDS)

.PHONY: sched check-sched soak

-include $(wildcard $(SCHED_BUILD)/*.d $(SCHED_BUILD)/src/*.d)

# SPDX-License-Identifier: MIT
# make stress [SECONDS=60] [VARIANT=asan|ubsan|tsan|clang-ubsan|clang-tsan|helgrind]: random programs against the model for so long.
# PADATA_SEED=n gives back the programs of a run, or of an episode.

STRESS_SECONDS := $(if $(filter command environment,$(firstword $(origin SECONDS))),$(SECONDS),60)
STRESS_ARGS     = VARIANT=$(VARIANT) $(if $(filter clang-%,$(VARIANT)),CC=clang) \
	$(if $(SANITIZE_$(VARIANT:clang-%=%)),CFLAGS="$(SANITIZE_$(VARIANT:clang-%=%))")
# Locks alone, see the suppressions; Debian's package valgrind.
HELGRIND := valgrind -q --tool=helgrind --fair-sched=yes --error-exitcode=9 --suppressions=tests/stress/helgrind.supp

stress: deps
	@$(MAKE) --no-print-directory build/$(VARIANT)/tests/stress/test_stress $(STRESS_ARGS)
	@PADATA_STRESS_SECONDS=$(STRESS_SECONDS) $(if $(filter helgrind,$(VARIANT)),$(HELGRIND)) build/$(VARIANT)/tests/stress/test_stress

.PHONY: stress

# SPDX-License-Identifier: MIT
# make stress [SECONDS=60] [VARIANT=asan|ubsan|tsan|clang-ubsan|clang-tsan]: random programs against the model for so long.
# PADATA_SEED=n gives back the programs of a run, or of an episode.

STRESS_SECONDS := $(if $(filter command environment,$(firstword $(origin SECONDS))),$(SECONDS),60)
STRESS_ARGS     = VARIANT=$(VARIANT) $(if $(filter clang-%,$(VARIANT)),CC=clang) \
	$(if $(SANITIZE_$(VARIANT:clang-%=%)),CFLAGS="$(SANITIZE_$(VARIANT:clang-%=%))")

stress: deps
	@$(MAKE) --no-print-directory build/$(VARIANT)/tests/stress/test_stress $(STRESS_ARGS)
	@PADATA_STRESS_SECONDS=$(STRESS_SECONDS) build/$(VARIANT)/tests/stress/test_stress

.PHONY: stress

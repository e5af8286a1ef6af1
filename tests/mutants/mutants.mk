# SPDX-License-Identifier: MIT
# make mutants: change the library in one place at a time, and see whether the checks notice. See tests/mutants/README.md.
# make mutants-tenth COMMIT=...: a tenth of them, which the commit chooses. make planted: the kernel's failures, built in.

COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null)

mutants: deps
	@tests/mutants/run

mutants-tenth: deps
	@tests/mutants/run --tenth "$(COMMIT)"

planted: deps
	@tests/kernel_bugs/plant

.PHONY: mutants mutants-tenth planted

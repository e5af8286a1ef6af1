# SPDX-License-Identifier: MIT
# make mutants: change the library in one place at a time, and see whether the checks notice. See tests/mutants/README.md.

mutants: deps
	@tests/mutants/run

.PHONY: mutants

# SPDX-License-Identifier: MIT
# make coverage: which lines and branches of src/ and esp/ the tests reach, by gcov. MISSING=1 names the lines that they do not.

COVERAGE_ROOMS := unit contract kernel_bugs fault stress esp
ifeq ($(VARIANT),coverage)
$(BUILD)/tests/%: LDFLAGS += $(BUILD)/dump.o -Wl,--wrap=_exit
endif

coverage: deps
	@mkdir -p build/coverage
	@find build/coverage -name '*.gcda' -delete
	@gcc -std=c11 $(WARN) -g -c -o build/coverage/dump.o tests/coverage/dump.c
	@$(MAKE) --no-print-directory tests coverage-run VARIANT=coverage CC=gcc TEST_ROOMS="$(COVERAGE_ROOMS)" \
		CFLAGS="-O1 -g --coverage -fprofile-update=atomic -Wno-error"
	@tests/coverage/report build/coverage $(if $(MISSING),--missing) src esp

coverage-run: tests
	@PADATA_BUILD=$(CURDIR)/$(BUILD) CC="$(CC)" tests/run $(TEST_BIN) $(TEST_SH)

.PHONY: coverage coverage-run

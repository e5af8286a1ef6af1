# SPDX-License-Identifier: MIT
# The gateway in network namespaces: make check has a short form of these tests, see README.md.

LIVE_TESTS = $(if $(filter gateway,$(TEST_ROOMS)),$(sort $(wildcard tests/gateway/live_*.py)))

# A gateway whose workers are delayed at random.
SLOW_ESP := $(BUILD)/tests/gateway/slow-padata-esp
$(BUILD)/tests/gateway/slow.o: CPPFLAGS_ALL := -Iinclude -Iesp -D_GNU_SOURCE -MMD -MP $(CPPFLAGS)
$(SLOW_ESP): LDFLAGS += -Wl,--wrap=esp_seal_burst,--wrap=esp_open_burst
$(SLOW_ESP): $(BUILD)/tests/gateway/slow.o $(ESP_TOOL_OBJ) $(GW_A) $(ESP_A) $(LIB_A)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(ESP_LIBS) -lpcap -lm
# A gateway whose kernel lacks what it is told to lack.
POOR_ESP := $(BUILD)/tests/gateway/poor-padata-esp
$(BUILD)/tests/gateway/poor.o: CPPFLAGS_ALL := -D_GNU_SOURCE -MMD -MP $(CPPFLAGS)
$(POOR_ESP): LDFLAGS += -Wl,--wrap=ioctl,--wrap=setsockopt,--wrap=sendmsg
$(POOR_ESP): $(BUILD)/tests/gateway/poor.o $(ESP_TOOL_OBJ) $(GW_A) $(ESP_A) $(LIB_A)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(ESP_LIBS) -lpcap -lm
ifneq ($(and $(HAVE_OPENSSL),$(HAVE_PCAP),$(filter gateway,$(TEST_ROOMS))),)
tests: $(SLOW_ESP) $(POOR_ESP)
endif

check-gateway: deps
	@$(MAKE) --no-print-directory tests TEST_ROOMS=gateway
	@PADATA_GATEWAY_SECONDS=$${PADATA_GATEWAY_SECONDS:-60} PADATA_TESTS_AT_ONCE=1 \
		PADATA_BUILD=$(CURDIR)/$(BUILD) tests/run $(LIVE_TESTS)

check-interop: deps
	@tests/gateway/interop_deps
	@$(MAKE) --no-print-directory tests TEST_ROOMS=gateway
	@PADATA_BUILD=$(CURDIR)/$(BUILD) tests/run tests/gateway/interop.py

bench-gateway: deps
	@tests/gateway/interop_deps iperf3 gnuplot-nox openssl
	@$(MAKE) --no-print-directory tests TEST_ROOMS=gateway
	@PADATA_BUILD=$(CURDIR)/$(BUILD) bench/gateway.py $(BENCH)

.PHONY: check-gateway check-interop bench-gateway

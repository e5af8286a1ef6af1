# SPDX-License-Identifier: MIT
# make fuzz: hostile input for each reader, by libFuzzer, FUZZ_SECONDS each, two at a time. See tests/fuzz/README.md.

FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZERS      := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/fuzz_%)

$(BUILD)/tests/fuzz/%: CPPFLAGS_ALL := -Iinclude -Isrc -Iesp -Igateway -Itools -D_GNU_SOURCE -MMD -MP \
	$(if $(HAVE_IPSEC_MB),-DHAVE_IPSEC_MB) $(CPPFLAGS)
$(BUILD)/tests/fuzz/fuzz_capture: $(patsubst %,$(BUILD)/tools/esp_%.o,block reader writer link)
$(BUILD)/tests/fuzz/fuzz_capture: LDFLAGS += $(call wrap,pcap_fopen_offline_with_tstamp_precision) -lpcap
$(BUILD)/tests/fuzz/fuzz_gzip: $(patsubst %,$(BUILD)/tools/stream_%.o,gzmember ginflate alloc say io)
$(BUILD)/tests/fuzz/fuzz_gateway_config $(BUILD)/tests/fuzz/fuzz_gateway_offload: $(GW_A)
$(BUILD)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(ESP_A) $(LIB_A)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(filter %.o,$^) $(filter %libgateway.a,$^) \
		$(ESP_A) $(LIB_A) $(LDFLAGS) $(ESP_LIBS) $(STREAM_LIBS)

fuzz: deps
	@$(MAKE) --no-print-directory -j$(JOBS) fuzzers VARIANT=fuzz CC=clang \
		CFLAGS="-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all"
	@tests/fuzz/run build/fuzz/tests/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzzers: $(FUZZERS)

.PHONY: fuzz fuzzers

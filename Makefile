# SPDX-License-Identifier: MIT
# make demo | all | check | check-asan | check-ubsan | check-tsan | check-clang | bench | bench-peers | install | uninstall | deps | clean

VERSION   := 0.1.0
SOVERSION := 0

PREFIX  ?= /usr/local
DESTDIR ?=
LIBDIR  ?= $(PREFIX)/lib

CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS  ?= -O2 -g
VARIANT ?= release
BUILD   := build/$(VARIANT)

# make V=1 shows the commands.
Q := $(if $(V),,@)

WARN     := -Wall -Wextra -Wpedantic -Werror
CPPFLAGS_ALL := -Iinclude -Isrc -D_GNU_SOURCE -MMD -MP $(CPPFLAGS)
CFLAGS_ALL   := -std=c11 $(WARN) -pthread -fvisibility=hidden $(CFLAGS)

# 'make check' and the like build with this many jobs.
JOBS ?= $(shell nproc)

# What a machine may lack: each is used by one file, and left out with a line that says so.
have = $(shell $(CC) -E -include $(1) -x c /dev/null >/dev/null 2>&1 && echo yes)
HAVE_OPENSSL   := $(call have,openssl/evp.h)
HAVE_IPSEC_MB  := $(call have,intel-ipsec-mb.h)
HAVE_PCAP      := $(call have,pcap/pcap.h)
HAVE_LIBDEFLATE := $(if $(call have,libdeflate.h),$(call have,zlib.h))

# What objects were built with: they are built anew when it changes, after 'make deps' for one.
WITH := $(CC) $(CFLAGS) $(CPPFLAGS)$(if $(HAVE_IPSEC_MB), ipsec-mb)$(if $(HAVE_LIBDEFLATE), libdeflate)
ifneq ($(WITH),$(file <$(BUILD)/with))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/with,$(WITH))
endif

LIB_SRC  := $(wildcard src/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB_PIC  := $(LIB_SRC:%.c=$(BUILD)/pic/%.o)
LIB_A    := $(BUILD)/libpadata.a
LIB_SO   := $(BUILD)/libpadata.so.$(VERSION)

ESP_SRC  := $(filter-out $(if $(HAVE_IPSEC_MB),,esp/crypto_mb.c),$(wildcard esp/*.c))
ESP_OBJ  := $(ESP_SRC:%.c=$(BUILD)/%.o)
ESP_A    := $(BUILD)/libesp.a
ESP_LIBS := -lcrypto $(if $(HAVE_IPSEC_MB),-lIPSec_MB)

GW_OBJ   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard gateway/*.c))
GW_A     := $(BUILD)/libgateway.a

# A tool's main file is tools/padata*.c; its subcommands and parts are tools/<its short name>_*.c.
ESP_TOOL_OBJ    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/padata_esp.c tools/esp_*.c))
STREAM_TOOL_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(if $(HAVE_LIBDEFLATE),tools/stream_without_gzip.c,tools/stream_g%.c), \
	$(wildcard tools/padata.c tools/stream_*.c)))
STREAM_LIBS := $(if $(HAVE_LIBDEFLATE),-ldeflate -lz)
$(BUILD)/tools/padata.o $(BUILD)/tools/stream_%.o: CPPFLAGS_ALL := -Iinclude -D_GNU_SOURCE -MMD -MP \
	-DPADATA_VERSION='"$(VERSION)"' $(CPPFLAGS)

$(BUILD)/esp/%.o $(BUILD)/tools/esp_%.o $(BUILD)/tools/padata_esp.o: CPPFLAGS_ALL := \
	-Iinclude -Iesp -D_GNU_SOURCE -MMD -MP -DPADATA_VERSION='"$(VERSION)"' $(if $(HAVE_IPSEC_MB),-DHAVE_IPSEC_MB) \
	$(CPPFLAGS)
$(BUILD)/tests/esp/%: CPPFLAGS_ALL := \
	-Iinclude -Iesp -D_GNU_SOURCE -MMD -MP $(if $(HAVE_IPSEC_MB),-DHAVE_IPSEC_MB) $(CPPFLAGS)
$(BUILD)/gateway/%.o $(BUILD)/tests/gateway/% $(BUILD)/tools/esp_cmd_%.o $(BUILD)/tools/esp_gateway.o: CPPFLAGS_ALL := \
	-Iinclude -Iesp -Igateway -D_GNU_SOURCE -MMD -MP -DPADATA_VERSION='"$(VERSION)"' \
	$(if $(HAVE_IPSEC_MB),-DHAVE_IPSEC_MB) $(CPPFLAGS)

TOOLS := $(if $(wildcard tools/padata.c),$(BUILD)/padata) \
	$(if $(and $(HAVE_OPENSSL),$(HAVE_PCAP),$(wildcard tools/padata_esp.c)),$(BUILD)/padata-esp)

all: $(LIB_A) $(LIB_SO) $(TOOLS)
ifeq ($(and $(HAVE_OPENSSL),$(HAVE_PCAP)),)
	@echo "padata-esp is left out: install libssl-dev and libpcap-dev, or run 'make deps'"
endif
ifeq ($(HAVE_LIBDEFLATE),)
	@echo "padata gzip is left out: install libdeflate-dev and zlib1g-dev, or run 'make deps'"
endif

# Where it can be, the library is optimised as one; what a user links is machine code, in one object.
LTO := $(if $(filter release,$(VARIANT)),$(if $(findstring clang,$(shell $(CC) --version)),,-flto))
$(LIB_OBJ) $(LIB_PIC) $(LIB_SO): CFLAGS_ALL += $(LTO)
LIB_ONE := $(if $(LTO),$(BUILD)/libpadata.o,$(LIB_OBJ))

$(BUILD)/libpadata.o: $(LIB_OBJ)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LTO) -r -flinker-output=nolto-rel -o $@ $^
	$(Q)objcopy --wildcard --localize-symbol='*.c.*' $@

$(LIB_A): $(LIB_ONE)
	@echo "  AR $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(LIB_SO): $(LIB_PIC) src/libpadata.map
	@echo "  LD $@"
	$(Q)$(CC) -shared $(CFLAGS_ALL) $(LDFLAGS) -Wl,-soname,libpadata.so.$(SOVERSION) -Wl,-z,nodelete \
		-Wl,--version-script=src/libpadata.map -o $@ $(LIB_PIC)
	$(Q)ln -sf libpadata.so.$(VERSION) $(BUILD)/libpadata.so.$(SOVERSION)
	$(Q)ln -sf libpadata.so.$(SOVERSION) $(BUILD)/libpadata.so

$(ESP_A): $(ESP_OBJ)
	@echo "  AR $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(GW_A): $(GW_OBJ)
	@echo "  AR $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/padata-esp: $(ESP_TOOL_OBJ) $(GW_A) $(ESP_A) $(LIB_A)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(ESP_LIBS) -lpcap -lm

$(BUILD)/padata: $(STREAM_TOOL_OBJ) $(LIB_A)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(STREAM_LIBS)

$(BUILD)/%.o: %.c $(BUILD)/with
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/pic/%.o: %.c $(BUILD)/with
	@mkdir -p $(@D)
	@echo "  CC $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fPIC -c -o $@ $<

# Tests: a program for each test_*.c and *_driver.c, a script for each *.sh.

TEST_ROOMS ?= unit contract kernel_bugs fault stress esp gateway stream headers install
TEST_BIN := $(patsubst %.c,$(BUILD)/%,$(foreach r,$(TEST_ROOMS),$(wildcard tests/$(r)/test_*.c)))
DRIVERS  := $(patsubst %.c,$(BUILD)/%,$(foreach r,$(TEST_ROOMS),$(wildcard tests/$(r)/*_driver.c)))
TEST_SH  := $(foreach r,$(TEST_ROOMS),$(wildcard tests/$(r)/*.sh))
EXAMPLES := $(patsubst %.c,$(BUILD)/%,$(wildcard examples/*.c))

$(BUILD)/tests/esp/%: tests/esp/%.c $(ESP_A) $(LIB_A)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(ESP_A) $(LIB_A) $(ESP_LIBS)

$(BUILD)/tests/gateway/%: tests/gateway/%.c $(GW_A) $(ESP_A) $(LIB_A)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(GW_A) $(ESP_A) $(LIB_A) $(ESP_LIBS)

$(BUILD)/tests/%: tests/%.c $(LIB_A)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(LIB_A) $(TEST_LIBS)

$(BUILD)/examples/%: examples/%.c $(LIB_A)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $< $(LIB_A)

tests: all $(TEST_BIN) $(DRIVERS) $(EXAMPLES)

check: deps
	@$(MAKE) --no-print-directory -j$(JOBS) tests
	@PADATA_BUILD=$(CURDIR)/$(BUILD) CC="$(CC)" tests/run $(TEST_BIN) $(TEST_SH) $(LIVE_TESTS)

SANITIZE_asan  := -O1 -g -fsanitize=address -fno-omit-frame-pointer
SANITIZE_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all
# TSan does not follow fences; none here orders data, they keep wake-ups from being lost. gcc warns of that.
SANITIZE_tsan  := -O1 -g -fsanitize=thread $(if $(findstring clang,$(VARIANT)$(shell $(CC) --version)),,-Wno-tsan)

# The library, ESP and the programs under a sanitizer, in a build directory of its own.
SANITIZED_ROOMS := unit contract kernel_bugs fault stress esp gateway stream
check-asan: deps
	@$(MAKE) --no-print-directory sanitized VARIANT=asan CFLAGS="$(SANITIZE_asan)" \
		LIVE="$(patsubst %,tests/gateway/live_%.py,end hostile rekey)"
check-ubsan: deps
	@$(MAKE) --no-print-directory sanitized VARIANT=ubsan CFLAGS="$(SANITIZE_ubsan)"
check-tsan: deps
	@$(MAKE) --no-print-directory sanitized VARIANT=tsan CFLAGS="$(SANITIZE_tsan)"
check-clang: deps
	@$(MAKE) --no-print-directory sanitized VARIANT=clang CC=clang
sanitized:
	@$(MAKE) --no-print-directory -j$(JOBS) tests TEST_ROOMS="$(SANITIZED_ROOMS)"
	@PADATA_BUILD=$(CURDIR)/$(BUILD) CC="$(CC)" tests/run \
		$(patsubst %.c,$(BUILD)/%,$(foreach r,$(SANITIZED_ROOMS),$(wildcard tests/$(r)/test_*.c))) \
		$(foreach r,$(SANITIZED_ROOMS),$(wildcard tests/$(r)/*.sh)) $(LIVE)

# What is installed. A page of the manual is found under each name of its NAME section, by a link.

BINDIR     := $(PREFIX)/bin
INCLUDEDIR := $(PREFIX)/include/padata
MANDIR     := $(PREFIX)/share/man
UNITDIR    := $(PREFIX)/lib/systemd/system
UNIT       := $(if $(filter %/padata-esp,$(TOOLS)),gateway/padata-esp@.service)
MAN_PAGES  := $(wildcard doc/man/*.[1-9])

install: all
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/linux
	install -m 644 $(LIB_A) $(DESTDIR)$(LIBDIR)/
	install -m 755 $(LIB_SO) $(DESTDIR)$(LIBDIR)/
	$(Q)ln -sf libpadata.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libpadata.so.$(SOVERSION)
	$(Q)ln -sf libpadata.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libpadata.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
		-e 's|@VERSION@|$(VERSION)|' src/padata.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/padata.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/padata.pc
	install -m 644 include/padata.h $(DESTDIR)$(INCLUDEDIR)/
	install -m 644 include/linux/*.h $(DESTDIR)$(INCLUDEDIR)/linux/
	$(if $(strip $(TOOLS)),install -d $(DESTDIR)$(BINDIR) && install -m 755 $(TOOLS) $(DESTDIR)$(BINDIR)/)
	$(if $(UNIT),install -d $(DESTDIR)$(UNITDIR) && \
		sed 's|@BINDIR@|$(BINDIR)|' $(UNIT).in >$(DESTDIR)$(UNITDIR)/$(notdir $(UNIT)) && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$(notdir $(UNIT)))
	$(foreach page,$(MAN_PAGES),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(page))) $(page) &&) :
	@doc/man/names $(MAN_PAGES) | while read -r name page; do \
		[ $$name = $$page ] || ln -sf $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$name; \
	done
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || PATH="$$PATH:/sbin" ldconfig || :

# Empty directories go too, but not those of the system itself.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libpadata.a libpadata.so libpadata.so.$(SOVERSION) libpadata.so.$(VERSION) pkgconfig/padata.pc)
	rm -f $(DESTDIR)$(INCLUDEDIR)/padata.h $(addprefix $(DESTDIR)$(INCLUDEDIR)/linux/,$(notdir $(wildcard include/linux/*.h)))
	rm -f $(DESTDIR)$(BINDIR)/padata $(DESTDIR)$(BINDIR)/padata-esp $(DESTDIR)$(UNITDIR)/padata-esp@.service
	@doc/man/names $(MAN_PAGES) | while read -r name page; do \
		rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$name $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; \
	done
	@rmdir $(DESTDIR)$(INCLUDEDIR)/linux $(DESTDIR)$(INCLUDEDIR) 2>/dev/null || :
	@case $(DESTDIR)$(PREFIX) in /usr|/usr/local) ;; *) \
		rmdir $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR) 2>/dev/null; \
		cd $(DESTDIR)$(PREFIX) 2>/dev/null && rmdir -p include bin share/man/man? lib/systemd/system 2>/dev/null; \
	esac; :
	@[ -z "$(DESTDIR)" ] || { cd $(DESTDIR)/ && rmdir -p .$(dir $(LIBDIR)) .$(PREFIX) 2>/dev/null; } || :
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || PATH="$$PATH:/sbin" ldconfig || :

PCAP ?= examples/capture/office.pcap
demo: deps
	@$(MAKE) -q all >/dev/null 2>&1 || echo "building, half a minute at most"
	@$(MAKE) -s --no-print-directory -j$(JOBS) all >/dev/null
	@PADATA_BUILD=$(CURDIR)/$(BUILD) tools/demo.sh "$(PCAP)"

deps:
	@tests/deps

# Benchmarks: see bench/README.md. BENCH holds options for the driver, as in BENCH=--quick.

comma := ,
BENCH_DIR := $(BUILD)/bench
BENCH_JOB := $(BENCH_DIR)/job.o
# The loop of the work within one cache line.
$(BENCH_JOB): CFLAGS_ALL += -falign-functions=64 -falign-loops=32
QUESTIONS := latency idle
STREAM_PEERS := glib htslib
BENCH_OURS := $(addprefix $(BENCH_DIR)/,plain limit throughput scale latency-bare order $(QUESTIONS:%=%-padata))
BENCH_PEERS := $(addprefix $(BENCH_DIR)/,tbb openmp $(foreach p,$(STREAM_PEERS),throughput-$p $(QUESTIONS:%=%-$p)))
BENCH_LINK = $(CC) $(CFLAGS_ALL) $(LDFLAGS) $(BENCH_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(BENCH_DIR)/%-glib: LDLIBS += -lglib-2.0
$(BENCH_DIR)/%-htslib: LDLIBS += -lhts
$(BENCH_DIR)/peers/glib.o: CPPFLAGS_ALL += $(shell pkg-config --cflags glib-2.0 2>/dev/null)
$(BENCH_DIR)/openmp: CFLAGS_ALL += -fopenmp

$(addprefix $(BENCH_DIR)/,plain limit order): %: %.o $(BENCH_JOB)
	$(BENCH_LINK)
$(BENCH_DIR)/scale: BENCH_LDFLAGS := $(addprefix -Wl$(comma)--wrap=,open pthread_create pthread_attr_setaffinity_np \
	sched_setaffinity sched_getaffinity sched_getcpu)
$(BENCH_DIR)/throughput $(BENCH_DIR)/scale: %: %.o $(BENCH_JOB) $(LIB_A)
	$(BENCH_LINK)
$(QUESTIONS:%=$(BENCH_DIR)/%-padata): %-padata: %.o $(BENCH_DIR)/stream_padata.o $(BENCH_JOB) $(LIB_A)
	$(BENCH_LINK)
$(BENCH_DIR)/latency-bare: %-bare: %.o $(BENCH_DIR)/stream_bare.o $(BENCH_JOB)
	$(BENCH_LINK)
define stream_peer
$(BENCH_DIR)/throughput-$(1): $(BENCH_DIR)/peers/throughput.o $(BENCH_DIR)/peers/$(1).o $(BENCH_JOB)
	$$(BENCH_LINK)
$(QUESTIONS:%=$(BENCH_DIR)/%-$(1)): %-$(1): %.o $(BENCH_DIR)/peers/$(1).o $(BENCH_JOB)
	$$(BENCH_LINK)
endef
$(foreach p,$(STREAM_PEERS),$(eval $(call stream_peer,$p)))
$(BENCH_DIR)/openmp: $(BENCH_DIR)/peers/openmp.o $(BENCH_JOB)
	$(BENCH_LINK)
$(BENCH_DIR)/tbb: bench/peers/tbb.cpp $(BENCH_JOB)
	@echo "  CXX $@"
	$(Q)$(CXX) -std=c++17 $(WARN) $(CPPFLAGS_ALL) -pthread $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.cpp %.o,$^) -ltbb

bench-programs: $(BENCH_OURS)
bench: bench-programs
	@PADATA_BUILD=$(CURDIR)/$(BUILD) bench/run $(BENCH)
bench-peers:
	@bench/peers/deps
	@$(MAKE) --no-print-directory bench-programs $(BENCH_PEERS)
	@PADATA_BUILD=$(CURDIR)/$(BUILD) bench/run --peers $(BENCH)

include tests/sched/sched.mk tests/models/model.mk tests/mutants/mutants.mk tests/gateway/gateway.mk
bench-stream: all
	@PADATA_BUILD=$(CURDIR)/$(BUILD) bench/stream.py $(BENCH)

include tests/fault/fault.mk tests/fuzz/fuzz.mk tests/coverage/coverage.mk tests/stress/stress.mk

clean:
	rm -rf build

.PHONY: demo all tests check check-asan check-ubsan check-tsan check-clang sanitized install uninstall deps \
	bench-programs bench bench-peers bench-stream clean

-include $(shell find build -name '*.d' 2>/dev/null)

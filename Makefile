# adosyncd: one Makefile, not recursive. `make` builds, `make check` proves, `make demo` shows.
# CPPFLAGS, CFLAGS and LDFLAGS are the builder's; ours stand in OUR_CFLAGS and OUR_LDFLAGS. V=1 shows the commands.

VERSION := 0.9.0
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
PYTHON ?= /usr/bin/python3
BUILD ?= build
CFLAGS ?= -O2 -g
WERROR ?=
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

# what pkg-config calls each library, and the Debian package of its headers
LIBRARIES := libcurl=libcurl4-openssl-dev jansson=libjansson-dev libevent=libevent-dev libsystemd=libsystemd-dev \
	sqlite3=libsqlite3-dev libconfuse=libconfuse-dev zlib=zlib1g-dev
PKGS := $(foreach l,$(LIBRARIES),$(firstword $(subst =, ,$l)))
cc-option = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(1))

WARN := -Wall -Wextra -Wformat -Wformat=2 -Wconversion -Wsign-conversion -Wimplicit-fallthrough -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wwrite-strings -Wswitch-enum \
	-Werror=format-security -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion \
	$(call cc-option,-Wtrampolines) $(call cc-option,-Wbidi-chars=any) $(call cc-option,-Wlogical-op) \
	$(call cc-option,-Wduplicated-cond)
HARDEN := -fstack-protector-strong $(call cc-option,-fstack-clash-protection) $(call cc-option,-fcf-protection=full) \
	-fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fPIE \
	$(call cc-option,-ftrivial-auto-var-init=zero)
FORTIFY ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
OUR_CFLAGS := -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ilib -MMD -MP $(WARN) $(WERROR) $(HARDEN) $(FORTIFY) $(PKG_CFLAGS)
OUR_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,--no-copy-dt-needed-entries

LIB_SRC := $(sort $(wildcard lib/*.c))
DAEMON_SRC := $(sort $(wildcard daemon/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
ENGINE_SRC := $(sort $(wildcard tests/engine/test_*.c))
SCENARIO_SRC := $(sort $(wildcard tests/scenario/*.c))
SCENARIOS := $(sort $(wildcard tests/scenario/*.scn))
YEAR_SRC := $(sort $(wildcard tests/year/*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
# the programs' main files are theirs alone; everything else of daemon/ is an archive that tests link too
CTL_OBJ := $(BUILD)/daemon/ctl.o $(BUILD)/daemon/ctl_print.o
DAEMON_OBJ := $(filter-out $(BUILD)/daemon/main.o $(CTL_OBJ),$(DAEMON_SRC:%.c=$(BUILD)/%.o))
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
ENGINE_BIN := $(ENGINE_SRC:%.c=$(BUILD)/%)
SCENARIO_OBJ := $(SCENARIO_SRC:%.c=$(BUILD)/%.o)
SCENARIO_RUN := $(BUILD)/tests/scenario/run
YEAR_RUN := $(BUILD)/tests/year/run
# without their main files
FAKE_OBJ := $(filter-out $(BUILD)/tests/scenario/run.o,$(SCENARIO_OBJ))
# the daemon without what a scenario replaces
SCENARIO_DAEMON_OBJ := $(filter-out $(BUILD)/daemon/loop.o $(BUILD)/daemon/http.o $(BUILD)/daemon/log.o,$(DAEMON_OBJ))
REPLAY_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
BENCH := $(BUILD)/tests/bench
BENCH_BIN := $(BENCH)/floor $(BENCH)/konnect $(BENCH)/measure
FUZZ_SECONDS ?= 30

# keep the objects of the tests: make would delete them as intermediate files
.SECONDARY:

.PHONY: all
all: need $(BUILD)/adosyncd $(BUILD)/adosyncctl

.PHONY: need
need:
	@missing=; \
	if ! command -v $(firstword $(CC)) >/dev/null; then missing=" $(if $(filter cc gcc,$(CC)),gcc,$(CC))"; \
	elif ! echo '#include <stdlib.h>' | $(CC) -E - >/dev/null 2>&1; then missing=" libc6-dev"; fi; \
	if ! command -v pkg-config >/dev/null; then missing="$$missing pkg-config"; \
	else for l in $(LIBRARIES); do pkg-config --exists $${l%%=*} || missing="$$missing $${l#*=}"; done; fi; \
	[ -z "$$missing" ] || { echo "adosyncd: missing packages:$$missing; install them with: tests/install-deps build" >&2; exit 1; }

$(BUILD)/%.o: %.c | need
	@mkdir -p $(@D)
	@[ "$(V)" = 1 ] || echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(OUR_CFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libadosync.a: $(LIB_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libdaemon.a: $(DAEMON_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

LINK = @[ "$(V)" = 1 ] || echo "  LD $@"; \
	$(CC) $(OUR_LDFLAGS) $(LDFLAGS) $(CFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/adosyncd: $(BUILD)/daemon/main.o $(BUILD)/libdaemon.a $(BUILD)/libadosync.a
	$(LINK)

$(BUILD)/adosyncctl: $(CTL_OBJ) $(BUILD)/libadosync.a
	$(LINK)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libadosync.a
	$(LINK)

$(BUILD)/tests/engine/%: $(BUILD)/tests/engine/%.o $(BUILD)/libdaemon.a $(BUILD)/libadosync.a
	$(LINK)

$(SCENARIO_RUN): $(SCENARIO_OBJ) $(SCENARIO_DAEMON_OBJ) $(BUILD)/libadosync.a
	$(LINK)

$(YEAR_RUN): $(YEAR_SRC:%.c=$(BUILD)/%.o) $(FAKE_OBJ) $(SCENARIO_DAEMON_OBJ) $(BUILD)/libadosync.a
	$(LINK)

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/libadosync.a
	$(LINK)

$(BENCH)/floor: $(BENCH)/floor.o $(BENCH)/floor_poll.o $(BENCH)/floor_push.o $(BENCH)/floor_keep.o
	$(LINK) -lcrypto

$(BENCH)/konnect: $(BENCH)/konnect.o $(BENCH)/catalog.o
	$(LINK)

$(BENCH)/measure: $(BENCH)/measure.o
	$(LINK)

$(BENCH)/gate: $(BENCH)/gate.o $(BUILD)/libadosync.a
	$(LINK)

.PHONY: check deps check-unit check-replay check-year check-programs check-guards
check: deps
	@$(MAKE) --no-print-directory check-unit check-replay check-guards $(YEAR_RUN)
	@$(MAKE) --no-print-directory -j2 check-year check-programs

deps:
	@tests/install-deps check

check-unit: $(UNIT_BIN) $(ENGINE_BIN) $(SCENARIO_RUN)
	@tests/run-unit $(UNIT_BIN) $(ENGINE_BIN) "$(SCENARIO_RUN) $(SCENARIOS)"

# every fuzz target over its corpus, without a fuzzer
check-replay: $(REPLAY_BIN)
	@for t in $(REPLAY_BIN); do $$t tests/fuzz/corpus/$${t##*/fuzz_} || exit 1; done

# a year of fifty organizations, three times
check-year: $(YEAR_RUN)
	@nice $(YEAR_RUN) 1 2 3

# a build in which each guard against wrong removals can be taken out, and the tests that fail then
check-guards:
	@$(MAKE) --no-print-directory BUILD=build-guards CFLAGS='$(CFLAGS) -DADOSYNCD_GUARDS' guards

.PHONY: guards
guards: all $(UNIT_BIN)
	@tests/guards.sh $(BUILD)

check-programs: all
	@ADOSYNCD=$(CURDIR)/$(BUILD)/adosyncd tests/run-system $(PYTHON)

# ADOSYNCD_YEARS years, a kill at every point there is, and ADOSYNCD_WORLDS random worlds; about two hours
.PHONY: soak
soak: deps
	@$(MAKE) --no-print-directory all $(YEAR_RUN)
	@$(YEAR_RUN) $$(seq 1 $${ADOSYNCD_YEARS:-100})
	@ADOSYNCD=$(CURDIR)/$(BUILD)/adosyncd ADOSYNCD_CRASH=all ADOSYNCD_WORLDS=$${ADOSYNCD_WORLDS:-300} \
		$(PYTHON) -m pytest -q -p no:cacheprovider tests/system/test_crash.py tests/system/test_property.py

# Fewer kills and worlds than in make check, as what they find are no faults of memory, and one test of the programs in twelve:
# ADOSYNCD_PART=1 runs them all, in ten minutes.
.PHONY: check-asan
check-asan: deps
	@ADOSYNCD_CRASH=2 ADOSYNCD_WORLDS=2 ADOSYNCD_PART=$${ADOSYNCD_PART:-12} $(MAKE) --no-print-directory BUILD=build-asan FORTIFY=-U_FORTIFY_SOURCE LDFLAGS='-fsanitize=address,undefined' \
		CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all' check-unit check-replay check-programs

# libFuzzer is clang's. FUZZ_SECONDS is the time for each target.
.PHONY: fuzz
fuzz: 
	@tests/install-deps fuzz
	@for t in $(FUZZ_SRC); do n=$${t##*/fuzz_}; n=$${n%.c}; mkdir -p build-fuzz/$$n; \
		clang -std=c11 -D_GNU_SOURCE -DVERSION='"fuzz"' -Ilib -g -O1 -fsanitize=fuzzer,address,undefined \
			-fno-sanitize-recover=all $(PKG_CFLAGS) $$t $(LIB_SRC) $(PKG_LIBS) -o build-fuzz/fuzz_$$n || exit 1; \
		echo "fuzzing $$n for $(FUZZ_SECONDS) s"; \
		build-fuzz/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 build-fuzz/$$n tests/fuzz/corpus/$$n || exit 1; done

.PHONY: demo
demo:
	@tests/install-deps demo
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo.py $(BUILD)/adosyncd

# The daemon against the bare floor and against its design; the tables stay in $(BUILD)/bench/report.md. ADOSYNCD_BENCH="..."
# selects parts, and ADOSYNCD_BENCH_MILLION=1 goes on to a million repositories: see tests/bench/bench.py.
.PHONY: bench
bench:
	@tests/install-deps bench
	@$(MAKE) --no-print-directory -s all $(BENCH_BIN)
	@$(PYTHON) -B tests/bench/bench.py $(BUILD)

# The instructions of one unchanged element, against the figure in tests/bench/gate.json; ADOSYNCD_GATE_RECORD=1 records it anew.
.PHONY: bench-gate
bench-gate:
	@tests/install-deps build
	@tests/install-deps python3 valgrind
	@$(MAKE) --no-print-directory -s $(BENCH)/gate
	@CC='$(CC)' ADOSYNCD_GATE_CFLAGS='$(CPPFLAGS) $(CFLAGS) $(FORTIFY)' $(PYTHON) -B tests/bench/gate.py $(BUILD)

.PHONY: lint
lint: all
	@tests/install-deps check
	@tests/lint/options.sh $(BUILD)/adosyncd
	@tests/lint/states.sh $(BUILD)/adosyncd
	@tests/lint/readme.sh $(BUILD)/adosyncd
	@tests/lint/running.sh $(BUILD)
	@for t in tests/lint/*.sh; do case $$t in */options.sh | */readme.sh | */states.sh | */running.sh) ;; *) $$t || exit 1 ;; esac; done

.PHONY: install
install: all
	install -D -m 0755 $(BUILD)/adosyncd $(DESTDIR)$(PREFIX)/sbin/adosyncd
	install -D -m 0755 $(BUILD)/adosyncctl $(DESTDIR)$(PREFIX)/bin/adosyncctl
	install -D -m 0644 systemd/adosyncd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/adosyncd.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|g' systemd/adosyncd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/adosyncd.service
	install -D -m 0644 systemd/adosyncd.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/adosyncd.catalog
	install -D -m 0644 conf/man/adosyncctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/adosyncctl.1
	install -D -m 0644 conf/man/adosyncd.8 $(DESTDIR)$(PREFIX)/share/man/man8/adosyncd.8
	install -D -m 0644 conf/man/adosyncd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/adosyncd.conf.5
	install -D -m 0644 conf/adosyncd.conf $(DESTDIR)$(PREFIX)/share/doc/adosyncd/adosyncd.conf
	install -D -m 0644 conf/prometheus/adosyncd.yml $(DESTDIR)$(PREFIX)/share/doc/adosyncd/prometheus/adosyncd.yml
	install -D -m 0644 conf/prometheus/adosyncd.rules.yml $(DESTDIR)$(PREFIX)/share/doc/adosyncd/prometheus/adosyncd.rules.yml
	install -D -m 0644 systemd/credentials.conf.example $(DESTDIR)$(PREFIX)/share/doc/adosyncd/credentials.conf.example
	install -D -m 0644 conf/instances.d/contoso.conf.example $(DESTDIR)$(PREFIX)/share/doc/adosyncd/contoso.conf.example

# The Debian package, built aside so that this tree stays as it is. Its own tests are those of make check-unit: left out here.
.PHONY: deb
deb:
	@tests/install-deps deb
	@rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb/adosyncd-$(VERSION)
	@cp -a CHANGELOG.md LICENSE Makefile README.md SECURITY.md conf daemon debian lib systemd tests $(BUILD)/deb/adosyncd-$(VERSION)/
	@find $(BUILD)/deb -name __pycache__ -prune -exec rm -r {} +
	@cd $(BUILD)/deb/adosyncd-$(VERSION) && DEB_BUILD_OPTIONS="nocheck $$DEB_BUILD_OPTIONS" dpkg-buildpackage -us -uc >../build.log 2>&1 || \
		{ tail -n 30 ../build.log; echo "make deb: the package does not build; the whole story is in $(BUILD)/deb/build.log" >&2; exit 1; }
	@ls $(BUILD)/deb/*.deb

# real systemd, the package, the README's own commands, real containers, and a machine whose power is cut; needs root, and a Debian mirror the first time
.PHONY: check-system
check-system:
	@tests/install-deps build
	@tests/install-deps deb
	@tests/install-deps busybox catatonit cpio debian-archive-keyring e2fsprogs iproute2 lintian mmdebstrap netavark podman python3 python3-yaml \
		qemu-system-x86 qemu-utils runc socat systemd-container
	@tests/install-deps prometheus || echo "prometheus cannot be had here, and its test is skipped"
	@tests/install-deps chromium-headless-shell || echo "a browser cannot be had here, and its test is skipped"
	@tests/root/run

# The system tests with the published documents between daemon and simulators: SPECS is a folder with Kong's and Microsoft's.
# Which tests, and what is left out and why, is in tests/contract/chosen.py.
.PHONY: contract
contract:
	@if [ -z "$(SPECS)" ]; then \
		echo "contract: skipped, SPECS is not set: it names a folder with konnect-service-catalog-v1.yaml and ado-git.json"; \
	else \
		tests/install-deps check && $(MAKE) --no-print-directory all && \
		$(PYTHON) tests/contract/run.py $(BUILD)/adosyncd "$(SPECS)" $(BUILD)/contract; \
	fi

.PHONY: clean
clean:
	rm -rf build build-*

-include $(LIB_OBJ:.o=.d) $(DAEMON_OBJ:.o=.d) $(BUILD)/daemon/main.d $(CTL_OBJ:.o=.d) $(UNIT_BIN:=.d) $(ENGINE_BIN:=.d) $(SCENARIO_OBJ:.o=.d) $(YEAR_SRC:%.c=$(BUILD)/%.d) $(REPLAY_BIN:=.d) $(BENCH_SRC:%.c=$(BUILD)/%.d)

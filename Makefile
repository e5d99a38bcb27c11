# adosyncd: one Makefile, not recursive. `make` builds, `make check` proves, `make demo` shows.
# CFLAGS and LDFLAGS are the builder's; ours stand in OUR_CFLAGS and OUR_LDFLAGS.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
PYTHON ?= /usr/bin/python3
BUILD ?= build
CFLAGS ?= -O2 -g
WERROR ?=

PKGS := libcurl jansson libevent libsystemd sqlite3 libconfuse
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
OUR_CFLAGS = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ilib -MMD -MP $(WARN) $(WERROR) $(HARDEN) $(FORTIFY) $(PKG_CFLAGS)
OUR_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,--no-copy-dt-needed-entries
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)

LIB_SRC := $(sort $(wildcard lib/*.c))
DAEMON_SRC := $(sort $(wildcard daemon/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/%.o)
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)

# keep the objects of the tests: make would delete them as intermediate files
.SECONDARY:

.PHONY: all check check-unit check-system-tests deps clean
all: need $(BUILD)/adosyncd

.PHONY: need
need:
	@for p in $(PKGS); do pkg-config --exists $$p 2>/dev/null || { \
		echo "adosyncd: the development files of $$p are missing; install them with: tests/install-deps build" >&2; exit 1; }; done

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libadosync.a: $(LIB_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/adosyncd: $(DAEMON_OBJ) $(BUILD)/libadosync.a
	$(CC) $(OUR_LDFLAGS) $(LDFLAGS) $(CFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libadosync.a
	$(CC) $(OUR_LDFLAGS) $(LDFLAGS) $(CFLAGS) $^ $(PKG_LIBS) -o $@

check: deps
	$(MAKE) check-unit

deps:
	@tests/install-deps check

check-unit: $(UNIT_BIN)
	@tests/run-unit $(UNIT_BIN)

clean:
	rm -rf build build-*

-include $(LIB_OBJ:.o=.d) $(DAEMON_OBJ:.o=.d) $(UNIT_BIN:=.d)

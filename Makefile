# SPDX-License-Identifier: Apache-2.0
# lexmask: `make help` lists what there is to do.
.DEFAULT_GOAL := all
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# Builds on every processor unless told otherwise (-j1).
ifeq ($(MAKELEVEL)$(filter clean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
OPT ?= -O2
SAN ?=

# What a fresh Debian 12 needs to build, test and run.
DEPS := gcc pkg-config libc6-dev libjpeg-dev libpng-dev zlib1g-dev \
	libutf8proc-dev libjansson-dev libcurl4-openssl-dev libpango1.0-dev \
	libcairo2-dev libfreetype-dev libcmocka-dev fonts-dejavu-core fonts-noto-color-emoji unicode-data
# What `make lint` and `.ci/run` use besides.
DEPS_DEV := clang clang-format clang-tidy libclang-rt-14-dev

PACKAGES := libjpeg libpng zlib libutf8proc jansson libcurl pangocairo freetype2
# Asked for at the first use, not while this file is read: `make deps all` installs pkg-config first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wno-missing-field-initializers
CPPFLAGS += -I. -Iinclude -D_GNU_SOURCE -DLEXMASK_VERSION='"$(VERSION)"' \
	-DLEXMASK_DATADIR='"$(PREFIX)/share/lexmask"'
# No contraction: a*b+c is rounded as written, so that levels and compilers agree. Kernels that
# want fused multiply-add say so themselves. -g1 is what backtraces and profiles need, in a fifth less
# time than -g, which a debugger wants: make OPT="-Og -g".
CFLAGS += -std=c17 -g1 $(OPT) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN)
LDLIBS += $(PKG_LIBS) -lm -pthread
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
# What fontconfig keeps is no leak (draw/draw_plate.c): every program is to know, whatever it draws with.
LDFLAGS += -fsanitize=$(SAN) -Wl,-u,__lsan_default_suppressions
endif

LIB_SRC := $(sort $(shell find tensor kernels io draw nn models train eval api -name '*.c'))
TOOL_SRC := $(sort $(shell find tools -name '*.c'))
TEST_SRC := $(sort $(wildcard tests/test_*.c))
TEST_LIB_SRC := $(sort $(wildcard tests/support/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
TOOL_OBJ := $(TOOL_SRC:%.c=$(BUILD)/obj/%.o)
TEST_LIB_OBJ := $(TEST_LIB_SRC:%.c=$(BUILD)/obj/%.o)
TEST_BIN := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
# Learning by heart takes minutes under the sanitizers, which see the same code in test_train_cli.
LEFT_OUT := test_slow_% $(if $(SAN),test_learn_cli)
FAST_BIN := $(filter-out $(LEFT_OUT:%=$(BUILD)/tests/%),$(TEST_BIN))
TEST_SCRIPT := $(sort $(wildcard tests/test_*.sh))

LIB := $(BUILD)/liblexmask.a
PROGRAM := $(if $(wildcard tools/main.c),$(BUILD)/lexmask)

SHARED := $(BUILD)/liblexmask.so.$(VERSION)

all: $(LIB) $(SHARED) $(PROGRAM) ## Build the program and the libraries

# A processor level's files are compiled for that level; dispatch happens once, at start.
ifeq ($(shell uname -m),x86_64)
$(BUILD)/obj/kernels/cpu/%_avx2.o: CFLAGS += -mavx2 -mfma -mf16c -O3
$(BUILD)/obj/kernels/cpu/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -O3 -mprefer-vector-width=512
endif
$(BUILD)/obj/kernels/cpu/%.o: OPT := -O3
$(BUILD)/obj/io/%.o $(BUILD)/obj/draw/%.o $(BUILD)/obj/models/%.o $(BUILD)/obj/tools/%.o $(BUILD)/obj/tests/%.o $(BUILD)/obj/eval/%.o $(BUILD)/obj/train/%.o $(BUILD)/obj/api/%.o: CPPFLAGS += $(PKG_CFLAGS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(SHARED): $(LIB_OBJ) api/lexmask.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,liblexmask.so.$(basename $(basename $(VERSION))) \
		-Wl,--version-script=api/lexmask.map -Wl,--no-undefined -o $@ $(LIB_OBJ) $(LDLIBS)

$(BUILD)/lexmask: $(TOOL_OBJ) $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_LIB_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# V=1 shows the commands.
Q := $(if $(V),,@)
ifeq ($(V),)
$(BUILD)/obj/%.o: private Q = @echo "  CC    $<";
endif

# A folder of dumped layers of your own, run beside those of tests/golden/ops: docs/dumps.md
DUMPS ?= $(LEXMASK_DUMPS)
export LEXMASK_DUMPS := $(DUMPS)

tests: $(TEST_BIN)

# `make -j deps all`: nothing is compiled before all is installed.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
$(LIB_OBJ) $(TOOL_OBJ) $(TEST_LIB_OBJ) $(TEST_SRC:%.c=$(BUILD)/obj/%.o): | deps
endif

test: all tests ## Run every test; ends with "N passed, N failed"; DUMPS=DIR adds dumped layers
	@BUILD=$(BUILD) tests/run.sh $(FAST_BIN) $(TEST_SCRIPT)

test-fast: all tests # the test programs alone
	@BUILD=$(BUILD) tests/run.sh $(FAST_BIN)

test-slow: all tests ## Trainings that take about twenty minutes; they need ../shared/data
	@BUILD=$(BUILD) tests/run.sh $(filter $(BUILD)/tests/test_slow_%,$(TEST_BIN))

# The processor levels that this machine can run, one after the other.
LEVELS := ref portable avx2 avx512
test-levels: all tests ## The model tests at every processor level of this machine
	@tests/levels.sh $(BUILD) $(LEVELS)

test-sanitized: ## The tests with AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory SAN=address,undefined BUILD=$(BUILD)/sanitized OPT=-O1 test-fast

demo: $(PROGRAM) ## Find named things in the picture that comes with this repository
	@tools/scripts/demo.sh $(BUILD)/lexmask

install: all ## Install under DESTDIR and PREFIX (/usr/local)
	@install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/doc/lexmask
	@install -m 755 $(BUILD)/lexmask $(DESTDIR)$(PREFIX)/bin
	@install -m 644 include/lexmask.h $(DESTDIR)$(PREFIX)/include
	@install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib
	@install -m 755 $(SHARED) $(DESTDIR)$(PREFIX)/lib
	@ln -sf $(notdir $(SHARED)) $(DESTDIR)$(PREFIX)/lib/liblexmask.so.$(basename $(basename $(VERSION)))
	@ln -sf $(notdir $(SHARED)) $(DESTDIR)$(PREFIX)/lib/liblexmask.so
	@sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@PACKAGES@|$(PACKAGES)|' api/lexmask.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/lexmask.pc
	@install -m 644 docs/lexmask.1 $(DESTDIR)$(PREFIX)/share/man/man1
	@install -m 644 LICENSE NOTICE README.md $(DESTDIR)$(PREFIX)/share/doc/lexmask
	@install -d $(DESTDIR)$(PREFIX)/share/lexmask/model/clip
	@install -m 644 demo/model/*.* $(DESTDIR)$(PREFIX)/share/lexmask/model
	@install -m 644 demo/model/clip/* $(DESTDIR)$(PREFIX)/share/lexmask/model/clip

model: all ## Train the model that ships, from nothing, in hours; goes on where it was (SEED=1, STEPS=tiny, CLIP=FOLDER)
	@BUILD=$(BUILD) SEED="$(or $(SEED),1)" STEPS="$(or $(STEPS),full)" CLIP="$(CLIP)" tools/scripts/model.sh

model-ship: # what `make model` made becomes demo/model
	@test -f $(BUILD)/model/config.json || { echo "$(BUILD)/model: not there; run make model"; exit 1; }
	@mkdir -p demo/model && cp -R $(BUILD)/model/. demo/model/

man: all ## Rewrite the man page from the program's own option tables
	@$(BUILD)/lexmask man >docs/lexmask.1

test-mutations: all tests ## Break kernels and parsers in turn: every time the tests must turn red
	@BUILD=$(BUILD) tests/mutations.sh

deps: ## Install what building, testing and running need (Debian 12; root or sudo)
	@tools/scripts/deps.sh $(DEPS)

deps-dev: ## Install what `make lint` and the sanitizer builds need besides
	@tools/scripts/deps.sh $(DEPS_DEV)

C_FILES = $(shell git ls-files -co --exclude-standard "*.c" "*.h" "*.inc" 2>/dev/null)
format: ## Format the code
	@clang-format -i $(C_FILES)

lint: ## Formatting, licence lines, a second compiler's warnings
	@clang-format --dry-run -Werror $(C_FILES)
	@tools/scripts/lint.sh

layers: ## Prove that includes go one way
	@tools/scripts/layers.sh

clean: ## Remove everything built
	@rm -rf $(BUILD)

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: all tests test test-fast test-slow test-mutations test-levels test-sanitized demo install model model-ship man deps deps-dev format lint layers clean help
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(TOOL_OBJ:.o=.d) $(TEST_LIB_OBJ:.o=.d) $(TEST_SRC:%.c=$(BUILD)/obj/%.d)

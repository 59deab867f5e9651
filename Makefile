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

# As the public header has it. A library of version 0.N is not compatible with one of 0.M.
VERSION := $(shell sed -n 's/^\#define LEXMASK_VERSION "\(.*\)"/\1/p' include/lexmask.h)
ABI := $(basename $(VERSION))
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
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
# Picture formats besides: each is read where its package is installed, and left out by WEBP=0 and so
# on. They are loaded when the first such picture is read (io/image/codec.h), never linked.
DEPS += libwebp-dev libgif-dev libtiff-dev libheif-dev
WEBP ?= 1
GIF ?= 1
TIFF ?= 1
HEIF ?= 1
# What `make lint` and `.ci/run` use besides.
DEPS_DEV := clang clang-format clang-tidy libclang-rt-14-dev abigail-tools

# What liblexmask needs, what liblexmask-draw needs besides, and what only the command does.
PACKAGES := libjpeg libpng zlib libutf8proc jansson
DRAW_PACKAGES := pangocairo freetype2
TOOL_PACKAGES := libcurl
# Asked for at the first use, not while this file is read: `make deps all` installs pkg-config first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES) $(DRAW_PACKAGES) $(TOOL_PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)
DRAW_LIBS = $(eval DRAW_LIBS := $$(shell pkg-config --libs $(DRAW_PACKAGES)))$(DRAW_LIBS)
TOOL_LIBS = $(eval TOOL_LIBS := $$(shell pkg-config --libs $(TOOL_PACKAGES)))$(TOOL_LIBS)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wno-missing-field-initializers
CPPFLAGS += -I. -Iinclude -D_GNU_SOURCE
# No contraction: a*b+c is rounded as written, so that levels and compilers agree. Kernels that
# want fused multiply-add say so themselves. -g1 is what backtraces and profiles need, in a fifth less
# time than -g, which a debugger wants: make OPT="-Og -g".
CFLAGS += -std=c17 -g1 $(OPT) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN)
LDLIBS += $(PKG_LIBS) -lm -pthread
LDFLAGS += -Wl,--as-needed
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
# What fontconfig keeps is no leak (draw/draw_plate.c): every program is to know, whatever it draws with.
LDFLAGS += -fsanitize=$(SAN)
PROGRAM_LDFLAGS := -Wl,-u,__lsan_default_suppressions
endif

# What draws or paints is liblexmask-draw; all else but the command is liblexmask. The shared one
# takes of the painted world, and of the jobs that train on it, what its functions need.
DRAW_DIRS := draw train/world train/jobs/painted api/draw
DRAW_SRC := $(sort $(shell find $(DRAW_DIRS) -name '*.c'))
LIB_SRC := $(sort $(filter-out $(DRAW_SRC),$(shell find tensor kernels io nn models train eval api -name '*.c')))
TOOL_SRC := $(sort $(shell find tools -name '*.c'))
TEST_SRC := $(sort $(wildcard tests/test_*.c))
TEST_LIB_SRC := $(sort $(wildcard tests/support/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
DRAW_OBJ := $(DRAW_SRC:%.c=$(BUILD)/obj/%.o)
TOOL_OBJ := $(TOOL_SRC:%.c=$(BUILD)/obj/%.o)
TEST_LIB_OBJ := $(TEST_LIB_SRC:%.c=$(BUILD)/obj/%.o)
TEST_BIN := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
# Learning by heart takes minutes under the sanitizers, which see the same code in test_train_cli.
LEFT_OUT := test_slow_% $(if $(SAN),test_learn_cli)
FAST_BIN := $(filter-out $(LEFT_OUT:%=$(BUILD)/tests/%),$(TEST_BIN))
TEST_SCRIPT := $(sort $(wildcard tests/test_*.sh))

LIB := $(BUILD)/liblexmask.a
DRAW_LIB := $(BUILD)/liblexmask-draw.a
SHARED := $(BUILD)/liblexmask.so.$(VERSION)
DRAW_SHARED := $(BUILD)/liblexmask-draw.so.$(VERSION)
PROGRAM := $(BUILD)/lexmask
COMPLETION := $(BUILD)/completion/lexmask $(BUILD)/completion/_lexmask

all: $(LIB) $(DRAW_LIB) $(SHARED) $(DRAW_SHARED) $(PROGRAM) $(COMPLETION) ## Build the program and the libraries

# A processor level's files are compiled for that level; dispatch happens once, at start.
ifeq ($(shell uname -m),x86_64)
$(BUILD)/obj/kernels/cpu/%_avx2.o: CFLAGS += -mavx2 -mfma -mf16c -O3
$(BUILD)/obj/kernels/cpu/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -O3 -mprefer-vector-width=512
endif
$(BUILD)/obj/kernels/cpu/%.o: OPT := -O3
$(BUILD)/obj/io/%.o $(BUILD)/obj/draw/%.o $(BUILD)/obj/models/%.o $(BUILD)/obj/tools/%.o $(BUILD)/obj/tests/%.o $(BUILD)/obj/eval/%.o $(BUILD)/obj/train/%.o $(BUILD)/obj/api/%.o: CPPFLAGS += $(PKG_CFLAGS)

# The types of the public functions, for `make lint` to compare.
$(BUILD)/obj/api/%.o: CFLAGS += -g2

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# The folder of the model that comes with lexmask is in one object, made again when PREFIX changes.
$(BUILD)/prefix: always
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' >$@
$(BUILD)/obj/models/fvlm/shipped.o: CPPFLAGS += -DLEXMASK_DATADIR='"$(PREFIX)/share/lexmask"'
$(BUILD)/obj/models/fvlm/shipped.o: $(BUILD)/prefix

# Which formats there are: the decoders are compiled again when that changes.
PICTURES := $(BUILD)/pictures
$(PICTURES): always $(if $(filter deps,$(MAKECMDGOALS)),| deps)
	@mkdir -p $(@D)
	@tools/scripts/pictures.sh WEBP=$(WEBP) GIF=$(GIF) TIFF=$(TIFF) HEIF=$(HEIF) >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(filter $(BUILD)/obj/io/image/%,$(LIB_OBJ)): $(PICTURES)
$(BUILD)/obj/io/image/%.o: CPPFLAGS += @$(PICTURES)

$(LIB): $(LIB_OBJ)
$(DRAW_LIB): $(DRAW_OBJ)
$(LIB) $(DRAW_LIB):
	@rm -f $@
	$(Q)ar rcs $@ $^

# Of the libraries only what is called lexmask_ can be seen from outside.
$(BUILD)/symbols.map: include/lexmask.h
	@mkdir -p $(@D)
	@echo 'LEXMASK_$(ABI) { global: lexmask_*; local: *; };' >$@
AS_SHARED = -shared -Wl,-soname,$(patsubst %.$(VERSION),%.$(ABI),$(@F)) \
	-Wl,--version-script=$(BUILD)/symbols.map -Wl,--no-undefined

$(SHARED): $(LIB_OBJ) $(BUILD)/symbols.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(AS_SHARED) -o $@ $(LIB_OBJ) $(LDLIBS)

# lexmask_ functions are those of the other shared library; of files and memory it has a copy.
DRAW_API_OBJ := $(filter $(BUILD)/obj/api/%,$(DRAW_OBJ))
$(DRAW_SHARED): $(DRAW_API_OBJ) $(SHARED) $(DRAW_LIB) $(LIB) $(BUILD)/symbols.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(AS_SHARED) -o $@ $(DRAW_API_OBJ) $(SHARED) $(DRAW_LIB) $(LIB) $(DRAW_LIBS) $(LDLIBS)

$(PROGRAM): $(TOOL_OBJ) $(DRAW_LIB) $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ $(TOOL_LIBS) $(DRAW_LIBS) $(LDLIBS)

$(BUILD)/tests/test_download: $(BUILD)/obj/tools/shared/download.o
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_LIB_OBJ) $(DRAW_LIB) $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $(filter %.o,$^) $(DRAW_LIB) $(LIB) -lcmocka $(TOOL_LIBS) $(DRAW_LIBS) $(LDLIBS)

# Completion for bash and zsh, from the program's own option tables.
$(COMPLETION): $(PROGRAM)
	@mkdir -p $(@D)
	$(Q)$(PROGRAM) completion $(if $(filter _%,$(@F)),zsh,bash) >$@

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
$(LIB_OBJ) $(DRAW_OBJ) $(TOOL_OBJ) $(TEST_LIB_OBJ) $(TEST_SRC:%.c=$(BUILD)/obj/%.o): | deps
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

# Every installed file: what is copied here is what `make uninstall` removes.
TO := $(DESTDIR)$(PREFIX)
TO_LIB := $(DESTDIR)$(LIBDIR)
DOC_FILES := LICENSE NOTICE README.md
MODEL_FILES := $(patsubst demo/model/%,%,$(wildcard demo/model/*.* demo/model/clip/*))
PC = sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|; s|@VERSION@|$(VERSION)|; s|@PACKAGES@|$(PACKAGES)|; s|@DRAW_PACKAGES@|$(DRAW_PACKAGES)|'
LIBRARIES := lexmask lexmask-draw

install: all ## Install under DESTDIR and PREFIX (/usr/local)
	@install -d $(TO)/bin $(TO)/include $(TO_LIB)/pkgconfig $(TO)/share/man/man1 $(TO)/share/doc/lexmask \
		$(TO)/share/lexmask/model/clip
	@install -m 755 $(PROGRAM) $(TO)/bin
	@install -m 644 include/lexmask.h include/lexmask_draw.h $(TO)/include
	@for lib in $(LIBRARIES); do \
		install -m 644 $(BUILD)/lib$$lib.a $(TO_LIB); \
		install -m 755 $(BUILD)/lib$$lib.so.$(VERSION) $(TO_LIB); \
		ln -sf lib$$lib.so.$(VERSION) $(TO_LIB)/lib$$lib.so.$(ABI); \
		ln -sf lib$$lib.so.$(ABI) $(TO_LIB)/lib$$lib.so; \
		$(PC) api/$$lib.pc.in >$(TO_LIB)/pkgconfig/$$lib.pc; \
	done
	@install -m 644 docs/lexmask.1 $(TO)/share/man/man1
	@install -d $(TO)/share/bash-completion/completions $(TO)/share/zsh/site-functions
	@install -m 644 $(BUILD)/completion/lexmask $(TO)/share/bash-completion/completions
	@install -m 644 $(BUILD)/completion/_lexmask $(TO)/share/zsh/site-functions
	@install -m 644 $(DOC_FILES) $(TO)/share/doc/lexmask
	@for file in $(MODEL_FILES); do install -m 644 demo/model/$$file $(TO)/share/lexmask/model/$$file; done

uninstall: ## Remove what `make install` put there, with the same DESTDIR and PREFIX
	@rm -f $(TO)/bin/lexmask $(TO)/include/lexmask.h $(TO)/include/lexmask_draw.h $(TO)/share/man/man1/lexmask.1 \
		$(TO)/share/bash-completion/completions/lexmask $(TO)/share/zsh/site-functions/_lexmask
	@for lib in $(LIBRARIES); do \
		rm -f $(TO_LIB)/lib$$lib.a $(TO_LIB)/lib$$lib.so{.$(VERSION),.$(ABI),} $(TO_LIB)/pkgconfig/$$lib.pc; \
	done
	@rm -f $(addprefix $(TO)/share/doc/lexmask/,$(DOC_FILES)) $(addprefix $(TO)/share/lexmask/model/,$(MODEL_FILES))
	@for dir in doc/lexmask lexmask/model/clip lexmask/model lexmask; do \
		[ ! -d $(TO)/share/$$dir ] || rmdir --ignore-fail-on-non-empty $(TO)/share/$$dir; \
	done

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

lint: $(SHARED) $(DRAW_SHARED) ## Formatting, licence lines, a second compiler's warnings, the recorded binary interface
	@clang-format --dry-run -Werror $(C_FILES)
	@tools/scripts/lint.sh
	@tools/scripts/abi.sh check $(SHARED) $(DRAW_SHARED)

abi-record: $(SHARED) $(DRAW_SHARED) # the libraries' binary interface becomes the recorded one: see tools/scripts/abi.sh
	@tools/scripts/abi.sh record $(SHARED) $(DRAW_SHARED)

layers: ## Prove that includes go one way
	@tools/scripts/layers.sh

clean: ## Remove everything built
	@rm -rf $(BUILD)

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: all always tests test test-fast test-slow test-mutations test-levels test-sanitized demo install uninstall model model-ship man deps deps-dev format lint abi-record layers clean help
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(DRAW_OBJ:.o=.d) $(TOOL_OBJ:.o=.d) $(TEST_LIB_OBJ:.o=.d) $(TEST_SRC:%.c=$(BUILD)/obj/%.d)

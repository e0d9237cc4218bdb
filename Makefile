# SPDX-License-Identifier: MIT
#
# `make help` lists the targets. In this tree require("net") is lua/net/init.lua and
# require("net.core") is build/net/core.so; net.tls has a core of its own, which is built
# where OpenSSL's headers are. To run a program against it by hand:
#
#     eval "$(make env)"; lua5.4 bin/luanet examples/...
#
# Variables to set: CC CFLAGS CPPFLAGS LDFLAGS LUA LUA_CFLAGS BUILD, for install
# and uninstall PREFIX LUADIR LIBDIR BINDIR INCDIR DESTDIR, for test SPEC (files), BUSTED
# (options) and JOBS (files at once); V=1 shows the compiler's command lines, DEPS=true
# installs no packages and asks nothing. Other settings than the last ones build anew: give
# `make install` those of `make`.

# Not looked up before it is needed: `deps` may have to install it first.
LUA ?= $(shell tools/find-lua.sh bin)
LUA_CFLAGS ?= $(shell LUA='$(LUA)' tools/find-lua.sh cflags)
LUA_VERSION = $(shell $(LUA) -e 'io.write(_VERSION:match("%d+%.%d+"))')
CFLAGS ?= -O2 -g
BUILD ?= build
DEPS ?= tools/deps.sh
SPEC ?= spec
PREFIX ?= /usr/local
LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
BINDIR ?= $(PREFIX)/bin
INCDIR ?= $(PREFIX)/include

WARN = -Wall -Wextra -Wpedantic -Wshadow
# Fortify needs an optimiser, and gets in the way of the sanitizers.
FORTIFY = $(if $(findstring -fsanitize,$(CFLAGS)),,$(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),\
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
# Files beyond 2 GiB, and times beyond 2038, on 32-bit systems too; sys.c insists on it.
LARGE = -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
BASE = -std=c11 -D_GNU_SOURCE $(LARGE) -iquote src -iquote include -fPIC -fvisibility=hidden -fno-plt -fstack-protector-strong -pthread
ifeq ($(shell uname -s),Darwin)
  BREW := $(shell brew --prefix 2>/dev/null)
  export CPPFLAGS += -I$(BREW)/include
  SHARED = -bundle -undefined dynamic_lookup -L$(BREW)/lib
else
  # nodelete: a resolver thread may still be running when Lua unloads its modules.
  SHARED = -shared -Wl,-z,relro,-z,now,-z,nodelete
endif

CORE = $(BUILD)/net/core.so
SRC = $(filter-out src/tls/%,$(wildcard src/*.c src/*/*.c))
# net.tls, which is a rock of its own: the one part that knows OpenSSL.
TLS_CORE = $(BUILD)/net/tls/core.so
TLS_SRC = $(wildcard src/tls/*.c src/tls/*/*.c)
TLS_OBJ = $(TLS_SRC:src/%.c=$(BUILD)/obj/%.o)
TLS_LUA = $(wildcard lua/net/tls.lua lua/net/luasec.lua lua/net/luasec/*.lua lua/net/internal/tls/*.lua lua/net/internal/luasec/*.lua)
HAS_OPENSSL = echo '\#include <openssl/ssl.h>' | $(CC) $(CPPFLAGS) -E -o /dev/null - 2>/dev/null
# Is it built? Asked where a recipe runs.
WITH_TLS = $(shell test -e $(TLS_CORE) && echo yes)
C_FILES = $(SRC) $(TLS_SRC) $(wildcard src/*.h src/*/*.h src/tls/*/*.h include/*.h)
# The Lua half: what a program may require, and below internal/ all else.
LUA_FILES = $(wildcard lua/net/*.lua lua/net/*/*.lua lua/net/*/*/*.lua)
# The deepest first, so that a folder is empty before the one that it is in.
LUA_FOLDERS = net/internal/address net/internal/cluster net/internal/luasec net/internal/luasocket net/internal/process net/internal/server net/internal/socket net/internal/task net/internal/tls net/internal net/luasec net
# init.lua is what a program finds, and meta.lua is for editors only.
BUNDLED = $(filter-out lua/net/init.lua lua/net/meta.lua $(TLS_LUA),$(LUA_FILES))
OBJ = $(SRC:src/%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/bundled.o
RUN_ENV = LUA='$(LUA)' LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
	LUA_CPATH='$(CURDIR)/$(BUILD)/?.so;;'
SHOW = $(if $(V),,@echo "$(notdir $(CC)) $@"; )
SPECS_RUN = tools/specs.sh $(if $(WITH_TLS),,--exclude-pattern=tls_) $(BUSTED) $(SPEC)
SAY_TLS = $(if $(WITH_TLS),,echo "net.tls is not built: its specs are left out";)

# -- What people type ------------------------------------------------------------

all: core tls ## build the library (in build/), and net.tls where OpenSSL's headers are

core: $(CORE) ## only what needs no OpenSSL

tls: core ## only net.tls, or say why not
	@if $(HAS_OPENSSL); then $(MAKE) --no-print-directory $(TLS_CORE); \
	else rm -f $(TLS_CORE); echo "net.tls is left out: there is no openssl/ssl.h (libssl-dev)"; fi

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  %-24s %s\n", $$1, $$2 }'

deps: ## install what is missing to build, test and check; asks first
	@$(DEPS) build test check

demo: all ## echo files, open 500 connections, and tell what happened
	@$(RUN_ENV) $(LUA) examples/demo.lua

test: deps-test all ## run the specs; SPEC=spec/x_spec.lua for one file
	@$(SAY_TLS) NET_SPEC_GUARD=30 $(RUN_ENV) $(SPECS_RUN)

CHECKS = check-gcc check-clang check-lua check-tidy check-cppcheck check-exports check-layers check-format docs-check asan
check: $(CHECKS) ## warnings, linters, exports, layers, format, docs, then asan
	@echo "check: all clean"

# tools/asan-lua.sh makes the interpreter. It stands first in PATH, so that a spec that
# starts lua5.4 gets the same one; a spec that builds a C host adds $NET_SANITIZE.
ASAN = build/asan
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ASAN_ENV = PATH='$(CURDIR)/$(ASAN)/bin':"$$PATH" NET_SANITIZE='$(SANITIZE)' \
	NET_SPEC_GUARD=60 ASAN_OPTIONS=detect_leaks=1:exitcode=99 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	LSAN_OPTIONS=suppressions='$(CURDIR)/tools/lsan.supp':print_suppressions=0
asan: deps-check ## run the specs under AddressSanitizer and UBSan, leaks included
	@$(MAKE) --no-print-directory BUILD=$(ASAN) CC=gcc CFLAGS='-O1 -g $(SANITIZE)' all
	@tools/asan-lua.sh '$(LUA)' $(ASAN)/bin
	@$(MAKE) --no-print-directory BUILD=$(ASAN) LUA='$(CURDIR)/$(ASAN)/bin/$(notdir $(LUA))' asan-run

VALGRIND = valgrind -q --leak-check=full --error-exitcode=1 --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite --suppressions=tools/valgrind.supp
# A limit of descriptors is valgrind's own, and what comes by a channel does not mind that. A
# child whose program does not start has all memory of its parent, and few pointers to it.
valgrind: deps-check all ## run the quick specs under valgrind
	@$(SAY_TLS) NET_SPEC_GUARD=120 $(RUN_ENV) UNDER='$(VALGRIND)' $(SPECS_RUN) --exclude-tags=slow,rlimit

parity: deps-test all ## compare with Node 20 and 26 (fetched by npm into a scratch folder)
	@$(RUN_ENV) tools/parity.sh

peers: deps-peers all ## run the specs that need programs of others: Node, haproxy, ...
	@NET_SPEC_GUARD=$${NET_SPEC_GUARD:-30} $(RUN_ENV) BUSTED='$(BUSTED)' tools/peers.sh $(if $(filter-out spec,$(SPEC)),$(SPEC))

openssl: deps-openssl ## the specs of TLS with RELEASE's OpenSSL: bullseye (1.1.1), trixie (3.5); as root
	@tools/openssl.sh '$(RELEASE)' $(filter-out spec,$(SPEC))

PARITY_RANDOM = $(foreach v,SEED N TLS ODD JOBS FROM ONLY SHRINK,$(if $($v),$v=$($v)))
EAGER = build/eager
parity-random: deps-test all ## compare random programs with Node 26; SEED=n N=programs TLS=programs ODD=calls
	@$(MAKE) --no-print-directory BUILD=$(EAGER) CPPFLAGS='$(CPPFLAGS) -DNET_EAGER=1' all
	@$(RUN_ENV) tools/parity-random.sh $(PARITY_RANDOM)

# Built by clang, in a folder of its own, where what is found stays.
FUZZ = build/fuzz
FUZZ_FOR ?= 60
fuzz: deps-fuzz all ## make up what comes from the wire of net.tls, by libFuzzer; FUZZ_FOR=60 seconds
	@mkdir -p $(FUZZ)/inputs
	@$(RUN_ENV) $(LUA) tools/fuzz/tls.lua $(FUZZ)/inputs
	@$(MAKE) --no-print-directory BUILD=$(FUZZ) CC=clang CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address' all
	$(SHOW)clang -std=c11 $(WARN) $(LUA_CFLAGS) -O1 -g -fsanitize=fuzzer,address -rdynamic \
		-o $(FUZZ)/fuzz tools/fuzz/fuzz.c -llua$(LUA_VERSION)
	@$(MAKE) --no-print-directory BUILD=$(FUZZ) fuzz-run

fuzz-run:
	@$(RUN_ENV) NET_FUZZ=tools/fuzz/tls.lua $(BUILD)/fuzz $(BUILD)/inputs -artifact_prefix=$(BUILD)/ \
		-detect_leaks=0 -max_len=4096 -max_total_time=$(FUZZ_FOR)

torture: deps-test all ## fail each system call and allocation in turn (15 minutes); ROW=recv for one
	@$(RUN_ENV) $(LUA) tools/torture/run.lua $(ROW)

install: all install-header ## install below PREFIX (/usr/local), or LUADIR, LIBDIR, BINDIR, INCDIR
	install -d $(LUA_FOLDERS:%='$(DESTDIR)$(LUADIR)/%') '$(DESTDIR)$(LIBDIR)/net/tls' '$(DESTDIR)$(BINDIR)'
	for file in $(filter-out $(if $(WITH_TLS),,$(TLS_LUA)),$(LUA_FILES)); do \
		install -m 644 $$file '$(DESTDIR)$(LUADIR)'/$${file#lua/} || exit; done
	install -m 755 $(CORE) '$(DESTDIR)$(LIBDIR)/net'
	$(if $(WITH_TLS),install -m 755 $(TLS_CORE) '$(DESTDIR)$(LIBDIR)/net/tls',@echo "net.tls is not installed: it is not built")
	sed "1s|.*|#!$$(command -v $(LUA))|" bin/luanet >'$(DESTDIR)$(BINDIR)/luanet'
	chmod 755 '$(DESTDIR)$(BINDIR)/luanet'

install-header: ## install only what another library in C needs of this one to be compiled
	install -d '$(DESTDIR)$(INCDIR)'
	install -m 644 include/net_capi.h '$(DESTDIR)$(INCDIR)'

uninstall: ## remove what install put there: give it the same settings
	rm -f $(LUA_FILES:lua/%='$(DESTDIR)$(LUADIR)/%') \
		'$(DESTDIR)$(LIBDIR)/net/$(notdir $(CORE))' '$(DESTDIR)$(LIBDIR)/net/tls/$(notdir $(TLS_CORE))' \
		'$(DESTDIR)$(BINDIR)/luanet' \
		'$(DESTDIR)$(INCDIR)/net_capi.h'
	for folder in $(LUA_FOLDERS:%='$(DESTDIR)$(LUADIR)/%') '$(DESTDIR)$(LIBDIR)/net/tls' \
		'$(DESTDIR)$(LIBDIR)/net'; do \
		rmdir "$$folder" 2>/dev/null || true; done

docs: all ## make docs/api.md from lua/net/meta.lua
	@$(RUN_ENV) $(LUA) tools/docs.lua

docs-check: all ## check that all that is public is documented
	@$(RUN_ENV) $(LUA) tools/docs.lua --check

# Folder of the bench's programs and results.
BENCH = $(BUILD)/bench
BENCH_C = $(addprefix $(BENCH)/,load starts bare bare-lua libev proxy $(if $(shell $(HAS_OPENSSL) && echo yes),tlsload tlsbare))
BENCH_RUN = $(RUN_ENV) BENCH_OUT=$(BENCH) $(LUA) bench/run.lua $(SCENARIO)
bench: bench-ready ## measure against others (20 minutes or more); writes docs/bench
	@$(BENCH_RUN) --keep docs/bench

bench-quick: bench-ready ## the same in four minutes; writes build/bench only
	@$(BENCH_RUN) --quick

bench-tables: all ## make docs/bench and README's tables anew, of the kept figures
	@$(RUN_ENV) $(LUA) bench/run.lua --render docs/bench

bench-instructions: bench-ready ## count instructions; fails at 5 % over the kept ones
	@$(RUN_ENV) BENCH_OUT=$(BENCH) $(LUA) bench/instructions.lua

bench-instructions-keep: bench-ready ## keep those counts in docs/bench/instructions.txt
	@$(RUN_ENV) BENCH_OUT=$(BENCH) $(LUA) bench/instructions.lua --keep

clean: ## remove what was built
	rm -rf build

format: ## lay out the C sources
	clang-format -i $(C_FILES)

env: ## print the settings with which Lua finds this tree
	@echo export $(subst ;,\;,$(RUN_ENV))

# -- How it is done --------------------------------------------------------------

$(CORE): $(OBJ)
	@mkdir -p $(@D)
	$(SHOW)$(CC) $(CFLAGS) $(SHARED) -o $@.new $(OBJ) $(LDFLAGS) -lev -pthread
	@mv $@.new $@ # in one step, as programs may be running with the old one

# Not linked into the other: who does not require net.tls has no OpenSSL in his process.
# nodelete: OpenSSL calls what is in here when the process ends.
$(TLS_CORE): $(TLS_OBJ)
	@mkdir -p $(@D)
	$(SHOW)$(CC) $(CFLAGS) $(SHARED) -o $@.new $(TLS_OBJ) $(LDFLAGS) -lssl -lcrypto
	@mv $@.new $@

COMPILE = $(CC) $(BASE) $(WARN) $(WERROR) $(FORTIFY) $(LUA_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
	-MMD -MP -c
$(BUILD)/obj/%.o: src/%.c $(BUILD)/obj/settings
	@mkdir -p $(@D)
	$(SHOW)$(COMPILE) -o $@ $<

$(BUILD)/obj/bundled.o: $(BUILD)/obj/bundled.c
	$(SHOW)$(COMPILE) -o $@ $<

$(BUILD)/obj/bundled.c: tools/bundle.lua $(BUNDLED) $(BUILD)/obj/settings
	@$(LUA) tools/bundle.lua $@ $(BUNDLED)

# Changes if what is built now is not what was built last. A quote ends the shell's
# string, stands there escaped, and begins the next.
$(BUILD)/obj/settings: FORCE | deps-build
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(SETTINGS))' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
SETTINGS = $(LUA) $(COMPILE) $(SHARED) $(LDFLAGS) $(SRC) $(TLS_SRC) $(BUNDLED)
FORCE:
.DELETE_ON_ERROR:

-include $(OBJ:.o=.d) $(TLS_OBJ:.o=.d)

bench-programs: $(BENCH_C)
bench-ready: all bench-programs
	@$(DEPS) bench
	@$(RUN_ENV) BENCH_OUT=$(BENCH) DEPS='$(DEPS)' bench/peers.sh

# bare-lua gets Lua as the interpreter has it: not as a shared library, if that can be.
BENCH_CC = $(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(WERROR) $(CPPFLAGS) -O2 -g
LIBLUA = $(or $(firstword $(wildcard /usr/lib/*/liblua$(LUA_VERSION).a)),-llua$(LUA_VERSION))
$(BENCH)/bare-lua: bench/bare.c $(wildcard bench/*.h)
	@mkdir -p $(@D)
	$(SHOW)$(BENCH_CC) -DWITH_LUA $(LUA_CFLAGS) -o $@ $< $(LDFLAGS) $(LIBLUA) -lm -ldl

$(BENCH)/%: bench/%.c $(wildcard bench/*.h)
	@mkdir -p $(@D)
	$(SHOW)$(BENCH_CC) -o $@ $< $(LDFLAGS) $(if $(filter libev,$*),-lev) $(if $(filter tls%,$*),-lssl -lcrypto)

# One after the other, as two package managers at once would lock each other out.
deps-build:
	@$(DEPS) build
deps-test: deps-build
	@$(DEPS) test
deps-check: deps-test
	@$(DEPS) check
deps-peers: deps-test
	@$(DEPS) peers
deps-fuzz: deps-check
	@$(DEPS) fuzz
deps-openssl:
	@$(DEPS) openssl

check-gcc check-clang: check-%: deps-check
	@$(MAKE) --no-print-directory BUILD=build/$@ CC=$* WERROR=-Werror all bench-programs

check-lua: deps-check
	luacheck -q $(wildcard lua spec examples bench tools) bin/luanet

# A process for each file: in one for all, clang-tidy 14 takes a function of a file for
# va_copy now and then, whose name was at that address in the file before.
check-tidy: deps-check
	printf '%s\n' $(SRC) $(if $(shell $(HAS_OPENSSL) && echo yes),$(TLS_SRC)) | \
		xargs -P "$$(getconf _NPROCESSORS_ONLN)" -I {} \
		clang-tidy --quiet {} -- $(BASE) $(WARN) $(LUA_CFLAGS) $(CPPFLAGS)

check-cppcheck: deps-check
	cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --suppress=toomanyconfigs src

check-layers: all ## who calls whom in src/, against the table in tools/layers.lua
	@$(LUA) tools/layers.lua src $(filter-out %/bundled.o,$(OBJ)) $(if $(WITH_TLS),$(TLS_OBJ))

check-format: deps-check ## the C sources, as `make format` lays them out
	clang-format --dry-run -Werror $(C_FILES)

check-exports: all
	test "$$(nm -D --defined-only $(CORE) | awk '{ print $$3 }')" = luaopen_net_core
	$(if $(WITH_TLS),test "$$(nm -D --defined-only $(TLS_CORE) | awk '{ print $$3 }')" = luaopen_net_tls_core)

asan-run:
	@$(SAY_TLS) $(RUN_ENV) $(ASAN_ENV) $(SPECS_RUN)

list-checks:
	@echo $(CHECKS)

.PHONY: all core tls help deps demo test check asan valgrind peers openssl parity parity-random fuzz fuzz-run torture install install-header uninstall docs docs-check bench \
	bench-quick bench-tables bench-instructions bench-instructions-keep bench-programs bench-ready \
	clean format env FORCE deps-build deps-test deps-check deps-peers deps-fuzz deps-openssl $(CHECKS) asan-run list-checks

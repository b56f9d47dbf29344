# G-Express. `make help` lists the targets. One file, not recursive into folders; everything that is
# made lands under build/ (build/SAN/ for a sanitizer build).

PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/gex
MANDIR  ?= $(PREFIX)/share/man
DESTDIR ?=
ifeq ($(origin CC),default)
CC      := gcc
endif
CFLAGS  ?= -O2 -g
PKGCONF ?= pkg-config
VERSION := 0.1.0
SAN     ?=

MAKEFLAGS += --no-print-directory
comma := ,
B     := build$(if $(SAN),/$(subst $(comma),-,$(SAN)))

# The Debian packages: the one list. A command found on PATH needs no package (see `deps`).
DEPS_BUILD := gcc libc6-dev make pkg-config libuv1-dev libssl-dev libisal-dev libinih-dev libsrt-gnutls-dev \
	libnghttp2-dev libdeflate-dev libbrotli-dev libavformat-dev libavcodec-dev libavutil-dev libswresample-dev \
	libzimg-dev libfreetype-dev fonts-dejavu-core
DEPS_TEST  := libcmocka-dev ffmpeg chromium nginx libnginx-mod-rtmp iproute2 curl clang-14 \
	clang-format libclang-rt-14-dev shellcheck mandoc srt-tools openssl procps util-linux iperf3 haproxy kcptun \
	nghttp2-client wrk brotli varnish
DEPS_CMDS  := node=nodejs npm=npm

# Modules, bottom up: one may include only those before it (make lint checks).
MODULES := base log buf conf metrics os loop net fan crypt tunnel srtsock carrier relay media stream cmaf http tool
TOOLS   := gex-listen gex-endpoint gex-transcode gex-package gex-restream gex-record

# What each tool links: this is the dependency diagram.
GROUND := base log buf conf metrics os loop net crypt http tool
MODS_gex-listen    := $(GROUND) tunnel srtsock carrier relay
MODS_gex-endpoint  := $(GROUND) tunnel srtsock carrier relay
MODS_gex-transcode := $(GROUND) fan media srtsock stream
MODS_gex-package   := $(GROUND) fan media srtsock stream cmaf
MODS_gex-restream  := $(GROUND) fan media srtsock stream
MODS_gex-record    := $(GROUND) fan media srtsock stream cmaf

# The foreign libraries of a module.
PKG_conf    := inih
PKG_loop    := libuv
PKG_crypt   := libssl libcrypto
PKG_tunnel  := libisal
PKG_carrier := libuv
PKG_relay   := libuv
PKG_media   := libavformat libavcodec libavutil libswresample zimg freetype2
PKG_srtsock := srt
PKG_stream  := libuv
PKG_http    := libuv libnghttp2 libdeflate libbrotlienc
PKG_test    := cmocka

pkg_of   = $(sort $(foreach m,$(1),$(PKG_$(m))))
libs_of  = $(if $(call pkg_of,$(1)),$(shell $(PKGCONF) --libs $(call pkg_of,$(1)))) -lpthread -lm
PKG_CFLAGS = $(shell $(PKGCONF) --cflags $(call pkg_of,$(MODULES) test) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wformat=2 -Wundef -Wno-unused-parameter
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
GEX_CFLAGS = -std=c11 -D_GNU_SOURCE -DGEX_VERSION='"$(VERSION)"' -DGEX_DATADIR='"$(DATADIR)"' \
	$(WARN) -Ilib -pthread -MMD -MP $(PKG_CFLAGS_CACHED) $(SANFLAGS)
PKG_CFLAGS_CACHED = $(eval PKG_CFLAGS_CACHED := $(PKG_CFLAGS))$(PKG_CFLAGS_CACHED)

src_of  = $(wildcard lib/$(1)/*.c)
obj_of  = $(patsubst %.c,$(B)/%.o,$(1))
arch_of = $(foreach m,$(1),$(if $(call src_of,$(m)),$(B)/lib/$(m).a))

# A tool exists here when its folder does.
HERE   := $(foreach t,$(TOOLS),$(if $(wildcard cmd/$(t)/*.c),$(t)))
BINS   := $(addprefix $(B)/,$(HERE))
# Each tests/DIR/NAME.c is one program; each executable tests/DIR/NAME.sh is one test.
UNIT   := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
SIM    := $(patsubst %.c,$(B)/%,$(wildcard tests/sim/sim_*.c))
AIDS   := $(patsubst %.c,$(B)/%,$(wildcard tests/net/*.c tests/media/*.c tests/bench/*.c))
FUZZ   := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))

# One short line a command; V=1 shows it whole.
say = $(if $(V),,@printf '  %-5s%s\n' $(1) $@; )

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tools tests web npm install uninstall deps check check-run demo lint sim threads bench bench-accel bench-transcode bench-package bench-watch bench-job bench-figures conform \
	soak fuzz fuzz-programs clean help

## all: the six tools and the player page, into build/ (SAN=address,undefined or SAN=thread: build/SAN/)
all: tools web

tools: $(BINS)

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(GEX_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

define MODULE_RULE
$(B)/lib/$(1).a: $(call obj_of,$(call src_of,$(1)))
	@rm -f $$@
	@$(AR) rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call MODULE_RULE,$(m))))

define TOOL_RULE
$(B)/$(1): $(call obj_of,$(wildcard cmd/$(1)/*.c)) $(call arch_of,$(MODS_$(1)))
	$$(call say,LINK)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(SANFLAGS) -o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(call libs_of,$(MODS_$(1)))
endef
$(foreach t,$(HERE),$(eval $(call TOOL_RULE,$(t))))

define PROGRAM_RULE
$(1): $(1).o $(call arch_of,$(MODULES))
	$$(call say,LINK)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(SANFLAGS) $(2) -o $$@ $$< \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -Wl,--as-needed \
		$$(call libs_of,$(MODULES) test)
endef
$(foreach p,$(UNIT) $(SIM) $(AIDS),$(eval $(call PROGRAM_RULE,$(p))))
$(foreach p,$(FUZZ),$(eval $(call PROGRAM_RULE,$(p),-fsanitize=fuzzer)))

tests: $(UNIT) $(SIM) $(AIDS)

# What comes from npm (pinned in web/package.json): hls.js and dash.js for the player page, playwright-core and Shaka for tests.
NPM := build/npm/installed

npm: $(NPM)

$(NPM): web/package.json
	@mkdir -p $(@D)
	cp web/package.json $(@D)/
	npm install --prefix $(@D) --no-package-lock --no-audit --no-fund --ignore-scripts
	@touch $@

# The player page: our files, hls.js and dash.js from npm, where gex-package finds them beside itself.
WEB := $(patsubst web/%,$(B)/share/%,$(wildcard web/*.html web/*.js web/*.css)) $(B)/share/hls.min.js $(B)/share/dash.min.js

web: $(WEB)

$(B)/share/hls.min.js: $(NPM)
	@mkdir -p $(@D)
	cp build/npm/node_modules/hls.js/dist/hls.min.js $@

$(B)/share/dash.min.js: $(NPM)
	@mkdir -p $(@D)
	cp build/npm/node_modules/dashjs/dist/modern/umd/dash.mediaplayer.min.js $@

$(B)/share/%: web/%
	@mkdir -p $(@D)
	cp $< $@

# ---- fuzzing: clang's libFuzzer over the same sources, in a folder of its own ----

FUZZ_FLAGS := B=build/fuzz CC=clang-14 SAN= \
	CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
ifeq ($(B),build/fuzz)
LDFLAGS += -fsanitize=address,undefined
endif

fuzz-programs: $(FUZZ)

# ---- testing ----

SHELL_TESTS := $(shell find tests/*/ -name '*.sh' -perm -u+x | sort)
LINTS       := $(filter tests/lint/%,$(SHELL_TESTS))
BENCHES     := $(filter tests/bench/%,$(SHELL_TESTS))
# What tools say and refuse is tested on the sanitizers' build.
SAN_TESTS   := $(filter tests/cli/%,$(SHELL_TESTS))
# The browser and the main job last and alone: they want both cores, and everything below them has been seen by then.
LAST        := $(filter tests/browser/%,$(SHELL_TESTS)) $(filter tests/net/main-job.sh,$(SHELL_TESTS))
TESTS       := $(LINTS) $(UNIT) $(SIM) $(filter-out $(LINTS) $(BENCHES) $(SAN_TESTS) $(LAST),$(SHELL_TESTS))
SANDIR      := build/address-undefined
JOBS        := -j$(shell nproc)

## check: install what is missing, build, and run every test
check: deps
	$(MAKE) $(JOBS) all tests
	$(MAKE) $(JOBS) SAN=address,undefined tools tests
	$(MAKE) $(JOBS) $(FUZZ_FLAGS) fuzz-programs
	$(MAKE) check-run

check-run:
	@tests/run $(TESTS) @$(SANDIR) $(UNIT:build/%=$(SANDIR)/%) $(SAN_TESTS) -- $(LAST)

## lint: layering, manual pages, shell scripts, formatting (part of check)
lint: all tests
	tests/run $(LINTS)

## fuzz: run each fuzzer for SECONDS (default 60)
fuzz:
	$(MAKE) $(JOBS) $(FUZZ_FLAGS) fuzz-programs
	FUZZ_SECONDS=$(or $(SECONDS),60) tests/fuzz/short.sh

## sim: the tunnel in virtual time, SEEDS (1000) of each scenario, on all cores; 10000 are for a night
sim: $(SIM)
	@set -e; for s in $(SIM); do $$s -j $(shell nproc) $(or $(SEEDS),1000); done

## threads: the unit tests and the accelerator's under ThreadSanitizer
threads:
	$(MAKE) $(JOBS) SAN=thread tools tests
	TSAN_OPTIONS=suppressions=$(CURDIR)/tests/thread.supp tests/run @build/thread \
		$(UNIT:build/%=build/thread/%) $(filter tests/cli/accel-%,$(SHELL_TESTS))

## conform: the origin under a client that knows the rules of LL-HLS and LL-DASH, for SECONDS (default 120)
conform: all tests
	CONFORM_SECONDS=$(or $(SECONDS),120) tests/bench/conform.sh

## bench: measure the accelerator and the live chain beside their peers, and print the table
bench: all tests
	@set -e; for b in $(BENCHES); do echo "== $$b"; $$b; done

## bench-accel: the accelerator's table, one run; ARGS='-r bulk,fetch -l L1 -p gex,bbr -n 3' picks
bench-accel: tools tests
	@tests/bench/accel.sh $(ARGS)

## bench-transcode: the ladder beside ffmpeg; ARGS='-s 10 -n 3' is seconds of the clip and runs
bench-transcode: tools tests
	@tests/bench/transcode.sh $(ARGS)

## bench-package: the origin beside nginx, what a waiting player costs, and 2000 who play; ARGS='-d 3 -n 3 -p 2000 -r small,large,wait' is seconds, runs, players, rows
bench-package: tools tests
	@tests/bench/package.sh $(ARGS)
	@tests/bench/package-play.sh

## bench-watch: glass to glass by each player in Chromium, here and over a bad link; ARGS='-s 60 -n 3 -r hls,dash' is seconds, runs, rows
bench-watch: all tests
	@tests/bench/watch.sh $(ARGS)
	@tests/bench/watch-wan.sh $(ARGS)

## bench-job: the main job of tests/net with its figures enforced, on a machine that does nothing else
bench-job: all tests
	@GEX_FIGURES=1 tests/run -v tests/net/main-job.sh

## bench-figures: all tests that state figures of time, with them enforced; check only prints them
bench-figures: all tests
	@GEX_FIGURES=1 tests/run $(shell grep -lE '^[^#]*\bfigure "' $(filter-out $(BENCHES) %/lib-selftest.sh,$(SHELL_TESTS)))

## soak: gex-transcode for long: hostile streams under the sanitizers, sources that come and go, memory; SECONDS (600), SEED, TURNS (20)
soak: tools tests
	$(MAKE) $(JOBS) SAN=address,undefined tools tests
	SOAK_SECONDS=$(or $(SECONDS),600) SOAK_SEED=$(or $(SEED),$(shell date +%s)) SOAK_TURNS=$(or $(TURNS),20) tests/media/soak

## demo: a live source through the whole pipeline on this machine; SECONDS=30 ends it by itself
demo: deps
	$(MAKE) $(JOBS) all tests
	SECONDS_TO_RUN=$(SECONDS) tests/demo.sh

# ---- setting up ----

## deps: install the Debian packages that are missing (as root or by sudo)
deps:
	@missing=$$(dpkg-query -W -f '$${db:Status-Abbrev} $${Package}\n' $(DEPS_BUILD) $(DEPS_TEST) 2>/dev/null | \
		sed -n 's/^ii *//p' | sort >/tmp/gex-deps-have.$$$$; \
		printf '%s\n' $(DEPS_BUILD) $(DEPS_TEST) | sort | comm -23 - /tmp/gex-deps-have.$$$$; \
		rm -f /tmp/gex-deps-have.$$$$); \
	for pair in $(DEPS_CMDS); do \
		command -v "$${pair%%=*}" >/dev/null || missing="$$missing $${pair#*=}"; \
	done; \
	missing=$$(echo $$missing); \
	[ -n "$$missing" ] || { echo "deps: everything needed is installed"; exit 0; }; \
	command -v apt-get >/dev/null || { echo "deps: no apt-get here; install: $$missing" >&2; exit 69; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "deps: installing by apt-get: $$missing"; \
	$$sudo apt-get update -q && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing

## install: into DESTDIR, under PREFIX (default /usr/local)
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR) \
		$(addprefix $(DESTDIR)$(MANDIR)/man,1 5 7)
	install -m 755 $(BINS) $(DESTDIR)$(BINDIR)/
	install -m 644 $(B)/share/* $(DESTDIR)$(DATADIR)/
	for m in man/*.[157]; do install -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/ || exit 1; done

## uninstall: take away what install put there
uninstall:
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(TOOLS))
	rm -rf $(DESTDIR)$(DATADIR)
	for m in man/*.[157]; do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done

## clean: remove everything that was built
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): */  make \1\t/p' Makefile | expand -t 22

# G-Express. `make help` lists the targets. One file, not recursive into folders; everything that is
# made lands under build/ (build/SAN/ for a sanitizer build).

PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/gex
MANDIR  ?= $(PREFIX)/share/man
DESTDIR ?=
CC      ?= gcc
CFLAGS  ?= -O2 -g
PKGCONF ?= pkg-config
VERSION := 0.1.0
SAN     ?=

comma := ,
B     := build$(if $(SAN),/$(subst $(comma),-,$(SAN)))

# The Debian packages: the one list. A command found on PATH needs no package (see `deps`).
DEPS_BUILD := gcc libc6-dev make pkg-config libuv1-dev libssl-dev libinih-dev libsrt-gnutls-dev \
	libavformat-dev libavcodec-dev libavutil-dev libswresample-dev libzimg-dev
DEPS_TEST  := libcmocka-dev ffmpeg chromium nginx libnginx-mod-rtmp iproute2 curl clang-14 \
	clang-format libclang-rt-14-dev shellcheck mandoc srt-tools openssl procps util-linux
DEPS_CMDS  := node=nodejs npm=npm

# Modules, bottom up: one may include only those before it (make lint checks).
MODULES := base log buf conf metrics os loop net fan crypt tunnel carrier relay media stream cmaf http
TOOLS   := gex-listen gex-endpoint gex-transcode gex-package gex-restream gex-record

# What each tool links: this is the dependency diagram.
GROUND := base log buf conf metrics os loop net http
MODS_gex-listen    := $(GROUND) crypt tunnel carrier relay
MODS_gex-endpoint  := $(GROUND) crypt tunnel carrier relay
MODS_gex-transcode := $(GROUND) fan media stream
MODS_gex-package   := $(GROUND) fan media stream cmaf
MODS_gex-restream  := $(GROUND) fan media stream
MODS_gex-record    := $(GROUND) fan media stream cmaf

# The foreign libraries of a module.
PKG_conf    := inih
PKG_loop    := libuv
PKG_crypt   := libssl libcrypto
PKG_carrier := libuv
PKG_relay   := libuv
PKG_media   := libavformat libavcodec libavutil libswresample zimg
PKG_stream  := libuv srt
PKG_http    := libuv
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

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tools tests web install uninstall deps check check-run demo lint bench fuzz clean help

all: tools web

tools: $(BINS)

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GEX_CFLAGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

define MODULE_RULE
$(B)/lib/$(1).a: $(call obj_of,$(call src_of,$(1)))
	@rm -f $$@
	@$(AR) rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call MODULE_RULE,$(m))))

define TOOL_RULE
$(B)/$(1): $(call obj_of,$(wildcard cmd/$(1)/*.c)) $(call arch_of,$(MODS_$(1)))
	$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(SANFLAGS) -o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(call libs_of,$(MODS_$(1)))
endef
$(foreach t,$(HERE),$(eval $(call TOOL_RULE,$(t))))

define PROGRAM_RULE
$(1): $(1).o $(call arch_of,$(MODULES))
	$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(SANFLAGS) $(2) -o $$@ $$< \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -Wl,--as-needed \
		$$(call libs_of,$(MODULES) test)
endef
$(foreach p,$(UNIT) $(SIM) $(AIDS),$(eval $(call PROGRAM_RULE,$(p))))
$(foreach p,$(FUZZ),$(eval $(call PROGRAM_RULE,$(p),-fsanitize=fuzzer)))

tests: $(UNIT) $(SIM) $(AIDS)

clean:
	rm -rf build

help:
	@sed -n 's/^## \([a-z-]*\): */  make \1\t/p' Makefile | expand -t 22

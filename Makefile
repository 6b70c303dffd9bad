# Build, test and package Unitward. `make help` says what there is.
#
# Needs Debian 12 or later and cargo (rust-version in Cargo.toml; from https://rustup.rs). `make test` as root installs the rest.

SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(CURDIR)/target

version := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
# Lists all packages of a build; written when they are there.
packages := target/debian/unitward_$(version)_$(shell dpkg --print-architecture).changes

# What the packages are made of. Directories are listed too: they change when a file comes or goes.
ingredients := Cargo.toml Cargo.lock LICENSE Makefile README.md debian docs examples generator libunitward src units
sources := $(shell find $(ingredients) 2>/dev/null)

# What runs at boot and in recoveries is built without the daemon's dependencies, in a place of its own.
lean := --no-default-features --target-dir $(CARGO_TARGET_DIR)/lean

# Where the build was made is nobody's business, and would make each build another one.
cargo_home := $(or $(CARGO_HOME),$(HOME)/.cargo)
remapped := --remap-path-prefix=$(cargo_home)=/cargo --remap-path-prefix=$(CARGO_TARGET_DIR)=/target \
	--remap-path-prefix=$(CURDIR)=/unitward
build bench: export RUSTFLAGS := $(remapped)

# Both are linked statically: every boot and every daemon-reload waits for the generator, every recovery several times for the
# helper, and a third of their time was the dynamic linker's. A target must be named for that, or procedural macros would have to
# be static too.
static := -C target-feature=+crt-static
rust_host := $(shell rustc -vV | sed -n 's/^host: //p')
generator := $(CARGO_TARGET_DIR)/lean/$(rust_host)/release/unitward-generator
step := $(CARGO_TARGET_DIR)/lean/$(rust_host)/release/unitward-step

# Debian's build says where libraries are and how the C compiler is to be called.
DEB_HOST_MULTIARCH ?= $(shell dpkg-architecture --query DEB_HOST_MULTIARCH)
CFLAGS ?= -O2 -g
libraries := $(DESTDIR)/usr/lib/$(DEB_HOST_MULTIARCH)

# Frames are found by unwind tables. The library's own calls are bound when it is loaded: a lookup in the middle of a call would
# need some of the few KiB of stack that the call asks for.
library := $(CARGO_TARGET_DIR)/libunitward/libunitward.so.0
library_cflags := -std=c11 -fPIC -funwind-tables -Wall -Wextra -Wpedantic -Wconversion
library_ldflags := -shared -Wl,-soname,libunitward.so.0 -Wl,--version-script=libunitward/libunitward.map -Wl,-z,defs -Wl,-z,now

apt_packages := build-essential debhelper fish gdb libsqlite3-dev lintian mandoc pkg-config strace zsh

# Tests on hosts wait most of their time: for back-offs, boots, brokers that do not answer.
test_threads ?= 4

.PHONY: build library test demo bench deb upgrade matrix fuzz reproducible install clean help tools checks

build: library ## compile the four programs and the library
	RUSTFLAGS="$(remapped) $(static)" cargo build --release --locked $(lean) --target $(rust_host) \
		--bin unitward-generator --bin unitward-step
	cargo build --release --locked --bin unitwardd --bin unitward

# Two small files: quicker compiled than looked after, since the flags count too.
library:
	mkdir -p $(dir $(library))
	$(CC) $(CPPFLAGS) $(CFLAGS) $(library_cflags) $(LDFLAGS) $(library_ldflags) -o $(library) libunitward/*.c -lgcc_s

test: tools ## everything: format, lints, packages, tests on booted hosts (as root)
	@trap tests/host/sweep EXIT; $(MAKE) --no-print-directory checks

demo: tools deb ## boot a host, guard a service, kill it, show the recovery and the report (as root)
	@trap tests/host/sweep EXIT; cargo run --locked --quiet --example demo

bench: tools deb ## measure against what one would use instead, on booted hosts (as root, takes long): make bench measures="deaths storm"
	cargo build --release --locked $(lean) --example worker
	RUSTFLAGS="$(remapped) $(static)" cargo build --release --locked $(lean) --target $(rust_host) --example writer
	@trap tests/host/sweep EXIT; UNITWARD_BENCH_WORKER=$(CARGO_TARGET_DIR)/lean/release/examples/worker \
		UNITWARD_BENCH_WRITER=$(dir $(generator))examples/writer cargo bench --locked --bench hosts -- $(measures)

deb: $(packages) ## Debian packages, in target/debian

upgrade: tools deb ## upgrade hosts from an older commit, by itself the last one with another version: make upgrade from=COMMIT
	debian/previous $(from)
	@trap tests/host/sweep EXIT; UNITWARD_TEST_PREVIOUS=$(CURDIR)/target/previous \
		cargo test --locked --test hosts -- --ignored upgrade::an_upgrade_from_an_older_version

matrix: tools deb ## guard the daemons of tests/hosts/matrix on hosts of both releases, write docs/matrix.md: make matrix only="nginx squid"
	@trap tests/host/sweep EXIT; run='cargo test --locked --test hosts -- --ignored matrix::'; found=0; \
		UNITWARD_TEST_DAEMONS='$(only)' RUST_TEST_THREADS=$(test_threads) $${run}all || found=$$?; \
		[[ '$(only)' ]] || $${run}the_page_is_written; exit $$found

# How long each target runs, and which: all where none is named.
seconds ?= 600
fuzz: ## fuzz what reads the bytes of others, each target so long: make fuzz seconds=600 only="ward mqtt"
	fuzz/run $(seconds) $(only)

reproducible: ## build the packages twice, as differently as may be, and compare them (takes minutes)
	debian/reproducible

install: ## install what `make build` made, below DESTDIR
	install -D --target-directory=$(DESTDIR)/usr/lib/systemd/system-generators $(generator)
	install -D --target-directory=$(DESTDIR)/usr/lib/unitward $(step) $(CARGO_TARGET_DIR)/release/unitwardd
	install -D --target-directory=$(DESTDIR)/usr/bin $(CARGO_TARGET_DIR)/release/unitward
	install -D --mode=0644 --target-directory=$(libraries) $(library)
	ln -sf libunitward.so.0 $(libraries)/libunitward.so
	install -D --mode=0644 --target-directory=$(DESTDIR)/usr/include libunitward/unitward.h
	mkdir -p $(libraries)/pkgconfig
	sed 's/@version@/$(version)/; s/@multiarch@/$(DEB_HOST_MULTIARCH)/' libunitward/unitward.pc.in >$(libraries)/pkgconfig/unitward.pc
	cd units && find . -type f -exec install -D --mode=0644 {} $(abspath $(DESTDIR))/{} \;
# zsh reads its file at the first TAB, and wants an answer to that already.
	for shell in bash:bash-completion/completions/unitward zsh:zsh/vendor-completions/_unitward fish:fish/vendor_completions.d/unitward.fish; do \
		file=$(DESTDIR)/usr/share/$${shell#*:}; \
		mkdir -p $${file%/*}; \
		UNITWARD_COMPLETE=$${shell%%:*} $(CARGO_TARGET_DIR)/release/unitward >$$file || exit; \
	done
	echo '[[ $$funcstack[1] != _unitward ]] || _clap_dynamic_completer_unitward "$$@"' >>$(DESTDIR)/usr/share/zsh/vendor-completions/_unitward
	for page in docs/man/*; do \
		install -D --mode=0644 --target-directory=$(DESTDIR)/usr/share/man/man$${page##*.} $$page || exit; \
	done

clean: ## remove what was built
	rm -rf target

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

# debhelper works in a copy, so that nothing appears in the tree. Files keep their times, so that cargo finds its work done.
$(packages): $(sources)
	rm -rf target/debian
	mkdir -p target/debian/unitward
	cp -a $(ingredients) target/debian/unitward
	cd target/debian/unitward && dpkg-buildpackage --build=binary --no-sign --no-pre-clean
	rm -rf target/debian/unitward
	touch $@

checks: deb
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --all-targets -- -D warnings
	$(MAKE) --no-print-directory library CFLAGS='-O2 -Werror' CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/checks
	lintian --pedantic --display-info --fail-on error,warning,info,pedantic --info $(packages)
	RUST_TEST_THREADS=$(test_threads) cargo test --locked

# Quick when all of it is there.
tools:
	@dpkg-query --show $(apt_packages) >/dev/null 2>&1 || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(apt_packages); }
	@command -v cargo >/dev/null || { echo 'cargo is missing: install it from https://rustup.rs' >&2; exit 1; }
	@tests/host/prepare

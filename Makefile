# Build, test and package Unitward. `make help` says what there is.
#
# Needs Debian 12 or later and cargo (rust-version in Cargo.toml; from https://rustup.rs). `make test` as root installs the rest.

SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(CURDIR)/target

version := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
package := target/debian/unitward_$(version)_$(shell dpkg --print-architecture).deb

# What a package is made of. Directories are listed too: they change when a file comes or goes.
ingredients := Cargo.toml Cargo.lock LICENSE Makefile README.md debian docs examples generator src units
sources := $(shell find $(ingredients) 2>/dev/null)

# What runs at boot and in recoveries is built without the daemon's dependencies, in a place of its own.
lean := --no-default-features --target-dir $(CARGO_TARGET_DIR)/lean

# The generator is linked statically: every boot and every daemon-reload waits for it, and a third of its time was the
# dynamic linker's. A target must be named for that, or procedural macros would have to be static too.
rust_host := $(shell rustc -vV | sed -n 's/^host: //p')
generator := $(CARGO_TARGET_DIR)/lean/$(rust_host)/release/unitward-generator

apt_packages := build-essential debhelper lintian

.PHONY: build test demo bench deb install clean help tools checks

build: ## compile the four programs
	cargo build --release --locked $(lean) --bin unitward-step
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked $(lean) --target $(rust_host) --bin unitward-generator
	cargo build --release --locked --bin unitwardd --bin unitward

test: tools ## everything: format, lints, packages, tests on booted hosts (as root)
	@trap tests/host/sweep EXIT; $(MAKE) --no-print-directory checks

demo: tools deb ## boot a host, guard a service, kill it, show the recovery and the report (as root)
	@trap tests/host/sweep EXIT; cargo run --locked --quiet --example demo

bench: build ## measure against what one would use instead
	UNITWARD_GENERATOR=$(generator) cargo bench --locked $(lean)

deb: $(package) ## Debian package, in target/debian

install: ## install what `make build` made, below DESTDIR
	install -D --target-directory=$(DESTDIR)/usr/lib/systemd/system-generators $(generator)
	install -D --target-directory=$(DESTDIR)/usr/lib/unitward $(CARGO_TARGET_DIR)/lean/release/unitward-step \
		$(CARGO_TARGET_DIR)/release/unitwardd
	install -D --target-directory=$(DESTDIR)/usr/bin $(CARGO_TARGET_DIR)/release/unitward
	cd units && find . -type f -exec install -D --mode=0644 {} $(abspath $(DESTDIR))/{} \;
	for page in docs/man/*; do \
		install -D --mode=0644 --target-directory=$(DESTDIR)/usr/share/man/man$${page##*.} $$page || exit; \
	done

clean: ## remove what was built
	rm -rf target

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

# debhelper works in a copy, so that nothing appears in the tree. Files keep their times, so that cargo finds its work done.
$(package): $(sources)
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
	lintian --fail-on error,warning --info target/debian/*.changes
	cargo test --locked

# Quick when all of it is there.
tools:
	@dpkg-query --show $(apt_packages) >/dev/null 2>&1 || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(apt_packages); }
	@command -v cargo >/dev/null || { echo 'cargo is missing: install it from https://rustup.rs' >&2; exit 1; }
	@tests/host/prepare

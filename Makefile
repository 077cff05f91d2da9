# The one command surface: CI runs these very commands. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup wasm native tool image lint check test test-deep test-control-planes test-matrix soak bench bench-decisions demo clean

# A command fails if any part of its pipe does.
SHELL := bash
.SHELLFLAGS := -o pipefail -c

CARGO ?= cargo
WASM_TARGET := wasm32-unknown-unknown
WASM := target/wasm/edge_breaker.wasm
# Where cargo puts what it builds.
BUILT := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug
SHELLS := -p plugin-proxy-wasm -p plugin-proxy-wasm-module -p plugin-component -p empty-filter
# Makes of what was built what is handed out.
PACKAGE := $(CARGO) run --quiet -p package --
# A machine that is offline has the target already, or cannot get it.
add_target = (rustup target add $(1) 2>/dev/null || rustup target list --installed | grep -qx $(1))
# What the SDK for proxy-wasm builds is built as its own documentation says.
ADD_TARGET := $(call add_target,$(WASM_TARGET)) && $(call add_target,wasm32-wasip1)

# The versions that the module is tried on: `make test` takes the newest, `make test-deep` the oldest.
OLDEST_ENVOY := 1.36.4
ENVOYS := $(OLDEST_ENVOY) 1.37.0 1.38.2 1.39.3 1.40.0
on_envoy = echo "Envoy $(1)" && export ENVOY= ENVOY_VERSION=$(1) && $(CARGO) test --workspace --test envoy \
	&& $(CARGO) test --workspace --test release page:: -- --ignored

# When make began, and the last line of what takes a while.
BEGUN := $(shell date +%s)
told = @echo "make $@: $$(($$(date +%s) - $(BEGUN))) s"

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs what is missing: the wasm targets, and Envoy where $ENVOY and PATH have none
	@$(ADD_TARGET)
	@$(CARGO) run --quiet -p envoy-harness --bin envoy-path

wasm: ## Builds the proxy-wasm module and the component into target/wasm
	@$(ADD_TARGET)
	$(CARGO) run --quiet -p artifacts

native: ## Builds the dynamic module into target/native, for glibc 2.28; ARCH=all for x86_64 and aarch64
	$(CARGO) run --quiet -p artifacts --bin portable -- $(ARCH)

tool: ## Builds breakerctl as one static file into target/tool, with its manual and completions
	$(CARGO) run --quiet -p artifacts --bin tool

# With FORM=native, images of the dynamic module as well.
NATIVE_FOR_IMAGE := $(if $(filter native,$(FORM)),$(foreach arch,x86_64 aarch64,target/native/$(arch)/libedge_breaker.so))
image: ARCH = all
image: wasm $(if $(NATIVE_FOR_IMAGE),native) ## Makes OCI images of the module in target/image, with a bill of materials and the licences; FORM=native adds those of the dynamic module
	@$(PACKAGE) image $(WASM) target/image $(NATIVE_FOR_IMAGE)

lint: ## Checks format, lints (native and wasm), docs and the direction of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@$(ADD_TARGET)
	$(CARGO) clippy $(SHELLS) --target $(WASM_TARGET) -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items
	$(CARGO) test --quiet --workspace --test architecture
	$(told)

check: wasm ## Tests core, filter and hosts, and plays the scenarios in virtual time: what to run after each edit
	$(CARGO) test --quiet --workspace --lib --test breaker --test suite
	$(CARGO) test --quiet --workspace --test scenarios -- --skip ::envoy
	$(told)

# What runs in a real Envoy waits for its clock, and needs nothing of the WebAssembly engine that the others do.
# The tests are told apart by the first letter of their names, so that each is in one of them.
IN_ENVOY := --test '[de]*'
ELSEWHERE := --lib --bins --test '[!de]*'

test: ## Runs all that a change can break, real Envoy included
	@$(ADD_TARGET)
	@# Who builds the modules is built first, and who packs them: they ask cargo for neither while it builds tests.
	@$(CARGO) build --quiet --workspace --bin artifacts --bin package
	@# Cargo builds the tests in Envoy, which then run while it builds the others, and are told after them.
	@# What failed is told once more at the end.
	@export PACKAGER=$(BUILT)/package; \
		RUST_TEST_THREADS=4 $(CARGO) test --workspace --no-fail-fast $(IN_ENVOY) >$(BUILT)/in-envoy.log 2>&1 & envoy=$$!; \
		trap 'trap - TERM; kill 0' INT TERM; $(BUILT)/artifacts; built=$$?; unset PACKAGER; \
		$(CARGO) test --workspace --no-fail-fast $(ELSEWHERE) 2>&1 | tee $(BUILT)/elsewhere.log; elsewhere=$$?; \
		$(CARGO) test --workspace --doc; documented=$$?; \
		wait $$envoy; in_envoy=$$?; cat $(BUILT)/in-envoy.log; \
		grep -hE '^test .* FAILED$$|^error' $(BUILT)/elsewhere.log $(BUILT)/in-envoy.log; \
		exit $$((built || elsewhere || documented || in_envoy))
	$(told)

test-deep: wasm ## Runs what takes long or takes tools: seeded bugs, a million requests, millions of orders of steps, Prometheus, a registry, etcd, moto, a browser, Zig, an emulator, the oldest Envoy, the dynamic module
	$(CARGO) test --workspace --test release --test world --test model --test dynamic-module -- --ignored
	@# What the dynamic module keeps until its process ends is no leak.
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 CARGO_TARGET_DIR=target/sanitized \
		$(CARGO) test --quiet -p host-test-dynamic-module --target $$(uname -m)-unknown-linux-gnu
	$(CARGO) test --workspace --test envoy fleet:: -- --ignored
	@$(call on_envoy,$(OLDEST_ENVOY))
	FORM=native $(CARGO) test --workspace --test envoy
	FORM=native $(CARGO) test --workspace --test envoy fleet:: -- --ignored
	@$(MAKE) --no-print-directory bench-decisions BENCH=quick
	$(told)

test-control-planes: image ## Runs the samples on a real Kubernetes API with Istio and Envoy Gateway, which Go builds first; as root
	$(CARGO) build --quiet --workspace --bin breakerctl
	$(CARGO) test --workspace --test control-planes -- --ignored
	$(told)

test-matrix: wasm ## Runs the tests in a real Envoy on each version that is supported
	@for version in $(ENVOYS); do $(call on_envoy,$$version) || exit 1; done

SOAK ?= 1m
soak: wasm ## Simulates worlds of random seeds; SOAK=30s, 2h or a number of requests
	@# With all others, as the tests are built, or else the engine would be built once more.
	$(CARGO) build --quiet --workspace --bin world
	$(BUILT)/world $(SOAK)

# Parts and how: cpu, outage, core, memory (all if none is named), quick, resume, show, keep, check.
BENCH ?=
bench: wasm setup ## Measures cost and outages against other proxies and crates; BENCH=quick, cpu, outage, core, memory, "quick cpu"
	-$(CARGO) test --quiet --workspace --test costs -- --exact each_path_costs_what_the_table_says --nocapture
	$(CARGO) run --release -p bench -- $(BENCH)

bench-decisions: ## Plays what our rules and others' decide, in virtual time; BENCH=quick plays a few runs of what is held to a bar
	$(CARGO) run --release -p decisions -- $(DECISIONS)

demo: $(if $(filter native,$(DEMO_FORM)),native,wasm) ## Drives the recipe's four scenarios through Envoy, or breakerctl demo where there is none; DEMO_EXIT=1 exits after them, DEMO_FORM=native takes the dynamic module
	$(CARGO) run --quiet -p demo

clean: ## Removes all that was built
	$(CARGO) clean

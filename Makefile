# The one command surface: CI runs these very commands. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup wasm image lint test test-oldest test-matrix soak bench demo clean

CARGO ?= cargo
WASM_TARGET := wasm32-wasip1
WASM := target/wasm/edge_breaker.wasm
BUILT := $${CARGO_TARGET_DIR:-target}/$(WASM_TARGET)/module
SHELLS := -p breaker-proxy-wasm -p empty-filter
# The same bytes wherever they are built: no folder of this machine is named in them.
REMAP := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo
# Less is put in line: the module is a twentieth smaller, and no path takes longer. This bound leaves
# the one of what is built for size as it is, and holds at this opt-level only (Cargo.toml).
SMALL := -C llvm-args=-inlinedefault-threshold=130
export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS := $(REMAP) $(SMALL)
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS := $(REMAP) $(SMALL)
# The component is built without a system, and so asks for none.
COMPONENT_TARGET := wasm32-unknown-unknown
COMPONENT := target/wasm/edge_breaker_component.wasm
COMPONENT_BUILT := $${CARGO_TARGET_DIR:-target}/$(COMPONENT_TARGET)/module
# A machine that is offline has the target already, or cannot get it.
add_target = rustup target add $(1) 2>/dev/null || rustup target list --installed | grep -qx $(1)
ADD_TARGET := $(call add_target,$(WASM_TARGET))
ADD_COMPONENT_TARGET := $(call add_target,$(COMPONENT_TARGET))

# The versions that the module is tried on. `make test` takes the newest, CI the oldest as well.
OLDEST_ENVOY := 1.36.4
ENVOYS := $(OLDEST_ENVOY) 1.37.0 1.38.2 1.39.3 1.40.0
on_envoy = echo "Envoy $(1)" && ENVOY= ENVOY_VERSION=$(1) $(CARGO) test --workspace --test envoy

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs what is missing: the wasm target, and Envoy where $ENVOY and PATH have none
	@$(ADD_TARGET)
	@$(CARGO) run --quiet -p envoy-harness --bin envoy-path

wasm: ## Builds the proxy-wasm module and the component into target/wasm
	@$(ADD_TARGET)
	$(CARGO) build $(SHELLS) --target $(WASM_TARGET) --profile module
	@mkdir -p target/wasm
	@cp $(BUILT)/edge_breaker.wasm $(WASM)
	@cp $(BUILT)/empty_filter.wasm target/wasm/empty_filter.wasm
	@$(ADD_COMPONENT_TARGET)
	$(CARGO) build -p breaker-component --target $(COMPONENT_TARGET) --profile module
	@$(CARGO) run --quiet -p component-wrap -- $(COMPONENT_BUILT)/edge_breaker_component.wasm $(COMPONENT)
	@ls -l $(WASM) $(COMPONENT)

image: wasm ## Makes an OCI image of the module in target/image, with a bill of materials and the licences
	@$(CARGO) run --quiet -p module-image -- $(WASM) target/image

lint: ## Checks format, lints (native and wasm), docs and the direction of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@$(ADD_TARGET)
	$(CARGO) clippy $(SHELLS) --target $(WASM_TARGET) -- -D warnings
	@$(ADD_COMPONENT_TARGET)
	$(CARGO) clippy -p breaker-component --target $(COMPONENT_TARGET) -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items
	$(CARGO) test --quiet --workspace --test architecture

test: wasm setup ## Runs all tests, real Envoy included
	$(CARGO) test --workspace
	@echo "left to CI: the same in Envoy $(OLDEST_ENVOY) (make test-oldest)"

test-oldest: wasm ## Runs the tests in a real Envoy of the oldest version that is supported, as CI does
	@$(call on_envoy,$(OLDEST_ENVOY))

test-matrix: wasm ## Runs the tests in a real Envoy on each version that is supported
	@for version in $(ENVOYS); do $(call on_envoy,$$version) || exit 1; done

SOAK ?= 1m
soak: wasm ## Simulates worlds of random seeds; SOAK=30s, 2h or a number of requests
	@# With all others, as the tests are built, or else the engine would be built once more.
	$(CARGO) build --quiet --workspace --bins
	$${CARGO_TARGET_DIR:-target}/debug/simulated-world $(SOAK)

bench: wasm setup ## Counts and measures what the filter costs per request
	-$(CARGO) test --quiet --workspace --test costs -- --exact each_path_costs_what_the_table_says --nocapture
	$(CARGO) bench -p breaker
	$(CARGO) run --release -p edge-breaker-bench

demo: wasm ## Drives the recipe's four scenarios through Envoy, or breakerctl serve where there is none; DEMO_EXIT=1 exits after them
	$(CARGO) run --quiet -p recipe-demo

clean: ## Removes all that was built
	$(CARGO) clean

# Bifrost Trader. `make help` prints the list below.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PRESET ?= dev
BUILD := build/$(PRESET)
JOBS ?= $(shell nproc)

.PHONY: help demo demo-reset build web unit test soak check fuzz bench fmt fresh clean types

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: ## start everything here: simulated gateway, database, collector, API and page; prints one URL (REPLAY=FILE.csv.gz replays a recording)
	@scripts/demo.sh $(if $(REPLAY),--replay "$(REPLAY)") $(DEMO_ARGS)

demo-reset: ## forget what the demo has collected (REPLAY and DEMO_ARGS as for the demo)
	@scripts/demo.sh $(if $(wildcard build/dev/bin/bifrost),--no-build) --reset $(if $(REPLAY),--replay "$(REPLAY)") $(DEMO_ARGS)

build: ## install what is needed and build all programs
	@scripts/build.sh $(PRESET)

web: ## build the page into web/dist
	@scripts/build-web.sh

unit: ## build and run the fast tests of the rooms
	@scripts/build.sh $(PRESET) --tests && ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure -E functional

test: ## install, build and run every test this machine allows; ends with N passed, N failed
	@scripts/test.sh

check: ## formatting, layers, lint, fuzzers for a minute each, all C++ tests under sanitizers
	@scripts/check.sh

fuzz: ## fuzz under sanitizers: TARGET=ib_decode RUNS=100000000, or SECONDS_EACH=60; all targets for a minute without
	@scripts/fuzz.sh $(if $(RUNS),--runs $(RUNS),--seconds $(or $(SECONDS_EACH),60)) $(TARGET)

soak: ## thirty days of collection cycles as fast as they go (SOAK_CYCLES=N for more), flat memory or failure
	@scripts/build.sh $(PRESET) --tests && $(BUILD)/tests/functional/fault_tests --gtest_filter='*F35*'

bench: ## measure, with the error beside the speed and a baseline in the same run
	@scripts/bench.sh

fmt: ## format C++ and TypeScript
	@scripts/install-packages.sh check && git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 -i && scripts/build-web.sh && cd web && PATH="$(CURDIR)/.tools/bin:$$PATH" npm run fmt

types: ## write web/openapi.json and the TypeScript types from the API
	@scripts/types.sh

fresh: ## prove make test and make demo in a bare Debian 12 root (needs root)
	@scripts/fresh.sh

clean: ## remove build results
	rm -rf build web/dist

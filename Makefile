# SPDX-License-Identifier: MIT OR Apache-2.0
# The front door. Every target hands over to cargo, meson or a script; nothing is decided here.
export PATH := $(PATH):$(HOME)/.cargo/bin
PREFIX ?= /usr/local
STAGE = build/stage

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help demo test test-layers test-rust test-loom test-library test-readme test-examples test-c test-dropin test-python test-wheel \
	test-bench test-models verify vm fuzz poor flaky torture bench scaling install stage setup setup-python setup-test setup-verify doctor headers fmt lint clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' Makefile

demo: setup-python stage ## build, install under build/stage, run the routing example, compare all strategies in Python
	scripts/demo.sh $(STAGE) -s 3
	scripts/demo-python.sh

# Loom, the models and the wheel's build say the same however long they take: they get what the others leave of the CPUs.
test: setup-test ## everything that should pass before a commit
	scripts/beside.sh '$(MAKE) test-wheel test-loom test-models' \
		$(MAKE) test-layers test-rust test-library test-readme test-examples test-c test-dropin test-python test-bench

test-rust:
	scripts/test-rust.sh

test-layers:
	scripts/layers.sh
	scripts/layers-selftest.sh

test-loom:
	PSREF_TEST_SHORT=1 scripts/loom.sh # whole in verify

test-library: stage
	scripts/check-library.sh $(STAGE)
	bench/asm.sh $(STAGE) --check

# The others (valgrind, ...) run in verify.
test-c: stage
	ENVIRONMENTS="asan default inline c++ atomic strict no-rseq refused static" c-tests/run.sh $(STAGE)
	c-tests/inline.sh $(STAGE)

test-dropin: stage
	scripts/dropin-headers.sh $(STAGE)
	c-tests/ports/run.sh $(STAGE)
	scripts/man-lint.sh

test-python: setup-python
	scripts/python.sh

test-wheel: setup-python
	scripts/wheel.sh

test-readme: stage
	scripts/readme.sh $(STAGE)

test-examples: stage
	scripts/examples.sh $(STAGE)
	scripts/holders.sh $(STAGE)

test-bench:
	bench/page.sh --test

test-models:
	models/check.sh small

verify: setup-verify ## the long checks: large models, Miri, sanitizers, fuzzing, poorer and emulated machines
	scripts/verify.sh

vm: setup-verify ## emulated machines alone: NUMA nodes, many CPUs, CPUs that come and go
	scripts/verify-numa.sh

SECS_EACH ?= 60
fuzz: setup-verify ## every fuzz target, for SECS_EACH=60 seconds each
	scripts/fuzz.sh $(SECS_EACH)

poor: setup-verify ## the tests on poorer machines: no rseq, no membarrier, one CPU, no hwloc, little memory
	scripts/poor.sh

TURNS ?= 20
flaky: setup-test ## the native C and Rust tests, TURNS=20 times under load; counts what fails
	scripts/flaky.sh $(TURNS)

SECS ?= 600
TORTURE ?= all
torture: setup ## everything at once, with faults, for SECS=600 seconds; TORTURE="--planted" plants bugs
	cargo run -q --release -p psref-torture --features inject -- --secs $(SECS) $(TORTURE)

bench: stage ## measure this machine, write docs/benchmarks.md
	bench/run.sh $(STAGE) --json build/bench.json
	bench/page.sh build/bench.json docs

scaling: setup-verify stage ## measure waits against CPUs, on emulated machines, for docs/benchmarks.md
	bench/emulated.sh $(STAGE) docs/benchmarks/emulated.json
	bench/page.sh --emulated docs

install: setup ## build and install under PREFIX (/usr/local), below DESTDIR
	scripts/install.sh build/install $(PREFIX)

stage: setup
	@DESTDIR= scripts/install.sh build/dev $(STAGE) --libdir=lib

setup: ## install what building needs (apt; elsewhere says what is missing)
	@scripts/setup.sh build

setup-python setup-test setup-verify: setup-%:
	@scripts/setup.sh $*

doctor: ## what is missing on this machine, and the command that installs it
	@scripts/doctor.sh

headers: ## write the generated headers again
	UPDATE_HEADERS=1 cargo test -q -p psref-ffi --test headers

fmt: ## format the Rust sources
	cargo fmt --all

lint: ## formatting and clippy, warnings are errors
	scripts/lint.sh

clean: ## remove everything that was built
	rm -rf build target

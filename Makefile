# The door to the project. It needs Python 3.11 or newer with its headers, a C compiler and make; everything else is
# installed into a venv beside this file.
#
#   make test                        the tests, but for those in tests/slow
#   make test-all                    all tests
#   make test ARGS="-k lock -x"      arguments for pytest; "-n 0" for one process, which a debugger needs
#   make test PYTHON=python3.13      another interpreter, in a venv of its own: .venv-python3.13
#   make test INTERLOCK_DEBUG=1      with the asserts of the compiled core

PYTHON ?= python3
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
DEMO ?= examples/condition_producer_consumer.py
ARGS ?=
# How many processes share the tests: two for each processor, since many tests wait for something.
JOBS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

# Where bytecode is not to be written, each process of the tests would compile each module of the tests anew.
export PYTHONDONTWRITEBYTECODE :=

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install
# What setup.py compiles: each module with a .pxd beside it.
PXD := $(sort $(shell find src/interlock -name '*.pxd'))
COMPILED := $(wildcard $(PXD:.pxd=.py))
COMPILED_MODULES := $(subst /,.,$(COMPILED:src/%.py=%))
# That compiled classes cannot be combined by inheritance (PEP 800) is left unsaid in the stubs.
STUBTEST := --mypy-config-file pyproject.toml --allowlist tools/stubtest.txt --ignore-unused-allowlist \
  --ignore-disjoint-bases

.DEFAULT_GOAL := help
.NOTPARALLEL: # every target uses the same venv
.PHONY: help demo test test-all test-cluster browser loops check format bench bench-quick screenshot build clean FORCE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.interlock ## Run an example under `interlock run`: DEMO=examples/...
	$(BIN)/interlock run $(DEMO)

test: $(VENV)/.has-test $(VENV)/.interlock ## Run the tests: ARGS="-k lock", PYTHON=python3.13, INTERLOCK_DEBUG=1
	$(BIN)/python -m pytest -n $(JOBS) --ignore tests/slow $(ARGS)

test-all: $(VENV)/.has-test $(VENV)/.interlock ## The same for longer, and those in tests/slow
	STRESS_SECONDS=$${STRESS_SECONDS:-2} $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

# ENGINES="redis postgresql" takes some of them only. More processes than processors: these tests wait, for leases to run
# out and for servers to start.
ENGINES ?= all
CLUSTER_JOBS ?= 4
CLIENTS := $(VENV)/.has-redis $(VENV)/.has-postgresql $(VENV)/.has-etcd
test-cluster: $(VENV)/.has-test $(CLIENTS) $(VENV)/.interlock ## Test interlock.cluster on real servers: ENGINES=redis
	@python3 tools/servers.py
	INTERLOCK_CLUSTER="$(ENGINES)" $(BIN)/python -m pytest -n $(CLUSTER_JOBS) tests/cluster $(ARGS)

browser: $(VENV)/.has-browser ## Add what the tests in a browser need beside Chromium; `make test` then runs them

loops: $(VENV)/.has-loops ## Add uvloop, where it comes built for this Python; `make test` then runs on it too

check: $(VENV)/.has-check $(VENV)/.interlock ## Check format, lint, types, and the stubs against what was compiled
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@echo cython-lint
	@$(BIN)/cython-lint $(PXD) $(COMPILED)
	$(BIN)/mypy
	@echo stubtest
	@$(BIN)/python -m mypy.stubtest $(STUBTEST) $(COMPILED_MODULES)

types: $(VENV)/.has-types ## How complete the types are, as pyright counts them: 98 % at least
	$(BIN)/python tools/verify_types.py

format: $(VENV)/.has-check ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# What has been compiled in src/ is measured, so it is not a debug build that is left there.
bench: $(VENV)/.has-bench $(VENV)/.interlock ## Measure everything and write docs/benchmarks.md: 15 minutes
	$(BIN)/python -m benchmarks --page $(ARGS)

bench-quick: $(VENV)/.has-bench $(VENV)/.interlock ## The same ratios in the terminal: ARGS="--check --json FILE Lock"
	$(BIN)/python -m benchmarks --quick $(ARGS)

screenshot: $(VENV)/.has-browser $(VENV)/.interlock ## Make docs/timeline.png: ARGS="prog.py --theme dark"
	$(BIN)/python tools/screenshot.py $(ARGS)

docs: $(VENV)/.has-docs $(VENV)/.interlock ## Build the site into build/site/html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/site/doctrees docs build/site/html
	$(BIN)/python tools/check_links.py build/site/html

links: $(VENV)/.has-docs $(VENV)/.interlock ## Ask the network whether the site's links to elsewhere lead somewhere
	$(BIN)/python -m sphinx -q -b linkcheck -d build/site/doctrees docs build/site/links

wheels: $(VENV)/.has-dist ## Build and try an sdist and a wheel for each interpreter at hand, in dist/: ARGS="python3.13"
	$(BIN)/python tools/wheels.py $(ARGS)

# Always asked: setup.py itself knows, module by module, what is out of date.
build: $(VENV)/.has-build ## Compile what is compiled into src/
	@$(BIN)/python setup.py --quiet build_ext --inplace
	@$(BIN)/python -m compileall -q src # as pip does for what it installs

clean: ## Remove everything that make has made
	rm -rf .venv .venv-* build dist src/interlock.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src -name '*.so' -delete

# --- the venv -----------------------------------------------------------------------------------------------------

DOES_NOT_RUN = $(PYTHON) does not run: install Python 3.11 or newer, or name one that runs: make test PYTHON=/path/to/python3

# Looked at each time, made anew when it belongs to another interpreter or directory, or no longer runs.
$(VENV)/.python: FORCE
	$(eval FOUND := $(shell $(PYTHON) tools/interpreter.py $(PYTHON) 2>/dev/null))
	$(if $(filter ok,$(firstword $(FOUND))),,$(error $(or $(FOUND),$(DOES_NOT_RUN))))
	@if [ "$$(cat $@ 2>/dev/null)" != '$(FOUND)' ] || ! $(BIN)/python -c '' 2>/dev/null; then \
	  rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && echo '$(FOUND)' > $@; \
	fi

# What an extra of pyproject.toml asks for, or the build itself: build tools that stand in the venv compile a changed
# module without asking pip.
REQUIREMENTS = import tomllib; project = tomllib.load(open("pyproject.toml", "rb")); \
  print(*{"build": project["build-system"]["requires"], **project["project"]["optional-dependencies"]}["$*"], sep="\n")

$(VENV)/.has-%: $(VENV)/.python pyproject.toml
	@echo "Installing what $* needs into $(VENV)"
	@$(BIN)/python -c '$(REQUIREMENTS)' > $(VENV)/$*.txt && $(PIP_INSTALL) $(ONLY_BUILT) --requirement $(VENV)/$*.txt
	@touch $@

$(VENV)/.has-loops: ONLY_BUILT = --only-binary :all:

# Compiled first: a mistake in the core shows without pip's wrapping, and pip finds nothing left to compile.
$(VENV)/.interlock: $(VENV)/.has-build | build
	@echo "Installing interlock into $(VENV)"
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

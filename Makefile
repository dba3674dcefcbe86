# Everything needs Python >= 3.11 and make alone; the rest is installed into .venv. `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help install demo up reset test test-long test-outside check fmt bench lock upgrade check-lock

# The first Python on the PATH that is new enough; `make PYTHON=...` chooses another one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
OUTSIDE := .outside/.installed

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install everything into .venv (the other targets do it by themselves)

$(INSTALLED): requirements.lock pyproject.toml .ci/tools.lock .ci/install
	@test -n "$(PYTHON)" || { echo "Tributary needs Python 3.11 or newer, and found none on the PATH; install one, or name it: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@.ci/install $(PYTHON)
	@touch $@

demo: $(INSTALLED) ## load an example program and its history, and show who earned what and why
	@$(BIN)/tributary demo

up: $(INSTALLED) ## start the system on this machine; Ctrl-C stops it
	@$(BIN)/tributary up

reset: $(INSTALLED) ## remove the state of this machine's system, after asking
	@$(BIN)/tributary reset

test: $(INSTALLED) ## run the tests against real PostgreSQL and Kafka (some fifteen minutes on two cores)
	@$(BIN)/pytest -m "not long and not outside"

test-long: $(INSTALLED) ## run the tests that take minutes
	@$(BIN)/pytest -m long

test-outside: $(INSTALLED) $(OUTSIDE) ## check exported books with bean-check and hledger (which must be on the PATH)
	@command -v hledger >/dev/null || { echo "hledger is not on the PATH. It is a package of that name on Debian, Ubuntu, Fedora and Homebrew, such as: apt install hledger" >&2; exit 1; }
	@PATH="$(CURDIR)/.outside/bin:$$PATH" $(BIN)/pytest -m outside

# bean-check is GPL and nothing of ours: in an environment of its own, out of which nothing is imported.
$(OUTSIDE): .ci/outside.lock | $(INSTALLED)
	@echo "Installing bean-check into .outside"
	@$(BIN)/python -m venv --clear .outside
	@.outside/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/outside.lock
	@touch $@

check: $(INSTALLED) check-lock ## check style, types, layering, and that the locks are current
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(INSTALLED) ## format the code, and repair what can be repaired
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(INSTALLED) ## measure, each figure beside its floor
	@$(BIN)/python -m bench

lock: $(INSTALLED) ## write the lock files after a change in pyproject.toml
	@.ci/lock

upgrade: $(INSTALLED) ## move the lock files to the newest versions
	@.ci/lock --upgrade

check-lock: $(INSTALLED)
	@.ci/lock --check

# Run `make` for the list. Everything works offline after the first `make setup`.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
VENDOR := appliance/web/static/vendor
export PATH := $(CURDIR)/$(BIN):$(PATH)
N ?=
SEEDS ?= 2000

help:  ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*  ## /\1	/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/ready  ## install everything into .venv and node_modules

run: setup  ## a box on port 8000; its data is in var/box
	DARASA_DATA_DIR=var/box $(BIN)/darasa-box serve

run-hub: setup  ## a hub on port 8100 with a PostgreSQL of its own; its data is in var/hub
	$(BIN)/python -m demo.local_hub var/hub

demo: setup  ## a hub and two schools play a day; stays up until Ctrl-C
	$(BIN)/python -m demo

demo-check: setup  ## the same, ends by itself: exit 1 on any difference
	$(BIN)/python -m demo --check

test: setup  ## all tests but the image's
	$(BIN)/pytest --ignore=tests/image $(ARGS)

check: lint types imports docs  ## what is checked without running anything

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

docs: setup  ## check links, commands and generated tables (make fix rewrites the tables)
	$(BIN)/python -m docs.generate --check
	$(BIN)/pytest -q tests/test_docs.py

fix: setup  ## format, and rewrite the generated tables
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m docs.generate

drill-powercut: setup  ## cut the power N=1000 times over the real writer
	$(BIN)/python -m tests.drills.powercut $(or $(N),1000)

drill-kill9: setup  ## kill the serving process N=50 times under load
	$(BIN)/python -m tests.drills.kill9 $(or $(N),50)

drill-hub-rollback: setup  ## put the hub's database back to a backup, N=150 writes a lesson
	$(BIN)/python -m tests.drills.hub_rollback $(or $(N),150)

drill-failover: setup  ## promote a lagging replica while boxes push, N=150 writes a lesson
	$(BIN)/python -m tests.drills.failover $(or $(N),150)

drill-clone: setup  ## run one card image in two boards, N=120 writes a week
	$(BIN)/python -m tests.drills.clone $(or $(N),120)

drill-box-replace: setup  ## lose a board, replace it, find it again, N=150 writes a lesson
	$(BIN)/python -m tests.drills.box_replace $(or $(N),150)

drill-skew: setup  ## the real 0.1.0 against this release, both ways, N=100 writes a lesson
	$(BIN)/python -m tests.drills.skew $(or $(N),100)

drill-link: setup  ## KBPS=64 LOSS=30 CUT=20: a slow link that breaks and is cut
	$(BIN)/python -m tests.drills.link $(or $(KBPS),64) $(or $(LOSS),30) $(or $(CUT),20)

drill-sneakernet: setup  ## N=12 weeks of sticks, lost, late, repeated and damaged
	$(BIN)/python -m tests.drills.sneakernet $(or $(N),12)

drill-clock: setup  ## throw the clock about while a task is due, N=40 pupils
	$(BIN)/python -m tests.drills.clock $(or $(N),40)

soak: setup  ## DAYS=200 school days in minutes, nights and housekeeping included
	$(BIN)/python -m tests.drills.soak $(or $(DAYS),200)

drill-corrupt: setup  ## damage N=200 cards of a school day; repaired, restored, or lessons only
	$(BIN)/python -m tests.drills.corrupt $(or $(N),200)

drill-restore: setup  ## lose a board, restore its sealed backup on another, N=150 writes a lesson
	$(BIN)/python -m tests.drills.restore $(or $(N),150)

drill-migrate-kill: setup  ## kill the box at every N=1st statement of every migration
	$(BIN)/python -m tests.drills.migrate_kill $(or $(N),1)

drill-update-kill: setup  ## pull the plug N=50 times while updates are written, tried and judged
	PYTHONPATH=image-build $(BIN)/python -m tests.drills.update_kill $(or $(N),50) $(or $(SEED),1)

drill-disk-full: setup  ## fill the card N=20 times under a class that hands in
	$(BIN)/python -m tests.drills.disk_full $(or $(N),20)

simulate: setup  ## SEEDS=2000 seeded worlds through the sync core
	$(BIN)/python -m tests.simulation $(SEEDS)

simulate-mutants: setup  ## break one line of the sync core at a time; the suite must notice
	$(BIN)/python -m tests.simulation.mutants

bench-sync: setup  ## measure the way to the district; results in bench/results
	$(BIN)/python -m bench.sync

WRITES ?= 3
FAULTS ?= 2
model: setup  ## every order of WRITES=3 writes and FAULTS=2 accidents on a card, its clone and the hub
	$(BIN)/python -m tests.simulation.model $(WRITES) $(FAULTS)

COVERED := sync/core/*,sync/protocol.py,sync/merge.py,sync/hub/intake/*
COVERING := tests/simulation/test_core.py \
  $(patsubst %,tests/sync/test_%.py,damage hostile_segments merge scopes segment stick) \
  $(patsubst %,tests/hub/test_%.py,aside boxes digests enrolment erasure feed hello hostile_boxes \
  intake months node_keys skew stick_files sticks time unkeepable uploads)
coverage: setup  ## branches of the protocol and the hub's intake that no test takes; must be none
	$(BIN)/coverage run --include='$(COVERED)' -m pytest -q -k 'not postgresql-15' $(COVERING)
	$(BIN)/coverage report --include='$(COVERED)' --show-missing --fail-under=100

bench: setup  ## measure against the budgets; results in bench/results
	$(BIN)/python -m bench

image-check: setup  ## the boot script in U-Boot, the card's layout, its secrets, the firewall, the kernel
	$(BIN)/mypy $(wildcard image-build/*.py)
	$(BIN)/pytest tests/image

image: setup  ## the box's card for arm64, into the cache; ARGS="--board orangepi5 --tpl FILE"
	$(BIN)/python image-build $(ARGS)

image-test: image  ## its own tests inside; in qemu: claim, ports, KILLS=20 power cuts, updates
	PYTHONPATH=image-build $(BIN)/python -m tests.image.inside
	PYTHONPATH=image-build $(BIN)/python -m tests.image.drill --kills $(or $(KILLS),20)

migration: setup  ## NAME=what_it_does: the next migration of the box
	$(BIN)/python -m migrations $(NAME)

golden: setup  ## keep what this release promises to later ones
	$(BIN)/python -m tests.golden_release

lock:  ## renew requirements.lock and package-lock.json within the given ranges
	$(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install -q uv
	.venv/lock/bin/uv -q pip compile pyproject.toml --all-extras --universal --upgrade \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  -o requirements.lock
	.venv/lock/bin/uv -q pip compile pyproject.toml --extra box -c requirements.lock \
	  --python-version 3.13 --python-platform aarch64-manylinux_2_28 --only-binary :all: \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  -o image-build/requirements-arm64.lock
	npm update --package-lock-only --ignore-scripts
	@echo 'image-build/packages.lock: make image ARGS=--lock, as root'

clean:  ## remove what was built; `make setup` brings it back
	rm -rf .venv node_modules $(VENDOR) dist .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache .hypothesis

.venv/ready: pyproject.toml requirements.lock package.json package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Darasa needs Python 3.11 or later: make setup PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	mkdir -p $(VENDOR)
	cp $(addprefix node_modules/swagger-ui-dist/,swagger-ui-bundle.js swagger-ui.css \
	  LICENSE NOTICE) $(VENDOR)
	touch $@

.PHONY: help setup run run-hub demo demo-check test check lint types imports docs fix \
  drill-powercut drill-kill9 drill-hub-rollback drill-failover drill-clone drill-box-replace \
  drill-skew drill-link drill-sneakernet drill-clock drill-corrupt drill-restore drill-migrate-kill \
  drill-update-kill drill-disk-full soak simulate simulate-mutants model coverage bench bench-sync \
  image image-check image-test migration golden lock clean

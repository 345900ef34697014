# make demo    the main job end to end on the shipped corpus        make test    the fast suite
# make slow    long statistics and soak tests                       make bench   benchmarks against peers
# Everything is set up first where it is missing: virtual environment, packages, OpenBLAS on Linux; for `make slow`
# the environment of the published package as well (REEX_PEER_PYTHON names another).

VENV ?= .venv
PYTHON := $(VENV)/bin/python
MODELS := $(CURDIR)/.cache/models
SHELL := /bin/bash

.PHONY: setup setup-test demo test slow bench lint protos docs clean

setup: $(VENV)/.ready
setup-test: $(VENV)/.ready-test

$(VENV)/.ready: pyproject.toml tools/setup.sh
	@bash tools/setup.sh "$(VENV)" daemon
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	@bash tools/setup.sh "$(VENV)" daemon,test
	@touch $@

demo: setup
	@$(PYTHON) examples/demo.py

test: setup-test
	@REEX_MODELS="$(MODELS)" $(PYTHON) tools/pull_test_model.py
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check -q .
	REEX_TEST_MINILM="$(MODELS)/minilm" $(PYTHON) -m pytest $(ARGS)

slow: setup-test
	@REEX_MODELS="$(MODELS)" $(PYTHON) tools/pull_test_model.py
	@peer="$$(bash tools/peer_python.sh $(PYTHON))"; \
	REEX_PEER_PYTHON="$$peer" REEX_TEST_MINILM="$(MODELS)/minilm" \
	$(PYTHON) -m pytest tests/slow --timeout=3600 $(ARGS)

bench: setup-test
	@REEX_MODELS="$(MODELS)" $(PYTHON) tools/pull_test_model.py
	REEX_MODELS="$(MODELS)" $(PYTHON) -m bench $(ARGS)

lint: setup-test
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

protos: setup-test
	@$(PYTHON) tools/gen_protos.py

docs: setup-test
	@$(PYTHON) tools/write_cli_docs.py
	@$(PYTHON) tools/write_settings_docs.py

clean:
	rm -rf "$(VENV)" .cache

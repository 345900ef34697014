# make demo    the main job end to end on the shipped corpus        make test    the fast suite
# make slow    long statistics and soak tests                       make bench   benchmarks against peers
# Everything is set up first where it is missing: virtual environment, packages, OpenBLAS on Linux.

VENV ?= .venv
PYTHON := $(VENV)/bin/python
MODELS := $(CURDIR)/.cache/models
SHELL := /bin/bash

.PHONY: setup demo test slow bench lint protos docs clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml tools/setup.sh
	@bash tools/setup.sh "$(VENV)"
	@touch $@

demo: setup
	@$(PYTHON) examples/demo.py

test: setup
	@REEX_MODELS="$(MODELS)" $(PYTHON) tools/pull_test_model.py
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check -q .
	REEX_TEST_MINILM="$(MODELS)/minilm" $(PYTHON) -m pytest $(ARGS)

slow: setup
	@REEX_MODELS="$(MODELS)" $(PYTHON) tools/pull_test_model.py
	REEX_TEST_MINILM="$(MODELS)/minilm" $(PYTHON) -m pytest tests/slow --timeout=3600 $(ARGS)

bench: setup
	@REEX_MODELS="$(MODELS)" $(PYTHON) tools/pull_test_model.py
	REEX_MODELS="$(MODELS)" $(PYTHON) -m bench $(ARGS)

lint: setup
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

protos: setup
	@$(PYTHON) tools/gen_protos.py

docs: setup
	@$(PYTHON) tools/write_cli_docs.py

clean:
	rm -rf "$(VENV)" .cache

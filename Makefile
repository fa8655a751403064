# The Python that makes .venv: the one in it while that works, else python3, unless you say make PYTHON=...
PYTHON ?= $(shell .venv/bin/python -c '' 2>/dev/null && echo .venv/bin/python || echo python3)
PY := .venv/bin/python
MINUTES ?= 10
ARGS ?=

enough := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes
found = $(or $(shell $(PYTHON) -c 'import platform; print("Python " + platform.python_version())' 2>/dev/null),not there)

.PHONY: help environment verify verify-deep verify-nightly test lint format fuzz bench lock clean

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

## make verify           what is proved, what is refuted, what was explored (the main job)
verify: environment
	@$(PY) tools/verify.py $(ARGS)

## make verify-deep      the same to larger bounds (about an hour)
verify-deep: environment
	@$(PY) tools/verify.py --deep $(ARGS)

## make verify-nightly   and whatever takes hours: 10,000 random days of 200 steps, a hostile one in real time, all mutants
verify-nightly: environment
	@$(PY) tools/verify.py --nightly $(ARGS)

## make test             the tests
test: environment
	@$(PY) -m pytest -n auto --dist worksteal $(ARGS)

## make lint             ruff and mypy --strict over everything
lint: environment
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

## make format           let ruff put the layout right
format: environment
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

## make fuzz             random testing for 10 minutes, every round from a new printed seed; the last is finished
fuzz: environment
	@$(PY) tools/fuzz.py --minutes $(MINUTES) $(ARGS)

## make bench            figures: how fast, how much memory
bench: environment
	@$(PY) -m bench $(ARGS)

## make lock             resolve the dependencies in pyproject.toml anew
lock: environment
	@$(PY) -m uv --quiet pip compile --universal --generate-hashes --python-version 3.11 --no-header --upgrade \
		--group dev --output-file requirements-dev.lock pyproject.toml

## make clean            remove .venv and everything else that can be made again
clean:
	@rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

##
## Each makes .venv itself when it is missing or out of date. Examples:
##   make verify PYTHON=python3.12
##   make verify ARGS="--json verify.json"
##   make test ARGS="-k packaging"
##   make fuzz MINUTES=60

environment:
	$(if $(shell $(enough)),,$(error hammer2-cluster needs Python 3.11 or newer, and "$(PYTHON)" is $(found): try make PYTHON=python3.12, or the path of one))
	@$(PYTHON) tools/environment.py

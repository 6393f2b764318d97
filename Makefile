# `make run` and `make test` do all their own set-up on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.gdp-setup

# Two files at a time with a core each, the long ones first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: run quick test soak check docs format setup clean
.DEFAULT_GOAL := run

run: setup ## the main job: StyleGAN2's ageing edit becomes a fast Pix2PixHD student
	$(BIN)/gdp run recipes/stylegan_age.toml

quick: setup ## the tests that start no process and train nothing
	$(PYTEST) -m "not (process or training or wheel or soak)"

test: setup ## all tests but the soaks
	$(PYTEST)

soak: setup ## what tests repeat for long: many kills, large data
	$(PYTEST) -m soak

check: setup ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup ## the docs site, into build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gdp needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing gdp and what it needs into $(VENV): up to 7 GB (torch and its GPU libraries above all), some minutes"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

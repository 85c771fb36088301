# Everything a user types. `make venv` is called by the others and does nothing while setup.py and pyproject.toml are as they were.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PIP := $(BIN)/pip install -qq --disable-pip-version-check
FINN := .venv-finn
FINN_PIP := $(FINN)/bin/pip install -qq --disable-pip-version-check --no-compile

.PHONY: venv test test-finn demo notebooks lint format-table clean

venv: $(STAMP)

define new_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "Python 3.11 or newer was expected, but $(PYTHON) is `$(PYTHON) -V`; call 'make PYTHON=...'"; exit 2; }
@$(PYTHON) -m venv $(@D) || { echo "the venv module was expected with $(PYTHON); on Debian and Ubuntu: apt install python3-venv"; exit 2; }
@echo "installing into $(@D), some minutes the first time ..."
endef

$(STAMP): setup.py pyproject.toml
	$(new_venv)
	$(PIP) --editable ".[host,test,notebook,rtl,synth]"
	$(PIP) --no-deps hls4ml==1.3.0  # AMD's ap_int headers, for one cross-check of the C++
	@touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/mypy

# Two workers, one thread each; a file's tests stay together, so that what they compile is compiled once.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# FINN pins other versions than the rest, so it has an environment of its own; docs/finn.md says why it is installed in two steps.
$(FINN)/.ready: setup.py pyproject.toml
	$(new_venv)
	$(FINN_PIP) --editable ".[host,test,finn]"
	$(FINN_PIP) --no-deps finn-plus==1.6.1
	@touch $@

test-finn: $(FINN)/.ready
	OMP_NUM_THREADS=1 $(FINN)/bin/python -m pytest -n 2 --dist loadfile tests/finn

demo: venv
	$(BIN)/pyqkit demo --force

notebooks: venv
	$(BIN)/python tools/run_notebooks.py notebooks/*.ipynb

# README.md and docs/formats.md from the code
format-table: venv
	$(BIN)/python tools/format_table.py

clean:
	rm -rf $(VENV) $(FINN) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

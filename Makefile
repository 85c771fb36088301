# Everything a user types. `make venv` is called by the others and does nothing when setup.py has not changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: venv test demo notebooks lint clean

venv: $(STAMP)

$(STAMP): setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[host,test,notebook]"
	$(BIN)/pip install --quiet --no-deps hls4ml==1.3.0  # AMD's ap_int headers, for one cross-check of the C++
	touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

demo: venv
	$(BIN)/pyqkit demo --force

notebooks: venv
	$(BIN)/python tools/run_notebooks.py notebooks/*.ipynb

clean:
	rm -rf $(VENV) build dist *.egg-info

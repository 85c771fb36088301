# Everything a user types. `make venv` is called by the others and does nothing while setup.py and pyproject.toml are as they were.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PIP := $(BIN)/pip install -qq --disable-pip-version-check
FINN := .venv-finn
FINN_PIP := $(FINN)/bin/pip install -qq --disable-pip-version-check --no-compile

.PHONY: venv test long test-finn demo notebooks lint prove fuzz format-table layer-table part-table overlay board docs coverage clean

venv: $(STAMP)

define new_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "Python 3.11 or newer was expected, but $(PYTHON) is `$(PYTHON) -V`; call 'make PYTHON=...'"; exit 2; }
@$(PYTHON) -m venv $(@D) || { echo "the venv module was expected with $(PYTHON); on Debian and Ubuntu: apt install python3-venv"; exit 2; }
@echo "installing into $(@D), some minutes the first time ..."
endef

$(STAMP): setup.py pyproject.toml
	$(new_venv)
	$(PIP) --editable ".[host,test,notebook,rtl,synth,studies,parquet,dask,docs]"
	$(PIP) --no-deps hls4ml==1.3.0  # AMD's ap_int headers, for one cross-check of the C++
	@touch $@

# PYNQ wants numpy 1, so it has environments of its own; they borrow everything else from .venv.
PYNQ ?= 4.0.0 3.1.2
PYNQ_STAMPS := $(PYNQ:%=.venv-pynq-%/.ready)

.venv-pynq-%/.ready: $(STAMP)
	@echo "installing pynq $* into .venv-pynq-$* ..."
	$(PYTHON) -m venv .venv-pynq-$*
	.venv-pynq-$*/bin/pip install -qq --disable-pip-version-check "setuptools<=80" wheel
	.venv-pynq-$*/bin/pip install -qq --disable-pip-version-check pynq==$* "pycparser<3" "ml_dtypes<0.6"
	.venv-pynq-$*/bin/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$(.venv-pynq-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_borrowed.pth
	@touch $@

# Python and C++ as their formatters write them, types, SystemVerilog for three front ends, C++ that schedules
CPP = $(shell git ls-files '*.hpp' '*.cpp' '*.h' | grep -v emulate/fst/)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(MAKE) -j 2 --output-sync=line lint-types lint-rtl lint-hls

.PHONY: lint-types lint-rtl lint-hls
lint-types:
	$(BIN)/mypy

lint-rtl:
	$(BIN)/python -m tools.lint_rtl

lint-hls:
	$(BIN)/python -m tools.hls_style

# FIFO, width converters, fork and joins: no word lost, doubled or overtaken, none changed while it waits, no deadlock
prove: venv
	$(BIN)/python tools/prove.py

# Two workers, one thread each; a file's tests stay together, so that what they compile is compiled once.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

# What takes minutes: whole data sets, searches
long: venv
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long
	[ ! -d ../shared/data ] || $(BIN)/python benchmarks/lpq.py --data ../shared/data -o build/lpq --resume --ablations 540
	[ ! -d ../shared/data ] || OMP_NUM_THREADS=1 $(BIN)/python benchmarks/vit_reuse.py --data ../shared/data \
	  --cases int4 --boards PYNQ-Z2 --reuse on --hls 50 --simulate 5 -o build/vit_reuse

# The pages and the docstrings as a site, build/site/index.html; every warning is an error
docs: venv
	$(BIN)/python -W ignore -m sphinx -j 2 --nitpicky --fail-on-warning --keep-going --quiet -b html -c docs . build/site

# Which lines and branches of pyqkit the tests run, those of programs that they start included: build/coverage
coverage: venv
	mkdir -p build/coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=html:build/coverage/html --cov-report=term

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

# Their outputs are committed, those of the board's for two boards, each with a version in PYNQ; WRITE=1 writes them anew.
# Two run at a time, one thread each.
WRITE ?=
RUN_NOTEBOOKS = tools/run_notebooks.py $(if $(WRITE),--write)

notebooks: venv $(PYNQ_STAMPS)
	OMP_NUM_THREADS=1 $(MAKE) -j 2 --output-sync=line notebooks-zcu104 notebooks-host notebooks-pynq-z2

.PHONY: notebooks-host notebooks-zcu104 notebooks-pynq-z2

notebooks-host:
	$(BIN)/python $(RUN_NOTEBOOKS) notebooks/*.ipynb

notebooks-zcu104:
	.venv-pynq-$(firstword $(PYNQ))/bin/python $(RUN_NOTEBOOKS) notebooks/board/*.ipynb

notebooks-pynq-z2:
	PYQKIT_BOARD=PYNQ-Z2 .venv-pynq-$(lastword $(PYNQ))/bin/python $(RUN_NOTEBOOKS) \
	  --folder notebooks/board_pynq_z2 notebooks/board/*.ipynb

# The tests of what runs on a board, with PYNQ itself on the emulated board, for every version in PYNQ
board: $(PYNQ_STAMPS)
	OMP_NUM_THREADS=1 $(MAKE) -j 2 --output-sync $(PYNQ:%=board-%) check-package

.PHONY: $(PYNQ:%=board-%) check-package
check-package:
	$(BIN)/python tools/check_package.py

$(PYNQ:%=board-%): board-%:
	@echo "pynq $*"
	.venv-pynq-$*/bin/python -m pytest tests/board_emulation tests/runtime tests/overlay tests/test_docs.py::test_examples_for_a_board

# A bitstream. NET: a build folder, or a QONNX file that is compiled for BOARD first. BACKEND=hls takes the C++, and needs Vitis HLS.
# Without AMD's tools everything up to them is done; `make` then ends with "Error 3", pyqkit overlay with exit code 3.
NET ?=
BOARD ?=
BACKEND ?= rtl
BUILD = $(if $(filter %.onnx,$(NET)),build/$(or $(BOARD),ZCU104)/$(basename $(notdir $(NET))),$(NET))

overlay: venv
	@test -n "$(NET)$(ARRAY)" || { echo "a network was expected; call 'make overlay NET=build/net BOARD=ZCU104', NET=net.onnx or ARRAY=lpa8x8"; exit 2; }
	$(if $(filter %.onnx,$(NET)),test -d $(BUILD) || $(BIN)/pyqkit compile $(NET) -o $(BUILD) --board $(or $(BOARD),ZCU104))
	$(BIN)/pyqkit overlay $(if $(ARRAY),--array $(ARRAY) --board $(or $(BOARD),PYNQ-Z2),$(BUILD) $(if $(BOARD),--board $(BOARD)) --backend $(BACKEND))

# Every reader of what others wrote, MINUTES each, one after another; counts go to build/fuzz.json, inputs that fail to build/fuzz/;
# then NETWORKS random networks through the kernels of engine exact, compiled with the address and undefined-behaviour sanitizers
NETWORKS ?= 2000
MINUTES ?= 10
SEED ?= 0

fuzz: venv
	mkdir -p build
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --minutes $(MINUTES) --seed $(SEED) --json build/fuzz.json
	OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$$(g++ -print-file-name=libasan.so) \
	  $(BIN)/python -m tests.emulate.sanitized kernels $(SEED) $(NETWORKS)

# The picture and the table of parts in docs/architecture.md, from the rules in tests/test_imports.py
part-table: venv
	$(BIN)/python -m tools.part_table

# docs/layers.md from the lowering rules
layer-table: venv
	$(BIN)/python -m tools.layer_table

# README.md and docs/formats.md from the code
format-table: venv
	$(BIN)/python tools/format_table.py

clean:
	rm -rf $(VENV) $(FINN) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# make demo [PHOTOS=dir]   search photographs by attribute and draw the answers into demo/results.png
# make test                check style and types, and run the tests
# make clean               remove what the others made, the virtual environment included

PYTHON ?= python3
PHOTOS ?= samples/photos
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test clean

demo: $(VENV)/.installed
	@echo "== demo: building a catalogue of $(PHOTOS) and searching it"
	@$(BIN)/python -m retrieval.demo "$(PHOTOS)" --out demo

test: $(VENV)/.installed-for-tests
	@echo "== 1 of 3: style"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== 2 of 3: types"
	@$(BIN)/mypy
	@echo "== 3 of 3: tests"
	@$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) demo

# A marker is newer than pyproject.toml once everything that it names is installed.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/pip
	@echo "== installing erimoto and what it needs into $(VENV); torch is the large part (README, Installing)"
	@$(BIN)/pip install --editable .
	@touch $@

$(VENV)/.installed-for-tests: $(VENV)/.installed
	@echo "== installing what the tests need"
	@$(BIN)/pip install --editable ".[test]"
	@touch $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "erimoto needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }

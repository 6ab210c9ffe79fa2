# make demo [PHOTOS=dir]   search photographs by attribute and draw the answers into demo/results.png
# make ui                  the search page, on the demo's catalogue
# make test                check style and types, and run the tests
# make ablation DATA=dir MATTES=dir   train and measure the retrieval model without each of its ingredients, for hours
# make clean               remove the virtual environment and the demo; what was trained, in runs/, stays

PYTHON ?= python3
PHOTOS ?= samples/photos
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo ui test browser ablation clean

demo: $(VENV)/.installed
	@echo "== demo: building a catalogue of $(PHOTOS) and searching it"
	@$(BIN)/python -m retrieval.demo "$(PHOTOS)" --out demo

ui: demo
	@echo "== the page; stop it with Ctrl-C"
	@$(BIN)/streamlit run ui/app.py -- --catalog "demo/catalog-$(subst /,-,$(patsubst $(CURDIR)/%,%,$(abspath $(PHOTOS))))"

test: $(VENV)/.installed-for-tests browser
	@echo "== 1 of 3: style"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== 2 of 3: types"
	@$(BIN)/mypy
	@echo "== 3 of 3: tests"
	@$(BIN)/python -m pytest

# The tests of the page drive Debian's Chromium. Without it they are skipped, but fail where CI=true.
browser:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then \
		:; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "== installing Chromium and Japanese letters, for the tests of the page"; \
		apt-get update -qq && apt-get install -qq -y chromium fonts-noto-cjk >/dev/null \
			|| echo "Chromium could not be installed; the tests of the page are skipped, or fail where CI=true"; \
	else \
		echo "no Chromium: the tests of the page are skipped; on Debian and Ubuntu: sudo apt-get install chromium fonts-noto-cjk"; \
	fi

ablation: $(VENV)/.installed
	@test -n "$(DATA)" -a -n "$(MATTES)" || { echo "name the data: make ablation DATA=clothing MATTES=mattes"; exit 1; }
	@$(BIN)/python benchmarks/ablation.py "$(DATA)" "$(MATTES)" runs/ablation --seed 0 --seed 1

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

# Each command makes .venv and installs on first use.
PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/reproduce
SEED ?= 0
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A file of tests to a process, and a thread to each: two threads in two processes on two cores wait for each other.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: help install reproduce test docs check check-full seeds readings benchmark million kills detection worlds splits promise drift models load abuse constraints clean test-browser screenshots page-speed mutate

help:
	@echo "make reproduce   the report's experiment on MNIST, into $(OUT) (SEED=$(SEED); another seed needs another OUT)"
	@echo "make test        the tests: no network, no data set needed"
	@echo "make check       style, types, layers, tests"
	@echo "make check-full  and the slow tests on real data"
	@echo "make docs        the documents and the API as a site, in site/"
	@echo "make test-browser the page in Debian's Chromium (five to seven minutes)"
	@echo "make screenshots  pictures of the page for docs/pictures; make page-speed how fast it answers"
	@echo "make seeds       the report's experiment with five seeds (about half an hour)"
	@echo "make readings    the reproduction record's measurements (about an hour more)"
	@echo "make benchmark   speed beside plain PyTorch and pytorch-ood (half an hour on a quiet machine)"
	@echo "make million     what scoring 1,000 … 1,000,000 images costs (ten minutes, 2 GB of disk)"
	@echo "make kills       commands killed at random moments end with the same results (half an hour)"
	@echo "make detection   ten digits held out × three seeds × all detectors (under two hours)"
	@echo "make worlds      near and far on a frozen backbone, each class held out (WORLDS='clothes=FOLDER …'; an hour for two)"
	@echo "make splits      six digits known, and Fashion-MNIST's classes held out (an hour and a half)"
	@echo "make promise     whether the promised share of false alarms is kept, copies planted too (half an hour)"
	@echo "make drift       how often drift is cried when there is none, and when there is (an hour)"
	@echo "make load        requests a second, p99 and memory of the server, by wrk (ten minutes)"
	@echo "make abuse       34,000 hostile requests, arrays, files, names, streams and models (half an hour)"
	@echo "make mutate      which changes of the code no test notices (hours; MUTANTS='euinet.training.batch.*')"
	@echo "make models      the models that come with the package, from what make detection trained"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "EuiNet needs Python 3.11 or newer; name one with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

reproduce: $(STAMP)
	$(BIN)/euinet reproduce --seed $(SEED) --out $(OUT)

test: $(STAMP)
	$(PARALLEL)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PARALLEL)

check-full: check
	$(BIN)/pytest -m slow --timeout 1200

DOCS_STAMP := $(VENV)/.installed-docs

$(DOCS_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Chromium is Debian's own; what drives it comes from the extra `browser`.
BROWSER_STAMP := $(VENV)/.installed-browser

$(BROWSER_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[browser]'
	@touch $@

CHROMIUM = @command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
  { echo "The page is shown in Chromium, which is missing: apt install chromium." >&2; exit 1; }

test-browser: $(BROWSER_STAMP)
	$(CHROMIUM)
	$(BIN)/pytest -m browser --timeout 600 tests/browser

screenshots: $(BROWSER_STAMP)
	$(CHROMIUM)
	$(BIN)/python tests/browser/pictures.py

page-speed: $(BROWSER_STAMP)
	$(CHROMIUM)
	$(BIN)/python tests/browser/speed.py

seeds: $(STAMP)
	$(BIN)/python benchmarks/seeds.py run

readings: seeds
	$(BIN)/python benchmarks/readings.py run
	$(BIN)/python benchmarks/readings.py scoring runs/seed-*
	$(BIN)/python benchmarks/readings.py table

benchmark: $(STAMP)
	$(BIN)/python benchmarks/speed.py

million: $(STAMP)
	$(BIN)/python benchmarks/million.py

kills: $(STAMP)
	$(BIN)/python benchmarks/kills.py --kills 60

DETECTION := $(BIN)/euinet benchmark --jobs 2 --far fashion-mnist --far letters

detection: $(STAMP)
	$(DETECTION) --data mnist --hold-out each --seeds 3 --out runs/detection-mnist

WORLDS ?= digits=scikit-learn

worlds: $(STAMP)
	$(BIN)/python benchmarks/worlds.py docs/results/worlds.csv $(WORLDS)

splits: $(STAMP)
	$(DETECTION) --data mnist --hold-out six-four --seeds 1 --out runs/detection-six-four
	$(BIN)/euinet benchmark --jobs 2 --far mnist --data fashion-mnist --hold-out each --seeds 1 \
	  --out runs/detection-fashion

promise: $(STAMP)
	$(BIN)/python benchmarks/promise.py
	$(BIN)/python benchmarks/promise_copies.py

drift: $(STAMP)
	$(BIN)/python benchmarks/drift.py

models: detection
	$(BIN)/python benchmarks/bundle.py --benchmark runs/detection-mnist

load: $(STAMP)
	$(BIN)/python benchmarks/load.py

abuse: $(STAMP)
	$(BIN)/python benchmarks/abuse.py
	$(BIN)/python benchmarks/abuse_offline.py

MUTATE_STAMP := $(VENV)/.installed-mutate

$(MUTATE_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[mutate]'
	@touch $@

# The path is for tests that start a process of their own.
mutate: $(MUTATE_STAMP)
	OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR)/mutants/src $(BIN)/mutmut run $(MUTANTS)
	$(BIN)/mutmut results

constraints: $(STAMP)
	{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) site mutants .mypy_cache .ruff_cache .pytest_cache

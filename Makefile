# Everything a newcomer needs: `make demo`, `make test`. The environment is .venv; nothing else on the machine changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MESSAGE := 洗衣機修了三次還是漏水，樓下也淹了，訂單編號 W20261107，請打0912345678，明天前給我答覆，不然投訴消保官
SHARED ?= $(or $(COMPLAINT_NLP_SHARED),../shared)

.PHONY: help demo test test-pure lint format train notebooks benchmark clean check-python
.DELETE_ON_ERROR:

help:
	@echo "make demo       install into .venv and label the sample messages"
	@echo "make test       run all tests"
	@echo "make test-pure  run the conversion cases with the pure-Python OpenCC"
	@echo "make lint       ruff and mypy"
	@echo "make benchmark  speed of the text room, of the whole way, and of the encoder beside BERT-base"
	@echo "make notebooks  run the notebooks again and keep their outputs"
	@echo "make train      train models/default again (needs the training data, see docs/training.md)"
	@echo "make clean      remove what these commands made"

demo: $(VENV)/.installed
	@mkdir -p out
	@$(BIN)/complaint-nlp label data/samples/mixed.csv out/labelled.csv --overwrite --preview 72
	@echo
	@rm -f out/cases.db* && $(BIN)/complaint-nlp cases import out/cases.db data/samples/solved.jsonl
	@$(BIN)/complaint-nlp analyze --full --cases out/cases.db "$(MESSAGE)"
	@echo
	@$(BIN)/complaint-nlp check-reply "您好，不行，這是規定，是您自己沒關好水龍頭，我們會儘快處理。" --message "$(MESSAGE)"

test: $(VENV)/.test
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.lint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/.lint
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

test-pure: .venv-pure/.installed
	@.venv-pure/bin/python -m pytest tests/text -m conversion

benchmark: $(VENV)/.test
	@$(BIN)/python benchmarks/text.py && $(BIN)/python benchmarks/throughput.py && $(BIN)/python benchmarks/encoder.py

notebooks: $(VENV)/.test
	@$(BIN)/python notebooks/run.py

train: $(VENV)/.test
	@$(BIN)/complaint-nlp train --model encoder --name "complaint-nlp default" --notes docs/model-card.md \
		--base $(SHARED)/models/e5-small-zh --layers 6 --epochs 3 --folds 2 $(if $(TEACHER),--teacher $(TEACHER)) --work out/train \
		--data $(SHARED)/data/complaints/train.jsonl --data data/messages.jsonl \
		--test $(SHARED)/data/complaints/dev.jsonl --test data/messages.jsonl \
		--auxiliary $(SHARED)/data --corpus-labels data/corpus_labels.jsonl \
		$(foreach part,00 01 02 03,--unlabelled $(SHARED)/data/corpus/$(part).txt.xz) \
		--draw-weight '*likely*=0' --draw-weight '*random*=3' --draw-weight '*enriched*=3' \
		--out models/default --overwrite $(TRAIN_FLAGS)

check-python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "Python is missing. On Debian or Ubuntu: apt-get install python3 python3-venv"; \
		echo "Another Python: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
		echo "Another Python: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "The venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(BIN)/python: | check-python
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing complaint-nlp ..."
	@$(PIP) install -c constraints.txt -e . && touch $@

$(VENV)/.test: $(VENV)/.installed
	@echo "installing what training and the tests need ..."
	@$(PIP) install -c constraints.txt -e '.[train,excel,sql,viz,review,serve]' 'psycopg[binary]' \
		pytest pytest-timeout pytest-xdist hypothesis httpx schemathesis playwright nbclient ipykernel nbformat && touch $@

$(VENV)/.lint: $(VENV)/.test
	@$(PIP) install -c constraints.txt ruff mypy types-PyYAML types-openpyxl && touch $@

.venv-pure/.installed: pyproject.toml constraints.txt | check-python
	@echo "making .venv-pure ..."
	@$(PYTHON) -m venv .venv-pure
	@.venv-pure/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt \
		opencc-python-reimplemented ahocorasick_rs numpy pypinyin PyYAML pydantic pytest pytest-timeout hypothesis
	@.venv-pure/bin/python -m pip --disable-pip-version-check --quiet install --no-deps -e . && touch $@

clean:
	rm -rf $(VENV) .venv-pure out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

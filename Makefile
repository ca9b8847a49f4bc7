# Every verb is one line over `python -m harness` or `python -m leaderboard`; the variables are the options of the same name.
# The first call creates the environment in .venv; python3 (3.11 or newer), make and git are all it needs.

PYTHON ?= python3
SHARED ?= ../shared
PY := .venv/bin/python
export SHARED
export LEADERBOARD_URL ?= $(SERVER)

options = $(foreach name,$(1),$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) '$($(name))'))
offs = $(foreach name,$(1),$(if $(filter 0,$($(name))),--no-$(shell echo $(name) | tr A-Z a-z)))
flags = $(foreach name,$(1),$(if $(filter-out 0,$($(name))),--$(shell echo $(name) | tr A-Z_ a-z-)))
competition = $(if $(COMP),'$(COMP)',$(error Say which competition: make $@ COMP=mars))

.PHONY: submit search data audit train specialist blend predict compare report status clean kaggle leaderboard score finals verify rescore backup restore export serve test test-all check bench lock new

submit: .venv/ready
	@$(PY) -m harness submit $(competition) $(call options,DATA MODELS FOLDS BUDGET TEAM ACCEPT ENGINE WORKERS) $(call flags,FAST FINAL) $(call offs,SEARCHED)
data: .venv/ready
	@$(PY) -m harness data $(competition) $(call options,DATA ACCEPT SERVER)
audit: .venv/ready
	@$(PY) -m harness audit $(competition) $(call options,DATA)
train: .venv/ready
	@$(PY) -m harness train $(competition) '$(MODEL)' $(call options,FOLDS BUDGET)
specialist: .venv/ready
	@$(PY) -m harness specialist $(competition) $(call options,CLASS DATA BUDGET ENGINE WORKERS) $(call flags,FAST)
search: .venv/ready
	@$(PY) -m harness search $(competition) $(call options,HOURS DATA MODELS FOLDS WORKERS ENGINE STORAGE TEAM ACCEPT) $(call offs,RACE CUT)
blend: .venv/ready
	@$(PY) -m harness blend $(competition) $(foreach file,$(FILES),--files '$(file)') $(call options,FOLDS TEAM SERVER)
predict: .venv/ready
	@$(PY) -m harness predict $(competition) '$(INPUT)'
compare: .venv/ready
	@$(PY) -m harness compare '$(A)' '$(B)'
report: .venv/ready
	@$(PY) -m harness report $(competition)
status: .venv/ready
	@$(PY) -m harness status $(competition)
clean: .venv/ready
	@$(PY) -m harness clean $(competition)
new: .venv/ready
	@$(PY) -m harness new $(competition) $(call options,TASK)
kaggle: .venv/ready
	@$(PY) -m harness kaggle $(competition) $(call options,FILE MESSAGE)
leaderboard: .venv/ready
	@$(PY) -m leaderboard board $(competition) $(call options,SERVER) $(call flags,REVEAL TRUST)
score: .venv/ready
	@$(PY) -m leaderboard score $(competition) '$(FILE)' $(call options,TEAM SERVER)
serve: .venv/ready
	@$(PY) -m leaderboard serve $(call options,PORT HOST NAME) $(call flags,TEAM_MODE)
finals: .venv/ready
	@$(PY) -m leaderboard finals $(competition) '$(A)' '$(B)' $(call options,TEAM SERVER)
verify: .venv/ready
	@$(PY) -m leaderboard verify $(competition)
rescore: .venv/ready
	@$(PY) -m leaderboard rescore $(competition) $(call options,REASON)
backup: .venv/ready
	@$(PY) -m leaderboard backup '$(TO)'
restore: .venv/ready
	@$(PY) -m leaderboard restore '$(FROM)'
export: .venv/ready
	@$(PY) -m leaderboard export $(competition) $(call options,FORMAT)

test: .venv/ready
	$(PY) -m pytest -m "not real and not soak"
test-all: .venv/ready
	$(PY) -m pytest
check: .venv/ready
	$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m mypy
bench: .venv/ready
	@$(PY) -m tests.benchmarks

# The lock files hold hashes and no registry address: whatever index pip and uv are set up for is used.
.venv/ready: requirements.lock bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with make PYTHON=python3.12 ...")'
	@echo "creating the environment in .venv (once, some minutes at most)" >&2
	@$(PYTHON) -m venv $(if $(wildcard .venv/ready),,--clear) .venv || { echo "error: python3 cannot make a virtual environment here; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock
	@.venv/bin/uv pip sync --quiet --require-hashes --compile-bytecode --python $(PY) requirements.lock
	@sync  # six gigabytes go to the disk now, so that no first run waits behind them
	@touch .venv/ready

lock:
	.venv/bin/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-emit-index-url --no-header --python-version 3.11 --upgrade -o requirements.lock
	echo uv | .venv/bin/uv pip compile - --universal --generate-hashes --no-annotate --no-emit-index-url --no-header --python-version 3.11 --upgrade -o bootstrap.lock

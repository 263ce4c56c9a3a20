# Everything happens in .venv, which `make` builds itself from python3 alone.
PYTHON ?= python3
QUESTION ?= A baker sells 17 boxes with 23 rolls each. How many rolls is that?
BIN := .venv/bin

.PHONY: help run test check bench studio format clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build/types: $(wildcard *.py) graphs nodes tools memory
	@mkdir -p $@/langgraph_agora && cd $@/langgraph_agora && ln -sfn ../../../*.py ../../../py.typed ../../../graphs ../../../nodes ../../../tools ../../../memory .

"""How far does each way of asking carry a 135 M parameter model? 200 seeded arithmetic word problems, one calculator.

    .venv/bin/python bench/small_model.py [--count 200] [--seed 2] [--columns direct react_guard ...]

The prompt and the schema were tuned on seed 1; the report is made with seed 2. About 25 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from problems import Problem, problems
from report import RESULTS, conditions, machine, store, table, write_section
from wilson import wilson

from langgraph_agora.graphs.react import create_react
from langgraph_agora.models import load_model
from langgraph_agora.tools import calculate

MAX_CALLS = 10
REPORTED = 200  # A run over fewer problems proves nothing and is not stored.


def main() -> None:
    """Run the columns that were asked for and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--columns", nargs="*", default=list(COLUMNS), choices=list(COLUMNS))
    parser.add_argument("--show", action="store_true", help="print every answer")
    arguments = parser.parse_args()
    asked = problems(arguments.count, arguments.seed)
    result = {**machine(), "seed": arguments.seed, "count": arguments.count, "columns": _kept(arguments)}
    for name in arguments.columns:
        result["columns"][name] = measure(name, asked, arguments.show)
        if arguments.count >= REPORTED:
            store("small_model", result)
            write_section("small-model", report(result))


def _kept(arguments: argparse.Namespace) -> dict[str, Any]:
    """The columns of an earlier run on the same problems; each takes minutes, so they may be measured one by one."""
    path = RESULTS / "small_model.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    same = (stored.get("seed"), stored.get("count")) == (arguments.seed, arguments.count)
    return dict(stored["columns"]) if same else {}


def measure(name: str, asked: list[Problem], show: bool) -> dict[str, Any]:
    """Ask all problems one way, four at a time; the model's server batches them."""
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(partial(outcome, COLUMNS[name]), asked))
    right = sum(o["right"] for o in outcomes)
    row = {
        "right": right,
        "of": len(asked),
        "interval": [round(x, 4) for x in wilson(right, len(asked))],
        "stops": {stop: sum(o["stop"] == stop for o in outcomes) for stop in sorted({o["stop"] for o in outcomes})},
        "calls": sum(o["calls"] for o in outcomes) / len(asked),
        "seconds": round(time.perf_counter() - started, 1),
        "by_source": {
            source: f"{sum(o['right'] for o, p in zip(outcomes, asked, strict=True) if p.source == source)}"
            f"/{sum(p.source == source for p in asked)}"
            for source in sorted({p.source for p in asked})
        },
    }
    if show:
        for problem, o in zip(asked, outcomes, strict=True):
            print("right" if o["right"] else "wrong", problem.source, problem.question[-80:], problem.answer, o)
    print(name, json.dumps(row), flush=True)
    return row


def outcome(column: Callable[[str], tuple[str, str, int]], problem: Problem) -> dict[str, Any]:
    """One problem: the text, why it ended, the model calls, and whether the last number in it is the answer."""
    text, stop, calls = column(problem.question)
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    given = float(numbers[-1].replace(",", "")) if numbers else None
    return {
        "text": text[:80],
        "stop": stop,
        "calls": calls,
        "right": given is not None and abs(given - problem.answer) < 1e-6,
    }


def direct(question: str) -> tuple[str, str, int]:
    """The bare model."""
    return load_model("embedded").invoke(f"{question}\nAnswer with the number only.").text, "answer", 1


def chain_of_thought(question: str) -> tuple[str, str, int]:
    """The model thinking aloud."""
    asked = f'{question}\nThink step by step, then end with "The answer is" and the number.'
    return load_model("embedded").invoke(asked).text, "answer", 1


def langchain_agent(question: str) -> tuple[str, str, int]:
    """LangChain's create_agent with the same tool; its loops are cut at the same number of model calls."""
    from langchain.agents import create_agent
    from langgraph.errors import GraphRecursionError

    agent = create_agent(load_model("embedded"), [calculate])
    try:
        result = agent.invoke({"messages": [("user", question)]}, {"recursion_limit": 2 * MAX_CALLS + 1})
    except GraphRecursionError:
        return "", "recursion limit", MAX_CALLS
    except Exception as error:  # A crash is an outcome of this column.
        return "", type(error).__name__, 1
    said = [message for message in result["messages"] if message.type == "ai"]
    return said[-1].text, "answer", len(said)


def react(question: str, *, loop_guard: bool) -> tuple[str, str, int]:
    """The ReAct graph of this package."""
    graph = create_react([calculate], model="embedded", loop_guard=loop_guard, max_steps=MAX_CALLS).compile()
    result = graph.invoke({"messages": [("user", question)]})
    # A sentence that says that there is no answer is no answer, whatever number stands in it.
    text = result["answer"] if result["stop"] == "answer" else ""
    limited = result["steps"] and result["usage"]["react"]["calls"] >= MAX_CALLS
    return text, "step limit" if limited else result["stop"], int(result["usage"]["react"]["calls"])


COLUMNS: dict[str, Callable[[str], tuple[str, str, int]]] = {
    "direct": direct,
    "chain_of_thought": chain_of_thought,
    "create_agent": langchain_agent,
    "react_no_guard": partial(react, loop_guard=False),
    "react_guard": partial(react, loop_guard=True),
}
NAMES = {
    "direct": "direct answer",
    "chain_of_thought": "chain of thought",
    "create_agent": "`create_agent`",
    "react_no_guard": "ReAct without guard",
    "react_guard": "**ReAct with guard**",
}


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    rows = [
        [
            NAMES[name],
            f"{row['right']}/{row['of']} = {row['right'] / row['of']:.1%}",
            f"{row['interval'][0]:.1%} to {row['interval'][1]:.1%}",
            f"{row['calls']:.1f}",
            ", ".join(f"{stop} {count}" for stop, count in row["stops"].items()),
        ]
        for name, row in sorted(result["columns"].items(), key=lambda item: list(COLUMNS).index(item[0]))
    ]
    head = ["way of asking", "right", "Wilson 95 %", "model calls each", "how runs ended"]
    return f"{table(head, rows)}\n\nSeed {result['seed']}; tuned on seed 1. {conditions(result)}"


if __name__ == "__main__":
    main()

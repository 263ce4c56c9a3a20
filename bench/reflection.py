"""What do lessons gain? The same seeded tasks with and without them, in pairs.

    .venv/bin/python bench/reflection.py [--runs 300] [--seeds 10] [--agents scripted embedded] [--dry]

Two agents with a habit that a lesson can mend. The scripted one guesses products of three numbers and more in its head;
what it gets right is drawn from the task, so both arms draw the same. The embedded model (SmolLM2-135M) rambles: an
answer counts when it has at most eight words and the right one is among them. Lessons are found, worded and tried
during the runs: nothing is known at the start. For the embedded model a third arm begins with one lesson of a person,
on trial.
Ten minutes; run nothing beside it.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import comb, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from report import conditions, machine, store, table, write_section
from rich.progress import track

from langgraph_agora.graphs.reflection import create_reflection
from langgraph_agora.learning_plots import save_learning
from langgraph_agora.memory.experience import ExperienceMemory
from langgraph_agora.models import load_model
from langgraph_agora.nodes.lessons import new_lesson
from langgraph_agora.testing import Request, ScriptedModel

LATE = 100  # The last runs, when lessons have been found and tried.
TOKENS, WORDS = 40, 8  # Of an answer of the embedded model: at most, and what still counts as brief.
OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "fast": "slow", "rich": "poor", "wet": "dry", "early": "late",
    "hard": "soft", "full": "empty", "open": "closed", "young": "old", "light": "dark", "happy": "sad",
    "strong": "weak", "loud": "quiet",
}  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PERSONS = "Answer with one word only."  # The lesson of a person.


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--agents", nargs="*", default=["scripted", "embedded"], choices=["scripted", "embedded"])
    parser.add_argument("--dry", action="store_true", help="only print")
    parser.add_argument("--plot", type=Path, help="only draw the scripted agent's learning into this file")
    arguments = parser.parse_args()
    if arguments.plot:
        scripted(arguments.runs, 0, arguments.plot)
        return
    result: dict[str, Any] = {**machine(), "runs": arguments.runs, "scripted": [], "embedded": {}}
    if "scripted" in arguments.agents:
        result["scripted"] = [scripted(arguments.runs, seed) for seed in range(arguments.seeds)]
    if "embedded" in arguments.agents:
        result["embedded"] = embedded(arguments.runs)
    print(report(result))
    if not arguments.dry:
        store("reflection", result)
        write_section("reflection", report(result))


def scripted(runs: int, seed: int, plot: Path | None = None) -> dict[str, Any]:
    """Both arms of the scripted agent on the tasks of one seed."""
    tasks = [products(random.Random(f"{seed}:{number}")) for number in range(runs)]
    words = ScriptedModel([worded], after="repeat")
    without = learn(tasks, RunnableLambda(calculating), words, lessons=0, seed=seed)
    return compared(without, learn(tasks, RunnableLambda(calculating), words, lessons=2, seed=seed, plot=plot))


def embedded(runs: int) -> dict[str, Any]:
    """The three arms of the embedded model; it draws nothing, so the same words give the same answer."""
    tasks = [small_question(random.Random(f"short:{number}")) for number in range(runs)]
    model = load_model("embedded")
    agent = RunnableLambda(partial(answering, model.bind(max_tokens=TOKENS, temperature=0)))
    without = learn(tasks, agent, model, lessons=0)
    own = learn(tasks, agent, model, lessons=2)
    persons = learn(tasks, agent, model, lessons=1, begin=PERSONS)
    return {"own words": compared(without, own), "a person's": compared(without, persons)}


def learn(
    tasks: Sequence[tuple[str, str, str]],
    agent: Any,
    words: Any,
    *,
    lessons: int,
    seed: int = 0,
    begin: str = "",
    plot: Path | None = None,
) -> dict[str, Any]:
    """Do all tasks, one after the other, with one memory; returns the outcomes and the lessons at the end."""
    right: dict[str, tuple[str, str]] = {task: (answer, kind) for task, answer, kind in tasks}
    with ExperienceMemory(embedder="lexical", limit=None) as memory:
        if begin:
            memory.put_lesson(new_lesson(begin, kind="execution", pattern=None, at="2026-01-01T00:00:00+00:00"))
        graph = create_reflection(
            agent,
            memory=memory,
            check=partial(is_right, right),
            features=partial(kind_of, right),
            lessons=lessons,
            mine_every=50 if lessons and not begin else 10**9,
            reflect=False,
            model=words,
        ).compile()
        outcomes, given = [], []
        for number, (task, _, _) in enumerate(track(tasks, f"{lessons} lessons", transient=True)):
            result = graph.invoke({"messages": [("user", task)], "run": f"{seed}-{number}"})
            outcomes.append(result["experience"]["success"])
            given.append(len(result["recalled"]["lessons"]["given"]))
        if plot:
            save_learning(memory.experiences(), [memory.lesson_history(one["id"]) for one in memory.lessons()], plot)
        kept = [{key: one[key] for key in ("text", "state", "effect", "interval", "why")} for one in memory.lessons()]
    return {"outcomes": outcomes, "given": given, "lessons": kept}


def compared(without: Mapping[str, Any], with_: Mapping[str, Any]) -> dict[str, Any]:
    """The gain in pairs: over all runs, and over the last ones."""
    pairs = list(zip(without["outcomes"], with_["outcomes"], strict=True))
    return {
        "without": fmean(before for before, _ in pairs),
        "with": fmean(after for _, after in pairs),
        "gain": paired(pairs),
        "late": paired(pairs[-LATE:]),
        "lessons": with_["lessons"],
    }


def paired(pairs: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    """The difference of two paired shares, its 95 % interval (Agresti and Min 2005) and McNemar's exact p."""
    gained, lost, count = sum(b > a for a, b in pairs), sum(a > b for a, b in pairs), len(pairs)
    adjusted, total = (gained + 0.5, lost + 0.5), count + 2
    middle = (adjusted[0] - adjusted[1]) / total
    spread = 1.96 * sqrt(sum(adjusted) / total - middle**2) / sqrt(total)
    few, both = min(gained, lost), gained + lost
    p = min(1.0, 2 * sum(comb(both, k) for k in range(few + 1)) / 2**both)
    return {"difference": (gained - lost) / count, "low": middle - spread, "high": middle + spread, "p": p}


def products(draw: random.Random) -> tuple[str, str, str]:
    """A product of two to four numbers, its value, and its kind."""
    numbers = [draw.randint(11, 99) for _ in range(draw.choice((2, 3, 4)))]
    value = 1
    for number in numbers:
        value *= number
    return f"{' times '.join(map(str, numbers))}, asked by customer {draw.randint(1, 9999)}", str(value), "product"


def calculating(state: Mapping[str, Any]) -> dict[str, Any]:
    """An agent that takes the calculator in a fifth of its runs, or when a lesson says so."""
    task = state["messages"][-1].text
    notes = " ".join(message.text for message in state["messages"][:-1])
    numbers = [int(number) for number in re.findall(r"\d+", task.partition(",")[0])]
    draw = random.Random(task)
    takes, luck = draw.random() < 0.2 or "calculator" in notes, draw.random()
    chance = 0.92 if takes else 0.85 if len(numbers) == 2 else 0.45
    value = 1
    for number in numbers:
        value *= number
    action = "calculate" if takes else "reason"
    steps = [{"action": action, "input": {"of": task}, "observation": "", "is_error": False, "confidence": None}]
    return {"messages": [AIMessage(str(value if luck < chance else value + 10))], "steps": steps, "stop": "answer"}


def worded(request: Request) -> dict[str, str]:
    """A model that words what a pattern says, and no more."""
    said = request.text.partition("<pattern>")[2].partition("</pattern>")[0]
    lesson = "Use the calculator." if "tool:calculate" in said else "Take more care with products of many numbers."
    return {"kind": "execution", "lesson": lesson, "setting": "none"}


def small_question(draw: random.Random) -> tuple[str, str, str]:
    """A question that one word answers."""
    kind = draw.choice(("opposite", "sum", "day"))
    if kind == "opposite":
        word = draw.choice(sorted(OPPOSITES))
        return f"What is the opposite of {word}?", OPPOSITES[word], kind
    if kind == "sum":
        a, b = draw.randint(1, 20), draw.randint(1, 20)
        return f"What is {a} + {b}?", str(a + b), kind
    day = draw.randrange(7)
    return f"Which day comes after {DAYS[day]}?", DAYS[(day + 1) % 7], kind


def answering(model: Any, state: Mapping[str, Any]) -> AIMessage:
    """One call of the model, with the notes before the question."""
    return model.invoke(state["messages"])


def is_right(right: Mapping[str, tuple[str, str]], task: str, result: Mapping[str, Any]) -> bool:
    """Whether an answer has the right word in it, and few others."""
    words = re.findall(r"\w+", result["answer"].casefold())
    return right[task][0].casefold() in words and len(words) <= WORDS


def kind_of(right: Mapping[str, tuple[str, str]], task: str) -> dict[str, str]:
    """What is known of a task before it is done."""
    return {"kind": right[task][1]}


def report(result: Mapping[str, Any]) -> str:
    """The tables, in Markdown."""
    rows = [_row(f"scripted, median of {len(many)} seeds", many, median) for many in [result["scripted"]] if many]
    rows += [_row(f"SmolLM2-135M, {name} lessons", [found], fmean) for name, found in result["embedded"].items()]
    lessons = [
        [f"SmolLM2-135M, {name}", one["text"], one["state"], _signed(one["effect"])]
        for name, found in result["embedded"].items()
        for one in found["lessons"]
    ]
    return "\n".join(
        [
            f"{result['runs']} runs with and without lessons on the same tasks; success, and the paired difference "
            f"with its 95 % interval, over all runs and over the last {LATE}. Lessons on trial are withheld in half of "
            "the runs, so the first number is what learning costs and brings together.",
            "",
            table(["agent", "without", "with", "gain", f"gain, last {LATE}"], rows),
            "",
            table(["agent", "lesson", "state", "effect"], lessons) if lessons else "",
            "",
            conditions(result),
        ]
    )


def _row(name: str, found: Sequence[Mapping[str, Any]], middle: Callable[[Sequence[float]], float]) -> list[str]:
    def said(part: str) -> str:
        low, high = (middle([one[part][key] for one in found]) for key in ("low", "high"))
        return f"{_signed(middle([one[part]['difference'] for one in found]))} ({low:+.3f} to {high:+.3f})"

    shares = [f"{middle([one[arm] for one in found]):.3f}" for arm in ("without", "with")]
    return [name, *shares, said("gain"), said("late")]


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


if __name__ == "__main__":
    main()

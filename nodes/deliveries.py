"""What an auction's winners deliver, and whether it is accepted. Nothing a worker or a judge does is an exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig

from ..agents import Agent
from ..budget import budgets_of
from ..errors import BudgetExceeded, ConfigError
from .ask import Reply
from .bids import verdict_question
from .panel import NOTHING, Heard, Said, ask_all, call_agent
from .run import Run, RunContext
from .running import Body, Work
from .text import clean, plain, shorten

MAX_DELIVERY = 20_000  # characters of a delivery that are kept
# Stops of a worker that is one of our graphs, which deliver nothing.
FAILED = (
    *("error", "budget", "loop", "max_steps", "undecided", "no_award", "breach", "partial"),
    *("failed", "no_plan", "limit", "exhausted", "max_replans"),
)


@dataclass(frozen=True)
class AuctionContext(RunContext):
    """The settings of one run."""

    work_seconds: float = 300.0
    """The deadline of every contract: who has not delivered by then has broken it."""


@dataclass(frozen=True)
class AuctionSpec:
    """What `create_auction` was given. `worker_of`: agent, model, model_seconds -> who does its work."""

    name: str
    agents: tuple[Agent, ...]
    kind: str
    reserve: float | None
    capacity: int
    step: float
    accept: Callable[[str, str], bool | str] | None
    judge: Agent | None
    acceptance: str
    model: str | BaseChatModel | None
    worker_of: Callable[[Agent, str | BaseChatModel, float], Runnable[Any, Any]]

    @property
    def names(self) -> list[str]:
        """The bidders' names, sorted, so that nothing depends on their order."""
        return sorted(agent.name for agent in self.agents)


AuctionRun = Run[AuctionSpec, AuctionContext]


def deliver(run: AuctionRun, contract: Mapping[str, Any], config: RunnableConfig) -> Body[dict[str, Any]]:
    """What one worker delivers: text, or why there is none."""
    spec = run.spec
    agent = next(agent for agent in spec.agents if agent.name == contract["contractor"])
    found = {"task": contract["task"], "contractor": agent.name, "text": "", "error": "", "over": False}
    words = f"{contract['what']}\n\nWhat is asked of it: {spec.acceptance}" if spec.acceptance else contract["what"]
    try:
        model = agent.model or spec.model or run.context.model
        worker = spec.worker_of(agent, model, run.context.model_seconds)
        said: Said = yield from call_agent(worker, [HumanMessage(words)], config, run.context.work_seconds)
    except BudgetExceeded as reason:
        return {**found, "error": str(reason), "over": True, "usage": dict(NOTHING)}
    except ConfigError as wrong:
        return {**found, "error": str(wrong), "usage": dict(NOTHING)}
    returned = said.returned if isinstance(said.returned, Mapping) else {}
    stop = returned.get("stop")
    text = said.words if isinstance(said.words, str) else json.dumps(plain(said.words), ensure_ascii=False)
    if said.error is not None:
        error = said.error
    elif stop in FAILED:
        error = f"its work ended with {stop}: {clean(shorten(str(returned.get('error') or text), 200))}"
    else:
        error = "" if text.strip() else "it delivered nothing"
    # A worker may have a budget of its own: that it is used up is the worker's fault.
    over = stop == "budget" and any(budget.exhausted() for budget in budgets_of(config))
    return {**found, "text": clean(text, MAX_DELIVERY), "error": error, "over": over, "usage": _used(returned)}


def _used(returned: Mapping[str, Any]) -> dict[str, float]:
    """The usage of a worker: what one of our graphs says of itself, or one call."""
    rows = returned.get("usage")
    if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows.values()):
        return Reply().usage()
    counts = {key: [row.get(key, 0) for row in rows.values()] for key in NOTHING}
    return {key: sum(one for one in some if isinstance(one, int | float)) for key, some in counts.items()}


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a delivery. `heard`: what the judge used; `over`: the budget ended before it judged.

    `seen`: whether anybody looked at it; what was accepted unseen is no promise kept, nor one broken.
    """

    accepted: bool
    reason: str = ""
    heard: Mapping[str, Heard] = field(default_factory=dict)
    over: str = ""
    seen: bool = True

    @property
    def status(self) -> str:
        return "kept" if self.accepted else "broken"


def check(run: AuctionRun, task: str, delivery: Mapping[str, Any], config: RunnableConfig) -> Body[Checked]:
    """Whether a delivery is accepted, and why not."""
    spec = run.spec
    if delivery["error"]:
        return Checked(False, delivery["error"])
    if spec.accept is not None:
        try:
            verdict = yield Work(spec.accept, (task, delivery["text"]))
        except Exception as error:  # The buyer's own test; who it fails on is told, and the run goes on.
            words = clean(f"{type(error).__name__}: {shorten(str(error), 200)}")
            return Checked(False, f"the test of acceptance failed on it: {words}")
        if verdict and not isinstance(verdict, str):
            return Checked(True)
        return Checked(False, clean(verdict or "the test of acceptance refused it", 300))
    if spec.judge is None:
        return Checked(True)
    heard = yield from ask_all(
        [spec.judge],
        lambda _: verdict_question(task, delivery["text"], spec.acceptance),
        talk=[],
        model=spec.model or run.context.model,
        config=config,
        seconds=run.context.model_seconds,
        enough=_never,
    )
    name, one = spec.judge.name, heard[spec.judge.name]
    if one.value is None:
        words = f"accepted unseen, since {name} gave no verdict: {one.error}"
        return Checked(True, words, heard, (one.error or "") if one.over else "", seen=False)
    reason = "" if one.value.accepted else clean(one.value.reason) or f"{name} refused it"
    return Checked(one.value.accepted, reason, heard)


def _never(heard: Mapping[Any, Any]) -> bool:
    return False

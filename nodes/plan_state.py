"""What the planner graph is made with, its state, and the plan in it as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..agents import Agent
from ..errors import ConfigError
from .planning.contingencies import contingency_of
from .planning.domain import Domain, Network
from .planning.domain_files import Problem
from .planning.facts import Facts
from .planning.plan import Plan, PlanNode
from .run import Run, RunContext
from .text import shorten


@dataclass(frozen=True)
class PlannerContext(RunContext):
    """The settings of one run."""

    step_seconds: float = 300.0
    """A step that takes longer has failed."""

    retries: int = 0
    """How often a step that failed is tried again before the plan is mended; a retry is no replan."""

    plan_seconds: float = 30.0
    """Planning, and each mending, ends after so many seconds."""

    max_replans: int | None = None
    """At most so many times the plan is mended; None for what the graph was made with."""

    proposals: int = 3
    """How often the model may propose a method for a task that has none that works; 0 never asks it."""

    optimise: str = ""
    """What the plan should be best at: probability, cost or duration; empty takes the first plan that is found."""


@dataclass(frozen=True)
class PlannerSpec:
    """What `create_planner` was given. `worker_of`: agent, model, model_seconds -> who does its steps."""

    name: str
    problem: Problem | None
    tools: Mapping[str, BaseTool]
    agents: tuple[Agent, ...]
    max_replans: int
    approve: frozenset[str]
    sense: Callable[..., Mapping[str, Any] | None] | None
    model: str | BaseChatModel | None
    worker_of: Callable[[Agent, str | BaseChatModel, float], Runnable[Any, Any]]

    @property
    def is_simulated(self) -> bool:
        """Whether nobody carries the steps out, so that only their effects are applied."""
        return not self.tools and not self.agents


class PlannerRun(Run[PlannerSpec, PlannerContext]):
    """The run, and its limits."""

    def __init__(self, spec: PlannerSpec) -> None:
        super().__init__(spec, PlannerContext)
        given = self.context.max_replans
        self.max_replans = spec.max_replans if given is None else given

    @property
    def model(self) -> str | BaseChatModel:
        """The model of agents without one."""
        return self.spec.model or self.context.model


class PlannerInput(TypedDict, total=False):
    """What a run starts from: the goal is the last human message; `tasks` and `state` say it in the domain's terms.

    They are gone after the first node, so that a wrong one does not stay in the thread.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    tasks: Annotated[list[Any] | None, EphemeralValue]
    state: Annotated[dict[str, Any] | None, EphemeralValue]


class PlannerOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    success: bool
    plan: dict[str, Any]
    completed: list[dict[str, Any]]
    remaining: list[dict[str, Any]]
    final_state: dict[str, Any]
    trace: list[dict[str, Any]]
    replans: int
    explanation: str
    domain: dict[str, Any] | None
    proposals: list[dict[str, Any]]
    usage: dict[str, dict[str, float]]


class PlannerState(PlannerOutput, total=False):
    """The state between nodes.

    `nodes`, `root` and `start` are the plan under way; `failures` what broke and waits to be mended; `without`
    what may not be used again; `silent` methods whose call succeeded once without an effect; `dropped` what was done
    and is no part of the plan any more; `calls` the tool calls of a plan that was made from the tools alone.
    """

    tasks: Annotated[list[Any] | None, EphemeralValue]
    state: Annotated[dict[str, Any] | None, EphemeralValue]
    nodes: list[list[Any]]
    root: list[Any]
    start: dict[str, Any]
    failures: list[dict[str, Any]]
    without: list[list[Any]]
    silent: list[list[Any]]
    dropped: list[list[Any]]
    calls: dict[str, Any]
    goal: str


def rows_of(plan: Plan) -> list[list[Any]]:
    """The tasks of a plan as JSON rows."""
    return [[node.id, list(node.task), node.key, node.parent, node.method] for node in plan.nodes]


def root_of(network: Network) -> list[Any]:
    """The root of a plan as JSON."""
    return [
        [[key, list(task)] for key, task in network.tasks],
        None if network.after is None else [list(before) for before in network.after],
    ]


def plan_in(
    domain: Domain,
    start: Mapping[str, Any],
    rows: Sequence[Any],
    root: Sequence[Any],
    stored: Sequence[Mapping[str, Any]] = (),
) -> Plan:
    """The plan that these rows are of, with the contingencies that were stored for it."""
    nodes = tuple(PlanNode(id_, _tupled(task), key, parent, method) for id_, task, key, parent, method in rows)
    tasks = tuple((key, _tupled(task)) for key, task in root[0])
    after = None if root[1] is None else tuple(tuple(before) for before in root[1])
    bare = Plan(domain, state_in(domain, start), nodes=nodes, root=Network(tasks, after))
    if not stored:
        return bare
    contingencies = tuple(contingency_of(one, bare) for one in stored)
    return Plan(domain, bare.start, nodes=nodes, root=bare.root, contingencies=contingencies)


def state_in(domain: Domain, values: Mapping[str, Any]) -> Any:
    """A state as the domain's operators take it; Python functions get JSON, before a checkpoint as after it."""
    return Facts(values) if domain.is_declared else state_out(values)


def state_out(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state as JSON.

    Raises:
        ConfigError: It is none.
    """
    return {key: _json(value, str(key)) for key, value in state.items()}


def _json(value: Any, where: str) -> Any:
    if isinstance(value, list | tuple):
        return [_json(one, where) for one in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _json(one, where) for key, one in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    raise ConfigError(f"The state's {where!r} was {value!r}; give texts, numbers, lists, and dicts with texts as keys.")


def _tupled(value: Any) -> Any:
    return tuple([_tupled(one) for one in value]) if isinstance(value, list | tuple) else value


def title(node: PlanNode, calls: Mapping[str, Any]) -> str:
    """A task in words; a call of a tool with its input.

    Example:
        >>> calls = {"calculate_1": {"tool": "calculate", "input": {"expression": "6 * 7"}}}
        >>> title(PlanNode(1, ("calculate_1",), "s", 0, ""), calls)
        'calculate 6 * 7'
    """
    call = calls.get(node.task[0])
    if not call:
        return str(node)
    given = call["input"]
    [only] = given.values() if len(given) == 1 else [json.dumps(given, ensure_ascii=False)]
    return shorten(f"{call['tool']} {only}".strip(), 200)

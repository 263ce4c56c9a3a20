"""What the reflection graph is made with, its settings and its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage
from langchain_core.runnables import Runnable, RunnableBinding
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..errors import ConfigError
from .run import Run, RunContext

if TYPE_CHECKING:
    from ..memory.experience import ExperienceMemory


@dataclass(frozen=True)
class ReflectionContext(RunContext):
    """The settings of one run."""

    work_seconds: float = 600.0
    """An attempt of the wrapped graph that takes longer has failed."""

    memory: str = ""
    """The folder of the memory, where the graph was made without one; empty is a memory of this process only."""

    seed: int = 0
    """Decides, with the run's name, which lessons on trial are withheld."""


@dataclass(frozen=True)
class ReflectionSpec:
    """What `create_reflection` was given."""

    name: str
    graph: Runnable[Any, Any]
    memory: ExperienceMemory | str | None
    check: Callable[[str, dict[str, Any]], bool | float | str] | None
    pass_at: float
    features: Callable[[str], Mapping[str, Any]] | None
    retries: int
    reflect: bool
    lessons: int
    mine_every: int
    settings: Mapping[str, Sequence[Any]]
    self_judged: bool
    model: str | BaseChatModel | None

    @property
    def inner(self) -> str:
        """The name of the wrapped graph."""
        return str(getattr(self.graph, "name", None) or "graph")


def default_context(graph: Any) -> Any:
    """The context that a graph runs in when a lesson changes a setting: the one bound to it, or its own default.

    Raises:
        ConfigError: It has no dataclass as its context, or one without defaults and none is bound.
    """
    inner = graph.bound if isinstance(graph, RunnableBinding) else graph
    kind = getattr(inner, "context_schema", None)
    if not isinstance(kind, type) or not is_dataclass(kind):
        raise ConfigError(f"settings need a graph whose context is a dataclass; that of {inner!r} is {kind!r}.")
    if is_bound(graph):
        return graph.kwargs["context"]
    try:
        return kind()
    except TypeError as error:
        raise ConfigError(f"settings need a context to change: graph.bind(context={kind.__name__}(...)).") from error


def is_bound(graph: Any) -> bool:
    """Whether somebody bound a context to a graph."""
    return isinstance(graph, RunnableBinding) and graph.kwargs.get("context") is not None


ReflectionRun = Run[ReflectionSpec, ReflectionContext]


class ReflectionInput(TypedDict, total=False):
    """What a run starts from: the task is the last human message.

    `features`: what you know of the task (its kind, its domain...): name -> text, number or bool. `inputs`: what the
    wrapped graph takes besides messages. `run`: the run's name, unique; made up else.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    features: Annotated[dict[str, Any] | None, EphemeralValue]
    inputs: Annotated[dict[str, Any] | None, EphemeralValue]
    run: Annotated[str | None, EphemeralValue]


class ReflectionOutput(TypedDict, total=False):
    """What a run ends with; all of it JSON but the messages."""

    messages: Annotated[list[AnyMessage], add_messages]
    answer: str
    stop: str
    error: str | None
    usage: dict[str, dict[str, float]]
    result: dict[str, Any]
    attempts: list[dict[str, Any]]
    experience: dict[str, Any]
    recalled: dict[str, Any]
    patterns: list[dict[str, Any]]
    lessons: list[dict[str, Any]]
    improved: bool
    quality: dict[str, Any] | None


class ReflectionState(ReflectionOutput, total=False):
    """The state between nodes.

    `run_id`: the run's name; `began`: when it began; `known`: what was known of the task before; `given`: what the
    wrapped graph takes besides messages; `latest`: what the newest attempt gave, until it is judged; `kept`: the number
    of the attempt that counts, whose output is `result`; `again`: whether another attempt is made; `adapt`: whether
    enough is new to look for patterns.
    """

    features: Annotated[dict[str, Any] | None, EphemeralValue]
    inputs: Annotated[dict[str, Any] | None, EphemeralValue]
    run: Annotated[str | None, EphemeralValue]
    run_id: str
    began: str
    known: dict[str, Any]
    given: dict[str, Any]
    latest: dict[str, Any]
    kept: int
    again: bool
    adapt: bool

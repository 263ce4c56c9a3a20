"""What the nodes of every pattern need of the run they are in: its settings, and where its events go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from langgraph.runtime import get_runtime
from pydantic import ConfigDict, Field

from ..errors import ConfigError

LONGEST = 365 * 24 * 3600.0  # seconds: timers of the operating system take no limit that is much longer


@dataclass(frozen=True)
class RunContext:
    """The settings that every pattern has. A graph inside another one takes them over from it."""

    # Puts the sentences under the fields of a subclass into its schema, from which Studio makes its form. Pydantic does
    # not look for them in a base class, so the ones of this class are written out.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    model: Annotated[
        str,
        Field(
            description="The model: embedded, ollama:NAME, openai:NAME or any name LangChain knows. Agents may have "
            "one of their own."
        ),
    ] = "embedded"
    model_seconds: Annotated[float, Field(description="A model call that takes longer is given up.")] = 120.0


class Named(Protocol):
    """A spec: what a factory was given, with the graph's name."""

    @property
    def name(self) -> str:
        """The graph's name in its events and its closing message."""


Spec = TypeVar("Spec", bound=Named)
Context = TypeVar("Context", bound=RunContext)


class Run(Generic[Spec, Context]):
    """The run that a node is called in.

    Args:
        spec: What the graph was made with.
        kind: The pattern's settings. A host graph hands its own context down: of one of ours the shared settings are
            taken over, of any other none.
    """

    def __init__(self, spec: Spec, kind: type[Context]) -> None:
        runtime = get_runtime(kind)
        given: object = runtime.context
        self.spec = spec
        self.store = runtime.store
        self._write = runtime.stream_writer
        if isinstance(given, kind):
            self.context: Context = given
        elif isinstance(given, RunContext):
            self.context = kind(model=given.model, model_seconds=given.model_seconds)
        else:
            self.context = kind()

    def tell(self, event: str, **facts: Any) -> None:
        """Send an event to whoever streams the run."""
        self._write({"event": event, "agent": self.spec.name, **facts})


def checked_seconds(context: RunContext, *names: str) -> None:
    """Raise a ConfigError when one of these settings is no number of seconds above 0, and a year at most."""
    for name in names:
        seconds = getattr(context, name)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST:
            most = f", at most a year ({LONGEST:.0f})" if isinstance(seconds, int | float) and seconds > LONGEST else ""
            raise ConfigError(f"{name} was {seconds!r}; give seconds above 0{most}.")

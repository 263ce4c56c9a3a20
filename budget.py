"""A budget over a whole run: it stops the model call that would go beyond a limit before it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from .errors import BudgetExceeded, ConfigError

Prices = Mapping[str, tuple[float, float]]


class Budget(BaseCallbackHandler):
    """Limits on the calls, tokens, seconds and cost of a run, nested and foreign graphs included.

    Give it to a run as a callback; it counts every chat-model call below that run, whoever makes it. A call that
    would be sent after a limit was reached raises `BudgetExceeded` instead; the graphs of this package then end with
    their best partial result and `stop: "budget"`. Tokens and cost are known only after a call, so the last call may
    go beyond them; the next one is not sent. One budget may be shared by several runs; it is thread-safe.

    Args:
        max_calls: Model calls, at least 1.
        max_tokens: Tokens in and out together, at least 1.
        max_seconds: Wall-clock seconds from the first call (or from `start()`), above 0.
        max_cost: Cost in the currency of `prices`, above 0. Needs `prices`.
        prices: Model name -> (price of a million input tokens, price of a million output tokens).
        clock: Seconds that never go back; an argument for tests.

    Raises:
        ConfigError: A limit is not a number above 0, a price is no pair of numbers, or `max_cost` has no `prices`.

    Example:
        >>> budget = Budget(max_calls=8, max_seconds=60)
        >>> budget.left()
        {'calls': 8, 'seconds': 60.0}

        graph.invoke(question, config={"callbacks": [budget]})
    """

    raise_error = True  # Without it LangChain logs what a handler raises and sends the call all the same.
    run_inline = True  # Under asyncio: in order and on the loop, so that the call waits for the verdict.
    # Not asked about anything but models: the events of nodes and tools cost 4 % of a run's CPU.
    ignore_chain = ignore_agent = ignore_retriever = ignore_custom_event = True

    def __init__(
        self,
        *,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        max_seconds: float | None = None,
        max_cost: float | None = None,
        prices: Prices | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = {"calls": max_calls, "tokens": max_tokens, "seconds": max_seconds, "cost": max_cost}
        self.limits: dict[str, float] = {
            name: _checked(name, limit) for name, limit in limits.items() if limit is not None
        }
        if max_cost is not None and not prices:
            raise ConfigError(
                "max_cost was given without prices. Give prices={model name: (per million input tokens, per million "
                "output tokens)}, or limit tokens with max_tokens."
            )
        self.prices = {model: _checked_price(model, price) for model, price in (prices or {}).items()}
        self.clock = clock
        self.calls = self.tokens_in = self.tokens_out = 0
        self.cost = 0.0
        self.started: float | None = None
        self._lock = threading.Lock()
        self._models: dict[UUID, str] = {}

    def start(self) -> None:
        """Let the seconds count from now; the first model call does it otherwise."""
        with self._lock:
            self.started = self.clock() if self.started is None else self.started

    def spent(self) -> dict[str, float]:
        """What was used so far: calls, tokens (in and out together), seconds, cost."""
        seconds = 0.0 if self.started is None else self.clock() - self.started
        return {
            "calls": self.calls,
            "tokens": self.tokens_in + self.tokens_out,
            "seconds": seconds,
            "cost": self.cost,
        }

    def left(self) -> dict[str, float]:
        """What is left of each limit that was set; never below 0."""
        spent = self.spent()
        return {name: max(0, limit - spent[name]) for name, limit in self.limits.items()}

    def exhausted(self) -> str | None:
        """The reason why no further call may be sent, or None."""
        spent = self.spent()
        for name, limit in self.limits.items():
            if spent[name] >= limit:
                return f"the budget of {limit:g} {name} is used up ({spent[name]:.6g} {name} so far)"
        return None

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Count the call, or refuse it."""
        self._admit(run_id, _model_name(kwargs))

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any) -> None:
        """Count the call of a plain text model, or refuse it."""
        self._admit(run_id, _model_name(kwargs))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Add the tokens and the cost that the model reports."""
        tokens_in = tokens_out = 0
        name = self._models.pop(run_id, "")
        for generation in (g for batch in response.generations for g in batch):
            message = generation.message if isinstance(generation, ChatGeneration) else None
            if isinstance(message, AIMessage) and message.usage_metadata:
                tokens_in += message.usage_metadata["input_tokens"]
                tokens_out += message.usage_metadata["output_tokens"]
        self._add(name, tokens_in, tokens_out)

    def _add(self, model: str, tokens_in: int, tokens_out: int) -> None:
        price_in, price_out = self.prices.get(model, (0.0, 0.0))
        with self._lock:
            self.tokens_in += tokens_in
            self.tokens_out += tokens_out
            self.cost += (tokens_in * price_in + tokens_out * price_out) / 1_000_000

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a call that failed. It stays counted, with the tokens of a reply that was cut off."""
        model = self._models.pop(run_id, "")
        usage = getattr(getattr(error, "completion", None), "usage", None)  # openai.LengthFinishReasonError
        if usage is not None:
            self._add(model, usage.prompt_tokens, usage.completion_tokens)

    def _admit(self, run_id: UUID, model: str) -> None:
        with self._lock:
            self.started = self.clock() if self.started is None else self.started
            reason = self.exhausted()
            if reason is None and "cost" in self.limits and model not in self.prices:
                known = ", ".join(sorted(self.prices))
                raise ConfigError(
                    f"prices has no entry for the model {model!r}, so max_cost cannot hold. Given: {known}."
                )
            if reason is not None:
                raise BudgetExceeded(reason)
            self.calls += 1
            self._models[run_id] = model


def budgets_of(config: Mapping[str, Any]) -> list[Budget]:
    """The budgets among a run's callbacks, which may be a list or LangChain's callback manager."""
    callbacks = config.get("callbacks") or []
    handlers = callbacks if isinstance(callbacks, list) else callbacks.handlers
    return [handler for handler in handlers if isinstance(handler, Budget)]


def _checked(name: str, limit: object) -> float:
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < float("inf"):
        raise ConfigError(f"max_{name} was {limit!r}; a budget is a number above 0. Leave it out for no limit.")
    if name in ("calls", "tokens") and limit != int(limit):
        raise ConfigError(f"max_{name} was {limit!r}; give a whole number, at least 1.")
    return limit


def _checked_price(model: str, price: object) -> tuple[float, float]:
    pair = tuple(price) if isinstance(price, tuple | list) else ()
    numbers = [p for p in pair if isinstance(p, int | float) and not isinstance(p, bool) and 0 <= p < float("inf")]
    if len(pair) != 2 or len(numbers) != 2:
        raise ConfigError(
            f"prices[{model!r}] was {price!r}; give two numbers: per million input tokens, per million output tokens."
        )
    return numbers[0], numbers[1]


def _model_name(told: Mapping[str, Any]) -> str:
    parameters, metadata = told.get("invocation_params") or {}, told.get("metadata") or {}
    return str(metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name") or "")

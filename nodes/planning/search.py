"""Finding a plan for tasks in a state."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import ConfigError
from .domain import Domain, Network, Task
from .engine import Limits, Search
from .estimates import OBJECTIVES, Prices
from .facts import Facts, Ground
from .linear import domain_in_line, has_partial_order, in_line
from .plan import Plan
from .reading import order_of, read_task

__all__ = ["Limits", "find_plan", "root_network"]

IN_LINE = 10_000  # Search nodes of the search without interleaving.
LIMITS = Limits()


def find_plan(
    domain: Domain,
    state: Mapping[str, Any],
    tasks: Sequence[Any],
    *,
    order: Any = "total",
    limits: Limits = LIMITS,
    optimise: str | None = None,
    without: Collection[tuple[Ground, str]] = (),
    done: Sequence[Ground] = (),
    prefer: Mapping[Ground, str] = {},
    clock: Callable[[], float] = time.monotonic,
) -> Plan:
    """Return a plan for tasks in a state, or why there is none.

    Methods are tried by their probability, equally likely ones by the least cost, then the least duration of what they
    lead to (where operators differ in it), then in the order of the domain (see `Domain`). Every choice is revised when
    what follows fails, also one inside a task that was finished. With `optimise` the first plan is improved (branch and
    bound) until it is proven best, or the limits end the search: then the best so far is returned, `optimal` false.

    Args:
        domain: What can be done.
        state: Variable -> value. For a domain of Python functions whatever mapping they take; it is not changed.
        tasks: Names, or names with arguments, or pairs (id, task) where `order` names ids.
        order: "total", or pairs (before, after) of ids.
        limits: When to give up.
        optimise: probability (of success), cost, or duration (sum of the durations); None takes the first plan.
        without: Pairs (ground task, id of a method) that may not be used; (ground operator, "") for an operator.
        done: Ground operators that were carried out before and whose effects are in the state: each stands in a plan
            once without being applied again. Only for declared domains.
        prefer: Ground task -> id of the method that is tried first.
        clock: What `seconds` is measured with.

    Returns:
        A `Plan`; `plan.found` is false when there is none, and `plan.reason` says "no_plan" (all was tried: there is
        none) or "limit" (none was found within the limits).

    Raises:
        ConfigError: An unknown task, a wrong number of arguments, an order with a cycle.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Method, Operator
        >>> fly = Operator("fly", pre=[("budget", ">=", 300)], eff=[("budget", "-=", 300)])
        >>> ride = Operator("ride", pre=[("budget", ">=", 80)], eff=[("budget", "-=", 80)])
        >>> pay = Operator("pay", pre=[("budget", ">=", 150)])
        >>> plane = Method("plane", "go", subtasks=[("s1", "fly")], p=0.9)
        >>> train = Method("train", "go", subtasks=[("s1", "ride")], p=0.8)
        >>> find_plan(Domain([fly, ride, pay], [plane, train]), {"budget": 400}, ["go", "pay"]).names
        ['ride', 'pay']
    """
    if optimise is not None and optimise not in OBJECTIVES:
        raise ConfigError(
            f"optimise was {optimise!r}; give one of {', '.join(OBJECTIVES)}, or None for the first plan."
        )
    network = root_network(tasks, order)
    for key, task in network.tasks:
        domain.check(task, f"task {key!r}")
    start = Facts(state) if domain.is_declared and not isinstance(state, Facts) else state
    prices = Prices(domain, optimise) if optimise else None
    search = Search(domain, start, network, limits, prices, clock)
    if without or done:
        search.restrict(frozenset(without), done)
    search.prefer = prefer
    with _no_collections():
        if has_partial_order(domain, network):
            first = _in_line(domain, start, network, limits, prices, clock)
            if without or done:
                first.restrict(frozenset(without), done)
            first.prefer = prefer
            plan = first.run()
            if plan.found and optimise is None:
                return Plan(domain, plan.start, nodes=plan.nodes, root=network, searched=plan.searched)
            # Its plan is one of the whole problem at the same price; that it is best is for the whole search to prove.
            search.nodes, search.best = first.nodes, first.best
            del first
        plan = search.run()
        del search  # With all that it remembers, before the collector would go through it.
    return plan


def _in_line(
    domain: Domain,
    state: Any,
    network: Network,
    limits: Limits,
    prices: Prices | None,
    clock: Callable[[], float],
) -> Search:
    """A short search without interleaving: where that finds a plan, the whole search may take for ever."""
    few = Limits(IN_LINE if limits.nodes is None else max(1, min(IN_LINE, limits.nodes // 4)), limits.seconds)
    return Search(domain_in_line(domain), state, in_line(network), few, prices, clock)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without the collector of cycles: a search makes none, and going through all its tuples made it 4 times slower."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def root_network(tasks: Sequence[Any], order: Any = "total") -> Network:
    """What is to be done, as a network; tasks without an id get "1", "2", ...

    Raises:
        ConfigError: The tasks are no list of tasks, or the order is wrong.

    Example:
        >>> root_network(["go", ("hotel", ("pay", "inn"))])
        Network(tasks=(('1', ('go',)), ('hotel', ('pay', 'inn'))), after=None)
    """
    if isinstance(tasks, str) or not isinstance(tasks, Sequence):
        raise ConfigError(f"tasks was {tasks!r}; give a list of tasks.")
    pairs = [_keyed(one, str(number)) for number, one in enumerate(tasks, 1)]
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ConfigError(f"Two tasks have the id {next(k for k in keys if keys.count(k) > 1)!r}; give each its own.")
    return Network(tuple(pairs), order_of(keys, order, "the tasks"))


def _keyed(given: Any, key: str) -> tuple[str, Ground]:
    pair = isinstance(given, list | tuple) and len(given) == 2 and isinstance(given[1], list | tuple)
    pair = pair and not isinstance(given, Task)  # One with an argument that is a tuple.
    return (str(given[0]), read_task(given[1], "the tasks")) if pair else (key, read_task(given, "the tasks"))

"""Partial orders made total: without interleaving a plan is found much sooner, where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush

from .domain import Domain, Method, Network


def has_partial_order(domain: Domain, network: Network) -> bool:
    """Whether anything in a problem can be interleaved."""
    return network.after is not None or any(one.after is not None for one in domain.methods)


def in_line(network: Network) -> Network:
    """A network with its tasks one after the other: as they are listed, as far as the order lets them.

    Example:
        >>> in_line(Network((("a", ("rest",)), ("b", ("work",))), ((1,), ()))).tasks
        (('b', ('work',)), ('a', ('rest',)))
    """
    if network.after is None:
        return network
    return Network(tuple([network.tasks[place] for place in _sorted(network.after)]))


def domain_in_line(domain: Domain) -> Domain:
    """A domain whose methods have all their subtasks one after the other; made once for a domain.

    What is a plan with it is one with the domain itself.
    """
    if domain_in_line not in domain.cache:
        domain.cache[domain_in_line] = replace(domain, methods=[_method_in_line(one) for one in domain.methods])
    found: Domain = domain.cache[domain_in_line]
    return found


def _method_in_line(method: Method) -> Method:
    if method.after is None:
        return method
    return replace(method, subtasks=[method.subtasks[place] for place in _sorted(method.after)], order="total")


def _sorted(after: Sequence[Sequence[int]]) -> list[int]:
    """The places in the first of the orders that keep each behind those that it waits for."""
    waits = [len(before) for before in after]
    then: list[list[int]] = [[] for _ in after]
    for place, before in enumerate(after):
        for one in before:
            then[one].append(place)
    free = [place for place, number in enumerate(waits) if not number]
    heapify(free)
    found = []
    while free:
        found.append(heappop(free))
        for place in then[found[-1]]:
            waits[place] -= 1
            if not waits[place]:
                heappush(free, place)
    return found

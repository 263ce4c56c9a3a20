"""What a task needs however it is done: conditions of steps deep inside that can be tested as soon as it comes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .terms import Term

if TYPE_CHECKING:
    from .domain import Domain, Method

Early = Literal["", "always", "now"]
Terms = dict[Any, Term]  # By what makes them differ: in Python 1 equals True.


class Needs:
    """What the tasks of a domain need, worked out once.

    A task has to be carried out to its last step somewhere in the same plan. What its steps need and no operator
    changes is as true then as it is now; what its first step needs has to be true in the very state where the task is
    begun, if nothing can come between. A task needs what all its methods need of its arguments. HyperTensioN
    (Magnaguagno, Meneguzzi and de Silva, 2021) calls it pull-up.

    Attributes:
        always: Of each task, what it needs and no operator changes.
        now: Of each task, what it needs in the state where it is begun, if nothing comes between that and its first
            step.

    Args:
        domain: The domain. Of Python functions nothing is known, so with them nothing is needed.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain, self.is_declared = domain, domain.is_declared
        self.changing = {one.name for operator in domain.operators for one in operator.eff}
        self.always: dict[str, Terms | None] = {}
        self.now: dict[str, Terms | None] = {}
        if self.is_declared:
            self._work_out(self.always, now=False)
            self._work_out(self.now, now=True)

    def is_static(self, term: Term) -> bool:
        """Whether no operator changes what a condition speaks of."""
        return term.args is None or (self.is_declared and term.name not in self.changing)

    def conditions(self, method: Method, early: Early) -> list[Term]:
        """The conditions of a method, and what its subtasks need, as far as that can be tested as early."""
        conditions: Sequence[Any] = method.conditions
        found: Terms = {_key(one): one for one in conditions}
        for needed in self._of_subtasks(method, early == "now") if early else ():
            found.update(needed or {})
        return list(found.values())

    def _work_out(self, found: dict[str, Terms | None], now: bool) -> None:
        """Fill in what is needed at the beginning of each task (now), or of what never changes.

        Tasks may contain one another. So each begins with None, for whatever one likes, and what is needed gets less
        until nothing changes: the greatest fixpoint, which holds for every decomposition that ends, by induction.
        """
        domain = self.domain
        for one in domain.operators:
            pre: Sequence[Any] = one.pre
            found[one.name] = _written([term for term in pre if now or self.is_static(term)], one.parameters)
        inside: dict[str, dict[str, None]] = {}
        for method in domain.methods:
            for _, task in method.subtasks:
                inside.setdefault(task[0], {})[method.task] = None
        waiting = dict.fromkeys(domain.methods_of)
        while waiting:
            name, _ = waiting.popitem()
            ways = [self._of_method(method, now) for method in domain.methods_of[name]]
            known = [way for way in ways if way is not None]
            if known:
                least = {key: term for key, term in known[0].items() if all(key in way for way in known)}
                if least != found.get(name):
                    found[name] = least
                    waiting.update(inside.get(name, {}))

    def _of_method(self, method: Method, now: bool) -> Terms | None:
        """What a method needs of the task's arguments; None while nothing is known of one of its subtasks."""
        if method.run is not None:
            return {}
        conditions: Sequence[Any] = method.conditions
        found: Terms = {_key(one): one for one in conditions if now or self.is_static(one)}
        for needed in self._of_subtasks(method, now):
            if needed is None:
                return None
            found.update(needed)
        return _written(list(found.values()), method.parameters[: method.arity])

    def _of_subtasks(self, method: Method, now: bool) -> list[Terms | None]:
        """What each subtask of a method needs, of the method's parameters."""
        found: list[Terms | None] = []
        for place, (_, (name, *args)) in enumerate(method.subtasks):
            table = self.now if now and not place and method.after is None else self.always
            needed = table.get(name)
            binding = {f"?{number}": arg for number, arg in enumerate(args)}
            bound = None if needed is None else [term.bound(binding) for term in needed.values()]
            found.append(None if bound is None else {_key(term): term for term in bound})
        return found


def _written(terms: Sequence[Term], parameters: Sequence[tuple[str, str]] | Any) -> Terms:
    """The terms that speak of these parameters only, with ?0, ?1, ... for them."""
    binding: Mapping[str, str] = {name: f"?{place}" for place, (name, _) in enumerate(parameters)}
    kept = [term.bound(binding) for term in terms if all(one in binding for one in term.parameters())]
    return {_key(term): term for term in kept}


def _key(term: Term) -> Any:
    return term.name, term.args, term.sign, repr(term.value)

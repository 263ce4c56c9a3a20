"""The values of a method's parameters in a state: those of the task are given, the free ones are found.

The conditions that say what a variable is are joined, as in a database: the one with the fewest parameters still open
comes first, and every other condition is tested as soon as its parameters are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from operator import contains, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .facts import Args, Facts, Table
from .needs import Early, Needs
from .terms import Term, compare

if TYPE_CHECKING:
    from .domain import Domain, Method

Values = list[Any]  # By slot: the parameters, then the constants of the conditions.
Tables = dict[str, Table]
Slotted = tuple[Term, tuple[int, ...]]
Made = TypeVar("Made")


def bindings(method: Method, state: Facts, args: Args, domain: Domain, early: Early = "") -> Iterator[dict[str, Any]]:
    """Every binding of a method's parameters under which its conditions hold, one by one, in a fixed order.

    Args:
        method: Its first `arity` parameters are the task's.
        state: Where the conditions have to hold.
        args: Values of the task's parameters.
        domain: For the objects that free parameters range over, and for what its tasks need.
        early: Which bindings are left out because they cannot become part of a plan: "always", those with a subtask
            that needs something else that no operator changes; "now", also those with a first step that cannot be
            carried out, where nothing can come between this decomposition and that step.

    Example:
        >>> from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
        >>> way = Method("m", "go", ["?a", "?b"], [("road(?a, ?b)", "==", True)], [("s", ("move", "?b"))], arity=1)
        >>> domain = Domain([Operator("move", ["?b"])], [way], objects={"": ["home", "inn", "mill"]})
        >>> list(bindings(way, Facts({"road(home, mill)": True, "road(inn, home)": True}), ("home",), domain))
        [{'?a': 'home', '?b': 'mill'}]
    """
    if not all(isinstance(one, str) for one in args):
        return _every(method, state, args, domain)
    key = (method.task, method.id, early)
    matcher = domain.cache.get(key)
    if matcher is None or matcher.method is not method:
        matcher = domain.cache[key] = Matcher(method, domain, early)
    return matcher.bindings(state, args)


class Test(NamedTuple):
    """A condition whose parameters are known; without a name it compares two of them.

    `pick` takes the arguments from the values, or the left side of the comparison.
    """

    name: str | None
    pick: Callable[[Values], Args]
    sign: str
    value: int  # The slot of the value.

    def holds(self, values: Values, tables: Tables) -> bool:
        """Whether it does."""
        args = self.pick(values)
        if self.name is None:
            return compare(args[0], self.sign, values[self.value])
        table = tables.get(self.name)
        return compare(table.get(args) if table else None, self.sign, values[self.value])


class Step:
    """Parameters that are bound to each object of a type, for no condition says what they are."""

    def __init__(self, new: Sequence[int], every: Sequence[Args] = ()) -> None:
        self.new, self.every = new, every
        self.tests: list[Test] = []  # What can be tested once they are bound.

    def found(self, values: Values, tables: Tables) -> Sequence[Args]:
        """What they can be bound to, in the order of the objects."""
        return self.every


class Join(Step):
    """Parameters that are bound by the rows of a table that agree with what is bound already."""

    def __init__(self, term: Term, slots: tuple[int, ...], bound: set[int], matcher: Matcher, static: bool) -> None:
        super().__init__(list(dict.fromkeys([slot for slot in slots if slot not in bound])))
        self.name, self.width, self.value, self.static = term.name, len(slots) - 1, term.value, static
        self.is_constant = slots[-1] >= len(matcher.names)
        self.known = _picker([slot for slot in slots[:-1] if slot in bound])
        self.is_one_row = bound.issuperset(slots[:-1])  # All arguments are known: the value is looked up.
        # A row is its arguments and its value: these places of it are known, and these are taken.
        self.at = _picker([place for place, slot in enumerate(slots[:-1]) if slot in bound])
        self.taken = _picker([slots.index(slot) for slot in self.new])
        self.equal = [(slots.index(slot), place) for place, slot in enumerate(slots) if slot in self.new]
        self.equal = [(first, place) for first, place in self.equal if first != place]
        self.types, self.rank = [matcher.types[slot] for slot in self.new], matcher.objects.rank
        self.index: tuple[Table, dict[Args, list[Args]]] = ({}, {})

    def found(self, values: Values, tables: Tables) -> Sequence[Args]:
        """What they can be bound to, in the order of the objects."""
        table = tables.get(self.name)
        if not table:
            return ()
        wanted = self.known(values)
        if not self.static:
            if self.is_one_row:
                table = {wanted: table[wanted]} if wanted in table else {}
            return self._rows(table, wanted).get(wanted, ())
        known, rows = self.index
        if known is not table:  # Another problem of the same domain; in one search it stays the same.
            rows = self._rows(table)
            self.index = table, rows
        return rows.get(wanted, ())

    def _rows(self, table: Table, wanted: Args | None = None) -> dict[Args, list[Args]]:
        """What the rows of a table bind, by what is known."""
        rows: dict[Args, list[Args]] = {}
        at, taken, rank = self.at, self.taken, self.rank
        for args, value in table.items():
            if len(args) != self.width or (wanted is not None and at(args) != wanted):
                continue
            if self.is_constant and value is not self.value and not compare(value, "==", self.value):
                continue
            row = (*args, value)
            if self.equal and any(row[one] != row[other] for one, other in self.equal):
                continue
            found = taken(row)
            if all(map(contains, self.types, found)):
                rows.setdefault(at(args), []).append(found)
        for ones in rows.values():
            ones.sort(key=lambda found: [rank[one] for one in found])
        return rows


class Matcher:
    """How the parameters of a method are found; worked out once for a method.

    Args:
        method: The method.
        domain: What it is a part of.
        early: As in `bindings`.
    """

    def __init__(self, method: Method, domain: Domain, early: Early) -> None:
        self.method, self.arity = method, method.arity
        self.objects, self.needs = _kept(domain, Objects), _kept(domain, Needs)
        self.names = [name for name, _ in method.parameters]
        self.types = [self.objects.of(type_) for _, type_ in method.parameters]
        typed = [slot for slot, (_, type_) in enumerate(method.parameters[: self.arity]) if type_ in self.objects.known]
        self.given = [(slot, self.types[slot]) for slot in typed]
        self.values: Values = [None] * len(self.names)  # Each constant of the conditions is put behind them.
        terms = [(one, self._slots(one)) for one in self.needs.conditions(method, early)]
        bound = {*range(self.arity), *range(len(self.names), len(self.values))}
        self.first = _tests(terms, bound)
        self.steps: list[Step] = []
        while len(bound) < len(self.values):
            self.steps.append(self._step(terms, bound))

    def bindings(self, state: Facts, args: Args) -> Iterator[dict[str, Any]]:
        """As `bindings` above."""
        for slot, objects in self.given:
            if args[slot] not in objects:
                return
        names, steps, tables = self.names, self.steps, state.tables
        values = [*args, *self.values[len(args) :]]
        for test in self.first:
            if not test.holds(values, tables):
                return
        if not steps:
            yield dict(zip(names, values, strict=False))
            return
        open_ = [iter(steps[0].found(values, tables))]
        while open_:
            step = steps[len(open_) - 1]
            for found in open_[-1]:
                for slot, value in zip(step.new, found, strict=True):
                    values[slot] = value
                for test in step.tests:
                    if not test.holds(values, tables):
                        break
                else:
                    if len(open_) < len(steps):
                        open_.append(iter(steps[len(open_)].found(values, tables)))
                        break
                    yield dict(zip(names, values, strict=False))
            else:
                open_.pop()

    def _step(self, terms: list[Slotted], bound: set[int]) -> Step:
        """What is bound next, and what can be tested then; both are taken from the terms."""
        # A missing value is null, so a comparison with null has no rows.
        joins = [one for one in terms if one[0].sign == "==" and one[0].args is not None and one[0].value is not None]
        step: Step
        if joins:
            term, slots = min(joins, key=lambda one: self._openness(one, bound))
            step = Join(term, slots, bound, self, self.needs.is_static(term))
            if slots[-1] in step.new or slots[-1] >= len(self.names):
                terms.remove((term, slots))  # Else the value is a parameter that is known: it is left to be tested.
        else:
            slot = next(slot for slot in range(len(self.names)) if slot not in bound)
            step = Step([slot], [(one,) for one in self.types[slot]])
        bound.update(step.new)
        step.tests = _tests(terms, bound)
        return step

    def _openness(self, join: Slotted, bound: set[int]) -> tuple[int, bool, int]:
        """The fewer parameters a join leaves open the sooner it comes; then those with an index, then long ones."""
        term, slots = join
        return len(set(slots) - bound), not self.needs.is_static(term), -len(slots)

    def _slots(self, term: Term) -> tuple[int, ...]:
        """The slots of what a condition speaks of, its value last."""
        found = []
        for part in (*((term.name,) if term.args is None else term.args), term.value):
            if isinstance(part, str) and part in self.names:
                found.append(self.names.index(part))
            else:
                found.append(len(self.values))
                self.values.append(part)
        return tuple(found)


class Objects:
    """The objects of a domain by type; gathered once."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.rank = {name: place for place, name in enumerate(domain.of_type(""))}
        self.known = {*domain.objects, *domain.types, *domain.types.values()} - {""}
        self.by_type: dict[str, dict[str, None]] = {}

    def of(self, type_: str) -> dict[str, None]:
        """The objects of a type and its subtypes, in their order; of "" all."""
        if type_ not in self.by_type:
            self.by_type[type_] = dict.fromkeys(self.domain.of_type(type_))
        return self.by_type[type_]


def _every(method: Method, state: Facts, args: Args, domain: Domain) -> Iterator[dict[str, Any]]:
    """The same by trial: a number is itself where values are compared, and text where it stands in a variable."""
    objects = _kept(domain, Objects)
    for value, (_, type_) in zip(args, method.parameters, strict=False):
        if type_ in objects.known and value not in objects.of(type_):
            return
    free = [domain.of_type(type_) for _, type_ in method.parameters[method.arity :]]
    for rest in product(*free):
        binding = dict(zip([name for name, _ in method.parameters], [*args, *rest], strict=True))
        if all(one.bound(binding).holds(state) for one in method.conditions):
            yield binding


def _kept(domain: Domain, kind: Callable[[Domain], Made]) -> Made:
    """What is made of a domain once."""
    if kind not in domain.cache:
        domain.cache[kind] = kind(domain)
    found: Made = domain.cache[kind]
    return found


def _tests(terms: list[Slotted], bound: set[int]) -> list[Test]:
    """Take the conditions whose parameters are all bound away from the terms, as tests."""
    ready = [one for one in terms if bound.issuperset(one[1])]
    terms[:] = [one for one in terms if not bound.issuperset(one[1])]
    return [
        Test(term.name if term.args is not None else None, _picker(slots[:-1]), term.sign, slots[-1])
        for term, slots in ready
    ]


def _picker(places: Sequence[int]) -> Callable[[Sequence[Any]], Args]:
    """What takes these places of a sequence as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return partial(_one, places[0]) if places else _none  # Of one place itemgetter makes no tuple.


def _one(place: int, values: Sequence[Any]) -> Args:
    return (values[place],)


def _none(values: Sequence[Any]) -> Args:
    return ()

"""What can be done: operators that change the state, and methods that decompose a task into smaller ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ...errors import ConfigError, nearest
from .estimates import Prices
from .facts import Args, Facts, Ground, shown
from .matching import bindings
from .needs import Early
from .reading import (
    arity_words,
    at_least_0,
    listed,
    named,
    only_known,
    order_of,
    probability,
    read_parameters,
    read_subtasks,
)
from .terms import Term, applied, known, read_condition, read_effect

Order = str | Sequence[Sequence[str]]  # "total", or pairs (before, after) of the ids of subtasks
KEYS = tuple(map(str, range(100)))  # Of what Python functions return; made once, as a search needs thousands.


class Task(tuple[Any, ...]):
    """Something to be done: a name and arguments. A plain tuple of these, or a name alone, does as well.

    Example:
        >>> task = Task("ship", "o1")
        >>> print(task, task.name, task.args)
        ship(o1) ship ('o1',)
    """

    __slots__ = ()

    def __new__(cls, name: str, *args: Any) -> Task:
        return super().__new__(cls, (name, *args))

    @property
    def name(self) -> str:
        """What is to be done."""
        return str(self[0])

    @property
    def args(self) -> Args:
        """With what."""
        return self[1:]

    def __str__(self) -> str:
        return shown(self.name, self.args)


class Network(NamedTuple):
    """Tasks with an order among them: what a method turns a task into.

    `after` is None when each task waits for the one before it; else it holds for each task the places of those that it
    waits for.
    """

    tasks: tuple[tuple[str, Ground], ...]
    after: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class Operator:
    """A task that is carried out in one go.

    Args:
        name: Its name; the tool that does it has the same.
        parameters: Their names, "?o" or "o", each alone or with its type: ["?o", ("?t", "truck")].
        pre: Conditions [variable, ==, !=, <, <=, > or >=, value] that must hold before.
        eff: Effects [variable, =, += or -=, value], applied in their order.
        duration: How long it takes, in whatever unit the domain uses; at least 0.
        cost: What it costs; at least 0.
        p: The probability that it succeeds.
        resources: What it occupies while it runs: name -> how much.
        run: Instead of pre and eff: a pure function of the state and the arguments that returns the new state, or None
            where the operator cannot be applied. It must not change the state that it is given.

    Raises:
        ConfigError: Something about it is wrong; the message says what.

    Example:
        >>> pay = Operator("pay", pre=[("budget", ">=", 80)], eff=[("budget", "-=", 80)])
        >>> pay.apply(Facts({"budget": 100}), ())["budget"], pay.apply(Facts({"budget": 50}), ())
        (20, None)
    """

    name: str
    parameters: Sequence[Any] = ()  # Whatever these are given as, they are pairs and `Term`s afterwards.
    pre: Sequence[Any] = ()
    eff: Sequence[Any] = ()
    duration: float = 1
    cost: float = 0
    p: float = 1.0
    resources: Mapping[str, float] = field(default_factory=dict)
    run: Callable[..., Any] | None = None
    _ground: dict[Args, tuple[tuple[Term, ...], tuple[Term, ...]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        where = f"operator {named(self.name, 'An operator')!r}"
        set_ = object.__setattr__
        set_(self, "parameters", read_parameters(self.parameters, where))
        set_(self, "pre", tuple(read_condition(one, where) for one in listed(self.pre, "pre", where)))
        set_(self, "eff", tuple(read_effect(one, where) for one in listed(self.eff, "eff", where)))
        set_(self, "p", probability(self.p, where))
        set_(self, "duration", at_least_0(self.duration, "duration", where))
        set_(self, "cost", at_least_0(self.cost, "cost", where))
        if self.run is not None and (self.pre or self.eff):
            raise ConfigError(f"{where}: give pre and eff, or run; both were given.")
        if not isinstance(self.resources, Mapping):
            raise ConfigError(f"{where}: resources was {self.resources!r}; give name -> how much.")
        set_(self, "resources", {k: at_least_0(v, f"resource {k}", where) for k, v in self.resources.items()})
        only_known(self.parameters, (*self.pre, *self.eff), where)

    def apply(self, state: Any, args: Args) -> Any:
        """The state after it, or None where it cannot be applied."""
        if self.run is not None:
            return self.run(state, *args)
        pre, eff = self.ground(args)
        for one in pre:
            if not one.holds(state):
                return None
        return applied(eff, state)

    def ground(self, args: Args) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
        """Its conditions and effects for these arguments."""
        ground = self._ground.get(args)
        if ground is None:
            if len(args) != len(self.parameters):
                raise ConfigError(arity_words(self.name, self.parameters, args))
            binding = dict(zip([name for name, _ in self.parameters], args, strict=True))
            ground = (
                tuple([one.bound(binding) for one in self.pre]),
                tuple([one.bound(binding) for one in self.eff]),
            )
            self._ground[args] = ground
        return ground

    def unmet(self, state: Facts, args: Args) -> list[Term]:
        """The conditions that do not hold."""
        return [one for one in self.ground(args)[0] if not one.holds(state)]


@dataclass(frozen=True)
class Method:
    """One way to do a task: the subtasks that it is decomposed into.

    Args:
        id: Its name, unique among the methods of its task.
        task: The name of the task.
        parameters: Of the task, as in `Operator`, then free ones that are bound by what holds in the state.
        conditions: What must hold in the state where the task is decomposed.
        subtasks: Pairs (id, task); a task is a name, or a name with arguments: ("s1", ("pick", "?o")).
        order: "total", or pairs (before, after) of ids.
        p: The probability that this way works, beside that of its steps.
        run: Instead of conditions and subtasks: a function of the state and the arguments that returns a list of
            tasks, to be done in this order, or None where the method cannot be used.

    Raises:
        ConfigError: Something about it is wrong; a cycle in the order is named.

    Example:
        >>> Method("by_train", "go", subtasks=[("s1", "buy_train"), ("s2", "ride")], p=0.8).id
        'by_train'
    """

    id: str
    task: str
    parameters: Sequence[Any] = ()
    conditions: Sequence[Any] = ()
    subtasks: Any = ()
    order: Order = "total"
    p: float = 1.0
    run: Callable[..., Any] | None = None
    after: tuple[tuple[int, ...], ...] | None = field(default=None, init=False, repr=False)
    arity: int = field(default=-1, kw_only=True)  # How many of the parameters are the task's; all when it is -1.
    verify: bool = field(default=False, kw_only=True)  # Whether the task's goal is tested when it is done in this way.

    def __post_init__(self) -> None:
        where = f"method {named(self.id, 'A method')!r} of {named(self.task, 'A task')!r}"
        set_ = object.__setattr__
        set_(self, "parameters", read_parameters(self.parameters, where))
        set_(self, "conditions", tuple(read_condition(c, where) for c in listed(self.conditions, "conditions", where)))
        set_(self, "subtasks", read_subtasks(self.subtasks, where))
        set_(self, "p", probability(self.p, where))
        if not isinstance(self.verify, bool):
            raise ConfigError(f"{where}: verify was {self.verify!r}; give true or false.")
        set_(self, "after", order_of([key for key, _ in self.subtasks], self.order, where))
        set_(self, "arity", len(self.parameters) if self.arity < 0 else self.arity)
        if self.run is not None and (self.conditions or self.subtasks):
            raise ConfigError(f"{where}: give conditions and subtasks, or run; both were given.")
        only_known(self.parameters, self.conditions, where)
        names = {name for name, _ in self.parameters}
        for key, (_, *args) in self.subtasks:
            for arg in args:
                if isinstance(arg, str) and arg.startswith("?") and arg not in names:
                    raise ConfigError(
                        f"{where}: subtask {key!r} uses {arg}, which is no parameter.{nearest(arg, names)}"
                    )

    @property
    def is_unconditional(self) -> bool:
        """Whether it can be used in every state, in one way."""
        return self.run is None and not self.conditions and self.arity == len(self.parameters)

    @property
    def is_open(self) -> bool:
        """Whether it has free parameters, so that there may be several ways to use it."""
        return self.arity < len(self.parameters)

    def networks(self, state: Any, args: Args, domain: Domain, early: Early = "") -> Iterable[Network]:
        """What the task becomes in a state: one network for each way to bind the free parameters; see `bindings`."""
        if self.run is not None:
            given = self.run(state, *args)
            return () if given is None or given is False else (Network(_numbered(given)),)
        if len(args) != self.arity:
            raise ConfigError(arity_words(self.task, self.parameters[: self.arity], args))
        if self.parameters:
            return self._bound(state, args, domain, early)
        if all(one.holds(state) for one in self.conditions):
            return (Network(self.subtasks, self.after),)
        return ()

    def _bound(self, state: Any, args: Args, domain: Domain, early: Early) -> Iterator[Network]:
        found: Iterable[Mapping[str, Any]]
        if self.is_unconditional and not isinstance(state, Facts):  # A state of Python functions has no tables.
            found = [dict(zip([name for name, _ in self.parameters], args, strict=True))]
        else:
            found = bindings(self, state, args, domain, early)
        for binding in found:
            get = binding.get
            yield Network(
                tuple([(key, (task[0], *[get(arg, arg) for arg in task[1:]])) for key, task in self.subtasks]),
                self.after,
            )


@dataclass(frozen=True)
class Domain:
    """The operators, the methods, and the objects that free parameters range over.

    The methods of a task are tried likeliest first (their own `p`). Of equally likely ones first the one whose
    subtasks cost least, then the one whose subtasks take the least time, both at best; equal ones stay in the order of
    the domain, and so do those among which a Python function stands: what it leads to is not known.

    Args:
        operators: What can be carried out.
        methods: How tasks are decomposed; equally good ones are tried in this order.
        tasks: Names of compound tasks, for those without a method.
        objects: Type -> names of objects.
        types: Type -> the type that it is part of.
        goals: Task -> (its parameters, conditions that hold when it is done): a model's method is judged by it.

    Raises:
        ConfigError: A name that is unknown or doubled, a wrong number of arguments; the message says which.

    Example:
        >>> domain = Domain([Operator("ride")], [Method("by_train", "go", subtasks=[("s1", "ride")])])
        >>> domain.is_compound("go"), domain.is_compound("ride")
        (True, False)
    """

    operators: Sequence[Operator] = ()
    methods: Sequence[Method] = ()
    tasks: Sequence[str] = ()
    objects: Mapping[str, Sequence[str]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, tuple[tuple[tuple[str, str], ...], tuple[Term, ...]]] = field(default_factory=dict)
    operator: dict[str, Operator] = field(init=False, repr=False, compare=False)
    methods_of: dict[str, tuple[Method, ...]] = field(init=False, repr=False, compare=False)
    cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # Of matching.py.

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "operators", tuple(self.operators))
        set_(self, "methods", tuple(self.methods))
        if not self.operators and not self.methods:
            raise ConfigError("The domain is empty; give operators, and methods that decompose tasks into them.")
        operator = {one.name: one for one in self.operators}
        if len(operator) < len(self.operators):
            doubled = next(one.name for one in self.operators if operator[one.name] is not one)
            raise ConfigError(f"Two operators are named {doubled!r}; give each its own name.")
        of: dict[str, list[Method]] = {name: [] for name in self.tasks}
        ids: set[tuple[str, str]] = set()
        for method in self.methods:
            if (method.task, method.id) in ids:
                raise ConfigError(f"Two methods of {method.task!r} have the id {method.id!r}; give each its own.")
            ids.add((method.task, method.id))
            of.setdefault(method.task, []).append(method)
        for name in of:
            if name in operator:
                raise ConfigError(f"{name!r} is an operator and a task with methods; rename one of them.")
        set_(self, "operator", operator)
        # The likeliest way first; sorting is stable, so equally likely ones stay as they were given.
        set_(self, "methods_of", {name: tuple(sorted(ways, key=lambda one: -one.p)) for name, ways in of.items()})
        for method in self.methods:
            self._check_subtasks(method)
        self._cheapest_first()

    @property
    def names(self) -> list[str]:
        """All tasks that it knows."""
        return [*self.operator, *self.methods_of]

    @cached_property
    def is_declared(self) -> bool:
        """Whether its operators are data, so that the state is `Facts` and what they read and write is known."""
        return all(one.run is None for one in self.operators)

    @property
    def is_written(self) -> bool:
        """Whether all of it is data, so that a file can hold it."""
        return self.is_declared and all(one.run is None for one in self.methods)

    def is_compound(self, name: str) -> bool:
        """Whether a task is decomposed, not carried out."""
        return name in self.methods_of

    def check(self, task: Ground, where: str) -> None:
        """Raise a ConfigError when a task is unknown or has a wrong number of arguments."""
        name, args = task[0], task[1:]
        if name not in self.operator and name not in self.methods_of:
            bare, bracket, _ = name.partition("(")
            if bracket and (bare in self.operator or bare in self.methods_of):
                raise ConfigError(f"{where}: {name!r} is a text; a task with arguments is a list: [{bare!r}, ...].")
            known(name, self.names, "task", where)
        if (wanted := self.parameters_of(name)) is not None and len(wanted) != len(args):
            raise ConfigError(f"{where}: {arity_words(name, wanted, args)}")

    def parameters_of(self, name: str) -> Sequence[tuple[str, str]] | None:
        """The parameters of a task; None where they are a Python function's, or unknown."""
        if name in self.operator:
            one = self.operator[name]
            return one.parameters if one.run is None else None
        for method in self.methods_of[name]:
            if method.run is None:
                return method.parameters[: method.arity]
        return self.goals[name][0] if name in self.goals else None

    def of_type(self, type_: str) -> list[str]:
        """The objects of a type and of its subtypes; of "" all."""
        under = [name for name, parent in self.types.items() if parent == type_ and name != type_]
        own = self.objects.values() if not type_ else [self.objects.get(type_, ()), *map(self.of_type, under)]
        return list(dict.fromkeys(name for names in own for name in names))

    def _cheapest_first(self) -> None:
        """Sort equally likely methods by the least cost, then the least duration of what they lead to.

        Only by what the domain speaks of: where no operator costs anything, or all take as long, the author's order
        says what is to be tried first, such as "nothing is left to do" behind what does something.
        """
        speaks = [len({getattr(one, what) for one in self.operators}) > 1 for what in ("cost", "duration")]
        tied = [
            name
            for name, ways in self.methods_of.items()
            if len({way.p for way in ways}) < len(ways) and all(way.run is None for way in ways)
        ]
        if not tied or not any(speaks):  # Nothing has to be computed.
            return
        prices = [Prices(self, what) for what, known in zip(("cost", "duration"), speaks, strict=True) if known]
        for name in tied:
            # Rounded: sums that were added up in different orders are equal all the same.
            keys = {
                one.id: (-one.p, *[round(price.below(one), 9) for price in prices]) for one in self.methods_of[name]
            }
            self.methods_of[name] = tuple(sorted(self.methods_of[name], key=lambda one: keys[one.id]))

    def _check_subtasks(self, method: Method) -> None:
        where = f"method {method.id!r} of {method.task!r}"
        wanted = self.parameters_of(method.task)
        if method.run is None and wanted is not None and len(wanted) != method.arity:
            raise ConfigError(f"{where} has {method.arity} of the task's parameters; other methods have {len(wanted)}.")
        for key, task in method.subtasks:
            self.check(task, f"{where}, subtask {key!r}")


def _numbered(given: Sequence[Any]) -> tuple[tuple[str, Ground], ...]:
    """The tasks that a Python function returned, with their places as keys."""
    keys = numbers(len(given))
    return tuple([(keys[place], as_ground(one)) for place, one in enumerate(given)])


def numbers(count: int) -> tuple[str, ...]:
    """At least so many keys."""
    return KEYS if count <= len(KEYS) else tuple(map(str, range(count)))


def as_ground(task: Any) -> Ground:
    """A task that a Python function returned, as a tuple."""
    return (task,) if isinstance(task, str) else tuple(task)

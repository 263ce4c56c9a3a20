"""Domains and problems in HDDL, read by the reader of unified-planning.

What that reader drops, the constraints between a method's parameters, is read here; what cannot be kept is refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

from ...errors import ConfigError
from .domain import Domain, Method, Network, Operator
from .domain_files import Problem
from .facts import Facts
from .hddl_text import HddlText
from .reading import order_of
from .terms import Term, known

LARGEST = 2_000_000  # characters of a file: the reader of unified-planning takes about 25 s a million
MOST_WAYS = 64  # parts of a disjunction, written out

READING = Lock()  # The reader keeps what it makes in one place for the whole process.

Ways = list[tuple[Term, ...]]  # A disjunction of conjunctions.


def read_hddl(domain: str | Path, problem: str | Path) -> Problem:
    """Read a planning domain and a problem of it.

    Supported: types (each with one parent), constants, methods with free parameters, preconditions with and, not, =,
    forall, and for methods and the goal also or and imply, subtasks in total and in partial order, constraints = and
    not = between parameters, parameters of the problem's network, a goal, and constant costs of actions (total-cost).
    Names become lower case. Where there is a goal, the last task of the root is ":goal": it has no steps, and its
    conditions are the goal.

    Args:
        domain: The text, or the path of a file.
        problem: The same.

    Returns:
        The problem, for `find_plan(problem.domain, problem.init, problem.root.tasks, order=problem.order)`.

    Raises:
        ConfigError: A file cannot be read, is no HDDL, or uses what is not supported, which is named; or
            unified-planning is not installed.

    Example:
        >>> domain = '''(define (domain door) (:predicates (open))
        ...     (:task enter :parameters ())
        ...     (:method pushing :parameters () :task (enter) :subtasks (push))
        ...     (:action push :parameters () :precondition (not (open)) :effect (open)))'''
        >>> problem = "(define (problem p) (:domain door) (:htn :subtasks (enter)) (:init) (:goal (open)))"
        >>> found = read_hddl(domain, problem)
        >>> [task for _, task in found.root.tasks], found.domain.operator["push"].pre[0].sign
        ([('enter',), (':goal',)], '!=')
    """
    texts = HddlText("domain", _text(domain, "domain")), HddlText("problem", _text(problem, "problem"))
    if not any(kind == ":htn" for kind, _ in texts[1].parts):
        raise ConfigError(
            "The problem has no (:htn ...), so it is one of classical planning; give the tasks to be done."
        )
    return _Reading(_parsed(*texts), texts[0].constraints | texts[1].constraints).problem()


def _text(given: str | Path, what: str) -> str:
    if isinstance(given, str) and "(" in given:
        text = given
    elif not isinstance(given, str | Path):
        raise ConfigError(f"The {what} was {given!r:.60}; give its text or the path of a file.")
    else:
        try:
            if Path(given).stat().st_size > 4 * LARGEST:
                raise ConfigError(f"The {what} {given} is larger than {LARGEST:,} characters, the most that is read.")
            text = Path(given).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError(f"The {what} {str(given)!r:.80} cannot be read: {_line(error)}") from None
    if len(text) > LARGEST:
        raise ConfigError(f"The {what} has {len(text):,} characters; at most {LARGEST:,} are read.")
    return text


def _parsed(domain: HddlText, problem: HddlText) -> Any:
    """The problem as unified-planning has it."""
    try:
        from unified_planning.io import PDDLReader  # noqa: PLC0415  (half a second, and an extra)
    except ImportError:
        raise ConfigError('HDDL needs unified-planning: pip install "langgraph-agora[hddl]"') from None
    with READING, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # It calls pyparsing by its old names.
        try:
            return PDDLReader().parse_problem_string(domain.readable(), problem.readable())
        except Exception as error:  # Whatever it stumbles over: its errors are of all kinds, assertions among them.
            raise ConfigError(f"The HDDL cannot be read by unified-planning: {_line(error)}") from None


def _line(error: BaseException) -> str:
    """An error in one line; without its places, which are those of a text that nobody has seen."""
    text = " ".join(str(error).split())
    text = re.sub(r"\(at char \d+\)|,? ?\(line:\d+, col:\d+\)|(Error |found )?(from|at) line.*", "", text, flags=re.I)
    return f"{type(error).__name__}: {text.strip(' ,.')}"[:300]


class _Reading:
    """A problem of unified-planning being turned into one of ours."""

    def __init__(self, given: Any, constraints: Mapping[str, Sequence[tuple[str, str, str]]]) -> None:
        self.given, self.constraints = given, constraints
        self.types = {one.name: one.father.name for one in given.user_types if one.father is not None}
        self.objects: dict[str, list[str]] = {one.name: [] for one in given.user_types}
        for one in given.all_objects:
            self.objects.setdefault(one.type.name, []).append(one.name)
        self.notes: list[str] = []

    def problem(self) -> Problem:
        """All of it."""
        operators = [self._operator(one) for one in self.given.actions]
        methods = [way for one in self.given.methods for way in self._methods(one)]
        root, extra = self._root()
        domain = Domain(
            operators,
            [*methods, *extra],
            tasks=[*[one.name for one in self.given.tasks], *[name for _, (name, *_) in root.tasks if name[0] == ":"]],
            objects=self.objects,
            types=self.types,
        )
        return Problem(domain, self._init(), root, tuple(self.notes))

    def _init(self) -> Facts:
        facts = [one for one, value in self.given.explicit_initial_values.items() if value.is_true()]
        return Facts().changed([(one.fluent().name, tuple(map(_name, one.args)), True) for one in facts])

    def _operator(self, action: Any) -> Operator:
        where = f"action {action.name}"
        ways = self._ways(action.preconditions, where)
        if len(ways) > 1:
            raise ConfigError(
                f"HDDL: disjunctive preconditions are not supported in {where}; write an action for each part."
            )
        deletes: list[Term] = []
        adds: list[Term] = []
        cost = 0.0
        for effect in action.effects:
            if effect.fluent.fluent().name == "total-cost":
                cost += _number(effect.value, where)
                continue
            if effect.is_conditional() or not effect.value.is_bool_constant():
                raise ConfigError(f"HDDL: the effect {effect} of {where} is not supported.")
            for binding in self._each(effect.forall):
                args = tuple([_name(one, binding) for one in effect.fluent.args])
                value = True if effect.value.is_true() else None
                (adds if value else deletes).append(Term(effect.fluent.fluent().name, args, "=", value))
        # What an action both deletes and adds is true afterwards. One that can never be done needs what is never true.
        pre = ways[0] if ways else (Term(":never", (), "==", True),)
        parameters = [(f"?{one.name}", one.type.name) for one in action.parameters]
        return Operator(action.name, parameters, pre, [*deletes, *adds], cost=cost)

    def _methods(self, method: Any) -> list[Method]:
        """A method; several where its precondition is a disjunction, none where it can never be used."""
        task = method.achieved_task
        head = [(f"?{one.name}", of.type.name) for one, of in zip(task.parameters, task.task.parameters, strict=True)]
        return self._decompositions(method.name, task.task.name, head, method.parameters, method)

    def _root(self) -> tuple[Network, list[Method]]:
        """What is to be done, and methods for the tasks that stand for a network with parameters, and for the goal."""
        network = self.given.task_network
        methods: list[Method] = []
        if network.variables or self.constraints.get(":htn"):
            methods += self._decompositions(":htn", ":htn", [], network.variables, network)
            tasks: list[tuple[str, tuple[str, ...]]] = [("htn", (":htn",))]
            order: Any = "total"
        else:
            tasks, order, misfits = self._subtasks(network, "the problem")
            if misfits:
                raise ConfigError(f"The problem: {misfits[0]}.")
        after = order_of([key for key, _ in tasks], order, "the problem")
        ways = self._ways(self.given.goals, "the goal")
        if ways != [()]:
            methods += [Method(_numbered("goal", place), ":goal", (), way) for place, way in enumerate(ways, 1)]
            after = None if after is None else (*after, tuple(range(len(tasks))))
            tasks = [*tasks, ("goal", (":goal",))]
        return Network(tuple(tasks), after), methods

    def _decompositions(
        self, name: str, task: str, head: list[tuple[str, str]], variables: Sequence[Any], network: Any
    ) -> list[Method]:
        where = f"method {name}"
        types: dict[str, list[str]] = {f"?{one.name}": [one.type.name] for one in variables}
        conditions = [self._constraint(one, types, where) for one in self.constraints.get(name, ())]
        tasks, order, misfits = self._subtasks(network, where, types)
        parameters: list[tuple[str, str]] = []
        for place, (parameter, type_) in enumerate(head):
            if parameter in dict(parameters):  # Twice the same: (t ?x ?x). Ours need names of their own.
                conditions.append(_equality(f"{parameter}#{place}", "==", parameter))
                parameters.append((f"{parameter}#{place}", type_))
            else:
                types[parameter].append(type_)
                parameters.append((parameter, ""))
        narrow = {parameter: self._narrowest(all_) for parameter, all_ in types.items()}
        misfits += [
            f"no object can be {one}, it would be of {' and '.join(types[one])}" for one in types if not narrow[one]
        ]
        if misfits:
            self.notes.append(f"{where} of {task} can never be used: {misfits[0]}")
            return []
        parameters = [(one, type_ or narrow[one]) for one, type_ in parameters]
        parameters += [(one, narrow[one]) for one in narrow if one not in dict(parameters)]
        ways = _all([self._ways(getattr(network, "preconditions", ()), where), *conditions], where)
        return [
            Method(_numbered(name, place), task, parameters, way, tasks, order, arity=len(head))
            for place, way in enumerate(ways, 1)
        ]

    def _subtasks(
        self, network: Any, where: str, types: Mapping[str, list[str]] | None = None
    ) -> tuple[list[tuple[str, tuple[str, ...]]], Any, list[str]]:
        """The subtasks of a network and their order, and what is wrong with the types of their arguments.

        The types that the subtasks ask for are noted for each parameter: an argument of another type fits no task.
        """
        keys = {one.identifier: f"#{place}" for place, one in enumerate(network.subtasks, 1)}
        keys = {name: key if re.fullmatch(r"_t\d+", name) else name for name, key in keys.items()}  # They had no id.
        tasks: dict[str, tuple[str, ...]] = {}
        misfits = []
        for one in network.subtasks:
            tasks[one.identifier] = (one.task.name, *[_name(arg) for arg in one.parameters])
            for arg, parameter in zip(one.parameters, one.task.parameters, strict=True):
                type_ = parameter.type.name
                if arg.is_parameter_exp() and types is not None:
                    types[_name(arg)].append(type_)
                elif not self._is(arg.type.name, type_):
                    misfits.append(f"{_name(arg)} is no {type_}, which {one.task.name} needs")
        pairs = network.partial_order()
        if pairs is None:
            raise ConfigError(f"HDDL: an order that is more than pairs of subtasks is not supported in {where}.")
        total = network.total_order()
        order: Any = "total" if total is not None else [(keys[one], keys[other]) for one, other in pairs]
        return [(keys[one], tasks[one]) for one in total or tasks], order, misfits

    def _constraint(self, given: tuple[str, str, str], types: Mapping[str, Any], where: str) -> Ways:
        left, sign, right = given
        names = [*types, *[one for names in self.objects.values() for one in names]]
        for one in (left, right):
            known(one, names, "parameter or object", f"the constraints of {where}")
        return _equality(left, sign, right)

    def _ways(self, conditions: Sequence[Any], where: str) -> Ways:
        return _all([self._normal(one, True, {}, where) for one in conditions], where)

    def _normal(self, exp: Any, holds: bool, binding: Mapping[str, str], where: str) -> Ways:
        """A condition, or that it does not hold, as a disjunction of conjunctions; forall is written out."""
        if exp.is_bool_constant():
            return [()] if exp.is_true() == holds else []
        if exp.is_not():
            return self._normal(exp.arg(0), not holds, binding, where)
        if exp.is_fluent_exp():
            args = tuple([_name(one, binding) for one in exp.args])
            return [(Term(exp.fluent().name, args, "==" if holds else "!=", True),)]
        if exp.is_equals():
            return _equality(_name(exp.arg(0), binding), "==" if holds else "!=", _name(exp.arg(1), binding))
        if exp.is_implies():
            parts = [
                self._normal(exp.arg(0), not holds, binding, where),
                self._normal(exp.arg(1), holds, binding, where),
            ]
            return _any(parts, where) if holds else _all(parts, where)
        if exp.is_and() or exp.is_or():
            parts = [self._normal(one, holds, binding, where) for one in exp.args]
            return _all(parts, where) if exp.is_and() == holds else _any(parts, where)
        if exp.is_forall() and holds:
            each = [{**binding, **one} for one in self._each(exp.variables())]
            return _all([self._normal(exp.arg(0), holds, one, where) for one in each], where)
        if exp.is_forall():
            raise ConfigError(f"HDDL: existential conditions, here (not (forall ...)), are not supported in {where}.")
        raise ConfigError(f"HDDL: the condition {exp!s:.80} is not supported in {where}.")

    def _each(self, variables: Sequence[Any]) -> Iterator[dict[str, str]]:
        """Every way to bind the variables of a quantifier."""
        names = [one.name for one in variables]
        for values in product(*[self._of(one.type.name) for one in variables]):
            yield dict(zip(names, values, strict=True))

    def _of(self, type_: str) -> list[str]:
        return [name for own, names in self.objects.items() if self._is(own, type_) for name in names]

    def _is(self, type_: str, of: str) -> bool:
        """Whether a type is another one or a part of it."""
        one: str | None = type_
        while one is not None and one != of:
            one = self.types.get(one)
        return one is not None

    def _narrowest(self, types: Sequence[str]) -> str:
        """The type that is a part of all the others, empty where there is none."""
        return next((one for one in types if all(self._is(one, other) for other in types)), "")


def _equality(left: str, sign: str, right: str) -> Ways:
    if not left.startswith("?"):
        left, right = right, left
    if not left.startswith("?"):
        return [()] if (left == right) == (sign == "==") else []
    return [(Term(left, None, sign, right),)]


def _all(parts: Sequence[Ways], where: str) -> Ways:
    """That all of these hold."""
    found: Ways = [()]
    for ways in parts:
        found = _few([(*one, *other) for one in found for other in ways], where)
    return found


def _any(parts: Sequence[Ways], where: str) -> Ways:
    """That at least one of these holds."""
    return _few([one for ways in parts for one in ways], where)


def _few(ways: Ways, where: str) -> Ways:
    if len(ways) > MOST_WAYS:
        raise ConfigError(f"HDDL: a disjunction of more than {MOST_WAYS} parts is not supported in {where}.")
    return ways


def _name(exp: Any, binding: Mapping[str, str] = {}) -> str:
    """The name of a parameter, with its question mark, or of an object."""
    if exp.is_parameter_exp():
        return f"?{exp.parameter().name}"
    if exp.is_variable_exp():
        return binding[exp.variable().name]
    if exp.is_object_exp():
        return str(exp.object().name)
    raise ConfigError(f"HDDL: {exp!s:.80} is not supported; give a parameter or an object.")


def _number(exp: Any, where: str) -> float:
    if exp.is_constant() and not exp.is_bool_constant():
        return float(exp.constant_value())
    raise ConfigError(f"HDDL: a cost that is no number, {exp!s:.60}, is not supported in {where}.")


def _numbered(name: str, place: int) -> str:
    return name if place == 1 else f"{name} ({place})"

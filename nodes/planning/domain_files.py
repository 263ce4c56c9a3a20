"""Domains as JSON: init, primitives, compounds, root."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ...errors import ConfigError, nearest
from ..json_text import read_json_text
from .domain import Domain, Method, Network, Operator
from .facts import Facts, atom, shown
from .reading import read_parameters, read_subtasks
from .search import root_network
from .terms import Term, read_condition, read_effect

LARGEST = 20_000_000  # characters of a file
MOST_NOTES = 20
MOST_COMPARED = 2_000  # Names that a name is compared with in search of a typo.

TOP = ("init", "primitives", "compounds", "root", "objects", "types")
OPERATOR = ("parameters", "pre", "eff", "duration", "cost", "p", "resources")
METHOD = ("id", "parameters", "conditions", "subtasks", "order", "p", "verify")
COMPOUND = ("parameters", "goal", "methods")
ROOT = ("subtasks", "order")
SYNONYMS = {"preconditions": "pre", "effects": "eff", "probability": "p", "ordering": "order", "params": "parameters"}


@dataclass(frozen=True)
class Problem:
    """A domain, the state at the start, and what is to be done.

    `notes` tell of variables and keys that may be mistyped; they are about the text and no part of the problem.
    """

    domain: Domain
    init: Mapping[str, Any]
    root: Network
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def order(self) -> str | list[tuple[str, str]]:
        """The order of the root, as `find_plan` takes it."""
        if self.root.after is None:
            return "total"
        keys = [key for key, _ in self.root.tasks]
        return [(keys[one], keys[place]) for place, before in enumerate(self.root.after) for one in before]


def read_problem(text: str) -> Problem:
    """Read a domain file.

    Args:
        text: JSON: `init` (variable -> value), `primitives` (name -> {parameters, pre, eff, duration, cost, p,
            resources}), `compounds` (task -> list of methods {id, parameters, conditions, subtasks, order, p}, or
            {parameters, goal, methods}), `root` ({subtasks, order}), and where parameters have types `objects`
            (type -> names) and `types` (type -> the type that it is part of). In the form with a goal the parameters of
            a method begin with those of its task; further ones are free, bound by what holds in the state; with
            `verify` the goal is tested when the task is done by that method. Further keys are for people and are not
            read; those of a primitive or a method are named in `notes`, for one may be meant for the planner.

    Raises:
        ConfigError: The file is wrong; the message says where and what is allowed.

    Example:
        >>> problem = read_problem('{"primitives": {"ride": {}}, "root": {"subtasks": [["r1", "ride"]]}}')
        >>> problem.root.tasks
        (('r1', ('ride',)),)
    """
    if len(text) > LARGEST:
        raise ConfigError(f"The domain file has {len(text):,} characters; at most {LARGEST:,} are read.")
    given = read_json_text(text.removeprefix("\ufeff"), "the domain file", parse_float=_finite)
    _object(given, "the domain file", TOP)
    if "\\u" in text:
        _only_characters(given)
    init = _mapping(given, "init")
    _state(init)
    operators = [_operator(name, one) for name, one in _mapping(given, "primitives").items()]
    compounds = _mapping(given, "compounds")
    places: dict[str, Method] = {}
    goals = {}
    for task, one in compounds.items():
        places.update(_methods(task, one))
        if isinstance(one, dict) and ("goal" in one or not one.get("methods")):
            goals[task] = _goal(task, one)
    objects, types = _types(given)
    try:
        domain = Domain(operators, list(places.values()), list(compounds), objects, types, goals)
    except ConfigError as error:
        raise ConfigError(_placed(str(error), places)) from None
    _known_types(domain, places)
    notes = (*_notes(domain, init), *_not_read(given))
    return Problem(domain, init, _root(given, domain), notes)


def write_problem(problem: Problem) -> str:
    """A domain file: what `read_problem` reads, a line for each primitive and each method.

    Raises:
        ConfigError: A part of the domain is a Python function, which no file can hold.

    Example:
        >>> text = '{"init": {"k": 0}, "primitives": {"ride": {"p": 0.9}}, "root": {"subtasks": [["r1", "ride"]]}}'
        >>> problem = read_problem(text)
        >>> read_problem(write_problem(problem)) == problem
        True
    """
    domain = problem.domain
    functions = [one.name for one in domain.operators if one.run is not None]
    functions += [f"{one.id} of {one.task}" for one in domain.methods if one.run is not None]
    if functions:
        raise ConfigError(f"{functions[0]!r} is a Python function; a file holds operators and methods that are data.")
    parts = {
        "init": _lines({name: json.dumps(value) for name, value in problem.init.items()}, "  "),
        "objects": json.dumps({name: list(ones) for name, ones in domain.objects.items()}),
        "types": json.dumps(dict(domain.types)),
        "primitives": _lines({one.name: json.dumps(_operator_data(one)) for one in domain.operators}, "  "),
        "compounds": _lines({name: _compound_text(domain, name, ones) for name, ones in _listed(domain).items()}, "  "),
        "root": json.dumps(_root_data(problem)),
    }
    return _lines({key: part for key, part in parts.items() if part != "{}"}, "") + "\n"


def _operator(name: str, given: Any) -> Operator:
    place = f"primitives.{name}"
    _object(given, place, OPERATOR)
    try:
        return Operator(name, **{key: given[key] for key in OPERATOR if key in given})
    except ConfigError as error:
        for key, read in (("pre", read_condition), ("eff", read_effect)):
            for number, one in enumerate(given[key] if isinstance(given.get(key), list) else ()):
                read(one, f"{place}.{key}[{number}]")  # Raises with the place.
        raise ConfigError(f"{place}: {str(error).removeprefix(f'operator {name!r}: ')}") from None


def _methods(task: str, given: Any) -> Iterator[tuple[str, Method]]:
    place = f"compounds.{task}"
    if isinstance(given, list):
        for number, one in enumerate(given):
            yield f"{place}[{number}]", _method(task, one, f"{place}[{number}]", number, None)
        return
    if not isinstance(given, dict):
        raise ConfigError(
            f"{place}: give a list of methods, or an object with {', '.join(COMPOUND)}; it was {given!r}."
        )
    _object(given, place, COMPOUND)
    methods = given.get("methods", [])
    if not isinstance(methods, list):
        raise ConfigError(f"{place}.methods: give a list of methods; it was {methods!r}.")
    own = given.get("parameters", [])
    read_parameters(own, place)
    for number, one in enumerate(methods):
        yield f"{place}.methods[{number}]", _method(task, one, f"{place}.methods[{number}]", number, own)


def _method(task: str, given: Any, place: str, number: int, own: Sequence[Any] | None) -> Method:
    """Read a method; `own`: the parameters of its task where they are known."""
    _object(given, place, METHOD)
    data = {"id": str(number + 1), "parameters": own or [], **{key: given[key] for key in METHOD if key in given}}
    try:
        method = Method(task=task, arity=-1 if own is None else len(own), **data)
    except ConfigError as error:
        for key, read in (("conditions", read_condition), ("subtasks", _subtask)):
            for at, one in enumerate(given[key] if isinstance(given.get(key), list) else ()):
                read(one, f"{place}.{key}[{at}]")  # Raises with the place.
        who = f"method {data['id']!r} of {task!r}: "
        raise ConfigError(f"{place}: {str(error).removeprefix(who)}") from None
    if own is not None:
        wanted = [name for name, _ in read_parameters(own, place)]
        if [name for name, _ in method.parameters[: len(wanted)]] != wanted:
            raise ConfigError(
                f"{place}.parameters: first come those of the task ({', '.join(wanted)}), then free ones."
            )
    return method


def _subtask(given: Any, place: str) -> None:
    read_subtasks([given], place)


def _goal(task: str, given: Mapping[str, Any]) -> tuple[tuple[tuple[str, str], ...], tuple[Term, ...]]:
    place = f"compounds.{task}"
    parameters = read_parameters(given.get("parameters", []), place)
    goal = given.get("goal", [])
    if not isinstance(goal, list):
        raise ConfigError(f"{place}.goal: give a list of conditions; it was {goal!r}.")
    terms = tuple(read_condition(one, f"{place}.goal[{number}]") for number, one in enumerate(goal))
    names = [name for name, _ in parameters]
    for number, term in enumerate(terms):
        for name in term.parameters():
            if name not in names:
                raise ConfigError(f"{place}.goal[{number}]: {name} is no parameter of the task.{nearest(name, names)}")
    return parameters, terms


def _root(given: Mapping[str, Any], domain: Domain) -> Network:
    if "root" not in given:  # A domain alone; what is to be done is said elsewhere.
        return Network(())
    root = given["root"]
    _object(root, "root", ROOT)
    subtasks = root.get("subtasks")
    if not isinstance(subtasks, list):
        raise ConfigError(f'root.subtasks: give a list such as [["r1", "TASK"]]; it was {subtasks!r}.')
    for number, one in enumerate(subtasks):
        _subtask(one, f"root.subtasks[{number}]")
    tasks = read_subtasks(subtasks, "root")
    for number, (_, task) in enumerate(tasks):
        domain.check(task, f"root.subtasks[{number}]")
        for arg in task[1:]:
            if isinstance(arg, str) and arg.startswith("?"):
                raise ConfigError(f"root.subtasks[{number}]: {arg} stands for nothing here; give a name.")
    try:
        return root_network(tasks, root.get("order", "total"))
    except ConfigError as error:
        raise ConfigError(f"root: {str(error).removeprefix('the tasks: ')}") from None


def _types(given: Mapping[str, Any]) -> tuple[dict[str, Sequence[str]], dict[str, str]]:
    objects, types = _mapping(given, "objects"), _mapping(given, "types")
    for name, ones in objects.items():
        if not isinstance(ones, list) or not all(isinstance(one, str) and one.strip() for one in ones):
            raise ConfigError(f"objects.{name}: give a list of names; it was {ones!r}.")
    for name, parent in types.items():
        if not isinstance(parent, str):
            raise ConfigError(f"types.{name}: give the name of a type; it was {parent!r}.")
        seen = [name]
        while (above := types.get(seen[-1])) is not None and isinstance(above, str):
            if above in seen:
                raise ConfigError(f"types.{name}: a type is part of itself: {' in '.join([*seen, above])}.")
            seen.append(above)
    return objects, types


def _known_types(domain: Domain, places: Mapping[str, Method]) -> None:
    known = {"", *domain.objects, *domain.types, *domain.types.values()}
    listed = [
        *((f"primitives.{one.name}", one.parameters) for one in domain.operators),
        *((place, method.parameters) for place, method in places.items()),
        *((f"compounds.{task}", parameters) for task, (parameters, _) in domain.goals.items()),
    ]
    for place, parameters in listed:
        for name, type_ in parameters:
            if type_ not in known:
                raise ConfigError(f"{place}: {name} is of type {type_!r}, which is not known.{nearest(type_, known)}")


def _state(init: Mapping[str, Any]) -> None:
    try:
        Facts(init)
    except ConfigError:
        for name, value in init.items():
            try:
                Facts({name: value})
            except ConfigError as error:
                raise ConfigError(f"init.{name}: {error}") from None
        raise


def _notes(domain: Domain, init: Mapping[str, Any]) -> Iterator[str]:
    """What is said of variables that are not in init.

    Raises:
        ConfigError: A number is added to a variable that has none.
    """
    declared = {atom(name).name for name in init}
    tests = [*((one.name, one.pre) for one in domain.operators), *((one.id, one.conditions) for one in domain.methods)]
    read = {term.name: name for name, terms in tests for term in terms if term.args is not None}
    written: dict[str, str] = {}
    changed: dict[str, str] = {}
    for one in domain.operators:
        for term in one.eff:
            (written if term.sign == "=" else changed).setdefault(term.name, one.name)
    for name, by in changed.items():
        if name not in declared and name not in written:
            allowed = sorted(declared | set(written))
            raise ConfigError(
                f"primitives.{by}: {name!r} has no value to change: it is not in init, and nothing sets it."
                f"{nearest(name, allowed)}"
            )
    said = [(name, "it starts as null") for name in written if name not in declared]
    said += [(name, "nothing sets it: it is null") for name in read if name not in declared and name not in written]
    for name, what in said[:MOST_NOTES]:
        hint = nearest(name, sorted(declared)) if len(declared) < MOST_COMPARED else ""
        yield f"{name!r} is not in init; {what}.{hint}"
    if len(said) > MOST_NOTES:
        yield f"{len(said) - MOST_NOTES} more variables are not in init."


def _not_read(given: Mapping[str, Any]) -> list[str]:
    """What is said of keys that nothing reads, in primitives and methods."""
    objects = [(f"primitives.{name}", one, OPERATOR) for name, one in _mapping(given, "primitives").items()]
    for task, one in _mapping(given, "compounds").items():
        place, methods = (
            (f"compounds.{task}", one)
            if isinstance(one, list)
            else (f"compounds.{task}.methods", one.get("methods", []))
        )
        objects += [(f"{place}[{number}]", method, METHOD) for number, method in enumerate(methods)]
    found = [f"{place}: {key!r} is not read" for place, one, keys in objects for key in one if key not in keys]
    if len(found) <= MOST_NOTES:
        return found
    return [*found[: MOST_NOTES - 1], f"{len(found) - MOST_NOTES + 1} more keys of primitives and methods are not read"]


def _placed(message: str, places: Mapping[str, Method]) -> str:
    """A message of `Domain` about a method, with the place in the file in front."""
    for place, method in places.items():
        where = f"method {method.id!r} of {method.task!r}"
        if message.startswith(where):
            for number, (key, _) in enumerate(method.subtasks):
                if message.startswith(f"{where}, subtask {key!r}: "):
                    return message.replace(f"{where}, subtask {key!r}", f"{place}.subtasks[{number}]", 1)
            return message.replace(where, f"{place}:", 1)
    return message


def _object(given: Any, place: str, keys: Sequence[str]) -> None:
    """Raise unless it is an object; a key that is surely meant to be another would be lost, so it is refused."""
    if not isinstance(given, dict):
        raise ConfigError(f"{place}: give an object with {', '.join(keys)}; it was {str(given)[:80]!r}.")
    for key in given:
        if key in keys:
            continue
        meant = get_close_matches(key, [*keys, *SYNONYMS], n=1, cutoff=0.8)
        name = SYNONYMS.get(meant[0], meant[0]) if meant else ""
        if name in keys and name not in given:
            raise ConfigError(f"{place}: there is no key {key!r}. Did you mean {name!r}?")


def _mapping(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = given.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{key}: give an object; it was {str(found)[:80]!r}.")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _only_characters(given: Any) -> None:
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"The domain file holds half of a character: {error.object[error.start]!r}.") from None


def _listed(domain: Domain) -> dict[str, list[Method]]:
    """The methods of each task, in the order of the domain."""
    found: dict[str, list[Method]] = {name: [] for name in domain.methods_of}
    for one in domain.methods:
        found[one.task].append(one)
    return found


def _operator_data(one: Operator) -> dict[str, Any]:
    data = {
        "parameters": _parameters_data(one.parameters),
        "pre": [_triple(term) for term in one.pre],
        "eff": [_triple(term) for term in one.eff],
        "resources": dict(one.resources),
    }
    numbers = {"duration": (one.duration, 1), "cost": (one.cost, 0), "p": (one.p, 1)}
    found = {key: value for key, value in data.items() if value}
    return {**found, **{key: value for key, (value, default) in numbers.items() if value != default}}


def _compound_text(domain: Domain, task: str, methods: Sequence[Method]) -> str:
    own = list(domain.goals[task][0]) if task in domain.goals else []
    if methods and task not in domain.goals:
        own = list(methods[0].parameters[: methods[0].arity])
    data = [json.dumps(_method_data(one, own)) for one in methods]
    listed = "[" + ",".join(f"\n      {one}" for one in data) + ("\n    ]" if data else "]")
    if not own and task not in domain.goals and all(not one.parameters for one in methods):
        return listed
    parts = {"parameters": json.dumps(_parameters_data(own)), "methods": listed}
    if task in domain.goals:
        parts["goal"] = json.dumps([_triple(term) for term in domain.goals[task][1]])
    return _lines(parts, "    ")


def _method_data(one: Method, own: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A method whose first parameters have the names that the task gives them."""
    names = {name for name, _ in own}
    renamed = {name: new for (name, _), (new, _) in zip(one.parameters[: one.arity], own, strict=True)}
    for name, _ in one.parameters[one.arity :]:
        renamed[name] = name
        while renamed[name] in names:
            renamed[name] += "_"
        names.add(renamed[name])
    data: dict[str, Any] = {"id": one.id}
    if one.parameters:
        data["parameters"] = _parameters_data([(renamed[name], type_) for name, type_ in one.parameters])
    if one.conditions:
        data["conditions"] = [_triple(term.bound(renamed)) for term in one.conditions]
    data["subtasks"] = [[key, *[renamed.get(part, part) for part in task]] for key, task in one.subtasks]
    if one.order != "total":
        data["order"] = [list(pair) for pair in one.order]
    if one.verify:
        data["verify"] = True
    return {**data, "p": one.p} if one.p != 1 else data


def _root_data(problem: Problem) -> dict[str, Any]:
    order = {} if problem.order == "total" else {"order": problem.order}
    return {"subtasks": [[key, *task] for key, task in problem.root.tasks], **order}


def _parameters_data(parameters: Sequence[Any]) -> list[Any]:
    return [[name, type_] if type_ else name for name, type_ in parameters]


def _triple(term: Any) -> list[Any]:
    return [term.name if term.args is None else shown(term.name, term.args), term.sign, term.value]


def _lines(parts: Mapping[str, str], indent: str) -> str:
    """An object, a line for each key."""
    listed = ",".join(f"\n{indent}  {json.dumps(key)}: {part}" for key, part in parts.items())
    return f"{{{listed}\n{indent}}}" if parts else "{}"

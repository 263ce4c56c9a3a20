"""HDDL as text: its parentheses, what in it is not supported, and what the reader of unified-planning leaves out.

HDDL: Hoeller et al., HDDL: An Extension to PDDL for Expressing Hierarchical Planning Problems, AAAI 2020.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import ConfigError, nearest

DEEPEST = 100  # parentheses inside one another; the reader of unified-planning is recursive
TOKEN = re.compile(r";[^\n]*|[()]|[^\s();]+")

# The sections in the order in which the reader of unified-planning wants them.
DOMAIN = (":requirements", ":types", ":constants", ":predicates", ":functions", ":task", ":method", ":action")
PROBLEM = (":domain", ":requirements", ":objects", ":htn", ":init", ":goal", ":metric")
SUBTASKS = (":ordered-subtasks", ":ordered-tasks", ":subtasks", ":tasks", ":ordering", ":constraints")
KEYS = {
    ":task": (":parameters",),
    ":method": (":parameters", ":task", ":precondition", *SUBTASKS),
    ":action": (":parameters", ":precondition", ":effect"),
    ":htn": (":parameters", *SUBTASKS),
}
FEATURES = {  # What begins a list, or is a section or a key of one -> what it is called
    ":constraints": "trajectory constraints",
    ":derived": "derived predicates",
    ":duration": "durative actions",
    ":durative-action": "durative actions",
    ":event": "events",
    ":observe": "sensing actions",
    ":process": "processes",
    "always": "trajectory constraints",
    "assign": "numeric effects",
    "decrease": "numeric effects",
    "either": "either types",
    "exists": "existential conditions",
    "increase": "numeric effects",
    "oneof": "uncertain initial states",
    "preference": "preferences",
    "scale-down": "numeric effects",
    "scale-up": "numeric effects",
    "sometime": "trajectory constraints",
    "unknown": "uncertain initial states",
    "when": "conditional effects",
}
INSTEAD = {
    "conditional effects": "write an action for each case",
    "either types": "declare a type that the others are part of",
    "existential conditions": "make the variable a parameter of the method or the action, which means the same",
}


class Form(list[Any]):
    """What stands between two parentheses: words and forms; `start` and `end` are its place in the text."""

    def __init__(self, start: int, parts: Iterable[Any] = ()) -> None:
        super().__init__(parts)
        self.start, self.end = start, start


class Word(str):
    """A word and where it stands in the text."""

    start: int

    def __new__(cls, text: str, start: int) -> Word:
        word = super().__new__(cls, text)
        word.start = start
        return word


class HddlText:
    """A domain or a problem as text, checked for what is not supported.

    Attributes:
        constraints: Of each method, by its name, and of the problem's network, as ":htn": (left, == or !=, right).

    Args:
        what: "domain" or "problem".
        text: The text.

    Raises:
        ConfigError: It is no HDDL, or something in it is not supported; the message names it and its place.

    Example:
        >>> text = "(define (domain d) (:method m :parameters (?a ?b) :task (t) :constraints (not (= ?a ?b))))"
        >>> HddlText("domain", text).constraints
        {'m': [('?a', '!=', '?b')]}
    """

    def __init__(self, what: str, text: str) -> None:
        self.what, self.text = what, text.lower()  # In HDDL, names in upper and in lower case are the same.
        self.order = DOMAIN if what == "domain" else PROBLEM
        self.constraints: dict[str, list[tuple[str, str, str]]] = {}
        form = self._form()
        if form[:1] != ["define"] or len(form) < 2 or not _begins(form[1], what) or not _has_name(form[1]):
            raise ConfigError(f"The {what} does not begin with (define ({what} NAME).")
        self.name, self.parts = form[1][1], [self._part(one) for one in form[2:]]

    def readable(self) -> str:
        """The text for the reader of unified-planning: in the order that it wants, without what it drops or refuses."""
        parts = sorted(self.parts, key=lambda one: self.order.index(one[0]))
        # Requirements are left out: what is supported has been judged by what is used.
        start = ["(:requirements :hierarchy)"] if self.what == "domain" else []
        return "\n".join([f"(define ({self.what} {self.name})", *start, *[text for _, text in parts if text], ")"])

    def _form(self) -> Form:
        """The whole text as nested lists."""
        top = Form(0)
        open_ = [top]
        for match in TOKEN.finditer(self.text):
            token = match[0]
            if token == "(":
                open_.append(Form(match.start()))
                open_[-2].append(open_[-1])
                if len(open_) > DEEPEST:
                    self._refuse(f"more than {DEEPEST} parentheses inside one another", "", match.start())
            elif token == ")":
                if len(open_) == 1:
                    raise ConfigError(f"There is a ) too many in {self._line(match.start())}.")
                open_.pop().end = match.end()
            elif not token.startswith(";"):
                open_[-1].append(Word(token, match.start()))
        if len(open_) > 1:
            raise ConfigError(f"The ( in {self._line(open_[-1].start)} is never closed.")
        if len(top) != 1 or not isinstance(top[0], Form):
            raise ConfigError(f"The {self.what} is not one form in parentheses: (define ({self.what} NAME) ...).")
        return top[0]

    def _part(self, section: Any) -> tuple[str, str]:
        """The kind of a section, and what the reader is given of it."""
        kind = section[0] if isinstance(section, Form) and section else section
        if isinstance(kind, str) and kind in FEATURES:
            self._refuse(FEATURES[kind], "", section.start)
        if not isinstance(section, Form) or not isinstance(kind, str) or kind not in self.order:
            kinds = ", ".join(self.order)
            raise ConfigError(
                f"There is a section {kind!s:.40} in {self._line(section.start)}; it can have {kinds}."
                f"{nearest(str(kind), self.order)}"
            )
        if kind in (":requirements", ":metric"):
            return kind, ""
        if kind not in KEYS:
            self._check(section, kind, kind)
            if kind == ":types":
                self._check_types(section)
            kept = [self._raw(one) for one in section if not _begins(one, "=")]  # In :init, of the total cost.
            return kind, f"({' '.join(kept)})"
        name = [kind] if kind == ":htn" else section[:2]
        if kind != ":htn" and not _has_name(name):
            raise ConfigError(f"There is a {kind} without a name in {self._line(section.start)}.")
        where = " ".join(map(str, name)).lstrip(":")
        values = self._values(section[len(name) :], kind, where)
        for value in values.values():
            self._check(Form(value.start, [value]), where, kind)
        given = values.pop(":constraints", None)
        if given is not None:
            self.constraints[name[-1]] = [self._constraint(one, where) for one in _conjuncts(given)]
        texts = [f"{key} {self._raw(values[key])}" for key in KEYS[kind] if key in values]
        if ":parameters" not in values:
            texts.insert(0, ":parameters ()")
        return kind, f"({' '.join([*name, *texts])})"

    def _values(self, rest: list[Any], kind: str, where: str) -> dict[str, Form]:
        """The keys of a task, a method, an action or :htn, with what stands after each."""
        allowed = KEYS[kind]
        values: dict[str, Form] = {}
        pairs = [(rest[place], rest[place + 1] if place + 1 < len(rest) else None) for place in range(0, len(rest), 2)]
        for key, value in pairs:
            if isinstance(key, Word) and key in FEATURES and key not in allowed:
                self._refuse(FEATURES[key], where, key.start)
            if not isinstance(key, Word) or key not in allowed:
                raise ConfigError(
                    f"{where} has {key!s:.40} in {self._line(key.start)}; it can have {', '.join(allowed)}."
                    f"{nearest(str(key), allowed)}"
                )
            if not isinstance(value, Form) or key in values:
                why = "twice" if key in values else "with nothing in parentheses after it"
                raise ConfigError(f"{where} has {key} in {self._line(key.start)} {why}.")
            values[str(key)] = value
        return values

    def _constraint(self, form: Any, where: str) -> tuple[str, str, str]:
        """An equality or an inequality of two parameters; unified-planning 1.3 drops all that methods have."""
        inner, sign = (form[1], "!=") if _begins(form, "not") and len(form) == 2 else (form, "==")
        if not _begins(inner, "=") or len(inner) != 3 or not all(isinstance(one, str) for one in inner):
            raise ConfigError(
                f"HDDL: the constraint {' '.join(self._raw(form).split()):.80} of {where} is not supported "
                f"({self._line(form.start)}); (= ?a ?b), (not (= ?a ?b)) and an (and ...) of these are."
            )
        return str(inner[1]), sign, str(inner[2])

    def _check(self, section: Form, where: str, kind: str) -> None:
        """Refuse what begins a list in this section and is not supported."""
        for form in _inside(section):
            head = form[0] if form else ""
            if not isinstance(head, str):
                continue
            is_cost = form[1:2] == [["total-cost"]] and head in ("=", "increase")
            if head in FEATURES and not is_cost:
                self._refuse(FEATURES[head], where, form.start)
            if (kind == ":functions" and head != "total-cost") or (kind == ":init" and head == "=" and not is_cost):
                self._refuse("numeric fluents", where, form.start)
            if kind in (":action", ":goal") and head in ("<", "<=", ">", ">="):
                self._refuse("numeric conditions", where, form.start)
            if kind == ":init" and head == "at" and len(form) == 3 and isinstance(form[2], Form):
                self._refuse("timed initial literals", where, form.start)

    def _check_types(self, section: Form) -> None:
        declared = [one for place, one in enumerate(section) if place and one != "-" and section[place - 1] != "-"]
        for place, one in enumerate(declared):
            if one in declared[:place]:
                self._refuse("types with two parents (multiple inheritance)", f"type {one}", one.start)

    def _refuse(self, feature: str, where: str, start: int) -> None:
        in_ = f" in {where}" if where else ""
        hint = f"; {INSTEAD[feature]}" if feature in INSTEAD else ""
        raise ConfigError(f"HDDL: {feature} are not supported{in_} ({self._line(start)}){hint}.")

    def _raw(self, one: Form | Word) -> str:
        return str(one) if isinstance(one, Word) else self.text[one.start : one.end]

    def _line(self, place: int) -> str:
        number = self.text.count("\n", 0, place) + 1
        return f"line {number} of the {self.what}"


def _begins(form: Any, word: str) -> bool:
    return isinstance(form, Form) and form[:1] == [word]


def _has_name(form: list[Any]) -> bool:
    return len(form) == 2 and isinstance(form[1], str) and not form[1].startswith(":")


def _conjuncts(form: Any) -> list[Any]:
    """The parts of a conjunction; () has none."""
    if isinstance(form, Form) and (not form or form[0] == "and"):
        return [one for part in form[1:] for one in _conjuncts(part)]
    return [form]


def _inside(form: Form) -> Iterator[Form]:
    """The forms inside a form, from left to right, itself left out."""
    stack = [one for one in reversed(form) if isinstance(one, Form)]
    while stack:
        one = stack.pop()
        yield one
        stack += [part for part in reversed(one) if isinstance(part, Form)]

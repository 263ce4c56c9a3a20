"""Conditions and effects as data: [variable, operator, value], lifted over parameters such as ?o, and made ground."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError, nearest
from .facts import Args, Facts, atom, plain, shown

Triple = tuple[str, str, Any]
Binding = Mapping[str, Any]

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPARISONS = ("==", "!=", *ORDERS)
CHANGES = ("=", "+=", "-=")


@dataclass(frozen=True, slots=True)
class Term:
    """A condition or an effect. Of a condition between two parameters, ["?a", "!=", "?b"], the arguments are None."""

    name: str
    args: Args | None
    sign: str
    value: Any

    def bound(self, binding: Binding) -> Term:
        """With the values of parameters in the place of the parameters."""
        if self.args is None:
            left, right = (str(binding.get(one, one)) for one in (self.name, self.value))
            return Term(left, None, self.sign, right)
        value = binding.get(self.value, self.value) if isinstance(self.value, str) else self.value
        return Term(self.name, tuple([str(binding.get(arg, arg)) for arg in self.args]), self.sign, value)

    def parameters(self) -> list[str]:
        """The parameters in it."""
        parts = (*(self.args or ()), self.value, *((self.name,) if self.args is None else ()))
        return [part for part in parts if isinstance(part, str) and part.startswith("?")]

    def holds(self, state: Facts) -> bool:
        """Whether this ground condition holds."""
        return compare(self.name if self.args is None else state.value(self.name, self.args), self.sign, self.value)

    def __str__(self) -> str:
        left = self.name if self.args is None else shown(self.name, self.args)
        return f"{left} {self.sign} {'null' if self.value is None else self.value}"


def compare(actual: Any, sign: str, wanted: Any) -> bool:
    """Compare as JSON does: true is not 1, a missing value is null, and only like things have an order.

    Example:
        >>> compare(400, ">=", 300), compare(None, ">=", 300), compare(True, "==", 1), compare(None, "!=", 1)
        (True, False, False, True)
    """
    same_kind = isinstance(actual, bool) == isinstance(wanted, bool)
    if sign == "==":
        return bool(same_kind and actual == wanted)
    if sign == "!=":
        return not (same_kind and actual == wanted)
    if isinstance(actual, str) != isinstance(wanted, str) or not (_ordered(actual) and _ordered(wanted)):
        return False
    return ORDERS[sign](actual, wanted)


def applied(effects: Sequence[Term], state: Facts) -> Facts | None:
    """The state after ground effects, in their order; None where a number is to be changed and there is none."""
    changes: dict[tuple[str, Args], Any] = {}
    for effect in effects:
        args, value = effect.args or (), effect.value
        if effect.sign != "=":
            before = changes.get((effect.name, args), state.value(effect.name, args))
            if not _is_number(before):
                return None
            value = before + value if effect.sign == "+=" else before - value
        changes[effect.name, args] = value
    return state.changed([(name, args, value) for (name, args), value in changes.items()]) if changes else state


def read_condition(given: Any, where: str) -> Term:
    """Read [variable, comparison, value].

    Raises:
        ConfigError: It is something else; the message begins with `where`.

    Example:
        >>> print(read_condition(["budget", ">=", 80], "buy_train"))
        budget >= 80
    """
    name, sign, value = _three(given, COMPARISONS, "a condition", where)
    if name.startswith("?"):
        if sign not in ("==", "!=") or not isinstance(value, str):
            raise ConfigError(f'{where}: parameters are compared as ["?a", "!=", "?b"]; {list(given)!r} was given.')
        return Term(name, None, sign, value)
    if sign in ORDERS and not (_ordered(value)):
        raise ConfigError(f"{where}: {sign} needs a number or a text to compare with; {list(given)!r} was given.")
    return Term(*_atom(name, where), sign, value)


def read_effect(given: Any, where: str) -> Term:
    """Read [variable, change, value].

    Raises:
        ConfigError: It is something else; the message begins with `where`.

    Example:
        >>> print(read_effect(["budget", "-=", 80], "buy_train"))
        budget -= 80
    """
    name, sign, value = _three(given, CHANGES, "an effect", where)
    if sign != "=" and not _is_number(value):
        raise ConfigError(f"{where}: {sign} needs a number; {list(given)!r} was given.")
    return Term(*_atom(name, where), sign, value)


def _three(given: Any, signs: Sequence[str], what: str, where: str) -> tuple[str, str, Any]:
    if isinstance(given, Term):
        left = given.name if given.args is None else shown(given.name, given.args)
        given = (left, given.sign, given.value)
    if not isinstance(given, list | tuple) or len(given) != 3 or not isinstance(given[0], str):
        raise ConfigError(f"{where}: {what} is [variable, sign, value]; {given!r} was given.")
    name, sign, value = given
    if sign not in signs:
        allowed = ", ".join(signs)
        raise ConfigError(f"{where}: the sign of {what} is one of {allowed}; {sign!r} was given.")
    try:
        return name, sign, plain(value)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _atom(text: str, where: str) -> tuple[str, Args]:
    try:
        return atom(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(value: Any) -> bool:
    return isinstance(value, str) or _is_number(value)


def known(name: str, names: Collection[str], what: str, where: str) -> None:
    """Raise a ConfigError when a name is not among names."""
    if name not in names:
        raise ConfigError(f"{where}: there is no {what} {name!r}.{nearest(name, names)}")

"""What a conflict is about, as plain JSON: options, one number, several issues, goods, or a game. Pure.

    {"options": ["tea", "coffee"], "preferences": {"ann": ["tea", "coffee"], "bob": {"tea": 2, "coffee": 9}}}
    {"issue": "price", "low": 0, "high": 100, "positions": {"ann": 30, "bob": 60}}
    {"issues": [{"name": "price", "values": ["low", "high"]}], "preferences": {"ann": {...}, "bob": {...}}}
    {"items": ["desk", "lamp"], "values": {"ann": {"desk": 30, "lamp": 5}, "bob": {"desk": 25, "lamp": 8}}}
    {"payoffs": [[[3, 0], [5, 1]], [[3, 5], [0, 1]]], "actions": [["share", "take"], ["share", "take"]]}

What is missing (preferences, positions, values, the options themselves) the agents are asked for. Beside it may stand
features that only a person knows: transferable_utility, binding_agreement, verifiable_fact, deadlocked, rounds_left,
deal_zone; and `reservation`: agent -> the utility below which it accepts nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError, nearest
from .conflict import DEFAULTS

KINDS_BY_KEY = {
    "payoffs": "normal_form",
    "items": "allocation",
    "issues": "multi_issue",
    "options": "options",
    "issue": "numeric",
}
TOLD = ("transferable_utility", "binding_agreement", "verifiable_fact", "deadlocked", "rounds_left", "deal_zone")
KEYS = {
    "normal_form": ("payoffs", "actions", "title"),
    "allocation": ("items", "values"),
    "multi_issue": ("issues", "preferences", "veto", "needed"),
    "options": ("options", "preferences", "reservation"),
    "numeric": ("issue", "low", "high", "positions"),
}
MOST_OPTIONS = 26  # One letter each, as in a vote.


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict that was read and checked.

    `body` holds the keys of its kind as they were given, `told` the features that somebody named.
    """

    kind: str
    body: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """What can be chosen: the options, or the items."""
        return list(self.body.get("options") or self.body.get("items") or ())


def read_conflict(given: Mapping[str, Any] | None, agents: Sequence[str]) -> Conflict:
    """Read and check a conflict; None is one about options that the agents name.

    Args:
        given: As in the module's docstring.
        agents: The parties' names; nobody else may have preferences.

    Raises:
        ConfigError: A key, an agent, an option or a number that makes no sense; the message names it.

    Example:
        >>> read_conflict({"issue": "price", "low": 0, "high": 9}, ["ann", "bob"]).kind
        'numeric'
    """
    if given is None:
        return Conflict("options")
    if not isinstance(given, Mapping):
        raise ConfigError(f"conflict was {given!r}; give a mapping such as {{'options': ['tea', 'coffee']}}.")
    kind = given.get("kind") or next((kind for key, kind in KINDS_BY_KEY.items() if key in given), "options")
    if kind not in KEYS:
        hint = nearest(str(kind), KEYS)
        raise ConfigError(f"The kind of the conflict was {kind!r}; it is one of {', '.join(KEYS)}.{hint}")
    allowed = (*KEYS[kind], *TOLD, "kind")
    for key in given:
        if key not in allowed:
            raise ConfigError(
                f"A conflict of kind {kind} has no {key!r}. Allowed: {', '.join(allowed)}.{nearest(str(key), allowed)}"
            )
    body = {key: given[key] for key in KEYS[kind] if given.get(key) is not None}
    _CHECKS[kind](body, agents)
    return Conflict(kind, body, {key: given[key] for key in TOLD if given.get(key) is not None})


def features_of(
    conflict: Conflict,
    *,
    weights: Mapping[str, Any],
    arbiter: bool,
    rounds: int,
    preferences: Mapping[str, Any] | None = None,
    deal_zone: str = "unknown",
) -> dict[str, Any]:
    """The features by which a strategy is chosen.

    Args:
        conflict: The conflict.
        weights: Party -> weight.
        arbiter: Whether there is somebody who can decide.
        rounds: Rounds of talk that are left.
        preferences: Agent -> ranking (a list) or utilities (a mapping), given or heard.
        deal_zone: nonempty, empty or unknown, where the preferences were compared already.

    Example:
        >>> conflict = read_conflict({"options": ["tea", "coffee"]}, ["ann", "bob"])
        >>> features = features_of(conflict, weights={"ann": 1, "bob": 3}, arbiter=False, rounds=5)
        >>> features["n_options"], features["preference"], features["max_weight_share"]
        (2, 'ordinal', 0.75)
    """
    given = preferences or {}
    ranked = conflict.kind == "options" and not (given and all(isinstance(one, Mapping) for one in given.values()))
    total = sum(weights.values())
    items = conflict.body.get("items", ())
    values = conflict.body.get("values") or given
    found = {
        "n_agents": len(weights),
        "kind": conflict.kind,
        "preference": "ordinal" if ranked else "cardinal",
        "transferable_utility": conflict.kind == "allocation",
        "bidders_with_values": sum(bool(one) for one in values.values()) if items else 0,
        "n_items": len(items),
        "joint_payoffs": conflict.kind == "normal_form",
        "deal_zone": deal_zone,
        "rounds_left": rounds,
        "arbiter": arbiter,
        "max_weight_share": float(max(weights.values()) / total) if total else None,
        "n_options": len(conflict.options) if conflict.kind == "options" else None,
    }
    return DEFAULTS | found | conflict.told


def number(given: object, what: str) -> float | int:
    """Return a finite number, or raise a ConfigError that names what it was meant to be."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ConfigError(f"{what} was {given!r}; give a finite number.")
    return given


def _check_options(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    options = _texts("options", body.get("options", []), most=MOST_OPTIONS)
    if not options and body.get("preferences"):
        raise ConfigError("The conflict has preferences but no options; give options=[...] too.")
    for agent, wanted in _of_agents("preferences", body, agents).items():
        if isinstance(wanted, Mapping):
            for option in options:
                if option not in wanted:
                    raise ConfigError(f"preferences of {agent!r} say nothing of {option!r}; give a number for each.")
                number(wanted[option], f"The utility of {option!r} for {agent!r}")
        elif not isinstance(wanted, list | tuple) or not wanted or len(set(wanted)) != len(wanted):
            raise ConfigError(f"preferences of {agent!r} were {wanted!r}; give a ranking or a number for each option.")
        for option in wanted:
            if option not in options:
                raise ConfigError(f"preferences of {agent!r} name {option!r}; options are {', '.join(options)}.")
    for agent, least in _of_agents("reservation", body, agents).items():
        number(least, f"The reservation value of {agent!r}")


def _check_number(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    low, high = (number(body[key], key) if key in body else None for key in ("low", "high"))
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"low was {low} and high {high}; low must be below high.")
    for agent, wanted in _of_agents("positions", body, agents).items():
        position = number(wanted, f"The position of {agent!r}")
        if (low is not None and position < low) or (high is not None and position > high):
            raise ConfigError(f"The position of {agent!r} was {position}; it is between {low} and {high}.")


def _check_items(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    items = _texts("items", body.get("items", []), most=MOST_OPTIONS)
    if not items:
        raise ConfigError("items was empty; name what is to be shared out.")
    for agent, values in _of_agents("values", body, agents).items():
        if not isinstance(values, Mapping):
            raise ConfigError(f"values of {agent!r} were {values!r}; give item -> number.")
        for item, value in values.items():
            if item not in items:
                raise ConfigError(f"values of {agent!r} name {item!r}; items are {', '.join(items)}.")
            if number(value, f"The value of {item!r} for {agent!r}") < 0:
                raise ConfigError(f"The value of {item!r} for {agent!r} was {value}; give 0 or more.")


def _check_nothing(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    """Games and negotiations are checked where they are read."""


_CHECKS = {
    "options": _check_options,
    "numeric": _check_number,
    "allocation": _check_items,
    "multi_issue": _check_nothing,
    "normal_form": _check_nothing,
}


def _of_agents(key: str, body: Mapping[str, Any], agents: Sequence[str]) -> Mapping[str, Any]:
    given = body.get(key, {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"{key} was {given!r}; give agent -> what it wants.")
    for agent in given:
        if agent not in agents:
            raise ConfigError(f"{key} name {agent!r}. Agents: {', '.join(agents)}.{nearest(str(agent), agents)}")
    return given


def _texts(key: str, given: object, most: int) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) and one.strip() for one in given):
        raise ConfigError(f"{key} was {given!r}; give a list of texts.")
    if len(set(given)) != len(given) or len(given) > most:
        raise ConfigError(f"{key} were {', '.join(given)}; give at most {most}, each once.")
    return list(given)

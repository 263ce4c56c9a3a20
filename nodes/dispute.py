"""What a conflict is about, as plain JSON: options, one number, several issues, goods, or a game. Pure.

    {"options": ["tea", "coffee"], "preferences": {"ann": ["tea", "coffee"], "bob": {"tea": 2, "coffee": 9}}}
    {"issue": "price", "low": 0, "high": 100, "positions": {"ann": 30, "bob": 60}}
    {"issues": [{"name": "price", "values": ["low", "high"]}], "preferences": {"ann": {...}, "bob": {...}}}
    {"items": ["desk", "lamp"], "values": {"ann": {"desk": 30, "lamp": 5}, "bob": {"desk": 25, "lamp": 8}}}
    {"payoffs": [[[3, 0], [5, 1]], [[3, 5], [0, 1]]], "actions": [["share", "take"]] * 2, "players": ["ann", "bob"]}

The first table of payoffs is that of the first of the players, or of the agents where these are not named.

What is missing (preferences, positions, values, the options themselves) the agents are asked for. Beside it may stand
features that only a person knows: transferable_utility, binding_agreement, verifiable_fact, deadlocked, rounds_left,
deal_zone; and `reservation`: agent -> the utility below which it accepts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ..errors import ConfigError
from .conflict import DEFAULTS, checked_features
from .consensus.counting import weight_of
from .game_theory.game import Game
from .issues import LARGEST, hint, issues_from, shown
from .preferences import Preferences
from .scenario import MAX_OUTCOMES

KINDS_BY_KEY = {
    "payoffs": "normal_form",
    "items": "allocation",
    "issues": "multi_issue",
    "options": "options",
    "issue": "numeric",
}
TOLD = ("transferable_utility", "binding_agreement", "verifiable_fact", "deadlocked", "rounds_left", "deal_zone")
KEYS = {
    "normal_form": ("payoffs", "actions", "players", "title"),
    "allocation": ("items", "values"),
    "multi_issue": ("issues", "preferences"),
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
        raise ConfigError(f"conflict was {shown(given)}; give a mapping such as {{'options': ['tea', 'coffee']}}.")
    kind = given.get("kind")
    if kind is None:
        kind = next((kind for key, kind in KINDS_BY_KEY.items() if key in given), "options")
    if not isinstance(kind, str) or kind not in KEYS:
        raise ConfigError(
            f"The kind of the conflict was {shown(kind)}; it is one of {', '.join(KEYS)}.{hint(kind, KEYS)}"
        )
    allowed = (*KEYS[kind], *TOLD, "kind")
    for key in given:
        if key not in allowed:
            raise ConfigError(
                f"A conflict of kind {kind} has no {shown(key)}. Allowed: {', '.join(allowed)}.{hint(key, allowed)}"
            )
    body = {key: given[key] for key in KEYS[kind] if given.get(key) is not None}
    _CHECKS[kind](body, agents)
    told = {key: given[key] for key in TOLD if given.get(key) is not None}
    checked_features(told)
    return Conflict(kind, body, told)


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
        preferences: Agent -> ranking (a list) or utilities (a mapping), as heard; without it those of the conflict.
        deal_zone: nonempty, empty or unknown, as found by comparing the preferences; only when it is unknown does what
            the conflict says of it count.

    Raises:
        ConfigError: A weight that is no number above 0.

    Example:
        >>> conflict = read_conflict({"options": ["tea", "coffee"]}, ["ann", "bob"])
        >>> features = features_of(conflict, weights={"ann": 1, "bob": 3}, arbiter=False, rounds=5)
        >>> features["n_options"], features["preference"], features["max_weight_share"]
        (2, 'ordinal', 0.75)
    """
    given = preferences or conflict.body.get("preferences") or conflict.body.get("values") or {}
    ranked = conflict.kind == "options" and not (given and all(isinstance(one, Mapping) for one in given.values()))
    known = [weight_of(party, weight) for party, weight in weights.items()]
    items = conflict.body.get("items", ())
    found = {
        "n_agents": len(weights),
        "kind": conflict.kind,
        "preference": "ordinal" if ranked else "cardinal",
        "transferable_utility": conflict.kind == "allocation",
        "bidders_with_values": sum(bool(one) for one in given.values()) if items else 0,
        "n_items": len(items),
        "joint_payoffs": conflict.kind == "normal_form",
        "rounds_left": rounds,
        "arbiter": arbiter,
        "max_weight_share": float(max(known) / sum(known)) if known else None,
        "n_options": len(conflict.options) if conflict.kind == "options" else None,
    }
    zone = {} if deal_zone == "unknown" and "deal_zone" in conflict.told else {"deal_zone": deal_zone}
    return DEFAULTS | found | conflict.told | zone


def number(given: object, what: str) -> float | int:
    """Return a finite number, or raise a ConfigError that names what it was meant to be."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < LARGEST:
        raise ConfigError(f"{what} was {shown(given)}; give a finite number.")
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
        elif not isinstance(wanted, list | tuple) or not wanted or any(wanted.count(one) > 1 for one in wanted):
            raise ConfigError(
                f"preferences of {agent!r} were {shown(wanted)}; give a ranking or a number for each option."
            )
        for option in wanted:
            if option not in options:
                raise ConfigError(f"preferences of {agent!r} name {shown(option)}; options are {', '.join(options)}.")
    for agent, least in _of_agents("reservation", body, agents).items():
        number(least, f"The reservation value of {agent!r}")
        if not isinstance(body.get("preferences", {}).get(agent), Mapping):
            raise ConfigError(f"{agent!r} has a reservation value; give its preferences too, a number for each option.")


def _check_number(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    if "issue" in body:
        _texts("issue", [body["issue"]], most=1)
    low, high = (number(body[key], key) if key in body else None for key in ("low", "high"))
    if low is not None and high is not None and low >= high:
        raise ConfigError(f"low was {low} and high {high}; low must be below high.")
    for agent, wanted in _of_agents("positions", body, agents).items():
        position = number(wanted, f"The position of {agent!r}")
        if (low is not None and position < low) or (high is not None and position > high):
            bounds = " and ".join(f"{key} is {body[key]}" for key in ("low", "high") if key in body)
            raise ConfigError(f"The position of {agent!r} was {position}, but {bounds}.")


def _check_items(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    items = _texts("items", body.get("items", []), most=MOST_OPTIONS)
    if not items:
        raise ConfigError("items was empty; name what is to be shared out.")
    for agent, values in _of_agents("values", body, agents).items():
        if not isinstance(values, Mapping):
            raise ConfigError(f"values of {agent!r} were {shown(values)}; give item -> number.")
        for item, value in values.items():
            if item not in items:
                raise ConfigError(f"values of {agent!r} name {shown(item)}; items are {', '.join(items)}.")
            if number(value, f"The value of {item!r} for {agent!r}") < 0:
                raise ConfigError(f"The value of {item!r} for {agent!r} was {value}; give 0 or more.")


def _check_issues(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    if "issues" not in body:
        raise ConfigError("A negotiation needs issues; name what it is about.")
    issues = issues_from(body["issues"])
    outcomes = prod(len(issue.values) for issue in issues)
    if outcomes > MAX_OUTCOMES:
        raise ConfigError(f"The issues have {outcomes:,} outcomes together; at most {MAX_OUTCOMES:,} are allowed.")
    for agent, wants in _of_agents("preferences", body, agents).items():
        try:
            Preferences.of(wants).terms(issues)
        except ConfigError as error:
            raise ConfigError(f"preferences of {agent!r}: {error}") from error


def _check_game(body: Mapping[str, Any], agents: Sequence[str]) -> None:
    if "payoffs" not in body:
        raise ConfigError("A game needs payoffs; give what each player gets from each profile of actions.")
    game = Game(body["payoffs"], players=body.get("players"), actions=body.get("actions"), title=body.get("title", ""))
    if game.n != len(agents):
        raise ConfigError(f"The game has {game.n} players, but there are {len(agents)} agents; each plays for itself.")
    if "players" in body and sorted(game.players) != sorted(agents):
        raise ConfigError(f"players were {', '.join(game.players)}; name the agents: {', '.join(agents)}.")


_CHECKS = {
    "options": _check_options,
    "numeric": _check_number,
    "allocation": _check_items,
    "multi_issue": _check_issues,
    "normal_form": _check_game,
}


def _of_agents(key: str, body: Mapping[str, Any], agents: Sequence[str]) -> Mapping[str, Any]:
    given = body.get(key, {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"{key} was {shown(given)}; give agent -> what it wants.")
    for agent in given:
        if agent not in agents:
            raise ConfigError(f"{key} name {shown(agent)}. Agents: {', '.join(agents)}.{hint(agent, agents)}")
    return given


def _texts(key: str, given: object, most: int) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) and one.strip() for one in given):
        raise ConfigError(f"{key} was {shown(given)}; give a list of texts.")
    if len(set(given)) != len(given) or len(given) > most:
        raise ConfigError(f"{key} were {shown(list(given))}; give at most {most}, each once.")
    return list(given)

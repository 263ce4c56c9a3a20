"""Which way to settle a conflict: an ordered rule over its features, shown with its reason, that learns from history.

Pure, standard library only. After Sander and Goldberg, Fitting the Forum to the Fuss (1994), and Vroom and Yetton,
Leadership and Decision-Making (1973): structure first (a game, goods to be sold), then who must decide (a fact, a
deadlock), then whether the parties can settle it themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from ..errors import ConfigError, nearest
from .issues import LARGEST, hint, shown

STRATEGIES = ("negotiation", "arbitration", "majority_rule", "weighted_compromise", "auction", "game_theory")
KINDS = ("multi_issue", "options", "numeric", "allocation", "normal_form")
NONE = "none"
FEW_TRIES = 3  # Tries of a strategy from which on its record counts.

DEFAULTS: dict[str, Any] = {
    "n_agents": 2,
    "kind": "multi_issue",
    "preference": "cardinal",
    "transferable_utility": False,
    "bidders_with_values": 0,
    "n_items": 0,
    "joint_payoffs": False,
    "binding_agreement": True,
    "deal_zone": "nonempty",
    "rounds_left": 5,
    "arbiter": False,
    "verifiable_fact": False,
    "max_weight_share": None,
    "n_options": None,
    "deadlocked": False,
}
"""The features of a conflict, and what holds where one is not named."""

CHOICES = {"kind": KINDS, "preference": ("cardinal", "ordinal"), "deal_zone": ("nonempty", "empty", "unknown")}


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy, or "none" where there is no conflict, and why: the features that led to it."""

    strategy: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """The choice as JSON."""
        return {"strategy": self.strategy, "reason": self.reason}


def choose_strategy(features: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> Choice:
    """Choose how to settle a conflict: the first strategy of the rule that fits and has not failed in such conflicts.

    1 joint payoffs: game_theory. 2 goods, money and two bidders: auction. 3 a fact, a deadlock or one party of several
    with most of the weight, and an arbiter: arbitration. 4 one number: weighted_compromise. 5 several issues with room
    for a deal and rounds left (10 above five parties): negotiation. 6 three parties or more and options: majority_rule.
    7 what is left: arbitration where there is an arbiter, weighted_compromise where utilities are known, majority_rule.

    Args:
        features: Names and defaults as in `DEFAULTS`; None stands for the default.
        history: Earlier conflicts: mappings with `features`, `strategy` and `resolved`. A strategy that settled less
            than half of at least three conflicts of the same kind and size is passed over for the next that fits; when
            all of them are, the one that settled the largest share is chosen.

    Raises:
        ConfigError: An unknown feature, a value that is not allowed, or a history of another form.

    Example:
        >>> choose_strategy({"kind": "numeric", "n_agents": 3})
        Choice(strategy='weighted_compromise', reason='one number (kind numeric): the weighted median of 3 (n_agents)')
        >>> choose_strategy({"kind": "multi_issue", "deadlocked": True, "arbiter": True}).strategy
        'arbitration'
    """
    known = checked_features(features)
    if not isinstance(history, Sequence):
        raise ConfigError(f"history was {shown(history)}; give a list of earlier conflicts.")
    past = [_checked_past(one) for one in history]
    if known["n_agents"] < 2:
        return Choice(NONE, f"a conflict has at least two parties (n_agents {known['n_agents']})")
    if known["n_options"] is not None and known["n_options"] < 2:
        return Choice(NONE, f"there is nothing to choose between (n_options {known['n_options']})")
    fitting: dict[str, str] = {}
    for rule in _RULES:
        if rule.fits(known):
            fitting.setdefault(rule.strategy, rule.why(known))
    records = {strategy: record_of(strategy, known, past) for strategy in fitting}
    skipped: list[str] = []
    for strategy, (settled, tried) in records.items():
        if tried < FEW_TRIES or 2 * settled >= tried:
            return Choice(strategy, "; ".join([fitting[strategy], *skipped]))
        skipped.append(f"{strategy} was passed over: it settled {settled} of {tried} such conflicts")
    best = max(records, key=lambda strategy: Fraction(*records[strategy]))
    settled, tried = records[best]
    why = f"it settled {settled} of {tried} such conflicts, and no strategy that fits has done better"
    return Choice(best, f"{fitting[best]}; {why}")


def record_of(strategy: str, features: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many conflicts of the same kind and size a strategy settled, and in how many it was tried.

    Example:
        >>> past = {"features": {"kind": "numeric"}, "strategy": "arbitration", "resolved": True}
        >>> record_of("arbitration", {"kind": "numeric", "n_agents": 2}, [past])
        (1, 1)
    """
    here = _class(features)
    such = [one for one in history if one["strategy"] == strategy and _class(one["features"]) == here]
    return sum(bool(one["resolved"]) for one in such), len(such)


def checked_features(features: Mapping[str, Any]) -> dict[str, Any]:
    """All features, with the defaults for those that are not given.

    Raises:
        ConfigError: An unknown feature, or a value that is not allowed.
    """
    if not isinstance(features, Mapping):
        raise ConfigError(f"features was {shown(features)}; give a mapping such as {{'kind': 'numeric'}}.")
    for name, value in features.items():
        if name not in DEFAULTS:
            raise ConfigError(
                f"There is no feature {name!r}. Features: {', '.join(DEFAULTS)}.{nearest(str(name), DEFAULTS)}"
            )
        if value is not None:
            _check(name, value)
    return DEFAULTS | {name: value for name, value in features.items() if value is not None}


def checked_strategy(strategy: object) -> str:
    """Return the strategy, or raise a ConfigError that names the nearest one."""
    allowed = ("auto", *STRATEGIES)
    if not isinstance(strategy, str) or strategy not in allowed:
        raise ConfigError(
            f"There is no strategy {strategy!r}. Strategies: {', '.join(allowed)}.{nearest(str(strategy), allowed)}"
        )
    return strategy


class _Rule(NamedTuple):
    strategy: str
    fits: Callable[[Mapping[str, Any]], bool]
    why: Callable[[Mapping[str, Any]], str]


def _has_joint_payoffs(f: Mapping[str, Any]) -> bool:
    return bool(f["joint_payoffs"]) or f["kind"] == "normal_form"


def _why_game(f: Mapping[str, Any]) -> str:
    known = "joint_payoffs" if f["joint_payoffs"] else f"kind {f['kind']}"
    free = "" if f["binding_agreement"] else ", and no agreement binds (binding_agreement): only an equilibrium holds"
    return f"what each gets depends on what all do ({known}){free}"


def _has_goods_for_sale(f: Mapping[str, Any]) -> bool:
    return f["n_items"] >= 1 and bool(f["transferable_utility"]) and f["bidders_with_values"] >= 2


def _why_auction(f: Mapping[str, Any]) -> str:
    return (
        f"{f['n_items']} indivisible item{'s' * (f['n_items'] > 1)} (n_items), {f['bidders_with_values']} bidders "
        "(bidders_with_values), and utility that can be paid over (transferable_utility)"
    )


def _needs_a_judge(f: Mapping[str, Any]) -> bool:
    return bool(f["arbiter"]) and bool(_grounds(f))


def _grounds(f: Mapping[str, Any]) -> list[str]:
    share = f["max_weight_share"]
    one_rules = f["n_agents"] > 2 and share is not None and share > 0.5
    return [
        words
        for holds, words in (
            (f["verifiable_fact"], "it is a fact that can be checked (verifiable_fact)"),
            (f["deadlocked"], "the parties are deadlocked"),
            (one_rules, f"one of several parties holds most of the weight (max_weight_share {share})"),
        )
        if holds
    ]


def _why_judge(f: Mapping[str, Any]) -> str:
    return f"{' and '.join(_grounds(f))}, and there is an arbiter"


def _is_one_number(f: Mapping[str, Any]) -> bool:
    return bool(f["kind"] == "numeric" and f["preference"] == "cardinal")


def _why_number(f: Mapping[str, Any]) -> str:
    how = "mean" if f["n_agents"] == 2 else "median"
    return f"one number (kind numeric): the weighted {how} of {f['n_agents']} (n_agents)"


def _can_negotiate(f: Mapping[str, Any]) -> bool:
    enough = 10 if f["n_agents"] > 5 else 2
    return bool(
        f["kind"] == "multi_issue"
        and f["preference"] == "cardinal"
        and f["deal_zone"] != "empty"
        and f["rounds_left"] >= enough
    )


def _why_negotiate(f: Mapping[str, Any]) -> str:
    room = "there is room" if f["deal_zone"] == "nonempty" else "there may be room"
    return (
        f"several issues (kind multi_issue) with cardinal preferences, {room} for a deal (deal_zone {f['deal_zone']}), "
        f"and there is time (rounds_left {f['rounds_left']})"
    )


def _has_options(f: Mapping[str, Any]) -> bool:
    return f["n_agents"] >= 3 and (f["n_options"] is not None or f["kind"] == "options")


def _why_majority(f: Mapping[str, Any]) -> str:
    options = "discrete options (kind options)"
    if f["n_options"] is not None:
        options = f"{f['n_options']} options (n_options)"
    return f"{f['n_agents']} parties (n_agents) can vote on {options}"


_RULES = (
    _Rule("game_theory", _has_joint_payoffs, _why_game),
    _Rule("auction", _has_goods_for_sale, _why_auction),
    _Rule("arbitration", _needs_a_judge, _why_judge),
    _Rule("weighted_compromise", _is_one_number, _why_number),
    _Rule("negotiation", _can_negotiate, _why_negotiate),
    _Rule("majority_rule", _has_options, _why_majority),
    _Rule("arbitration", lambda f: bool(f["arbiter"]), lambda f: "nothing simpler fits, and there is an arbiter"),
    _Rule(
        "weighted_compromise",
        lambda f: f["preference"] == "cardinal",
        lambda f: "nothing simpler fits, and utilities are known (preference cardinal): the best weighted sum of gains",
    ),
    _Rule(
        "majority_rule",
        lambda f: f["preference"] == "ordinal",
        lambda f: "nothing simpler fits, and only rankings are known (preference ordinal): a vote, ties broken by name",
    ),
)


def _class(features: Mapping[str, Any]) -> tuple[str, int]:
    """Conflicts that one can learn from for another: of one kind, between two, three to five, or more parties."""
    n_agents = features.get("n_agents") or DEFAULTS["n_agents"]
    return features.get("kind") or DEFAULTS["kind"], 2 if n_agents < 3 else 3 if n_agents <= 5 else 6


def _checked_past(one: Any) -> Mapping[str, Any]:
    """An earlier conflict; of its features only those that are read are checked, for it may be of an older version."""
    if not isinstance(one, Mapping) or not isinstance(one.get("features"), Mapping):
        raise ConfigError(f"The history has {shown(one)}; give mappings with features, strategy and resolved.")
    if not isinstance(one.get("strategy"), str) or not isinstance(one.get("resolved"), bool):
        raise ConfigError(f"The history has {shown(one)}; its strategy is a name, and resolved is true or false.")
    for name in ("kind", "n_agents"):
        if one["features"].get(name) is not None:
            _check(name, one["features"][name])
    return one


def _check(name: str, value: Any) -> None:
    given = f"The feature {name} was {shown(value)}"
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ConfigError(f"{given}; it is one of {', '.join(CHOICES[name])}.{hint(value, CHOICES[name])}")
    elif isinstance(DEFAULTS[name], bool):
        if not isinstance(value, bool):
            raise ConfigError(f"{given}; give true or false.")
    elif name == "max_weight_share":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(f"{given}; give a share from 0 to 1.")
    elif isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
        raise ConfigError(f"{given}; give a whole number, at least 0.")

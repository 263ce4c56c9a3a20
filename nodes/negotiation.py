"""Negotiation: parties with stated preferences come to a deal by a protocol, or are helped to one at the cap.

`negotiate` does it in one call. `begin`, `step` and `result_of` do the same round by round, with a state of plain JSON
in between, for a graph that keeps it. No protocol is proof against false preferences: no mechanism for bilateral trade
is at once efficient, acceptable, balanced and truthful (Myerson and Satterthwaite 1983).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypedDict

from ..errors import ConfigError
from .agreement_score import distances, exact_agreement
from .issues import hint, number_of, plain, shown
from .outcome_space import Space
from .preferences import Preferences, utility
from .protocols import CONCESSIONS, PROTOCOLS, Past
from .scenario import Outcome, Scenario, scenario_from

__all__ = ["Preferences", "Result", "Scenario", "State", "begin", "negotiate", "result_of", "step", "utility"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a negotiation ended.

    Attributes:
        outcome: Issue -> value, or None without a deal.
        stop: agreed (by the protocol), escalated (the best offer on the table at the end, see `negotiate`), arbitrated,
            or no_deal.
        protocol: Its name.
        rounds: How many were held.
        history: A row for each offer: {"round", "agent", "offer", "utilities": {party: utility}, "conceded"}; conceded
            says whether the agent asks for less than before. The agent of a mediated text is "mediator".
        utilities: Party -> utility of the outcome, its reservation value without a deal.
        gains: Party -> utility less its reservation value.
        agreement: The agreement score, see `agreement_score.agreement`; 0 without a deal.
        converged: Whether the protocol itself came to a deal and its score is at least the threshold.
        pareto_distance: To the nearest efficient deal, as `agreement_score.distances` has it; None, like the next four,
            where no deal is possible.
        nash_distance: To the Nash point.
        kalai_distance: To the Kalai-Smorodinsky point.
        welfare: Share of the largest sum of utilities.
        nash_product: Share of the largest product of gains.
        rationale: Why it ended like this, in a sentence or two.
    """

    outcome: Outcome | None
    stop: str
    protocol: str
    rounds: int
    history: Sequence[Mapping[str, Any]]
    utilities: Mapping[str, float]
    gains: Mapping[str, float]
    agreement: float
    converged: bool
    pareto_distance: float | None
    nash_distance: float | None
    kalai_distance: float | None
    welfare: float | None
    nash_product: float | None
    rationale: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {**asdict(self), "history": [dict(row) for row in self.history]}


class State(TypedDict):
    """A negotiation under way, as plain JSON; `stop` is None until it has ended."""

    scenario: dict[str, Any]
    protocol: str
    rounds: int | None
    threshold: int | float | str
    concession: str
    seed: int
    round: int
    offers: dict[str, Outcome]
    history: list[dict[str, Any]]
    stop: str | None
    outcome: Outcome | None
    why: str


def negotiate(
    scenario: Scenario,
    *,
    protocol: str = "zeuthen",
    rounds: int | None = 5,
    threshold: Any = 0.8,
    concession: str = "linear",
    rng: random.Random | None = None,
) -> Result:
    """Negotiate to the end. Never ends in a deal that does not pass, so nobody gets less than without one.

    When the rounds are over the negotiation is escalated: the offer on the table with the largest Nash product is the
    deal if it passes. If none does, it is arbitrated: the deal whose smallest gain, as a share of what the party could
    gain at best, is largest (ties by Nash product). Where no outcome passes there is no deal, and the rationale says
    who cannot be satisfied.

    Where a scenario lets fewer parties than all decide, the deals that suit every party come first (`Space.deals`).

    Args:
        scenario: The issues and what each party wants.
        protocol: "zeuthen" (monotonic concession, ends at the Nash point), "alternating" (offers in turn, demands fall
            with time), or "mediated" (one text that is improved).
        rounds: The cap, at least 1; None for as many as it takes, with "zeuthen" alone.
        threshold: The agreement score, 0 to 1, from which a deal of the protocol counts as converged.
        concession: How demands fall in "alternating": "linear", "boulware" (late) or "conceder" (early).
        rng: Chance for "mediated"; without it the seed is 0.

    Raises:
        ConfigError: An argument that makes no sense.

    Example:
        >>> seller = Preferences({"price": 3, "weeks": 1}, {"price": "high", "weeks": "high"}, reservation=0.2)
        >>> buyer = Preferences({"price": 1, "weeks": 3}, {"price": "low", "weeks": "low"}, reservation=0.2)
        >>> issues = {"price": [0, 50, 100], "weeks": [1, 2, 3]}
        >>> result = negotiate(Scenario(issues, {"seller": seller, "buyer": buyer}))
        >>> result.outcome, result.stop, result.utilities
        ({'price': 100, 'weeks': 1}, 'agreed', {'buyer': 0.75, 'seller': 0.75})
    """
    state = begin(scenario, protocol=protocol, rounds=rounds, threshold=threshold, concession=concession, rng=rng)
    while state["stop"] is None:
        state = _advanced(scenario, state)
    return _result(scenario, state)


def begin(
    scenario: Scenario,
    *,
    protocol: str = "zeuthen",
    rounds: int | None = 5,
    threshold: Any = 0.8,
    concession: str = "linear",
    rng: random.Random | None = None,
) -> State:
    """Open a negotiation; the arguments are those of `negotiate`. It has ended already where no outcome passes.

    Raises:
        ConfigError: An argument that makes no sense.
    """
    if not isinstance(scenario, Scenario):
        raise ConfigError(f"The scenario was {shown(scenario)}; give a Scenario, for instance by scenario_from.")
    for what, given, allowed in (("protocol", protocol, PROTOCOLS), ("concession", concession, CONCESSIONS)):
        if not isinstance(given, str) or given not in allowed:
            names = ", ".join(allowed)
            raise ConfigError(f"There is no {what} {shown(given)}. Allowed: {names}.{hint(given, allowed)}")
    if rounds is None and protocol != "zeuthen":
        raise ConfigError(f"The protocol {protocol} does not end by itself; give it a number of rounds.")
    if rounds is not None and (type(rounds) is not int or rounds < 1):
        raise ConfigError(f"rounds was {shown(rounds)}; give a whole number of at least 1.")
    if rng is not None and not isinstance(rng, random.Random):
        raise ConfigError(f"rng was {shown(rng)}; give a random.Random.")
    empty = not len(scenario.space.deals)
    return {
        "scenario": scenario.to_dict(),
        "protocol": protocol,
        "rounds": rounds,
        "threshold": plain(number_of("threshold", threshold, low=0, high=1)),
        "concession": concession,
        "seed": 0 if rng is None else rng.getrandbits(32),
        "round": 0,
        "offers": {},
        "history": [],
        "stop": "no_deal" if empty else None,
        "outcome": None,
        "why": _no_zone(scenario) if empty else "",
    }


def step(state: State) -> State:
    """Hold one round and return the new state; the given one is not changed. What has ended stays as it is.

    Example:
        >>> wants = {"ann": Preferences({"x": 1}, {"x": "low"}), "bob": Preferences({"x": 1}, {"x": "high"})}
        >>> state = step(begin(Scenario({"x": [0, 1, 2, 3, 4]}, wants)))
        >>> state["offers"], state["stop"]
        ({'ann': {'x': 0}, 'bob': {'x': 4}}, None)
        >>> while state["stop"] is None:
        ...     state = step(state)
        >>> result_of(state).outcome
        {'x': 2}
    """
    return _advanced(_scenario_in(state), state)


def result_of(state: State) -> Result:
    """Return the result of a negotiation that has ended.

    Raises:
        ConfigError: It has not ended.
    """
    if state["stop"] is None:
        raise ConfigError("The negotiation has not ended; call step until its stop is not None.")
    return _result(_scenario_in(state), state)


# Rounds.


def _scenario_in(state: State) -> Scenario:
    return _scenario_of(json.dumps(state["scenario"], sort_keys=True))


@lru_cache(maxsize=4)
def _scenario_of(text: str) -> Scenario:
    """The arrays of a large scenario take up to a second, so a negotiation does not make them anew in each round."""
    return scenario_from(json.loads(text))


def _advanced(scenario: Scenario, state: State) -> State:
    if state["stop"] is not None:
        return state
    space, number = scenario.space, state["round"] + 1
    offers = {name: scenario.index(offer) for name, offer in state["offers"].items()}
    past = Past(number, state["rounds"], offers, state["concession"], state["seed"])
    held = PROTOCOLS[state["protocol"]](space, past)
    after: State = {
        **state,
        "round": number,
        "offers": {**state["offers"], **{name: scenario.outcome_at(offer) for name, offer, _ in held.made}},
        "history": state["history"] + [_row(scenario, number, *made) for made in held.made],
    }
    if held.deal is not None:
        why = f"The deal is the offer of {_listed(held.by)} in round {number}."
        return {**after, "stop": "agreed", "outcome": scenario.outcome_at(held.deal), "why": why}
    if held.stuck or number == state["rounds"]:
        return _helped(scenario, after, held.stuck)
    return after


def _row(scenario: Scenario, number: int, agent: str, offer: int, conceded: bool) -> dict[str, Any]:
    return {
        "round": number,
        "agent": agent,
        "offer": scenario.outcome_at(offer),
        "utilities": _utilities(scenario.space, offer),
        "conceded": conceded,
    }


def _helped(scenario: Scenario, state: State, stuck: bool) -> State:
    """End a negotiation that has not come to a deal: the best offer on the table that passes, else arbitration."""
    space = scenario.space
    rounds = f"{state['round']} round{'s' if state['round'] > 1 else ''}"
    ended = "The text could not be changed any more" if stuck else f"No agreement within {rounds}"
    standing = {name: scenario.index(offer) for name, offer in sorted(state["offers"].items())}
    passing = [offer for offer in standing.values() if space.passing[offer]]
    if passing:
        deal = max(passing, key=space.rank_of)
        by = _listed([name for name, offer in standing.items() if offer == deal])
        why = f"{ended}; escalated to the offer on the table with the largest Nash product, that of {by}."
        return {**state, "stop": "escalated", "outcome": scenario.outcome_at(deal), "why": why}
    deal = int(space.kalai_smorodinsky or 0)
    why = f"{ended}, and no offer on the table passes; arbitrated to the deal with the best smallest gain."
    return {**state, "stop": "arbitrated", "outcome": scenario.outcome_at(deal), "why": why}


def _no_zone(scenario: Scenario) -> str:
    """Why nothing passes: who asks for more than any outcome gives or, if nobody does, how near it comes."""
    space = scenario.space
    best = {party.name: row.max() for party, row in zip(space.parties, space.utilities, strict=True)}
    hopeless = [p for p, accepts in zip(space.parties, space.accepts, strict=True) if not accepts.any()]
    if hopeless:
        asks = [f"{p.name} asks for {float(p.reservation):.3g} and can get {best[p.name]:.3g}" for p in hopeless]
        return f"No deal: {'; '.join(asks)} at most."
    rule = f"{space.needed} of {len(space.names)} parties" if space.needed < len(space.names) else "all parties"
    veto = f", {_listed([space.names[row] for row in space.veto])} among them," if space.veto else ""
    return f"No deal: each party could be satisfied, but no outcome satisfies {rule}{veto} at once."


# Results.


def _result(scenario: Scenario, state: State) -> Result:
    space, outcome = scenario.space, state["outcome"]
    index = None if outcome is None else scenario.index(outcome)
    score = Fraction(0) if index is None else exact_agreement(space, index)
    threshold = number_of("threshold", state["threshold"])
    apart = distances(scenario, outcome)
    return Result(
        outcome=outcome,
        stop=state["stop"] or "",
        protocol=state["protocol"],
        rounds=state["round"],
        history=tuple(state["history"]),
        utilities=_utilities(space, index),
        gains=_gains(space, index),
        agreement=float(score),
        converged=state["stop"] == "agreed" and score >= threshold,
        pareto_distance=apart["pareto"],
        nash_distance=apart["nash"],
        kalai_distance=apart["kalai"],
        welfare=apart["welfare"],
        nash_product=apart["nash_product"],
        rationale=state["why"] if outcome is None else _rationale(state, score, threshold),
    )


def _rationale(state: State, score: Fraction, threshold: Fraction) -> str:
    said = f"{state['why']} Its agreement score is {float(score):.2f}"
    if state["stop"] == "agreed" and score < threshold:
        return f"{said}, below the threshold of {float(threshold):g}: a deal, but not counted as converged."
    return f"{said}."


def _utilities(space: Space, index: int | None) -> dict[str, float]:
    if index is None:
        return {party.name: float(party.reservation) for party in space.parties}
    return dict(zip(space.names, space.utilities[:, index].tolist(), strict=True))


def _gains(space: Space, index: int | None) -> dict[str, float]:
    if index is None:
        return dict.fromkeys(space.names, 0.0)
    gains = zip(space.names, space.gains, space.scales, strict=True)
    return {name: int(row[index]) / scale for name, row, scale in gains}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

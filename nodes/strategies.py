"""How each strategy settles each kind of conflict: in its own way where there is one, else as a choice. Pure.

One number has its median, goods have their auction, a game its solution. Everything else is made a choice between
options: for goods every way to share them out, for several issues the deals that nobody can better without making it
worse for another, for a game its profiles, for one number the positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

from .amounts import fraction, plain
from .auctions import award, vcg
from .dispute import Conflict
from .games import Game, security_levels, solve
from .issues import MAX_LABELS, Issue, issues_from
from .preferences import Preferences
from .scenario import Scenario
from .settlement import WAYS, Settlement, Views, arbitration, meet, views_of
from .text import words_of

MOST_DIVISIONS = 5_000  # ways to share goods out that are compared


def settle(
    strategy: str,
    conflict: Conflict,
    heard: Mapping[str, Any],
    weights: Mapping[str, Any],
    *,
    verdict: str | None = None,
    judge: str = "",
) -> Settlement:
    """Settle a conflict by any strategy but negotiation.

    Args:
        strategy: arbitration, majority_rule, weighted_compromise, auction or game_theory.
        conflict: What it is about.
        heard: Agent -> ranking or utilities (options), a number, values of goods, or preferences over issues.
        weights: Agent -> weight.
        verdict: For arbitration: the option that the arbiter chose.
        judge: The arbiter's name.

    Example:
        >>> from .dispute import read_conflict
        >>> conflict = read_conflict({"items": ["desk"]}, ["ann", "bob"])
        >>> values = {"ann": {"desk": 30}, "bob": {"desk": 20}}
        >>> found = settle("auction", conflict, values, {"ann": 1, "bob": 1})
        >>> found.outcome, found.payments
        ({'desk': 'ann'}, {'ann': 20})
    """
    silent = [] if conflict.kind == "normal_form" else sorted(set(weights) - set(heard))
    if 2 * len(silent) >= len(weights):
        words = f"only {len(heard)} of {len(weights)} parties said what they want; not heard: {', '.join(silent)}"
        return Settlement(strategy, None, words)
    if conflict.kind == "numeric" and strategy == "weighted_compromise":
        return meet(heard, weights)
    if conflict.kind == "allocation" and strategy == "auction":
        return sold(conflict.options, heard)
    if conflict.kind == "normal_form" and strategy == "game_theory":
        return played(conflict, list(weights))
    views = views_for(conflict, heard, weights)
    if not views.options:
        return Settlement(strategy, None, "no deal is acceptable to all")
    if strategy == "arbitration":
        return arbitration(views, verdict, judge)
    return WAYS[strategy](views)


def views_for(conflict: Conflict, heard: Mapping[str, Any], weights: Mapping[str, Any]) -> Views:
    """What every agent thinks of every option that a conflict comes down to; see `too_many` for goods."""
    if conflict.kind == "options":
        return views_of(conflict.options, heard, reservation=conflict.body.get("reservation"), weights=weights)
    known = {agent: fraction(weight) for agent, weight in weights.items()}
    if conflict.kind == "numeric":
        numbers = sorted({fraction(number) for number in heard.values()})
        span = (numbers[-1] - numbers[0]) or Fraction(1) if numbers else Fraction(1)
        near = {agent: tuple(1 - abs(fraction(own) - n) / span for n in numbers) for agent, own in heard.items()}
        values = tuple(plain(number) for number in numbers)
        return Views(tuple(map(str, values)), near, weights=known, values=values)
    if conflict.kind == "allocation":
        return _divisions(conflict.options, heard, known)
    if conflict.kind == "multi_issue":
        return _deals(conflict, heard, known)
    game = game_of(conflict, list(weights))
    profiles = list(game.profiles())
    payoffs = [game.payoff(profile) for profile in profiles]
    return Views(
        tuple(profile_words(game, profile) for profile in profiles),
        {name: tuple(row[player] for row in payoffs) for player, name in enumerate(game.players)},
        dict(zip(game.players, security_levels(game), strict=True)),
        known,
    )


def too_many(conflict: Conflict, agents: int) -> str:
    """Why goods can only be auctioned; empty where the ways to share them out can be compared.

    Example:
        >>> too_many(Conflict("allocation", {"items": list("abcdefghijklm")}), 2)
        '13 items can be shared out among 2 in 8,192 ways, and at most 5,000 are compared'
    """
    ways = agents ** len(conflict.options) if conflict.kind == "allocation" else 1
    if ways <= MOST_DIVISIONS:
        return ""
    counted = f"{len(conflict.options)} items can be shared out among {agents} in {ways:,} ways"
    return f"{counted}, and at most {MOST_DIVISIONS:,} are compared"


def sold(items: Sequence[str], values: Mapping[str, Mapping[str, Any]]) -> Settlement:
    """Sell goods to the agents: second price for one, Vickrey-Clarke-Groves for several; values add up."""
    bidders = sorted(agent for agent in values if values[agent])
    if len(items) == 1:
        bids = {agent: values[agent].get(items[0], 0) for agent in bidders}
        found = award("vickrey", bids, direction="sell", reserve=0)
        if found.winner is None or found.price is None:
            return Settlement("auction", None, found.reason)
        worth = {agent: bids[agent] if agent == found.winner else 0 for agent in bidders}
        words = (
            f"{items[0]} goes to {found.winner}, who values it most and pays {found.price}, the second-highest value"
        )
        return Settlement(
            "auction", {items[0]: found.winner}, words, worth, {found.winner: plain(fraction(found.price))}, found.tied
        )
    table = [[-fraction(values[agent].get(item, 0)) for item in items] for agent in bidders]
    if not table:
        return Settlement("auction", None, "nobody made a bid")
    all_at_once = vcg(table, len(items), 0)
    assert all_at_once.payments is not None
    owners = {i: None if a is None else bidders[a] for i, a in zip(items, all_at_once.assignment, strict=True)}
    paid = {agent: plain(-fraction(p)) for agent, p in zip(bidders, all_at_once.payments, strict=True) if p is not None}
    worth = {
        agent: plain(
            sum((fraction(values[agent].get(item, 0)) for item in items if owners[item] == agent), Fraction(0))
        )
        for agent in bidders
    }
    shared = ", ".join(f"{item} to {owner}" for item, owner in owners.items())
    total = plain(-fraction(all_at_once.total))
    words = f"the largest sum of values ({total}): {shared}; each pays what the others lose by it"
    # Values add up and nobody's hands are full, so every item goes to who values it most.
    tied = tuple(item for place, item in enumerate(items) if _is_shared([row[place] for row in table]))
    if tied:
        words += f"; several value {', '.join(tied)} most, and the first by name was taken"
    return Settlement("auction", owners, words, worth, paid, tied)


def _is_shared(costs: Sequence[Fraction]) -> bool:
    return costs.count(min(costs)) > 1


def played(conflict: Conflict, names: Sequence[str] | None = None) -> Settlement:
    """What to do in a game: an agreement where agreements bind, else an equilibrium."""
    game = game_of(conflict, names)
    found = solve(game, binding=conflict.told.get("binding_agreement", True))
    outcome = [{"play": profile_words(game, profile), "probability": float(p)} for profile, p in found.outcome]
    chosen: Any = outcome[0]["play"] if len(outcome) == 1 else outcome
    gets = dict(zip(game.players, map(plain, map(fraction, found.payoffs)), strict=True))
    return Settlement("game_theory", chosen, found.rationale, gets)


def game_of(conflict: Conflict, names: Sequence[str] | None = None) -> Game:
    """The game of a conflict. Its tables of payoffs are those of `players`, else of the agents in their order."""
    payoffs, actions = conflict.body["payoffs"], conflict.body.get("actions")
    players = conflict.body.get("players") or names
    return Game(payoffs, players=players, actions=actions, title=conflict.body.get("title", ""))


def scenario_of(conflict: Conflict, preferences: Mapping[str, Any]) -> Scenario:
    """The negotiation of a conflict about several issues."""
    return Scenario(
        conflict.body["issues"],
        {agent: Preferences.of(one) for agent, one in preferences.items()},
    )


def as_negotiation(conflict: Conflict, heard: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Any]:
    """Issues and preferences with which a conflict of any kind can be negotiated.

    Everything but several issues becomes one issue, with the options for values; of more than an issue can have, the
    fairest.
    """
    if conflict.kind == "multi_issue":
        wants = {agent: Preferences.of(one).to_dict() for agent, one in heard.items()}
        return {"issues": [issue.to_dict() for issue in issues_from(conflict.body["issues"])], "preferences": wants}
    views = views_for(conflict, heard, weights)
    kept = _fairest(views, MAX_LABELS)
    issue = Issue("outcome", [views.options[place] for place in kept])
    wants = {}
    for agent in views.agents:
        mine = [views.utilities[agent][place] for place in kept]
        least = views.reservation.get(agent, Fraction(0))
        low = min(*mine, least)
        span = (max(*mine, least) - low) or Fraction(1)
        scores = {option: str((own - low) / span) for option, own in zip(issue.values, mine, strict=True)}
        wants[agent] = Preferences({"outcome": 1}, {"outcome": scores}, (least - low) / span).to_dict()
    return {"issues": [issue.to_dict()], "preferences": wants}


def _fairest(views: Views, most: int) -> list[int]:
    """The places of at most so many options, in their order: those whose smallest share of gain is largest."""
    if len(views.options) <= most:
        return list(range(len(views.options)))
    shares = views.shares(views.acceptable() or range(len(views.options)))
    order = sorted(shares, key=lambda place: (-min(shares[place]), -sum(shares[place]), place))
    return sorted(order[:most])


def profile_words(game: Game, profile: Sequence[int]) -> str:
    """A profile of a game in words: "ann: share, bob: take"."""
    rows = zip(game.players, game.actions, profile, strict=True)
    return ", ".join(f"{player}: {actions[number]}" for player, actions, number in rows)


def _divisions(items: Sequence[str], values: Mapping[str, Mapping[str, Any]], weights: Mapping[str, Fraction]) -> Views:
    agents = sorted(values)
    ways = list(product(agents, repeat=len(items)))
    worth = {
        agent: tuple(
            sum(
                (fraction(values[agent].get(item, 0)) for item, o in zip(items, way, strict=True) if o == agent),
                Fraction(0),
            )
            for way in ways
        )
        for agent in agents
    }
    owners = tuple(dict(zip(items, way, strict=True)) for way in ways)
    labels = tuple(", ".join(f"{item} to {owner}" for item, owner in one.items()) for one in owners)
    return Views(labels, worth, weights=weights, values=owners)


def _deals(conflict: Conflict, preferences: Mapping[str, Any], weights: Mapping[str, Fraction]) -> Views:
    if len(preferences) < 2:
        return Views((), {})
    scenario = scenario_of(conflict, preferences)
    deals = scenario.pareto()
    return Views(
        tuple(words_of(deal) for deal in deals),
        {name: tuple(fraction(scenario.utility(name, deal)) for deal in deals) for name in scenario.preferences},
        {name: fraction(float(wants.reservation)) for name, wants in scenario.preferences.items()},
        weights,
        values=tuple(deals),
    )

"""What to do in a game: an agreement or an equilibrium, chosen by efficiency and fairness, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from ...errors import ConfigError
from .bargaining import Bargain, egalitarian_in, ks_in, nash_in, utilitarian_in
from .equilibria import nash_equilibria
from .equilibrium_set import Equilibria
from .game import Game
from .hull import Point, checked_game, undominated
from .judging import SHORTEST, Judge, Lottery, Play, play_of
from .security import maximin, security_levels
from .zone import zone_of

__all__ = ["Candidate", "Solution", "cooperative_potential", "solve"]

SAME = Fraction(1, 10**9)  # how close shares of the possible gain are that count as equal, where they are not exact
NAMED = 4  # profiles of a lottery that the rationale spells out


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was compared: a concept, what it pays, and how it was judged."""

    concept: str
    payoffs: tuple[Fraction, ...]
    efficiency: Fraction
    fairness: float

    @property
    def score(self) -> float:
        """Efficiency times fairness."""
        return float(self.efficiency) * self.fairness

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate as plain JSON values; fractions become floats."""
        return {
            "concept": self.concept,
            "payoffs": [float(payoff) for payoff in self.payoffs],
            "efficiency": float(self.efficiency),
            "fairness": self.fairness,
        }


@dataclass(frozen=True, slots=True)
class Solution:
    """What to do in a game.

    Attributes:
        outcome: (profile, probability) pairs, by profile; the probabilities add up to 1 exactly.
        payoffs: What each player gets on average.
        concept: "Nash bargaining", "Nash equilibrium" or "security levels".
        efficiency: A player's share is the gain over the security level, divided by the most that the player can gain
            without anybody falling below. Efficiency is the sum of the shares, divided by the largest possible sum; 1
            when nobody can gain.
        fairness: The geometric mean of the shares over the arithmetic one (1 minus Atkinson's index): 1 when all are
            equal, 0 when some gain and somebody gains nothing.
        rationale: Why, in words.
        strategies: For each player the probabilities of the actions, when they draw independently; None when they
            follow an agreement.
        complete: Whether all equilibria were known.
        cooperative_potential: See `cooperative_potential`.
        candidates: Everything that was compared; bargaining solutions only where agreements bind.
    """

    outcome: Lottery
    payoffs: tuple[Fraction, ...]
    concept: str
    efficiency: Fraction
    fairness: float
    rationale: str
    strategies: tuple[tuple[Fraction, ...], ...] | None
    complete: bool
    cooperative_potential: Fraction | None
    candidates: tuple[Candidate, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the solution as plain JSON values; fractions become floats."""
        potential, strategies = self.cooperative_potential, self.strategies
        return {
            "outcome": [{"profile": list(profile), "probability": float(p)} for profile, p in self.outcome],
            "payoffs": [float(payoff) for payoff in self.payoffs],
            "concept": self.concept,
            "efficiency": float(self.efficiency),
            "fairness": self.fairness,
            "rationale": self.rationale,
            "strategies": None if strategies is None else [[float(p) for p in strategy] for strategy in strategies],
            "complete": self.complete,
            "cooperative_potential": None if potential is None else float(potential),
            "candidates": [candidate.to_dict() for candidate in self.candidates],
        }


def solve(game: Game, *, equilibria: Equilibria | None = None, binding: bool = True) -> Solution:
    """Choose what to do in a game, by efficiency times fairness.

    Both are measured in gains over the security levels, each divided by the most that the player can gain, so that the
    choice does not depend on the unit or the zero of anybody's payoffs. Their product is the geometric mean of these
    gains, up to a constant. Of all lotteries the Nash bargaining solution has the largest; the other bargaining
    solutions are compared with it.

    Where agreements bind, the Nash bargaining solution is chosen, unless an equilibrium pays the same: then no
    agreement is needed. Where they do not, only equilibria hold. Of the pure ones that no other equilibrium
    Pareto-dominates (without those, of the mixed ones) the one with the largest product is chosen; of equal ones the
    first, and the rationale says so.

    Args:
        game: The game.
        equilibria: What `nash_equilibria` found, if it was asked already.
        binding: Whether the players can be held to an agreement.

    Returns:
        The solution. There always is one: where no equilibrium is known and no agreement binds, everybody plays safe.

    Raises:
        ConfigError: `game` is no `Game`, or `equilibria` are not of this game.

    Example:
        >>> prisoners = Game([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], actions=[["cooperate", "defect"]] * 2)
        >>> agreed, alone = solve(prisoners), solve(prisoners, binding=False)
        >>> agreed.concept, agreed.payoffs == (3, 3), alone.concept, alone.payoffs == (1, 1)
        ('Nash bargaining', True, 'Nash equilibrium', True)
        >>> print(alone.rationale.split(":")[0])
        Without binding agreements only equilibria hold, and this is the only one found
    """
    found = _found(game, equilibria)
    zone = zone_of(game, None)
    judge, plays = Judge(zone), [play_of(game, point) for point in found.points]
    potential = _potential(game, zone.disagreement, plays)
    choice = _agreed(game, judge, plays) if binding else _stable(game, judge, plays)
    why = choice.why
    if not found.complete:
        better = "there may be a better one" if not binding else "others may do without an agreement"
        why += f" Not all equilibria may be known; {better} ({found.reason or 'no reason was given'})."
    payoffs = choice.payoffs
    return Solution(
        choice.outcome,
        payoffs,
        choice.concept,
        judge.efficiency(payoffs),
        judge.fairness(payoffs),
        why,
        choice.strategies,
        found.complete,
        potential,
        choice.candidates,
    )


def cooperative_potential(game: Game, equilibria: Equilibria | None = None) -> Fraction | None:
    """How much of the welfare above the security levels only cooperation brings: from 0, nothing, to 1, all of it.

    It is (W* - W) / (W* - S), where W* is the largest sum of payoffs of a profile, W that of the best equilibrium,
    and S the sum of the security levels. Payoffs are added up as they are.

    Args:
        game: The game.
        equilibria: What `nash_equilibria` found, if it was asked already. If they are not complete, a better one may
            exist, and the potential may be less.

    Returns:
        The potential; None when nothing can be gained over the security levels, or no equilibrium is known.

    Raises:
        ConfigError: As for `solve`.

    Example:
        >>> cooperative_potential(Game([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]))  # the prisoner's dilemma
        Fraction(1, 1)
        >>> cooperative_potential(Game([[[4, 0], [3, 3]], [[4, 3], [0, 3]]]))  # the stag hunt
        Fraction(0, 1)
    """
    found = _found(game, equilibria)
    return _potential(game, security_levels(game), [play_of(game, point) for point in found.points])


def _found(game: Game, equilibria: Equilibria | None) -> Equilibria:
    if equilibria is None:
        return nash_equilibria(checked_game(game))
    if not isinstance(equilibria, Equilibria):
        raise ConfigError(
            f"The equilibria were {type(equilibria).__name__}; give what nash_equilibria returned, or leave them out."
        )
    checked_game(game)
    return equilibria


def _potential(game: Game, levels: Sequence[Fraction], plays: Sequence[Play]) -> Fraction | None:
    most = max(sum(game.payoff(profile), Fraction(0)) for profile in game.profiles())
    safe = sum(levels, Fraction(0))
    if most == safe or not plays:
        return None
    reached = max(sum(play.payoffs, Fraction(0)) for play in plays)
    potential = min(Fraction(1), max(Fraction(0), (most - reached) / (most - safe)))
    return potential if all(play.exact for play in plays) else potential.limit_denominator(SHORTEST)


# The choice.


@dataclass(frozen=True, slots=True)
class _Choice:
    concept: str
    outcome: Lottery
    payoffs: Point
    strategies: tuple[tuple[Fraction, ...], ...] | None
    candidates: tuple[Candidate, ...]
    why: str


def _agreed(game: Game, judge: Judge, plays: Sequence[Play]) -> _Choice:
    """The best with binding agreements."""
    zone = judge.zone
    nash = nash_in(zone)
    assert nash.payoffs is not None, "every game has an equilibrium, and equilibria are in the zone"
    lottery = cast(Lottery, nash.lottery)
    bargains = (nash, ks_in(zone), egalitarian_in(zone), utilitarian_in(zone))
    candidates = [_judged(judge, bargain.solution, bargain.payoffs) for bargain in bargains if bargain.payoffs]
    others = [f"{candidate.concept} {candidate.score:.2f}" for candidate in candidates[1:]]
    stable = [_judged(judge, "Nash equilibrium", play.payoffs) for play in plays]
    if stable:
        others.append(f"the best equilibrium {max(candidate.score for candidate in stable):.2f}")
    same = [play for play in plays if _pays_the_same(judge, play, nash)]
    if same:
        play = min(same, key=lambda play: len(play.outcome))
        gain = "No agreement gains more than this equilibrium" if judge.movers else "Nobody can gain by agreeing"
        why = f"{gain}, and an equilibrium holds by itself: {_told(game, play.outcome)}. "
        return _of_play("Nash equilibrium", play, [*candidates, *stable], why + _marks(judge, play.payoffs))
    why = (
        f"The Nash bargaining solution has the largest product of gains over the security levels "
        f"{_numbers(zone.disagreement)}: {_told(game, lottery)}. {_marks(judge, nash.payoffs)} Efficiency times "
        f"fairness is {candidates[0].score:.2f}; {', '.join(others)}. {_kept(game, lottery)}"
    )
    return _Choice(nash.solution, lottery, nash.payoffs, None, (*candidates, *stable), why)


def _stable(game: Game, judge: Judge, plays: Sequence[Play]) -> _Choice:
    """The best without binding agreements."""
    if not plays:
        safe = play_of(game, [maximin(game, player)[1] for player in range(game.n)])
        why = f"No equilibrium is known and no agreement binds, so everybody plays safe: {_told(game, safe.outcome)}. "
        return _of_play("security levels", safe, [], why + _marks(judge, safe.payoffs))
    payoffs = [play.payoffs for play in plays]
    best = {payoffs[at] for at in undominated(payoffs)}
    pool = [play for play in plays if play.payoffs in best]
    pool = [play for play in pool if play.pure] or pool
    scores = [judge.score(play.payoffs) for play in pool]
    top = max(scores)
    equal = [
        play
        for play, score in zip(pool, scores, strict=True)
        if all(abs(a - b) <= SAME for a, b in zip(score, top, strict=True))
    ]
    of_several = (
        f": of {len(plays)} found, this is the best by efficiency and fairness among the {len(pool)} "
        f"{'pure' if equal[0].pure else 'mixed'} that no other Pareto-dominates"
    )
    only = of_several if len(plays) > 1 else ", and this is the only one found"
    why = f"Without binding agreements only equilibria hold{only}: {_told(game, equal[0].outcome)}. "
    why += _marks(judge, equal[0].payoffs)
    if len(equal) > 1:
        why += f" {len(equal)} are equally good and this is the first: the players have to be told which to play."
    stable = [_judged(judge, "Nash equilibrium", play.payoffs) for play in plays]
    return _of_play("Nash equilibrium", equal[0], stable, why)


def _of_play(concept: str, play: Play, candidates: Sequence[Candidate], why: str) -> _Choice:
    return _Choice(concept, play.outcome, play.payoffs, play.strategies, tuple(candidates), why)


def _judged(judge: Judge, concept: str, payoffs: Point) -> Candidate:
    return Candidate(concept, payoffs, judge.efficiency(payoffs), judge.fairness(payoffs))


def _pays_the_same(judge: Judge, play: Play, bargain: Bargain) -> bool:
    assert bargain.payoffs is not None
    if play.exact and bargain.exact:
        return play.payoffs == bargain.payoffs
    shares = zip(judge.shares(play.payoffs), judge.shares(bargain.payoffs), strict=True)
    return all(abs(a - b) <= SAME for a, b in shares)


# The words.


def _marks(judge: Judge, payoffs: Point) -> str:
    marks = f"efficiency {float(judge.efficiency(payoffs)):.2f}, fairness {judge.fairness(payoffs):.2f}"
    return f"It pays {_numbers(payoffs)}: {marks}."


def _kept(game: Game, lottery: Lottery) -> str:
    """What makes the players keep to a lottery."""
    if all(not game.regret([_always(a, size) for a, size in zip(p, game.shape, strict=True)]) for p, _ in lottery):
        return "Each of its outcomes is an equilibrium, so it holds once all see which one is drawn."
    return "Somebody would gain by leaving it, so the agreement has to bind."


def _always(action: int, size: int) -> list[int]:
    return [int(other == action) for other in range(size)]


def _told(game: Game, lottery: Lottery) -> str:
    told = []
    for profile, probability in lottery[:NAMED]:
        names = ", ".join(names[action] for names, action in zip(game.actions, profile, strict=True))
        told.append(f"({names})" if probability == 1 else f"{_number(probability)} ({names})")
    more = f" + {len(lottery) - NAMED} more" if len(lottery) > NAMED else ""
    return " + ".join(told) + more


def _numbers(payoffs: Point) -> str:
    return f"({', '.join(map(_number, payoffs))})"


def _number(number: Fraction) -> str:
    """A short fraction as it is, another one as a decimal."""
    return str(number) if len(str(number)) <= 9 else f"{float(number):.6g}"

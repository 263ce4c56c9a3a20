"""Mistakes that vote counters really make, put into ours one at a time: each must be noticed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus import counting, voting
from langgraph_agora.nodes.consensus.ballot_box import BallotBox
from langgraph_agora.nodes.consensus.voting import Outcome, tally, tally_early

# The checks: plain functions that fail when something is wrong.


def half_is_no_majority() -> None:
    assert not tally({"a": "x", "b": "x", "c": "y", "d": "z"}, rule="majority").decided


def two_of_three_are_two_thirds() -> None:
    assert tally({"a": "x", "b": "x", "c": "y"}, rule="qualified", threshold="2/3").decided


def two_thirds_of_four_are_three() -> None:
    assert not tally({"a": "x", "b": "x", "c": "y", "d": "z"}, rule="qualified", threshold="2/3").decided


def who_did_not_vote_counts_in_the_electorate() -> None:
    assert not tally({"a": "x", "b": "x"}, rule="majority", electorate=["a", "b", "c", "d"]).decided


def the_first_vote_stands() -> None:
    box = BallotBox(["a", "b"])
    box.cast("a", "x")
    box.cast("a", "y")
    assert box.ballots == {"a": "x"}
    assert len(box.evidence) == 1


def a_tie_is_undecided() -> None:
    for ballots in ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}):
        assert tally(ballots, rule="plurality").winner is None


def nothing_is_certain_before_it_is() -> None:
    assert tally_early({"a": "x", "b": "x"}, rule="majority", electorate=["a", "b", "c", "d", "e"]) is None


def a_late_vote_changes_nothing() -> None:
    box = BallotBox(["a", "b"])
    box.cast("a", "x")
    box.closed = True
    box.cast("b", "y")
    assert box.ballots == {"a": "x"}


def weights_are_finite_and_above_zero() -> None:
    for weight in (float("nan"), float("inf"), -1, 0):
        try:
            tally({"a": "x"}, rule="weighted", weights={"a": weight})
        except ConfigError:
            continue
        raise AssertionError(f"the weight {weight} was taken")


def a_repeated_message_counts_once() -> None:
    box = BallotBox(["a", "b", "c"])
    for voter, choice in (("a", "x"), ("a", "x"), ("b", "y"), ("c", "y")):
        box.cast(voter, choice)
    assert tally(box.ballots, rule="majority", electorate=3).winner == "y"


def one_no_ends_unanimity() -> None:
    ballots = {"a": "x", "b": "x", "c": "x", "d": "x", "e": "y"}
    assert not tally(ballots, rule="unanimous").decided


CHECKS: tuple[Callable[[], None], ...] = (
    half_is_no_majority,
    two_of_three_are_two_thirds,
    two_thirds_of_four_are_three,
    who_did_not_vote_counts_in_the_electorate,
    the_first_vote_stands,
    a_tie_is_undecided,
    nothing_is_certain_before_it_is,
    a_late_vote_changes_nothing,
    weights_are_finite_and_above_zero,
    a_repeated_message_counts_once,
    one_no_ends_unanimity,
)

# The mutants: what is put in the place of what.


def _at_least_half(count: Any, number: Any, threshold: Any) -> bool:
    return 2 * number >= count.total


def _float_threshold(count: Any, number: Any, threshold: Any) -> bool:
    return float(number) >= (0.67 if count.rule == "qualified" else 0.5001) * float(count.total)


def _rounded_down(count: Any, number: Any, threshold: Any) -> bool:
    share = threshold or Fraction(1, 2)
    return number >= int(share * count.total) if count.rule == "qualified" else 2 * number > count.total


def _of_the_cast(count: Any, number: Any, threshold: Any) -> bool:
    share = (threshold or Fraction(2, 3)) if count.rule == "qualified" else None
    return 2 * number > len(count.cast) if share is None else number >= share * len(count.cast)


def _last_vote_wins(box: BallotBox, voter: str, ballot: Any) -> str:
    box.ballots[voter] = ballot
    return "counted"


def _late_vote_counts(box: BallotBox, voter: str, ballot: Any) -> str:
    box.closed = False
    return _CAST(box, voter, ballot)


def _every_message_counts(box: BallotBox, voter: str, ballot: Any) -> str:
    box.ballots[voter + "'" * (voter in box.ballots)] = ballot
    return "counted"


def _first_of_the_best(rule: str, counted: Any) -> Any:
    scores, best = _STANDING(rule, counted)
    return scores, best[:1]


def _always_settled(count: Any, now: Outcome, missing: Any, threshold: Any) -> bool:
    return True


def _any_weight(voter: str, weight: Any) -> Any:
    return weight


def _enough_yes(count: Any, threshold: Any) -> Outcome:
    votes = voting._votes(count)
    top = max(votes.values())
    if count.rule == "unanimous" and top >= count.size - 1:
        return count.outcome([o for o, n in votes.items() if n == top][:1], votes, "")
    return _BY_SHARE(count, threshold)


_CAST, _STANDING, _BY_SHARE = BallotBox.cast, voting.standing, voting._by_share

MUTANTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "half is a majority": (voting, "_reaches", _at_least_half),
    "float 0.67 as the threshold": (voting, "_reaches", _float_threshold),
    "qualified rounded down": (voting, "_reaches", _rounded_down),
    "majority of the ballots, not of the electorate": (voting, "_reaches", _of_the_cast),
    "last vote wins silently": (BallotBox, "cast", _last_vote_wins),
    "late vote flips the outcome": (BallotBox, "cast", _late_vote_counts),
    "weight counted for each message": (BallotBox, "cast", _every_message_counts),
    "tie broken by order": (voting, "standing", _first_of_the_best),
    "decides before it is determined": (voting, "_share_is_settled", _always_settled),
    "weights of any kind": (counting, "weight_of", _any_weight),
    "unanimity after enough yes": (voting, "_by_share", _enough_yes),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The mistake in place, for as long as the block lasts."""
    home, attribute, wrong = MUTANTS[name]
    right = getattr(home, attribute)
    setattr(home, attribute, wrong)
    try:
        yield
    finally:
        setattr(home, attribute, right)


def killers(name: str) -> list[str]:
    """The checks that notice a mutant."""
    found = []
    with planted(name):
        for check in CHECKS:
            try:
                check()
            except Exception:  # A mutant may break in any way; all of them are noticed.
                found.append(check.__name__)
    return found

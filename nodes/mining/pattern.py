"""A pattern: what was found, how large it is, how sure, from which experiences, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .features import LOWER, UPPER
from .outcomes import SUCCESS


@dataclass(frozen=True, slots=True)
class Pattern(Mapping[str, Any]):
    """What holds together with failure, with success, or with more or less effort than usual.

    It can be read as a mapping too: `pattern["kind"]`, and `dict(pattern)` is its JSON.

    Attributes:
        kind: "failure", "success" or "efficiency".
        conditions: One or two [feature, value], which hold together; a number's value is a text such as ">= 12".
        measure: "success", or what efficiency is about: "seconds", "tokens" or "steps".
        effect: By how much the share of what the kind names (failures; successes; experiences that took more than the
            median of those comparable) is larger where the conditions hold than elsewhere, with `given` held fixed.
            0.3 is 30 of 100 experiences. Efficiency alone may be negative: less was taken.
        interval: Low and high of the effect, 95 %. It does not make up for having been looked for: what is found is
            larger than it is, on average; `confirm` is free of that.
        support: In how many experiences the conditions hold.
        rate: The share where they hold.
        base_rate: The share elsewhere; unlike the effect both are as counted, with nothing held fixed.
        lift: rate / base_rate, None where that is 0. For efficiency the ratio of the medians of the measure, each
            value relative to those that it is comparable with; None where these are 0.
        p: One-sided, exact, with `given` held fixed.
        q: The rate of false reports at which this is just reported.
        evidence: The ids (without one the places) of the experiences in which the conditions hold.
        given: The other patterns' conditions, which were held fixed.
        explained_by: Other conditions that hold in (nearly) the same experiences: they may be the reason as well.
        words: The pattern as a sentence.
    """

    kind: str
    conditions: list[list[Any]]
    measure: str
    effect: float
    interval: tuple[float, float]
    support: int
    rate: float
    base_rate: float
    lift: float | None
    p: float
    q: float
    evidence: list[Any]
    given: list[list[list[Any]]]
    explained_by: list[list[Any]]
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {field.name: self[field.name] for field in fields(self)}

    def __getitem__(self, name: str) -> Any:
        if name not in set(self):
            raise KeyError(name)
        return _json(getattr(self, name))

    def __iter__(self) -> Iterator[str]:
        return iter(field.name for field in fields(self))

    def __len__(self) -> int:
        return len(fields(self))


def listed(conditions: Sequence[Sequence[Any]]) -> str:
    """Conditions in words.

    Example:
        >>> listed([["no_plan", True], ["steps", ">= 12"], ["tool", "search"]])
        'no_plan and steps >= 12 and tool = search'
    """
    return " and ".join(_one(*condition) for condition in conditions)


def worded(
    conditions: Sequence[Sequence[Any]],
    measure: str,
    counts: tuple[tuple[int, int], tuple[int, int]],
    effect: tuple[float, tuple[float, float]],
    *,
    kind: str,
    given: Sequence[Sequence[Sequence[Any]]] = (),
    leak: bool = False,
) -> str:
    """A pattern as a sentence.

    Example:
        >>> worded([["no_plan", True]], "success", ((30, 40), (27, 90)), (0.45, (0.27, 0.59)), kind="failure")
        'With no_plan 30 of 40 failed, elsewhere 27 of 90: 45 points more (27 to 59).'
    """
    did = {"failure": "failed", "success": "succeeded"}.get(kind, f"took more {measure} than the median")
    (events, cases), (others, rest) = counts
    difference, (low, high) = effect
    more = "more" if difference >= 0 else "fewer"
    low, high = (low, high) if difference >= 0 else (-high, -low)
    fixed = f", with {'; '.join(map(listed, given))} held fixed" if given else ""
    text = (
        f"With {listed(conditions)} {events} of {cases} {did}, elsewhere {others} of {rest}: "
        f"{abs(difference) * 100:.0f} points {more} ({low * 100:.0f} to {high * 100:.0f}){fixed}."
    )
    same = "outcome" if measure == SUCCESS else measure
    return text + (f" This is nearly the {same} itself, so nothing else was judged by it." if leak else "")


def _one(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"not {name}"
    return f"{name} {value}" if isinstance(value, str) and value.startswith((LOWER, UPPER)) else f"{name} = {value}"


def _json(value: Any) -> Any:
    return [_json(one) for one in value] if isinstance(value, list | tuple) else value

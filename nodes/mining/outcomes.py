"""Outcomes: which experiences count, what happened in each, and with which others it is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .features import plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUCCESS = "success"
MEASURES = ("seconds", "tokens", "steps")

Experience = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, in those experiences of which it is known.

    Attributes:
        measure: "success", or what was measured.
        rows: The places of the experiences, shape (n,).
        event: Failed, or took more than the median of its stratum, shape (n,).
        strata: With which others each is compared, shape (n,).
        relative: The measure over the median of its stratum; empty for success, or where a median is 0.
    """

    measure: str
    rows: NDArray[np.int64]
    event: NDArray[np.bool_]
    strata: NDArray[np.int64]
    relative: NDArray[np.float64]


def counted(experiences: Sequence[Experience], *, self_judged: bool = False) -> list[tuple[int, Experience]]:
    """Return the experiences, with their places, whose success is known and was not judged by who had to succeed.

    Raises:
        ConfigError: One is no experience.

    Example:
        >>> runs = [{"features": {}, "success": success} for success in (True, None, False)]
        >>> [place for place, _ in counted(runs)]
        [0, 2]
    """
    kept = []
    for place, one in enumerate(experiences):
        if not isinstance(one, Mapping) or not isinstance(one.get("features", {}), Mapping):
            raise ConfigError(
                f"The experience at {place} was {_shown(one)}; "
                f'give {{"features": {{"tool": "search"}}, "success": True}}.'
            )
        success = plain(one.get(SUCCESS))
        if not isinstance(success, bool | None):
            raise ConfigError(
                f"The success of the experience at {place} was {success!r}; give True, False, or None when unknown."
            )
        if success is not None and (self_judged or one.get("outcome_source") != "self"):
            kept.append((place, one))
    return kept


def failures(experiences: Sequence[Experience]) -> Outcome:
    """The failures, all compared with all."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    event = np.array([not plain(one[SUCCESS]) for one in experiences], bool)
    return Outcome(SUCCESS, np.arange(len(event)), event, np.zeros(len(event), np.int64), np.zeros(0))


def above_median(experiences: Sequence[Experience], measure: str, comparable: Sequence[str]) -> Outcome:
    """Which took more than the median of the experiences that it can be compared with.

    These had the same outcome, since a failure takes long for reasons of its own, and the same kind of task, where one
    of the features `comparable` names it (the first that any of them has). Values that are no finite numbers of at
    least 0 are left out.

    Example:
        >>> runs = [{"features": {}, "success": True, "steps": steps} for steps in (1, 2, 9, None)]
        >>> above_median(runs, "steps", ()).event.tolist()
        [False, False, True]
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    values = [plain(one.get(measure)) for one in experiences]
    rows = [row for row, value in enumerate(values) if _is_amount(value)]
    kind = next((name for name in comparable if any(name in one.get("features", {}) for one in experiences)), None)
    labels = [
        (bool(plain(experiences[row][SUCCESS])), str(experiences[row].get("features", {}).get(kind))) for row in rows
    ]
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    groups: dict[tuple[bool, str], list[float]] = {label: [] for label in numbers}
    for row, label in zip(rows, labels, strict=True):
        groups[label].append(float(values[row]))
    medians = {label: median(group) for label, group in groups.items()}
    pairs = [(float(values[row]), medians[label]) for row, label in zip(rows, labels, strict=True)]
    relative = [value / middle for value, middle in pairs] if all(middle > 0 for _, middle in pairs) else []
    return Outcome(
        measure,
        np.array(rows, np.int64),
        np.array([value > middle for value, middle in pairs], bool),
        np.array([numbers[label] for label in labels], np.int64),
        np.array(relative, np.float64),
    )


def efficiency(experiences: Sequence[Experience], comparable: Sequence[str]) -> list[Outcome]:
    """The measures that vary; one that says the same as an earlier one (seconds that only count the steps) once."""
    found: dict[tuple[bytes, bytes], Outcome] = {}
    for measure in MEASURES:
        outcome = above_median(experiences, measure, comparable)
        if outcome.event.any():
            found.setdefault((outcome.rows.tobytes(), outcome.event.tobytes()), outcome)
    return list(found.values())


def _is_amount(value: Any) -> bool:
    # A whole number of 400 digits is no float, and no time either.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300 and isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

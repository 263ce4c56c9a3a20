"""Conditions: what may hold of an experience, made from its features; equal ones are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOWER, UPPER = "< ", ">= "
QUARTERS = (0.25, 0.5, 0.75)
LARGEST = 1e300

Condition = tuple[str, Any]
Features = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may hold of n experiences.

    Attributes:
        columns: Where each of the c conditions holds, shape (n, c).
        names: The condition of each column.
        twins: For each column those that hold in the same experiences (True), or in all the others (False).
    """

    columns: NDArray[np.bool_]
    names: tuple[Condition, ...]
    twins: tuple[tuple[tuple[Condition, bool], ...], ...]


def conditions_of(
    features: Sequence[Features], *, least: int, edges: Mapping[str, Sequence[float]] | None = None
) -> Conditions:
    """Return every condition that holds, and does not hold, in at least so many experiences.

    A boolean gives the condition that it is True; where it is missing it is False. A text gives one for each of its
    values. A number gives, for each quartile (or given edge), that it is at least this, and that it is less; a running
    number gives none. A value that is missing, or no finite number, meets no condition on a text or a number.

    Of conditions that hold in the same experiences, or one where the other does not, only one is kept: what is rarer,
    a boolean's True, then the first by name. The others are its twins.

    Args:
        features: Name -> text, number or boolean, of each experience.
        least: The number of experiences.
        edges: Feature -> where a number is cut, instead of its quartiles.

    Raises:
        ConfigError: A feature is none of the three, or an edge makes no sense.

    Example:
        >>> rows = [{"plan": True, "tool": "search", "length": 10}] * 2 + [{"tool": "none", "length": 30}] * 2
        >>> found = conditions_of(rows, least=2)
        >>> found.names, [name for name, same in found.twins[0] if same]
        ((('plan', True),), [('plan', True), ('tool', 'search'), ('length', '< 30')])
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    edges = _checked(edges or {}, features)
    groups: dict[bytes, list[tuple[Condition, NDArray[np.bool_]]]] = {}
    for name in sorted({name for row in features for name in row}):
        for value, column in _columns(name, [plain(row.get(name)) for row in features], edges.get(name)):
            if least <= int(column.sum()) <= len(features) - least:
                groups.setdefault(np.packbits(column ^ column[0]).tobytes(), []).append(((name, value), column))
    kept = []
    for members in groups.values():
        members.sort(key=_preference)
        own = members[0][1]
        kept.append((members[0][0], own, tuple((name, bool(column[0] == own[0])) for name, column in members)))
    kept.sort(key=lambda one: sort_key(one[0]))
    columns = np.stack([own for _, own, _ in kept], axis=1) if kept else np.zeros((len(features), 0), bool)
    return Conditions(columns, tuple(name for name, _, _ in kept), tuple(twins for _, _, twins in kept))


def holds(condition: Sequence[Any], features: Features) -> bool | None:
    """Whether a condition [feature, value] holds; None where the features do not say (a missing boolean is False).

    Example:
        >>> holds(["plan", True], {}), holds(["steps", ">= 12"], {"steps": 14}), holds(["tool", "search"], {})
        (False, True, None)
    """
    name, wanted = condition
    value = plain(features.get(name))
    if isinstance(wanted, bool):
        return (value is True) is wanted if value is None or isinstance(value, bool) else None
    if value is None:
        return None
    if _is_number(value) and isinstance(wanted, str):
        for sign in (LOWER, UPPER):
            if wanted.startswith(sign):
                return (value < float(wanted[len(sign) :])) is (sign == LOWER)
    return type(value) is type(wanted) and bool(value == wanted)


def plain(value: Any) -> Any:
    """A value without numpy's wrapping; NaN, infinity and what no float can hold are nothing."""
    value = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    return None if _is_number(value) and not -LARGEST < value < LARGEST else value


def sort_key(condition: Sequence[Any]) -> tuple[str, str, str]:
    """An order of conditions that depends on nothing but their names and values."""
    return condition[0], type(condition[1]).__name__, str(condition[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(name: str, values: list[Any], edges: Sequence[float] | None) -> list[tuple[Any, NDArray[np.bool_]]]:
    """The values that the conditions on one feature name, and where each holds."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    given = [value for value in values if value is not None]
    for value in given:
        if not isinstance(value, bool | int | float | str):
            raise ConfigError(
                f"The feature {name!r} was a {type(value).__name__}; a feature is a text, a number or a boolean. "
                f'Give one boolean for each thing instead, such as {{"{name}:search": True}}.'
            )
    if all(isinstance(value, bool) for value in given):
        return [(True, np.array([value is True for value in values]))]
    if all(_is_number(value) for value in given):
        return _cuts(values, given, edges)
    # Texts, or a mixture: 1, True and "1" are three values.
    kinds = sorted({(type(value).__name__, value) for value in given}, key=lambda kind: (kind[0], str(kind[1])))
    counts: dict[tuple[str, Any], list[int]] = {kind: [] for kind in kinds}
    for place, value in enumerate(values):
        if value is not None:
            counts[type(value).__name__, value].append(place)
    columns = []
    for (_, value), places in counts.items():
        column = np.zeros(len(values), bool)
        column[places] = True
        columns.append((value, column))
    return columns


def _cuts(values: list[Any], given: list[Any], edges: Sequence[float] | None) -> list[tuple[Any, NDArray[np.bool_]]]:
    """A number is cut at values that it has, so that "at least" and "less" mean the same for what comes later."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    whole = all(isinstance(value, int) for value in given)
    if whole and all(after - before == 1 for before, after in pairwise(sorted(given))):
        return []  # A running number.
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    columns = []
    for edge in _quartiles(numbers) if edges is None else sorted({float(edge) for edge in edges}):
        text = str(int(edge)) if edge.is_integer() and abs(edge) < 1e15 else repr(edge)
        columns += [(f"{UPPER}{text}", numbers >= edge), (f"{LOWER}{text}", numbers < edge)]
    return columns


def _quartiles(numbers: NDArray[np.float64]) -> list[float]:
    """The values that come nearest to having a quarter, a half, three quarters below: of many 0 and few 1 it is 1."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    below = (np.cumsum(counts) - counts)[1:] / counts.sum()
    places = {int(np.argmin(np.abs(below - part))) for part in QUARTERS} if len(below) else set()
    return [_short(float(values[place]), float(values[place + 1])) for place in sorted(places)]


def _short(low: float, high: float) -> float:
    """The number with the fewest digits that is above one and at most the other."""
    exact = Decimal(repr(high))
    rounded = (float(Context(digits, ROUND_FLOOR).create_decimal(exact)) for digits in range(1, 17))
    return next((number for number in rounded if low < number <= high), high)


def _preference(member: tuple[Condition, NDArray[np.bool_]]) -> tuple[bool, int, bool, tuple[str, str, str]]:
    (name, value), column = member
    return value is not True, int(column.sum()), str(value).startswith(LOWER), sort_key((name, value))


def _checked(edges: Mapping[str, Sequence[float]], features: Sequence[Features]) -> Mapping[str, Sequence[float]]:
    known = {name for row in features for name in row}
    for name, cuts in edges.items():
        if features and name not in known:
            raise ConfigError(f"edges has {name!r}, which is no feature of these experiences.{nearest(name, known)}")
        if not cuts or not all(_is_number(plain(cut)) for cut in cuts):
            raise ConfigError(f"The edges of {name!r} were {cuts!r}; give finite numbers, such as [5, 10].")
    return edges

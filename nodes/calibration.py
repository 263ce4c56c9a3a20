"""Are stated probabilities true? ECE, Brier and AUROC; Platt's calibration, for each model and source of confidence.

Sources: the expected calibration error of Naeini, Cooper and Hauskrecht (AAAI 2015) and Guo et al. (ICML 2017); Brier,
Monthly Weather Review 78 (1950); Platt, Probabilistic Outputs for Support Vector Machines (1999).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .logistic import logistic, sigmoid

if TYPE_CHECKING:
    import numpy as np

LEAST_ROWS = 50  # Below it a fit of two numbers is noise; what was stated is then not corrected.
# Models say 0 and 1, whose logit is infinite: they are read as 0.003 and 0.997. ECE on unseen rows with 0.01, 0.003,
# 0.0001: .051, .047, .048 where all numbers are too high, .041, .042, .046 where many are 1.
CLIP = 0.003


def ece(stated: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Return the expected calibration error: how far stated probabilities are from the shares that came true.

    The bins are of equal width over [0, 1] and closed at their upper edge, as those of scikit-learn's
    `calibration_curve` and of Guo et al.; the first is closed at 0 too. Ten bins over 500 rows are biased up by about
    0.04, so compare only what was measured on as many rows.

    Args:
        stated: Probabilities from 0 to 1.
        right: For each whether it came true.
        bins: How many bins.

    Raises:
        ConfigError: Nothing was given, lengths differ, a value is no probability, or an outcome neither true nor false.

    Example:
        >>> round(ece([0.9, 0.9, 0.9, 0.9], [True, True, False, False]), 3)
        0.4
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    values, outcomes = _rows(stated, right)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ConfigError(f"bins was {bins!r}; give a whole number, at least 1.")
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], values)
    gaps = np.bincount(places, weights=values - outcomes, minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def brier(stated: Sequence[float], right: Sequence[bool]) -> float:
    """Return the Brier score: the mean squared distance of stated probabilities from what came true; 0 is the best.

    Args:
        stated: Probabilities from 0 to 1.
        right: For each whether it came true.

    Raises:
        ConfigError: As for `ece`.

    Example:
        >>> brier([1, 0.5], [True, False])
        0.125
    """
    values, outcomes = _rows(stated, right)
    return float(((values - outcomes) ** 2).mean())


def auroc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Return the probability that a score of what is right is above one of what is wrong; equal ones count half.

    Args:
        scores: Finite numbers, the higher the surer.
        right: For each whether it came true.

    Raises:
        ConfigError: As for `ece`, or all outcomes are the same, for then it is not defined.

    Example:
        >>> auroc([0.9, 0.8, 0.8, 0.1], [True, True, False, False])
        0.875
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    values, outcomes = _rows(scores, right, unit=False)
    good = int(outcomes.sum())
    bad = len(outcomes) - good
    if not good or not bad:
        raise ConfigError(f"All {len(outcomes)} outcomes are {bool(good)}; the AUROC needs some of both.")
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[outcomes == 1].sum() - good * (good + 1) / 2) / (good * bad))


@dataclass(frozen=True, slots=True)
class Reliability:
    """How stated probabilities did against outcomes.

    Attributes:
        rows: How many there were.
        rate: The share that came true.
        stated: The mean of what was stated.
        ece: The expected calibration error, ten bins.
        brier: The Brier score.
        constant: The Brier score of saying the rate each time; who is not below it knows nothing of the single case.
        auroc: How well true and untrue are told apart; None when there is only one of them.
    """

    rows: int
    rate: float
    stated: float
    ece: float
    brier: float
    constant: float
    auroc: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return asdict(self)


def reliability(stated: Sequence[float], right: Sequence[bool]) -> Reliability:
    """Return all figures at once.

    Raises:
        ConfigError: As for `ece`.

    Example:
        >>> told = reliability([0.9, 0.9, 0.9, 0.8], [True, True, False, False])
        >>> told.rate, told.constant, told.auroc
        (0.5, 0.25, 0.75)
    """
    values, outcomes = _rows(stated, right)
    rate = float(outcomes.mean())
    return Reliability(
        rows=len(values),
        rate=rate,
        stated=float(values.mean()),
        ece=ece(stated, right),
        brier=brier(stated, right),
        constant=rate * (1 - rate),
        auroc=auroc(stated, right) if 0 < rate < 1 else None,
    )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What stated probabilities are worth: sigmoid(slope * logit(stated) + intercept).

    Attributes:
        slope: 1 leaves the order and the spread; below 1 what was stated is drawn in; 0: it says nothing.
        intercept: Above 0 raises, below 0 lowers.
        rows: How many outcomes it was fitted on.
    """

    slope: float
    intercept: float
    rows: int

    def apply(self, stated: float) -> float:
        """Return the calibrated probability.

        Raises:
            ConfigError: It is no number from 0 to 1.
        """
        return sigmoid(self.slope * _logit(_probability(stated)) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Return the calibration that `to_dict` wrote.

        Raises:
            ConfigError: It is something else.
        """
        try:
            found = cls(float(data["slope"]), float(data["intercept"]), int(data["rows"]))
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ConfigError(f"This is no calibration ({error!r}); give what its to_dict() wrote.") from error
        if not (0 <= found.slope < math.inf and math.isfinite(found.intercept)):
            raise ConfigError(f"{found} is no calibration: its slope is finite and not below 0, its intercept finite.")
        return found


def fit_calibration(stated: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fit Platt's calibration on the logit of stated probabilities, with his smoothed targets.

    The slope never falls below 0. Where those that were stated higher came true less often, that is noise or a source
    that says nothing, and all are worth the base rate. So calibration never turns the order round.

    Args:
        stated: Probabilities from 0 to 1.
        right: For each whether it came true.

    Raises:
        ConfigError: As for `ece`.

    Example:
        >>> stated, right = [0.9] * 50 + [0.99] * 50, [n % 2 == 0 for n in range(50)] + [n % 4 > 0 for n in range(50)]
        >>> calibration = fit_calibration(stated, right)
        >>> round(calibration.apply(0.9), 2), round(calibration.apply(0.99), 2)
        (0.5, 0.73)
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    values, outcomes = _rows(stated, right)
    good = float(outcomes.sum())
    targets = np.where(outcomes == 1, (good + 1) / (good + 2), 1 / (len(outcomes) - good + 2))
    # A penalty too small to be felt keeps the slope of values that are all alike at 0.
    (slope,), intercept = logistic(np.array([[_logit(value)] for value in values]), targets, penalty=1e-9)
    if slope < 0:
        slope, intercept = 0.0, _logit(float(targets.mean()))
    return Calibration(slope, intercept, len(values))


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The calibrations of confidence, each for one model and one source (`logprob`, `verbalized`, ...) of it.

    Attributes:
        fits: (model, source) -> its calibration; a pair with too few rows has none.
        rows: (model, source) -> how many outcomes there were, those with too few too.
    """

    fits: Mapping[tuple[str, str], Calibration]
    rows: Mapping[tuple[str, str], int]

    def apply(self, model: str, source: str, stated: float | None) -> float | None:
        """Return what a stated confidence is worth; None when the pair has no calibration, or nothing was stated.

        Nothing is borrowed from another model: 0.9 from one that knows and from one that always says it are two things.
        Borrowed calibrations left an ECE of .15 to .17 where those of its own left .01 to .04.

        Raises:
            ConfigError: What was stated is no number from 0 to 1.
        """
        fit = self.fits.get((model, source))
        return None if fit is None or stated is None else fit.apply(stated)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the calibrations as plain JSON values, by model and source; `fit` is null for too few rows."""
        return [
            {"model": pair[0], "source": pair[1], "rows": self.rows[pair], "fit": fit and fit.to_dict()}
            for pair, fit in ((pair, self.fits.get(pair)) for pair in sorted(self.rows))
        ]

    @classmethod
    def from_dict(cls, data: Sequence[Mapping[str, Any]]) -> Calibrations:
        """Return the calibrations that `to_dict` wrote.

        Raises:
            ConfigError: It is something else.
        """
        try:
            found = {(str(one["model"]), str(one["source"])): (int(one["rows"]), one["fit"]) for one in data}
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ConfigError(f"These are no calibrations ({error!r}); give what their to_dict() wrote.") from error
        fits = {pair: Calibration.from_dict(fit) for pair, (_, fit) in found.items() if fit is not None}
        return cls(fits, {pair: rows for pair, (rows, _) in found.items()})


def fit_confidence(rows: Iterable[tuple[str, str, float | None, bool | None]]) -> Calibrations:
    """Fit a calibration for each model and source of confidence that has at least 50 outcomes.

    Args:
        rows: (model, source, stated, right). A row where nothing was stated or the outcome is unknown (None) is left
            out.

    Raises:
        ConfigError: A stated confidence is no number from 0 to 1, or an outcome is neither true nor false.

    Example:
        >>> always = [("small", "verbalized", 0.9, n % 2 == 0) for n in range(60)]
        >>> calibrations = fit_confidence([*always, ("large", "verbalized", 0.9, True)])
        >>> calibrations.apply("small", "verbalized", 0.9), calibrations.apply("large", "verbalized", 0.9)
        (0.5, None)
    """
    pairs: dict[tuple[str, str], tuple[list[float], list[bool]]] = {}
    for model, source, stated, right in rows:
        if stated is None or right is None:
            continue
        values, outcomes = pairs.setdefault((model, source), ([], []))
        values.append(stated)
        outcomes.append(right)
    for values, outcomes in pairs.values():
        _rows(values, outcomes)
    fits = {pair: fit_calibration(*told) for pair, told in pairs.items() if len(told[0]) >= LEAST_ROWS}
    return Calibrations(fits, {pair: len(values) for pair, (values, _) in pairs.items()})


def _rows(stated: Iterable[Any], right: Iterable[Any], *, unit: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of floats, or an error that names the first value that is none."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    values, outcomes = list(stated), list(right)
    if len(values) != len(outcomes):
        raise ConfigError(f"{len(values)} values and {len(outcomes)} outcomes were given; give one outcome for each.")
    if not values:
        raise ConfigError("There are no outcomes to measure on; give at least one.")
    for place, (value, outcome) in enumerate(zip(values, outcomes, strict=True), 1):
        if not _is_finite(value) or (unit and not 0 <= value <= 1):
            allowed = "a number from 0 to 1" if unit else "a finite number"
            raise ConfigError(f"Value {place} of {len(values)} was {value!r}; give {allowed}.")
        if outcome not in (0, 1):
            raise ConfigError(f"Outcome {place} of {len(values)} was {outcome!r}; give true or false.")
    return np.array(values, dtype=float), np.array(outcomes, dtype=float)


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # A whole number beyond all floats.
        return False


def _probability(value: Any) -> float:
    if not _is_finite(value) or not 0 <= value <= 1:
        raise ConfigError(f"A stated probability was {value!r}; give a number from 0 to 1.")
    return float(value)


def _logit(value: float) -> float:
    inside = min(max(value, CLIP), 1 - CLIP)
    return math.log(inside / (1 - inside))

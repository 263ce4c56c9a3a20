"""A judgement of runs that is fitted on how runs ended: features of a trace, and a logistic regression on outcomes.

Features of the process tell success from failure where hand-made scores and stated confidence hardly do (Zhang, Xiong
and Wu, Agentic Confidence Calibration, 2026, arXiv 2601.15778: such features with a penalised linear model). What the
regression says of runs that it had not seen calibrates it (Platt's calibration; as a shrinkage of predictions in Copas,
Journal of the Royal Statistical Society B 45, 1983), so that 200 runs do not make it sure of what they cannot show.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import mul
from statistics import fmean
from typing import Any, NamedTuple

from ..errors import ConfigError, nearest
from .calibration import Calibrations, Reliability, fit_calibration, reliability
from .logistic import logistic, sigmoid
from .loops import find_loop, repeated, restates, views_of
from .repeats import FINAL, THINKING, Seen

LEAST_RUNS = 200  # With fewer, what the fit says of itself is as unsure as what it is to mend.
LEAST_RARER = 20
FOLDS = 5
# Of the squared weights of standardised features. With 3, 10, 25, 60 the Brier score of unseen runs was .1736, .1727,
# .1723, .1725 (six kinds of made-up runs, 200 and 400 of each): what is over- or undershot, the calibration mends.
PENALTY = 10.0

FEATURES = {
    "log_steps": "the logarithm of one more than the number of steps",
    "stale": "the share of steps that repeat an earlier one and bring nothing new",
    "any_stale": "1 when there is such a step",
    "errors": "the share of actions that ended in an error",
    "any_error": "1 when there is such an action",
    "unknown_tools": "the share of actions that call a tool which does not exist",
    "thinking_run": "the logarithm of one more than the most steps of thinking in a row",
    "looping": "1 when the run ends in a loop",
    "answered": "1 when the run ends in a final answer",
    "stated": "the share of steps that state a confidence",
    "confidence": "the mean stated confidence; 0.5 where none is stated",
    "confidence_last": "the last stated confidence; 0.5 where none is stated",
    "confidence_trend": "the mean of the later half of the stated confidences less that of the earlier half",
    "confidence_gap": "the mean confidence on steps that went well less that on errors; 0 without both",
}

Steps = Sequence[Mapping[str, Any]]


def features_of_run(steps: Steps, *, tools: Collection[str] = (), polling: Collection[str] = ()) -> dict[str, float]:
    """Return the features by which a fitted judge judges a run; `FEATURES` says what each of them is.

    Args:
        steps: The trace, as for `find_loop`; an empty one has features too.
        tools: The tools' names. Without them, a tool is unknown when the error says so.
        polling: Tools whose job is to be asked again.

    Returns:
        Name -> a finite number. Confidences count as they were stated, calibrated since or not.

    Example:
        >>> step = {"action": "search", "input": {"query": "CEO of Initech"}, "observation": "Nothing found."}
        >>> features = features_of_run([step, step, {"action": "final_answer", "confidence": 0.8}])
        >>> round(features["stale"], 2), features["answered"], features["confidence"]
        (0.33, 1.0, 0.8)
    """
    views = views_of(steps)
    known = {*tools, *polling} if tools else frozenset[str]()
    acts = [view for view in views if view.action not in THINKING and view.action != FINAL]
    stale = sum(repeated(views, i, polling) is not None or restates(views[: i + 1]) for i in range(len(views)))
    errors = sum(view.is_error for view in acts)
    return {
        "log_steps": math.log1p(len(views)),
        "stale": _share(stale, views),
        "any_stale": float(stale > 0),
        "errors": _share(errors, acts),
        "any_error": float(errors > 0),
        "unknown_tools": _share(sum(view.is_unknown(known) for view in acts), acts),
        "thinking_run": math.log1p(_longest_thinking(views)),
        "looping": float(find_loop(steps, tools=tools, polling=polling) is not None),
        "answered": float(bool(views) and views[-1].action == FINAL and not views[-1].is_error),
        **_confidence_features(views),
    }


@dataclass(frozen=True, slots=True)
class FittedJudge:
    """A judge whose score is the probability that a run succeeds.

    Attributes:
        weights: Feature -> by how much the log odds of success rise with one unit of it.
        intercept: The log odds where all features are 0.
        report: How far the score can be trusted, measured fold by fold on runs that the fit had not seen.
    """

    weights: Mapping[str, float]
    intercept: float
    report: Reliability

    def score(self, features: Mapping[str, float]) -> float:
        """Return the probability of success of a run with these features; others in the mapping are ignored.

        However good or bad they are, it is never surer than the rule of succession allows for so many runs that ended
        well or badly: after 100 failures the next one fails with a probability of at most 101/102.

        Raises:
            ConfigError: A feature is missing, or is no finite number.
        """
        chance = _Line(tuple(self.weights[name] for name in FEATURES), self.intercept).chance(_row(features))
        good = round(self.report.rows * self.report.rate)
        return min(max(chance, 1 / (self.report.rows - good + 2)), (good + 1) / (good + 2))

    def to_dict(self) -> dict[str, Any]:
        """Return the judge as plain JSON values."""
        return {
            "weights": dict(self.weights),
            "intercept": self.intercept,
            "report": self.report.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FittedJudge:
        """Return the judge that `to_dict` wrote; other keys are ignored.

        Raises:
            ConfigError: It is something else, or was fitted on other features.
        """
        try:
            weights = {name: float(data["weights"][name]) for name in FEATURES}
            intercept, report = float(data["intercept"]), Reliability(**data["report"])
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ConfigError(f"This is no fitted judge ({error!r}); fit one with fit_judge().") from error
        told = [value for name, value in report.to_dict().items() if name != "auroc" or value is not None]
        numbers = all(map(_is_number, [intercept, *weights.values(), *told]))
        if not numbers or report.rows < 1 or not 0 <= report.rate <= 1:
            raise ConfigError("This is no fitted judge, for its numbers are damaged; fit one with fit_judge().")
        return cls(weights, intercept, report)


def fit_judge(runs: Iterable[tuple[Steps | Mapping[str, float], bool | None]]) -> FittedJudge:
    """Fit a judge on how runs ended: logistic regression on their features, calibrated on runs that it had not seen.

    Five folds, dealt by the hash of the runs' features, make the calibration; five folds around all of that make the
    report. So nothing is drawn, and the order of the runs makes no difference.

    Args:
        runs: (steps, or what `features_of_run` made of them, success); an unknown success (None) is left out. At least
            200 runs, at least 20 of them of the rarer outcome.

    Raises:
        ConfigError: There are fewer, with their number; or a row is something else.

    Example:
        >>> step = {"action": "search", "input": {"query": "CEO of Initech"}, "observation": "Nothing found."}
        >>> runs = [([step] * (1 + n % 3), n % 3 == 0 or n % 8 == 0) for n in range(240)]
        >>> judge = fit_judge(runs)
        >>> good, bad = (judge.score(features_of_run(steps)) for steps in ([step], [step, step]))
        >>> good > 0.9, bad < 0.2, judge.report.brier < judge.report.constant
        (True, True, True)
    """
    rows, right = _checked(runs)
    line = _calibrated_line(rows, right)
    return FittedJudge(
        weights=dict(zip(FEATURES, line.weights, strict=True)),
        intercept=line.intercept,
        report=reliability(_unseen(rows, right, _calibrated_line), right),
    )


def labelled(experiences: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, float], bool]]:
    """Return what `fit_judge` takes, from experiences that keep the features of their run under `judged`.

    Left out is what teaches nothing: an unknown success, one that the model itself was the judge of
    (`outcome_source` is "self"), and features that are missing or incomplete.

    Example:
        >>> run = {"judged": features_of_run([]), "success": True, "outcome_source": "environment"}
        >>> len(labelled([run, {**run, "success": None}, {**run, "outcome_source": "self"}, {"success": True}]))
        1
    """
    return [
        (one["judged"], one["success"])
        for one in experiences
        if isinstance(one.get("success"), bool) and one.get("outcome_source") != "self" and _is_row(one.get("judged"))
    ]


def stated_by(step: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """Return the confidence that a step states and its source, as they were before `calibrated`; None for what is not.

    Example:
        >>> stated_by({"confidence": 0.9, "metadata": {"confidence_source": "verbalized"}}), stated_by({})
        ((0.9, 'verbalized'), (None, None))
    """
    metadata = step.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    if isinstance(metadata.get("stated"), Mapping):
        step = metadata = metadata["stated"]
    source = metadata.get("confidence_source")
    return Seen(step, 0).confidence, source if isinstance(source, str) else None


def last_stated(steps: Steps) -> tuple[float | None, str | None]:
    """Return the last confidence that is stated in a run and its source: what the run's success is compared with."""
    stated = [stated_by(step) for step in steps]
    return next((one for one in reversed(stated) if one[0] is not None), (None, None))


def calibrated(step: Mapping[str, Any], model: str, calibrations: Calibrations) -> dict[str, Any]:
    """Return a step with what its confidence is worth; unchanged where no calibration is known for model and source.

    The metadata's `confidence_source` becomes "calibrated", and what was stated stays there as `stated`. Calibrations
    are fitted on the last confidence of runs against their success, so this is for the last step.

    Example:
        >>> from .calibration import fit_confidence
        >>> known = fit_confidence([("small", "verbalized", 0.9, n % 2 == 0) for n in range(60)])
        >>> step = {"confidence": 0.9, "metadata": {"confidence_source": "verbalized"}}
        >>> calibrated(step, "small", known)["confidence"]
        0.5
    """
    confidence, source = stated_by(step)
    worth = None if source is None else calibrations.apply(model, source, confidence)
    if worth is None:
        return dict(step)
    kept = {"confidence": confidence, "confidence_source": source}
    metadata = {**step["metadata"], "confidence_source": "calibrated", "stated": kept}
    return {**step, "confidence": round(worth, 4), "metadata": metadata}


class _Line(NamedTuple):
    """A logistic regression: the weights of the features, and the intercept."""

    weights: tuple[float, ...]
    intercept: float

    def chance(self, row: Sequence[float]) -> float:
        return sigmoid(self.intercept + math.fsum(map(mul, self.weights, row)))


def _calibrated_line(rows: Sequence[Sequence[float]], right: Sequence[bool]) -> _Line:
    """The regression on all rows, its log odds corrected as those of four folds had to be for the fifth."""
    line = _line(rows, right)
    fit = fit_calibration(_unseen(rows, right, _line), right)
    return _Line(tuple(fit.slope * weight for weight in line.weights), fit.slope * line.intercept + fit.intercept)


def _line(rows: Sequence[Sequence[float]], right: Sequence[bool]) -> _Line:
    """The regression, standardised so that the penalty weighs all features alike."""
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    table = np.array(rows)
    means, deviations = table.mean(axis=0), table.std(axis=0)
    deviations = np.where(deviations > 1e-9, deviations, 1.0)
    weights, intercept = logistic((table - means) / deviations, np.array(right, dtype=float), PENALTY)
    raw = np.array(weights) / deviations
    return _Line(tuple(map(float, raw)), float(intercept - means @ raw))


def _unseen(
    rows: Sequence[Sequence[float]],
    right: Sequence[bool],
    fit: Callable[[Sequence[Sequence[float]], Sequence[bool]], _Line],
) -> list[float]:
    """What a fit on the other folds says of each row."""
    scores = [0.0] * len(rows)
    for fold in range(FOLDS):
        others = [i for i in range(len(rows)) if i % FOLDS != fold]
        line = fit([rows[i] for i in others], [right[i] for i in others])
        for i in range(fold, len(rows), FOLDS):
            scores[i] = line.chance(rows[i])
    return scores


def _checked(runs: Iterable[tuple[Any, Any]]) -> tuple[list[tuple[float, ...]], list[bool]]:
    """The rows of features and their outcomes, in an order that depends on nothing but them."""
    found, unknown = [], 0
    for place, (run, success) in enumerate(runs, 1):
        if success is None:
            unknown += 1
            continue
        if success not in (0, 1):
            raise ConfigError(f"The success of run {place} was {success!r}; give true, false, or none when unknown.")
        features = run if isinstance(run, Mapping) else features_of_run(_steps(run, place))
        found.append((_row(features), bool(success)))
    good = sum(success for _, success in found)
    if len(found) < LEAST_RUNS or min(good, len(found) - good) < LEAST_RARER:
        raise ConfigError(
            f"There are {len(found)} labelled runs, {good} successful and {len(found) - good} failed ({unknown} more "
            f"have no outcome); a fit needs {LEAST_RUNS}, with at least {LEAST_RARER} of the rarer kind. Until then, "
            "judge without one."
        )
    # Dealt in this order, each fold has its share of both outcomes.
    found.sort(key=lambda one: (one[1], sha256(json.dumps(one[0]).encode()).digest()))
    return [row for row, _ in found], [success for _, success in found]


def _steps(run: Any, place: int) -> Steps:
    if isinstance(run, str) or not isinstance(run, Sequence) or not all(isinstance(step, Mapping) for step in run):
        raise ConfigError(f"Run {place} is no list of steps; give (steps, success), or (features, success).")
    return run


def _row(features: Mapping[str, Any]) -> tuple[float, ...]:
    for name in FEATURES:
        if name not in features:
            raise ConfigError(
                f"The feature {name!r} is missing; features_of_run() makes it.{nearest(name, map(str, features))}"
            )
        if not _is_number(features[name]):
            raise ConfigError(f"The feature {name!r} was {features[name]!r}; give a finite number.")
    return tuple(float(features[name]) for name in FEATURES)


def _is_row(features: Any) -> bool:
    return isinstance(features, Mapping) and all(_is_number(features.get(name)) for name in FEATURES)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and -1e9 <= value <= 1e9  # False for NaN, and for what is no number.


def _share(part: int, whole: Sequence[Seen]) -> float:
    return part / len(whole) if whole else 0.0


def _longest_thinking(views: Sequence[Seen]) -> int:
    longest = length = 0
    for view in views:
        length = length + 1 if view.action in THINKING else 0
        longest = max(longest, length)
    return longest


def _confidence_features(views: Sequence[Seen]) -> dict[str, float]:
    stated = [(value, view.is_error) for view in views if (value := stated_by(view.raw)[0]) is not None]
    values = [value for value, _ in stated]
    failed, good = [value for value, error in stated if error], [value for value, error in stated if not error]
    half = len(values) // 2
    return {
        "stated": _share(len(values), views),
        "confidence": fmean(values) if values else 0.5,
        "confidence_last": values[-1] if values else 0.5,
        "confidence_trend": fmean(values[-half:]) - fmean(values[:half]) if half else 0.0,
        "confidence_gap": fmean(good) - fmean(failed) if good and failed else 0.0,
    }

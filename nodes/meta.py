"""How good was an agent's run? A pure judgement on the steps of a ReAct trace; `find_loop` comes with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from .judging import FittedJudge, features_of_run
from .loops import Loop, find_loop, repeated, restates, same_call, views_of
from .repeats import FINAL, THINKING, Seen

__all__ = ["Loop", "Quality", "find_loop", "judge", "same_call"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a run went, judged from its steps alone.

    Without a fitted judge the score is made by hand, so it is a heuristic: scores of this kind told success from
    failure with an AUROC of 0.51 to 0.63 on real runs, and are no probabilities. `fit_judge` fits one on outcomes.

    Attributes:
        score: From 0 to 1: by a fitted judge the probability that the run succeeds, else the mean worth of the steps,
            where stated confidence does not count.
        issues: What went wrong, one sentence each.
        recommendations: What to do about each issue, in the same order.
        heuristic: False when the score comes from a judge that was fitted on outcomes.
    """

    score: float
    issues: tuple[str, ...]
    recommendations: tuple[str, ...]
    heuristic: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the judgement as plain JSON values."""
        return {**asdict(self), "issues": list(self.issues), "recommendations": list(self.recommendations)}


def judge(
    steps: Sequence[Mapping[str, Any]],
    *,
    tools: Collection[str] = (),
    polling: Collection[str] = (),
    fitted: FittedJudge | None = None,
) -> Quality:
    """Judge a run by its steps: circularity, progress, choice of actions and the pattern of stated confidence.

    Without a fitted judge the score is the mean worth of the steps: 1 for new information, 0.5 for a third thought in a
    row, 0.25 for an error seen for the first time, 0 for what repeats or calls a tool that does not exist. So repeating
    the last tool call never raises it. Declared polling is left out of the mean.

    Args:
        steps: The trace, as for `find_loop`.
        tools: The tools' names. Without them, a tool is unknown when the error says so.
        polling: Tools whose job is to be asked again.
        fitted: A judge that `fit_judge` fitted on outcomes; it gives the score. The issues are the same with it.

    Returns:
        The score with its issues and one recommendation for each.

    Example:
        >>> step = {"action": "search", "input": {"query": "CEO of Initech"}, "observation": "Nothing found."}
        >>> judge([step]).score, judge([step, step]).score
        (1.0, 0.5)
    """
    quality = _by_hand(steps, tools, polling)
    if fitted is None:
        return quality
    return replace(quality, score=fitted.score(features_of_run(steps, tools=tools, polling=polling)), heuristic=False)


def _by_hand(steps: Sequence[Mapping[str, Any]], tools: Collection[str], polling: Collection[str]) -> Quality:
    if not steps:
        return Quality(0.0, ("There are no steps to judge.",), ("Let the agent take at least one step.",))
    views = views_of(steps)
    known = {*tools, *polling} if tools else frozenset[str]()
    stale = {i for i in range(len(views)) if repeated(views, i, polling) is not None or restates(views[: i + 1])}
    worths = [
        _worth(views, i, i in stale or view.is_unknown(known))
        for i, view in enumerate(views)
        if not view.polls(polling)
    ]
    found = [*_action_issues(views, len(stale), known), *_confidence_issues(views)]
    return Quality(
        score=fmean(worths) if worths else 1.0,
        issues=tuple(issue for issue, _ in found),
        recommendations=tuple(advice for _, advice in found),
    )


def _worth(views: list[Seen], i: int, wasted: bool) -> float:
    if wasted:
        return 0.0
    if views[i].is_error:
        return 0.25
    return 0.5 if i >= 2 and all(view.action in THINKING for view in views[i - 2 : i + 1]) else 1.0


def _action_issues(views: list[Seen], stale: int, known: Collection[str]) -> list[tuple[str, str]]:
    acts = [view for view in views if view.action not in THINKING and view.action != FINAL]
    errors = sum(view.is_error for view in acts)
    unknown = sorted({view.target or view.action for view in acts if view.is_unknown(known)})
    thinking = any(all(view.action in THINKING for view in views[i : i + 3]) for i in range(len(views) - 2))
    of = f"of {len(views)} steps"
    checks = [
        (
            stale >= 2,
            f"{stale} {of} repeated earlier ones and brought nothing new.",
            "Change the approach or answer with what is known once a result does not change.",
        ),
        (
            bool(unknown),
            f"Called tools that do not exist: {', '.join(unknown)}.",
            "Name the available tools in the prompt, or restrict the choice in the schema.",
        ),
        (
            errors > len(acts) / 3,
            f"{errors} of {len(acts)} actions ended in an error.",
            "Read the error and change the input; describe the tools' inputs more closely.",
        ),
        (
            thinking,
            "Thought three or more steps in a row without acting.",
            "Act on the plan, or answer, after at most two steps of thinking.",
        ),
    ]
    return [(issue, advice) for found, issue, advice in checks if found]


def _confidence_issues(views: list[Seen]) -> list[tuple[str, str]]:
    """Patterns of the stated confidence. A step that states none is left out: a made-up value would be a finding."""
    stated = [(view.confidence, view.is_error) for view in views if view.confidence is not None]
    values = [value for value, _ in stated]
    failed, good = [value for value, error in stated if error], [value for value, error in stated if not error]
    half = len(values) // 2
    checks = [
        (
            half >= 2 and fmean(values[-half:]) <= fmean(values[:half]) - 0.15,
            "Confidence fell in the course of the run.",
            "Check what the later steps rest on before using the answer.",
        ),
        (
            bool(failed and good) and fmean(failed or [0]) >= fmean(good or [0]),
            "Confidence was no lower on the steps that failed.",
            "Do not rely on the stated confidence; take token probabilities if the model gives them.",
        ),
        (
            len(values) >= 6 and len(set(values)) <= 2,
            "Confidence hardly varies, so it is uninformative.",
            "Ask for confidence in another way, or take token probabilities.",
        ),
    ]
    return [(issue, advice) for found, issue, advice in checks if found]

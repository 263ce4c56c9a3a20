"""`agora judge`: fit the judgement of runs, and the confidence of models, on how runs ended; measure both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cli_tools import AsJson, text_of
from .errors import ConfigError

if TYPE_CHECKING:
    from .nodes.calibration import Calibrations, Reliability
    from .nodes.judging import FittedJudge

judge_app = typer.Typer(no_args_is_help=True, help="Fit the judgement of runs on how they ended, and measure it.")

Runs = Annotated[
    Path,
    typer.Argument(
        help='One run a line: {"steps": [...], "success": true}, with "model" and "confidence_source" where known.'
    ),
]


class LabelledRun(NamedTuple):
    """A line of the file. `stated`: the last confidence of the run; it is compared with the run's success."""

    steps: list[dict[str, Any]]
    success: bool | None
    model: str | None
    source: str | None
    stated: float | None


@judge_app.command("fit")
def fit(
    file: Runs,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the fitted judge to this JSON file.")],
    as_json: AsJson = False,
) -> None:
    """Fit a judge on 200 runs or more, and a calibration of confidence for each model and source with 50 or more."""
    from .nodes.calibration import fit_confidence
    from .nodes.judging import fit_judge

    runs = read_runs(text_of(file), str(file))
    with Console(stderr=True, quiet=as_json).status("fitting"):
        judge = fit_judge((run.steps, run.success) for run in runs)
        confidence = fit_confidence(rows_of(runs))
    written = judge.to_dict() | {"confidence": confidence.to_dict()}
    try:
        output.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The judge cannot be written to {str(output)!r}: {error.strerror}.") from error
    if as_json:
        sys.stdout.write(json.dumps(written) + "\n")
        return
    console = Console()
    console.print(_figures({"on runs not seen": judge.report}))
    console.print(_weights(judge))
    if confidence.rows:
        console.print(_calibrations(confidence))
    console.print(f"wrote {output}", highlight=False, markup=False)


@judge_app.command("report")
def report(
    file: Runs,
    judge: Annotated[
        Path | None,
        typer.Option(help="A judge that `agora judge fit` wrote; on the runs of its fit it looks too good."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the judgement and the stated confidence against how the runs ended."""
    found = measured(read_runs(text_of(file), str(file)), _read_judge(judge) if judge else None)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(found)) + "\n")
        return
    figures = {"score by hand": found.by_hand, "score of the judge": found.fitted}
    for model, source, stated, calibrated in found.confidence:
        figures |= {f"{model}, {source}": stated, f"{model}, {source}, calibrated": calibrated}
    Console().print(_figures({name: told for name, told in figures.items() if told}))


class Measured(NamedTuple):
    """How the judgements did. `confidence`: model, source, what was stated, what it is worth by the calibration."""

    by_hand: Reliability
    fitted: Reliability | None
    confidence: list[tuple[str, str, Reliability, Reliability | None]]


def measured(runs: Sequence[LabelledRun], fitted: tuple[FittedJudge, Calibrations] | None) -> Measured:
    """Measure on the runs whose outcome is known.

    Raises:
        ConfigError: There is no such run.
    """
    from .nodes.calibration import reliability
    from .nodes.meta import judge

    known = [run for run in runs if run.success is not None]
    if not known:
        raise ConfigError(f"None of the {len(runs)} runs says whether it was a success; give at least one that does.")
    right = [bool(run.success) for run in known]
    pairs: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for model, source, stated, success in rows_of(known):
        pairs.setdefault((model, source), []).append((stated, success))
    confidence = []
    for (model, source), rows in sorted(pairs.items()):
        values, outcomes = [stated for stated, _ in rows], [success for _, success in rows]
        worth = [fitted[1].apply(model, source, value) if fitted else None for value in values]
        calibrated = [value for value in worth if value is not None]
        told = reliability(calibrated, outcomes) if calibrated else None
        confidence.append((model, source, reliability(values, outcomes), told))
    return Measured(
        by_hand=reliability([judge(run.steps).score for run in known], right),
        fitted=reliability([judge(run.steps, fitted=fitted[0]).score for run in known], right) if fitted else None,
        confidence=confidence,
    )


def read_runs(text: str, name: str) -> list[LabelledRun]:
    """The runs of a JSONL text; empty lines are left out.

    Raises:
        ConfigError: A line is something else; the message names it.
    """
    from .nodes.json_text import read_json_text

    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return [_run(read_json_text(line, f"{name}, line {number}"), f"{name}, line {number}") for number, line in lines]


def rows_of(runs: Sequence[LabelledRun]) -> Iterator[tuple[str, str, float, bool]]:
    """The last confidence of each run that states one, with its model, its source and the run's success."""
    for run in runs:
        if run.stated is not None and run.success is not None:
            yield run.model or "unknown", run.source or "unknown", run.stated, run.success


def _run(row: Any, where: str) -> LabelledRun:
    from .nodes.judging import last_stated
    from .nodes.text import clean

    steps, success = (row.get("steps"), row.get("success")) if isinstance(row, Mapping) else (None, None)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ConfigError(f'{where}: give an object with its steps, as {{"steps": [...], "success": true}}.')
    if success is not None and not isinstance(success, bool):
        raise ConfigError(f"{where}: success was {success!r}; give true, false, or null when it is unknown.")
    for key in ("model", "confidence_source"):
        if not isinstance(row.get(key), str | None):
            raise ConfigError(f"{where}: {key} was {row[key]!r}; give a text, or leave it out.")
    stated, source = last_stated(steps)
    names = (row.get("model"), source or row.get("confidence_source"))
    model, source = (name and clean(name, 200) for name in names)
    return LabelledRun(steps, success, model, source, stated)


def _read_judge(path: Path) -> tuple[FittedJudge, Calibrations]:
    from .nodes.calibration import Calibrations
    from .nodes.json_text import read_json_text
    from .nodes.judging import FittedJudge

    data = read_json_text(text_of(path), str(path))
    return FittedJudge.from_dict(data), Calibrations.from_dict(data.get("confidence", []))


def _as_json(found: Measured) -> dict[str, Any]:
    return {
        "heuristic": found.by_hand.to_dict(),
        "fitted": found.fitted and found.fitted.to_dict(),
        "confidence": [
            {"model": model, "source": source, "stated": told.to_dict(), "calibrated": worth and worth.to_dict()}
            for model, source, told, worth in found.confidence
        ],
    }


def _figures(found: Mapping[str, Reliability]) -> Table:
    words = "constant: the Brier score of saying the share of successes each time"
    table = Table("", "runs", "successes", "said", "ECE", "Brier", "constant", "AUROC", box=None, pad_edge=False)
    table.caption, table.caption_justify = words, "left"
    for name, told in found.items():
        shown = [told.rate, told.stated, told.ece, told.brier, told.constant, told.auroc]
        table.add_row(escape(name), str(told.rows), *("-" if number is None else f"{number:.3f}" for number in shown))
    return table


def _weights(judge: FittedJudge) -> Table:
    """The features, the largest weights first; a weight is the rise of the log odds with one unit."""
    from .nodes.judging import FEATURES

    table = Table("feature", "weight", "", box=None, pad_edge=False)
    for name in sorted(FEATURES, key=lambda name: (-abs(judge.weights[name]), name)):
        table.add_row(name, f"{judge.weights[name]:+.2f}", FEATURES[name])
    return table


def _calibrations(confidence: Calibrations) -> Table:
    table = Table("confidence", "outcomes", "0.5 is worth", "0.9 is worth", "0.99 is worth", box=None, pad_edge=False)
    for (model, source), rows in sorted(confidence.rows.items()):
        worth = [confidence.apply(model, source, stated) for stated in (0.5, 0.9, 0.99)]
        cells = ["too few" if value is None else f"{value:.2f}" for value in worth]
        table.add_row(escape(f"{model}, {source}"), str(rows), *cells)
    return table

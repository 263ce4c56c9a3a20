"""Ballots in JSON or CSV, as text: what `agora vote` counts. Pure; who calls has read the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import ConfigError
from ..json_text import read_json_text


class BallotFile(NamedTuple):
    """What a file of ballots holds; the keys beside `ballots` are arguments of `tally`."""

    ballots: dict[str, Any]
    arguments: dict[str, Any]


KEYS = ("rule", "electorate", "weights", "threshold", "quorum", "options")


def read_ballots(text: str, name: str) -> BallotFile:
    r"""Read ballots from the text of a file.

    JSON: an object voter -> ballot, or {"ballots": {...}} with any of rule, electorate, weights, threshold, quorum and
    options beside. CSV: a line for each voter: the name, then the choice, or the ranking in columns, best first; a
    header that begins with "voter" is skipped, and a column "weight" after it holds weights. An empty cell is left out.

    Args:
        text: The file's text.
        name: The file's name; one that ends with .csv is CSV, every other is JSON.

    Raises:
        ConfigError: It cannot be read; the message says where.

    Example:
        >>> read_ballots("voter,vote\nann,red\nbob,blue\n", "b.csv").ballots
        {'ann': 'red', 'bob': 'blue'}
        >>> read_ballots('{"ballots": {"ann": ["a", "b"]}, "rule": "borda"}', "b.json").arguments
        {'rule': 'borda'}
    """
    text = text.removeprefix("\ufeff")  # Excel puts it before what it saves as UTF-8.
    return _csv(text, name) if name.lower().endswith(".csv") else _json(text, name)


def _json(text: str, name: str) -> BallotFile:
    given = read_json_text(text, name)
    if not isinstance(given, dict):
        raise ConfigError(f"{name!r} holds {type(given).__name__}; give an object: voter -> ballot.")
    if not isinstance(given.get("ballots"), Mapping):
        return BallotFile(given, {})
    unknown = sorted(set(given) - {*KEYS, "ballots"})
    if unknown:
        raise ConfigError(f"{name!r} has the key {unknown[0]!r}; beside ballots there may be {', '.join(KEYS)}.")
    return BallotFile(dict(given["ballots"]), {key: given[key] for key in KEYS if given.get(key) is not None})


def _csv(text: str, name: str) -> BallotFile:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), strict=True) if any(row)]
    except csv.Error as error:
        raise ConfigError(f"{name!r} is not CSV: {error}") from error
    weighted = False
    if rows and rows[0][0].casefold() == "voter":
        weighted = len(rows[0]) > 1 and rows[0][1].casefold() == "weight"
        rows = rows[1:]
    if rows and not any(len(row) > 1 for row in rows):
        raise ConfigError(f"{name!r} has one column; put a comma between the voter and the vote.")
    ballots: dict[str, Any] = {}
    weights: dict[str, float] = {}
    for voter, *cells in rows:
        if not voter:
            raise ConfigError(f"{name!r} has a ballot without a voter: {', '.join(cells)}.")
        if voter in ballots:
            raise ConfigError(f"{name!r} has two ballots of {voter!r}; each voter has one.")
        if weighted:
            weights[voter] = _number(name, voter, cells[0] if cells else "")
            cells = cells[1:]
        filled = [cell for cell in cells if cell]
        ballots[voter] = None if not filled else filled[0] if len(filled) == 1 else filled
    return BallotFile(ballots, {"weights": weights} if weighted else {})


def _number(name: str, voter: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ConfigError(f"{name!r} gives {voter!r} the weight {cell!r}; a weight is a number above 0.") from None

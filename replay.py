"""A simulated run as a picture: nodes as lanes, time downwards, messages as arrows, and what happens in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from math import inf
from pathlib import Path
from typing import NamedTuple

from .errors import ConfigError
from .nodes.consensus.simulation import Flight, Outcome

LANE, LEFT, TOP = 170, 90, 96  # pixels: between lanes, beside them, above them
WORDS, LEGEND = 260, 120  # pixels that the words of an event, and a kind of message in the legend, take
SCALE, LEAST, MOST = 5.0, 2.0, 30.0  # pixels for a unit of time; between two moments at least and at most
MAX_HEIGHT = 12_000  # pixels; of a longer run the beginning is drawn, and that is said
COLOURS = {
    "lead": "#1b7f3b",
    "commit": "#1b7f3b",
    "crash": "#b3261e",
    "start": "#3f51b5",
    "cut": "#b3261e",
    "heal": "#1b7f3b",
}
STYLE = (
    "<style>text{font:12px sans-serif;fill:#222}.t{font-weight:bold;font-size:15px}.s{fill:#888}"
    ".e{paint-order:stroke;stroke:#fff;stroke-width:4px}</style>"
)
KINDS = ("#3f51b5", "#00838f", "#8e24aa", "#6d4c41", "#ef6c00", "#546e7a", "#827717", "#ad1457")


class Happening(NamedTuple):
    """A line of a trace, read."""

    time: float
    node: str
    kind: str
    words: str


def write_replay(outcome: Outcome, title: str, path: Path, until: float = inf) -> None:
    """Draw a traced run into an SVG file.

    Raises:
        ConfigError: The file is no .svg, or it cannot be written.
    """
    if path.suffix != ".svg":
        raise ConfigError(f"{str(path)!r} ends with {path.suffix!r}; a replay is drawn as .svg.")
    try:
        path.write_text(replay_svg(outcome, title, until), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The replay cannot be written to {str(path)!r}: {error.strerror}.") from error


def replay_svg(outcome: Outcome, title: str, until: float = inf) -> str:
    """Return the drawing of a traced run.

    Args:
        outcome: A run that was traced.
        title: What stands above it.
        until: The time up to which it is drawn.

    Example:
        >>> from langgraph_agora.nodes.consensus.raft_world import simulate_raft
        >>> replay_svg(simulate_raft(1, nodes=3, traced=True), "raft").startswith("<svg")
        True
    """
    happenings = [read_line(line) for line in outcome.trace]
    lanes = sorted({h.node for h in happenings if h.node} | {f.sender for f in outcome.flights})
    x = {name: LEFT + LANE * (i + 0.5) for i, name in enumerate(lanes)}
    times = {h.time for h in happenings} | {t for f in outcome.flights for t in (f.sent, f.arrived or f.sent)}
    y = _places(sorted(time for time in times if time <= until))
    end, drawn = max(times, default=0.0), max(y, default=0.0)
    kinds = {kind: KINDS[i % len(KINDS)] for i, kind in enumerate(dict.fromkeys(f.kind for f in outcome.flights))}
    body = [*_lanes(x, y), *_arrows(outcome.flights, x, y, kinds), *_events(happenings, x, y)]
    width = max(LEFT + LANE * len(lanes) + 2 * WORDS, 16 + LEGEND * len(kinds))
    height = max(y.values(), default=TOP) + 40
    said = outcome.violation or "every invariant held"
    words = f"{title}: {said}" + (f" (drawn up to time {drawn:.0f} of {end:.0f})" if drawn < end else "")
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{STYLE}<rect width="100%" height="100%" fill="#fff"/>'
    text = f'<text class="t" x="16" y="26">{escape(words)}</text>'
    return "\n".join([head, text, *_legend(kinds), *body, "</svg>"]) + "\n"


def read_line(line: str) -> Happening:
    """Read a line of a trace.

    Example:
        >>> read_line("    12.50 n0   lead     term 2")
        Happening(time=12.5, node='n0', kind='lead', words='term 2')
    """
    time, node, kind, *words = line.split(maxsplit=3)
    return Happening(float(time), "" if node == "-" else node, kind, " ".join(words))


def _places(times: Sequence[float]) -> dict[float, float]:
    """Where each moment stands: time runs downwards, and where nothing happens it is drawn shorter."""
    y, at, before = {}, float(TOP), times[0] if times else 0.0
    for time in times:
        at += min(max((time - before) * SCALE, LEAST), MOST)
        if at > MAX_HEIGHT:
            break
        y[time], before = round(at, 1), time
    return y


def _lanes(x: dict[str, float], y: dict[float, float]) -> list[str]:
    end = max(y.values(), default=TOP)
    lines = []
    for name, at in x.items():
        lines.append(f'<line x1="{at:g}" y1="{TOP - 10}" x2="{at:g}" y2="{end:g}" stroke="#ccc"/>')
        lines.append(f'<text class="t" x="{at:g}" y="{TOP - 18}" text-anchor="middle">{escape(name)}</text>')
    last = 0.0
    for time, at in y.items():
        if at - last >= 40:
            lines.append(f'<text class="s" x="16" y="{at + 4:g}">{time:.0f}</text>')
            last = at
    return lines


def _arrows(flights: Sequence[Flight], x: dict[str, float], y: dict[float, float], kinds: dict[str, str]) -> list[str]:
    lines = []
    for flight in flights:
        if flight.sent not in y or flight.to not in x:
            continue
        start, target, top = x[flight.sender], x[flight.to], y[flight.sent]
        lost = flight.arrived is None
        if lost:
            target, bottom = start + (target - start) * 0.4, top + 4
        else:
            bottom = y.get(flight.arrived or 0.0, max(y.values()))
        look = ' stroke-dasharray="3 3"' if lost else ""
        ends = f'x1="{start:g}" y1="{top:g}" x2="{target:g}" y2="{bottom:g}"'
        note = f"<title>{escape(flight.kind)} {escape(flight.sender)} to {escape(flight.to)}</title>"
        colour = "#b3261e" if lost else kinds[flight.kind]
        lines.append(f'<line {ends} stroke="{colour}" stroke-opacity="0.65"{look}>{note}</line>')
        mark = "x" if lost else "•"
        lines.append(f'<text x="{target:g}" y="{bottom + 4:g}" text-anchor="middle" fill="{colour}">{mark}</text>')
    return lines


def _events(happenings: Sequence[Happening], x: dict[str, float], y: dict[float, float]) -> list[str]:
    lines = []
    beside = max(x.values(), default=0) + WORDS  # What concerns no node in particular.
    free = dict.fromkeys([*x.values(), beside], 0.0)  # Below this height a lane has room for words.
    shown = [one for one in happenings if one.kind != "send" and one.time in y]
    for (node, kind, time), together in groupby(shown, key=lambda one: (one.node, one.kind, one.time)):
        at, colour = x.get(node, beside), COLOURS.get(kind, "#222")
        words = escape(f"{kind} {', '.join(one.words for one in together)}".strip()[:40])
        free[at] = max(free[at] + 13, y[time] + 4)
        lines.append(f'<circle cx="{at:g}" cy="{y[time]:g}" r="4" fill="{colour}"/>')
        lines.append(f'<text class="e" x="{at + 8:g}" y="{free[at]:g}" style="fill:{colour}">{words}</text>')
    return lines


def _legend(kinds: dict[str, str]) -> list[str]:
    return [
        f'<text x="{16 + LEGEND * i}" y="50" style="fill:{colour}">— {escape(kind)}</text>'
        for i, (kind, colour) in enumerate(kinds.items())
    ]

"""Pictures of graphs without a network: LangGraph's own renderers ask a web service or want Graphviz's headers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import ConfigError

if TYPE_CHECKING:
    from langchain_core.runnables.graph import Graph

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 150, 40, 36, 46, 24
KINDS = (".svg", ".png", ".mmd")
# By name: for sans-serif the PNG renderer knows Arial alone, and where that is missing it draws no text.
FONTS = "Helvetica,Arial,Liberation Sans,DejaVu Sans,Noto Sans,sans-serif"


class Edge(NamedTuple):
    """An arrow between two nodes; a conditional one is dashed."""

    source: str
    target: str
    conditional: bool


def write_drawing(graph: Graph, path: Path) -> None:
    """Write a graph's drawing to a file: a picture (.svg, .png) or Mermaid text (.mmd).

    Raises:
        ConfigError: The file's ending is another one, or it cannot be written.
    """
    if path.suffix not in KINDS:
        raise ConfigError(f"{str(path)!r} ends with {path.suffix!r}; a drawing is one of {', '.join(KINDS)}.")
    if path.suffix == ".mmd":
        content = graph.draw_mermaid().encode()
    else:
        edges = [Edge(edge.source, edge.target, edge.conditional) for edge in graph.edges]
        content = svg(list(graph.nodes), edges).encode()
    if path.suffix == ".png":
        import resvg_py  # noqa: PLC0415

        content = bytes(resvg_py.svg_to_bytes(svg_string=content.decode(), background="#ffffff", zoom=2))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"The drawing cannot be written to {str(path)!r}: {error.strerror}.") from error


def svg(nodes: Sequence[str], edges: Sequence[Edge]) -> str:
    """Draw a directed graph in rows, one for each distance from the first node; returning arrows bend outwards.

    Example:
        >>> svg(["a", "b"], [Edge("a", "b", False)]).startswith("<svg")
        True
    """
    rows = _rows(nodes, edges)
    width = max(len(row) for row in rows) * (WIDTH + GAP_X) + 2 * MARGIN + 160
    height = len(rows) * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    places = {
        name: (width / 2 + (i - (len(row) - 1) / 2) * (WIDTH + GAP_X), MARGIN + HEIGHT / 2 + y * (HEIGHT + GAP_Y))
        for y, row in enumerate(rows)
        for i, name in enumerate(row)
    }
    arrow = '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    body = [f'<defs>{arrow}<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>']
    body += [_arrow(edge, places) for edge in edges]
    body += [_box(name, *places[name]) for name in nodes]
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return head + '<rect width="100%" height="100%" fill="#fff"/>' + "".join(body) + "</svg>\n"


def _rows(nodes: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    """Nodes by the longest way to them from the first one, so that arrows point downwards but for those that go back.

    The node that nothing leaves (the end) stands last.
    """
    forward = _without_returns(nodes[0], edges)
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:  # As often as the longest way can have steps.
        for edge in forward:
            depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    deepest = max(depth.values())
    rows: list[list[str]] = [[] for _ in range(deepest + 2)]
    leaving = {edge.source for edge in edges}
    for name in nodes:
        rows[deepest + 1 if name not in leaving else depth[name]].append(name)
    return [row for row in rows if row]


def _without_returns(first: str, edges: Sequence[Edge]) -> list[Edge]:
    """The edges but for those that lead back to where a walk from the first node came from."""
    kept: list[Edge] = []
    above: list[str] = []
    done: set[str] = set()
    left = [("enter", first)]
    while left:
        step, name = left.pop()
        if step == "leave":
            above.pop()
        elif name not in done:
            done.add(name)
            above.append(name)
            left.append(("leave", name))
            for edge in edges:
                if edge.source == name and edge.target not in above:
                    kept.append(edge)
                    left.append(("enter", edge.target))
    return kept


def _arrow(edge: Edge, places: dict[str, tuple[float, float]]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    dash = ' stroke-dasharray="5 4"' if edge.conditional else ""
    foot, near = (x1, y1 + HEIGHT / 2), x2 + (WIDTH / 2 if x1 > x2 else -WIDTH / 2)
    heads = [(x2, y2 - HEIGHT / 2), (near, y2)] if y2 > y1 else []
    free = [head for head in heads if _is_free(foot, head, places)]
    if free:
        path = f"M{foot[0]:g} {foot[1]:g}L{free[0][0]:g} {free[0][1]:g}"
    elif y1 == y2 and x1 != x2:
        side = 1 if x2 > x1 else -1
        lift = -8 * side  # A pair of arrows to and fro does not lie on one line.
        path = f"M{x1 + side * WIDTH / 2:g} {y1 + lift:g}L{x2 - side * WIDTH / 2:g} {y2 + lift:g}"
    else:  # Around the boxes: back on the left, far ahead on the right.
        side = 1 if y2 > y1 else -1
        between = [side * x for x, y in places.values() if min(y1, y2) <= y <= max(y1, y2)]
        far = side * (max(between) + WIDTH / 2 + 56)
        if max(between) > max(side * x1, side * x2):  # A curve would cut the corners of wider rows.
            return _around((x1, y1), (x2, y2), far, dash)
        apart = HEIGHT / 4 if edge.source == edge.target else 0  # A loop leaves above and returns below.
        start, end = f"{x1 + side * WIDTH / 2:g} {y1 - apart:g}", f"{x2 + side * WIDTH / 2:g} {y2 + apart:g}"
        path = f"M{start}C{far:g} {y1 - 3 * apart:g} {far:g} {y2 + 3 * apart:g} {end}"
    return f'<path d="{path}" fill="none" stroke="#555" stroke-width="1.4" marker-end="url(#a)"{dash}/>'


def _around(start: tuple[float, float], end: tuple[float, float], far: float, dash: str) -> str:
    """An arrow in right angles with round corners, `far` out."""
    (x1, y1), (x2, y2) = start, end
    side, down = (1 if far > x1 else -1), (1 if y2 > y1 else -1)
    sx, tx, r = x1 + side * WIDTH / 2, x2 + side * WIDTH / 2, 12
    corner = f"H{far - side * r:g}Q{far:g} {y1:g} {far:g} {y1 + down * r:g}"
    path = f"M{sx:g} {y1:g}{corner}V{y2 - down * r:g}Q{far:g} {y2:g} {far - side * r:g} {y2:g}H{tx:g}"
    return f'<path d="{path}" fill="none" stroke="#555" stroke-width="1.4" marker-end="url(#a)"{dash}/>'


def _is_free(foot: tuple[float, float], head: tuple[float, float], places: dict[str, tuple[float, float]]) -> bool:
    """Whether a straight line down touches no box between its ends."""
    (x1, y1), (x2, y2) = foot, head
    for x, y in places.values():
        if y1 < y - HEIGHT / 2 and y + HEIGHT / 2 < y2:
            here = [x1 + (x2 - x1) * (side - y1) / (y2 - y1) for side in (y - HEIGHT / 2, y + HEIGHT / 2)]
            if min(here) < x + WIDTH / 2 + 4 and max(here) > x - WIDTH / 2 - 4:
                return False
    return True


def _box(name: str, x: float, y: float) -> str:
    end = name.startswith("__")
    fill, radius = ("#e8e8ee", HEIGHT / 2) if end else ("#eef1ff", 6)
    box = f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="{radius:g}" '
    lines = [part.strip("_") for part in name.split(":")]  # A node of a subgraph stands under the subgraph's name.
    size, first = (14, y + 5) if len(lines) == 1 else (12, y + 4 - 7 * (len(lines) - 1))
    texts = [
        f'<text x="{x:g}" y="{first + 14 * number:g}" text-anchor="middle" font-family="{FONTS}" font-size="{size}">'
        f"{escape(line)}</text>"
        for number, line in enumerate(lines)
    ]
    return f'{box}fill="{fill}" stroke="#7a86c8"/>{"".join(texts)}'

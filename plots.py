"""Pictures of what was decided: the payoffs of a game, the path of a negotiation, the bids of an auction.

matplotlib draws them (extra `plots`); it is loaded when something is drawn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .nodes.auctions import Award
from .nodes.games import Equilibria, Game, Solution, convex_front, security_levels
from .nodes.scenario import Scenario
from .nodes.text import words_of

KINDS = (".png", ".svg")
BLUE, GREEN, RED, GREY, ORANGE = "#3f51b5", "#1b7f3b", "#b3261e", "#9aa0a6", "#ef6c00"
COLOURS = (BLUE, ORANGE, "#00838f", "#8e24aa", "#6d4c41", "#827717", "#ad1457")
MOST_LABELS = 16  # points that are named; more names than that cover each other


def checked_path(path: Path) -> Path:
    """Return the path of a picture that can be drawn.

    Raises:
        ConfigError: Its ending is another one than .png and .svg, matplotlib is not installed, or its folder is none.
    """
    if path.suffix not in KINDS:
        raise ConfigError(f"{str(path)!r} ends with {path.suffix!r}; a picture is one of {', '.join(KINDS)}.")
    if find_spec("matplotlib") is None:
        raise ConfigError('Pictures need matplotlib. Install it: pip install "langgraph-agora[plots]"')
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(
            f"The picture {path.name!r} cannot be written: {str(path.parent)!r} is no folder to write to."
        )
    return path


def write_game(game: Game, equilibria: Equilibria, solution: Solution, path: Path) -> None:
    """Draw the payoffs of a game: what can be reached, the efficient front, the equilibria, and what was chosen.

    Two players span a plane; of other games the payoffs are drawn as bars.

    Raises:
        ConfigError: The file cannot be written.
    """
    figure, axes = _figure(path)
    if game.n == 2:
        _payoff_plane(axes, game, equilibria, solution)
    else:
        columns = [(f"equilibrium {i}", game.expected(p)) for i, p in enumerate(equilibria.points[:8], 1)]
        _payoff_bars(axes, game.players, [*columns, (f"chosen: {solution.concept}", solution.payoffs)])
    axes.set_title(game.title or "payoffs")
    _save(figure, path)


def write_negotiation(
    scenario: Scenario, offers: Sequence[Mapping[str, Any]], deal: Mapping[str, Any] | None, path: Path
) -> None:
    """Draw the path of a negotiation: two parties in the plane of their utilities, more as lines over the rounds.

    Args:
        scenario: What was negotiated.
        offers: Rows with `round`, `offer`, `utilities`, and who made it: `party` or `agent`.
        deal: What was agreed; None for nothing.
        path: A .png or .svg file.

    Raises:
        ConfigError: The file cannot be written.
    """
    figure, axes = _figure(path)
    if len(scenario.preferences) == 2:
        _utility_plane(axes, scenario, offers, deal)
    else:
        _utility_lines(axes, scenario, offers, deal)
    _save(figure, path)


def write_bids(award: Award, reserve: Any, path: Path) -> None:
    """Draw the bids of an auction: the winner's in green, the price and the reserve as lines.

    Raises:
        ConfigError: The file cannot be written.
    """
    figure, axes = _figure(path, height=2 + 0.5 * max(3, len(award.bids)))
    best_last = sorted(award.bids, key=lambda agent: (award.bids[agent], agent), reverse=award.direction == "procure")
    colours = [GREEN if agent == award.winner else GREY for agent in best_last]
    bars = axes.barh(best_last, [float(award.bids[agent]) for agent in best_last], color=colours)
    axes.bar_label(bars, [f" {award.bids[agent]:g}" for agent in best_last])
    if award.price is not None:
        verb = "is paid" if award.direction == "procure" else "pays"
        axes.axvline(float(award.price), color=RED, label=f"{award.winner} {verb} {award.price:g}")
    if reserve is not None:
        axes.axvline(float(reserve), color=BLUE, linestyle="--", label=f"reserve {reserve:g}")
    axes.set_xlabel("bid")
    axes.set_title(f"{award.kind.replace('_', ' ')}, {award.direction}" + ("" if award.winner else ": no award"))
    axes.margins(x=0.12)
    if axes.get_legend_handles_labels()[0]:
        _legend_below(axes)
    _save(figure, path)


def write_allocation(
    tasks: Sequence[str],
    winners: Sequence[str | None],
    agents: Sequence[str],
    costs: Sequence[Sequence[Any]],
    paid: Mapping[str, Any],
    path: Path,
) -> None:
    """Draw a table of costs with the chosen ones marked, and beside each agent what it is paid.

    Raises:
        ConfigError: The file cannot be written.
    """
    figure, axes = _figure(path, height=2 + 0.6 * max(3, len(agents)))
    shown = [[float("nan") if cost is None else float(cost) for cost in row] for row in costs]
    axes.imshow(shown, cmap="Blues", aspect="auto", alpha=0.5)  # Dark cells would hide their numbers.
    for row, agent in enumerate(agents):
        for column, cost in enumerate(costs[row]):
            mine = winners[column] == agent
            words = "" if cost is None else f"{cost:g}"
            box = {"facecolor": "white", "edgecolor": GREEN, "linewidth": 2} if mine else None
            axes.text(column, row, words, ha="center", va="center", bbox=box, fontsize=9)
    prices = [paid.get(agent) for agent in agents]
    names = [f"{agent} ({'undefined' if p is None else f'{p:g}'})" for agent, p in zip(agents, prices, strict=True)]
    axes.set_yticks(range(len(agents)), names)
    axes.set_xticks(range(len(tasks)), tasks, rotation=30, ha="right")
    axes.set_title("costs; marked: who does it; in brackets: what each is paid")
    _save(figure, path)


def _payoff_plane(axes: Any, game: Game, equilibria: Equilibria, solution: Solution) -> None:
    profiles = list(game.profiles())
    points = [tuple(map(float, game.payoff(profile))) for profile in profiles]
    hull = _hull(points)
    axes.fill(*zip(*hull, strict=True), color=BLUE, alpha=0.08, label="what lotteries can reach")
    axes.scatter(*zip(*points, strict=True), color=GREY, zorder=2, label="pure profiles")
    if len(set(points)) <= MOST_LABELS:
        for point in sorted(set(points)):
            here = [p for p, q in zip(profiles, points, strict=True) if q == point]
            names = [", ".join(a[i] for a, i in zip(game.actions, profile, strict=True)) for profile in here]
            words = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
            axes.annotate(words, point, xytext=(6, 6), textcoords="offset points", fontsize=8)
    front = [tuple(map(float, point)) for point in convex_front([game.payoff(profile) for profile in profiles])]
    axes.plot(*zip(*front, strict=True), color=BLUE, linewidth=2, zorder=3, label="Pareto front")
    safe = security_levels(game)
    axes.axvline(float(safe[0]), color=GREY, linestyle=":", zorder=1, label="security levels")
    axes.axhline(float(safe[1]), color=GREY, linestyle=":", zorder=1)
    stable = [tuple(map(float, game.expected(point))) for point in equilibria.points]
    if stable:
        axes.scatter(
            *zip(*stable, strict=True),
            marker="s",
            s=70,
            facecolors="none",
            edgecolors=RED,
            linewidths=2,
            zorder=4,
            label=f"{len(stable)} equilibria" if len(stable) > 1 else "the equilibrium",
        )
    axes.scatter(
        *map(float, solution.payoffs), marker="*", s=260, color=GREEN, zorder=5, label=f"chosen: {solution.concept}"
    )
    axes.set_xlabel(f"payoff of {game.players[0]}")
    axes.set_ylabel(f"payoff of {game.players[1]}")
    axes.margins(0.12)
    _legend_below(axes)


def _payoff_bars(axes: Any, players: Sequence[str], columns: Sequence[tuple[str, Sequence[Any]]]) -> None:
    width = 0.8 / len(players)
    for number, player in enumerate(players):
        places = [place + number * width for place in range(len(columns))]
        axes.bar(places, [float(p[number]) for _, p in columns], width, label=player, color=COLOURS[number % 7])
    middle = (len(players) - 1) * width / 2
    axes.set_xticks([place + middle for place in range(len(columns))], [name for name, _ in columns], rotation=20)
    axes.set_ylabel("payoff")
    _legend_below(axes)


def _utility_plane(
    axes: Any, scenario: Scenario, offers: Sequence[Mapping[str, Any]], deal: Mapping[str, Any] | None
) -> None:
    one, two = scenario.preferences
    every = scenario.utilities()
    axes.scatter(every[one], every[two], s=10, color=GREY, alpha=0.5, zorder=1, label="outcomes")
    efficient = sorted((scenario.utility(one, d), scenario.utility(two, d)) for d in scenario.pareto())
    if efficient:
        axes.plot(*zip(*efficient, strict=True), color=BLUE, marker=".", zorder=2, label="efficient deals")
    for name, line in ((one, axes.axvline), (two, axes.axhline)):
        line(float(scenario.preferences[name].reservation), color=GREY, linestyle=":", zorder=1)
    for number, name in enumerate(sorted({_maker(row) for row in offers})):
        rows = [row for row in offers if _maker(row) == name]
        path = [(row["utilities"][one], row["utilities"][two]) for row in rows]
        axes.plot(*zip(*path, strict=True), marker="o", color=COLOURS[1 + number], zorder=3, label=f"offers of {name}")
        for place, row in enumerate(rows):
            if place == 0 or path[place] != path[place - 1]:
                axes.annotate(
                    str(row["round"]),
                    path[place],
                    xytext=(7, 5),
                    textcoords="offset points",
                    fontsize=8,
                    color=COLOURS[1 + number],
                )
    if scenario.nash_point is not None:
        nash = scenario.utility(one, scenario.nash_point), scenario.utility(two, scenario.nash_point)
        axes.scatter(*nash, marker="D", s=90, facecolors="none", edgecolors=RED, zorder=4, label="Nash point")
    if deal is not None:
        agreed = scenario.utility(one, deal), scenario.utility(two, deal)
        axes.scatter(*agreed, marker="*", s=260, color=GREEN, zorder=5, label=f"deal: {words_of(deal)}")
    axes.set_xlabel(f"utility of {one}")
    axes.set_ylabel(f"utility of {two}")
    axes.set_title("a negotiation; numbers are rounds, dotted lines what each has without a deal")
    _legend_below(axes)


def _utility_lines(
    axes: Any, scenario: Scenario, offers: Sequence[Mapping[str, Any]], deal: Mapping[str, Any] | None
) -> None:
    rounds = sorted({row["round"] for row in offers})
    for number, name in enumerate(scenario.preferences):
        own = {row["round"]: row["utilities"][name] for row in offers if _maker(row) in (name, "mediator")}
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(list(own), list(own.values()), marker="o", color=colour, label=f"{name} demands")
        least = float(scenario.preferences[name].reservation)
        axes.axhline(least, color=colour, linestyle=":", linewidth=1)
        if deal is not None and rounds:
            axes.scatter([rounds[-1] + 0.3], [scenario.utility(name, deal)], marker="*", s=160, color=colour)
    axes.set_xlabel("round")
    axes.set_ylabel("utility")
    axes.set_title("what each demands for itself; stars: the deal, dotted: without one")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _legend_below(axes)


def _maker(row: Mapping[str, Any]) -> str:
    return str(row.get("party", row.get("agent")))


def _hull(points: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The corners of a convex hull, in order: the upper front of the points turned upright and upside down."""
    order = sorted(set(points))
    if len(order) < 3:
        return order

    def half(some: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
        kept: list[tuple[float, ...]] = []
        for x, y in some:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], (x, y)) <= 0:
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return half(order) + half(order[::-1])


def _turn(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _figure(path: Path, height: float = 6.4) -> tuple[Any, Any]:
    checked_path(path)
    from matplotlib.figure import Figure  # noqa: PLC0415  (0.3 s, and an extra)

    figure = Figure(figsize=(8, min(height, 40)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend_below(axes: Any) -> None:
    handles, names = axes.get_legend_handles_labels()
    axes.figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


def _save(figure: Any, path: Path) -> None:
    try:
        # No date inside, so that the same picture is the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=130, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"The picture cannot be written to {str(path)!r}: {error.strerror}.") from error

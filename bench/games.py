"""Do solvers find all Nash equilibria, and at what cost? Two-player games of 2 x 2 to 8 x 8, by chance and by ties.

    .venv/bin/python bench/games.py [--quick] [--dry]

Every solver gets the same 48 games with payoffs 0 to 999, of which hardly any is degenerate, and 48 with payoffs 0 to
2, of which most are. A game counts as missed when an extreme equilibrium is missing; the reference is our own exact
set, and any equilibrium of another solver that lies outside of its components would count against it. It is CPU time,
so that other work on the machine does not count; a solver that hangs is stopped.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
import numpy as np
from report import conditions, machine, store, table, write_section

from langgraph_agora.nodes.games import Equilibria, Game, nash_equilibria, shapley

SIZES = {2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 5, 8: 3}  # actions of each player -> games; 48 in all
KINDS = {"generic": 999, "degenerate": 2}  # the largest payoff
SECONDS = 120  # for one game
CLOSE = 1e-6

Points = list[tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Measure, store and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one game of each size up to 4 x 4, and print only")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # nashpy warns of even numbers of equilibria, numba of its compilation.
    sizes = dict.fromkeys((2, 3, 4), 1) if arguments.quick else SIZES
    result = {
        **machine(),
        "solvers": {name: version(name) for name in ("nashpy", "quantecon", "sympy")},
        "two players": two_players(sizes),
        "three by three by three": three_players(1 if arguments.quick else 5),
        "shapley": shapley_value(16),
    }
    print(report(result))
    if not (arguments.dry or arguments.quick):
        store("games", result)
        write_section("games", report(result))


def two_players(sizes: dict[int, int]) -> dict[str, Any]:
    """For each solver: games missed by kind, and CPU milliseconds by size."""
    solvers = contestants()
    for solve in solvers.values():
        solve(drawn(random.Random(0), 2, 999))  # numba compiles, libraries load
    found: dict[str, Any] = {
        name: {"missed": dict.fromkeys(KINDS, 0), "stopped": 0, "ms": {size: [] for size in sizes}} for name in solvers
    }
    for kind, highest in KINDS.items():
        for size, games in sizes.items():
            rng = random.Random(f"{kind} {size}")
            for _ in range(games):
                compare(drawn(rng, size, highest), kind, size, solvers, found)
    for one in found.values():
        one["ms"] = {f"{size} x {size}": median(times) for size, times in one["ms"].items()}
    return found


def compare(game: Game, kind: str, size: int, solvers: dict[str, Callable[[Game], Any]], found: dict[str, Any]) -> None:
    """Let every solver solve one game, and judge."""
    answers: dict[str, Points] = {}
    reference: Equilibria | None = None
    for name, solve in solvers.items():
        before = time.process_time()
        try:
            with at_most(SECONDS):
                answer = solve(game)
        except Exception as error:  # of libraries on degenerate games, and the end of the time
            found[name]["stopped"] += isinstance(error, TimeoutError)
            answer = []
        found[name]["ms"][size].append((time.process_time() - before) * 1000)
        if isinstance(answer, Equilibria):
            reference = answer
            answer = [tuple(np.array(own, dtype=float) for own in point) for point in answer.points]
        answers[name] = [(np.asarray(x), np.asarray(y)) for x, y in answer]
    assert reference is not None
    assert reference.complete
    assert all(game.regret(point) == 0 for point in reference.points)
    known = answers["agora"]
    for name, points in answers.items():
        missed = any(not any(near(point, other) for other in points) for point in known)
        found[name]["missed"][kind] += missed
    strangers = (point for points in answers.values() for point in points if is_equilibrium(game, point))
    found["agora"]["missed"][kind] += any(not inside(point, reference) for point in strangers)


def contestants() -> dict[str, Callable[[Game], Any]]:
    """The solvers by name; ours first."""
    import nashpy
    from quantecon.game_theory import NormalFormGame, Player, vertex_enumeration

    def arrays(game: Game) -> list[np.ndarray]:
        return [np.array(game.table(player), dtype=float).reshape(game.shape) for player in (0, 1)]

    def quantecon(game: Game) -> Any:
        rows, columns = arrays(game)
        return vertex_enumeration(NormalFormGame([Player(rows), Player(np.ascontiguousarray(columns.T))]))

    return {
        "agora": nash_equilibria,
        "nashpy vertex_enumeration": lambda game: list(nashpy.Game(*arrays(game)).vertex_enumeration()),
        "nashpy support_enumeration": lambda game: list(nashpy.Game(*arrays(game)).support_enumeration()),
        "quantecon vertex_enumeration": quantecon,
    }


def drawn(rng: random.Random, size: int, highest: int) -> Game:
    """A game with payoffs from 0 to `highest`, each as likely."""
    return Game([[[rng.randint(0, highest) for _ in range(size)] for _ in range(size)] for _ in range(2)])


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after some time; of the clock, as a limit of CPU makes its measuring coarse."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def near(point: Any, other: Any) -> bool:
    """Whether two points are the same but for rounding."""
    return all(len(a) == len(b) and np.abs(a - b).max() < CLOSE for a, b in zip(point, other, strict=True))


def is_equilibrium(game: Game, point: Any) -> bool:
    """Whether nobody gains, but for rounding."""
    rows, columns = (np.array(game.table(player), dtype=float).reshape(game.shape) for player in (0, 1))
    x, y = point
    if not all(np.isfinite(own).all() and own.min() > -CLOSE and abs(own.sum() - 1) < CLOSE for own in point):
        return False
    gain = max((rows @ y).max() - x @ rows @ y, (x @ columns).max() - x @ columns @ y)
    return bool(gain < 1e-9 * max(1.0, np.abs(rows).max()))


def inside(point: Any, reference: Equilibria) -> bool:
    """Whether a point is a mixture of the vertices of some maximal Nash subset."""
    from scipy.optimize import nnls

    def mixes(own: np.ndarray, vertices: list[Any]) -> bool:
        corners = np.array(vertices, dtype=float).T
        return bool(nnls(np.vstack([corners, np.ones(len(vertices))]), np.append(own, 1.0))[1] < CLOSE)

    return any(
        mixes(point[0], subset["x_vertices"]) and mixes(point[1], subset["y_vertices"])
        for component in reference.components
        for subset in component
    )


def three_players(games: int) -> dict[str, Any]:
    """Our own: CPU milliseconds for 3 x 3 x 3, and whether the numbers are odd, as they are in generic games."""
    import sympy  # noqa: F401  (so that loading it is not measured)

    rng, times, counts = random.Random("three"), [], []
    for _ in range(games):
        tables = [[[[rng.randint(0, 9999) for _ in range(3)] for _ in range(3)] for _ in range(3)] for _ in range(3)]
        before = time.process_time()
        found = nash_equilibria(Game(tables))
        times.append((time.process_time() - before) * 1000)
        assert found.complete
        counts.append(len(found.points))
    return {"ms": median(times), "slowest ms": max(times), "equilibria": counts, "odd": all(n % 2 for n in counts)}


def shapley_value(players: int) -> float:
    """CPU milliseconds for the exact Shapley value of a game of many players."""
    rng = random.Random(1)
    values = {
        frozenset(at for at in range(players) if mask >> at & 1): rng.randint(0, 999) for mask in range(1, 1 << players)
    }
    before = time.process_time()
    shapley(players, values)
    return (time.process_time() - before) * 1000


def report(result: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    solvers = result["two players"]
    sizes = list(solvers["agora"]["ms"])
    games = sum(SIZES.values())
    missed = [
        [name, *(str(one["missed"][kind]) for kind in KINDS), str(one["stopped"])] for name, one in solvers.items()
    ]
    times = [[name, *(f"{one['ms'][size]:,.2f}" for size in sizes)] for name, one in solvers.items()]
    ratio = solvers["nashpy vertex_enumeration"]["ms"][sizes[-1]] / solvers["agora"]["ms"][sizes[-1]]
    three = result["three by three by three"]
    versions = ", ".join(f"{name} {number}" for name, number in result["solvers"].items())
    return (
        f"{table([f'games missed, of {games} a kind', *KINDS, f'stopped after {SECONDS} s'], missed)}\n\n"
        f"{table(['CPU ms, median', *sizes], times)}\n\n"
        f"At {sizes[-1]} nashpy's vertex enumeration takes {ratio:.0f} times as long as agora. All equilibria of "
        f"3 x 3 x 3 take {three['ms']:,.0f} ms (slowest {three['slowest ms']:,.0f}), their numbers were "
        f"{', '.join(map(str, three['equilibria']))}; the Shapley value of 16 players, exact, takes "
        f"{result['shapley']:,.0f} ms.\n\n{conditions(result)} Solvers: {versions}."
    )


if __name__ == "__main__":
    main()

"""Game theory: what independent players will do, what they could agree on, and what to choose.

    nash_equilibria(game)        what nobody wants to leave alone; all of it where that is within reach
    pareto_outcomes(game)        what cannot be made better for one without making it worse for another
    security_levels(game)        what each player can be sure of
    nash_bargaining(game) ...    what they could agree on: also kalai_smorodinsky, egalitarian, utilitarian
    cooperative_potential(game)  how much an agreement is worth to them
    solve(game)                  an outcome, chosen by efficiency and fairness, with the reasons
    shapley(n, v) ...            how to share what coalitions earn: also core, nucleolus

Payoffs are read exactly (0.1 is one tenth), and answers are exact Fractions wherever they are rational. A set of
equilibria that may miss some says so (`complete=False`, with the reason).

Example:
    >>> chicken = Game([[[0, -1], [1, -10]], [[0, 1], [-1, -10]]], actions=[["swerve", "straight"]] * 2)
    >>> found = nash_equilibria(chicken)
    >>> found.complete, [[str(own[0]) for own in point] for point in found.points]  # how likely each swerves
    (True, [['0', '1'], ['9/10', '9/10'], ['1', '0']])
    >>> chicken.regret(found.points[1])
    Fraction(0, 1)
"""

from __future__ import annotations

from .game_theory.bargaining import Bargain, egalitarian, kalai_smorodinsky, nash_bargaining, utilitarian
from .game_theory.cooperative import Core, core, shapley
from .game_theory.equilibria import Equilibria, Limits, nash_equilibria
from .game_theory.game import Game
from .game_theory.game_files import read_game
from .game_theory.hull import convex_front, ks_point, nash_point, pareto_front, pareto_outcomes
from .game_theory.nucleolus import nucleolus
from .game_theory.security import security_levels
from .game_theory.solving import Solution, cooperative_potential, solve

__all__ = [
    "Bargain",
    "Core",
    "Equilibria",
    "Game",
    "Limits",
    "Solution",
    "convex_front",
    "cooperative_potential",
    "core",
    "egalitarian",
    "kalai_smorodinsky",
    "ks_point",
    "nash_bargaining",
    "nash_equilibria",
    "nash_point",
    "nucleolus",
    "pareto_front",
    "pareto_outcomes",
    "read_game",
    "security_levels",
    "shapley",
    "solve",
    "utilitarian",
]

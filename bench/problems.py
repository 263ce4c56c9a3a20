"""Seeded arithmetic word problems with one right answer: own templates, and reasoning-gym's generators."""

from __future__ import annotations

import random
from typing import NamedTuple

PEOPLE = ("Ana", "Ben", "Chloe", "David", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas")
THINGS = ("apples", "books", "cards", "eggs", "stamps", "tickets", "bottles", "pencils", "coins", "shells")


class Problem(NamedTuple):
    """One question, the number that answers it, and where it comes from."""

    question: str
    answer: float
    source: str


def problems(count: int, seed: int) -> list[Problem]:
    """Return `count` problems: half own templates, a quarter gsm_symbolic, a quarter chain_sum and products.

    The same seed gives the same problems on every machine.
    """
    quarter = count // 4
    made = [_own(random.Random(f"{seed}:{i}")) for i in range(count - 2 * quarter)]
    made += _reasoning_gym("gsm_symbolic", quarter, seed)
    made += _reasoning_gym("chain_sum", quarter - quarter // 2, seed)
    made += _reasoning_gym("products", quarter // 2, seed)
    random.Random(seed).shuffle(made)
    return made


def _own(rng: random.Random) -> Problem:
    who, other = rng.sample(PEOPLE, 2)
    what = rng.choice(THINGS)
    a, b, c = rng.randint(12, 99), rng.randint(3, 29), rng.randint(2, 11)
    text, answer = rng.choice(
        (
            (f"{who} has {a} boxes with {b} {what} each. How many {what} does {who} have?", a * b),
            (f"{who} had {a + b} {what} and gave {b} to {other}. How many {what} are left?", a),
            (f"{who} found {a} {what} and {other} found {b}. How many {what} did they find together?", a + b),
            (f"{who} shares {b * c} {what} equally among {c} friends. How many {what} does each friend get?", b),
            (f"{who} buys {b} {what} at {c} dollars each and pays with {b * c + a} dollars. "
             f"How many dollars does {who} get back?", a),
            (f"{who} has {a} {what}. {other} has {c} times as many. How many {what} does {other} have?", a * c),
            (f"{who} packs {b} {what} a day for {c} days, and then sells {b} of them. How many {what} are left?",
             b * c - b),
            (f"A train goes {a} kilometres an hour. How many kilometres does it go in {c} hours?", a * c),
        )
    )  # fmt: skip
    return Problem(text, float(answer), "own")


def _reasoning_gym(name: str, count: int, seed: int) -> list[Problem]:
    import reasoning_gym

    rows = reasoning_gym.create_dataset(name, seed=seed, size=count)
    return [Problem(row["question"], float(row["answer"].replace(",", "")), name) for row in rows]

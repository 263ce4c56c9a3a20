"""A game in normal form, with exact payoffs: what equilibria, bargaining points and choices are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from ...errors import ConfigError
from .exact import LARGEST, exact_number, shown

__all__ = ["LARGEST", "Game", "Mixed", "Number", "exact_number"]

TOLERANCE = 1e-6  # how far probabilities may be from adding up to 1, when they are floats

Number = int | float | Fraction
Mixed = Sequence[Sequence[Number]]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Game:
    """A finite game in normal form: what every player gets for every combination of actions.

    A profile is a tuple of action numbers, one a player, from 0; profiles are in lexicographic order, the last player's
    action changing fastest. Payoffs are kept exact: 0.1 is one tenth.

    Args:
        payoffs: `payoffs[player][a1][a2]...`: a table for each player, nested as deep as there are players; lists,
            tuples or arrays of ints, floats, Fractions, or strings such as "5/2" and "0.25". One player is enough.
        players: Their names; "player 1", "player 2" and so on when left out.
        actions: For each player the names of the actions; "1", "2" and so on when left out.
        title: What the game is called.

    Raises:
        ConfigError: Tables that are empty, ragged or not as many as players; a payoff that is no finite number; names
            that are not strings, not unique or too few.

    Example:
        >>> prisoners = Game([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], actions=[["cooperate", "defect"]] * 2)
        >>> prisoners.shape, prisoners.players
        ((2, 2), ('player 1', 'player 2'))
        >>> prisoners.payoff((0, 1))
        (Fraction(0, 1), Fraction(5, 1))
        >>> prisoners.regret([[1, 0], [1, 0]])
        Fraction(2, 1)
    """

    shape: tuple[int, ...]
    players: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    title: str
    _tables: tuple[tuple[Fraction, ...], ...]

    def __init__(
        self,
        payoffs: Any,
        *,
        players: Sequence[str] | None = None,
        actions: Sequence[Sequence[str]] | None = None,
        title: str = "",
    ) -> None:
        shape, tables = _tables_of(payoffs)
        if not isinstance(title, str):
            raise ConfigError(f"The title was {shown(title)}; give a string.")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "players", _player_names(players, len(shape)))
        object.__setattr__(self, "actions", _action_names(actions, shape, self.players))
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "_tables", tables)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        return f"<Game {size}{f' {self.title!r}' if self.title else ''}>"

    @property
    def n(self) -> int:
        """How many players there are."""
        return len(self.shape)

    def profiles(self) -> Iterator[tuple[int, ...]]:
        """Every profile of pure actions, in lexicographic order."""
        return product(*map(range, self.shape))

    def payoff(self, profile: Sequence[int]) -> tuple[Fraction, ...]:
        """What each player gets when they play this profile of pure actions.

        Raises:
            ConfigError: It is no profile of this game.
        """
        at = 0
        valid = len(profile) == self.n
        for action, size in zip(profile, self.shape, strict=False):
            valid = valid and isinstance(action, int) and 0 <= action < size
            at = at * size + action if valid else 0
        if not valid:
            raise ConfigError(
                f"The profile was {shown(profile)}; give an action number from 0 per player of a {self!r}."
            )
        return tuple(table[at] for table in self._tables)

    def table(self, player: int) -> tuple[Fraction, ...]:
        """What a player gets, flat: one payoff for each profile in the order of `profiles()`."""
        return self._tables[player]

    def expected(self, mixed: Mixed) -> tuple[Number, ...]:
        """What each player gets on average when all draw their actions independently.

        Args:
            mixed: For each player a probability for each of the actions; they add up to 1.

        Returns:
            One payoff per player: Fractions for ints and Fractions, floats when floats are among the probabilities.

        Raises:
            ConfigError: Not one vector a player, not one probability an action, or no probabilities.

        Example:
            >>> pennies = Game([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
            >>> pennies.expected([["1/2", "1/2"], ["1/3", "2/3"]])
            (Fraction(0, 1), Fraction(0, 1))
        """
        checked = self._checked(mixed)
        return tuple(_dot(checked[player], self._against(player, checked)) for player in range(self.n))

    def action_payoffs(self, player: int, mixed: Mixed) -> tuple[Number, ...]:
        """What a player gets on average for each of the own actions, while the others draw theirs from `mixed`."""
        return tuple(self._against(player, self._checked(mixed)))

    def regret(self, mixed: Mixed) -> Number:
        """The largest gain that any player has from another action; 0 exactly at a Nash equilibrium.

        Args:
            mixed: For each player a probability for each of the actions; they add up to 1.

        Raises:
            ConfigError: As for `expected`.
        """
        checked = self._checked(mixed)
        gains = []
        for player in range(self.n):
            payoffs = self._against(player, checked)
            gains.append(max(payoffs) - _dot(checked[player], payoffs))
        return max(gains)

    def restricted(self, actions: Sequence[Sequence[int]]) -> Game:
        """The game in which each player has only these actions, by their numbers; names are kept."""
        tables = []
        for table in self._tables:
            places = [0]
            for size, chosen in zip(self.shape, actions, strict=True):
                places = [place * size + action for place in places for action in chosen]
            tables.append(nested([table[place] for place in places], [len(chosen) for chosen in actions]))
        names = [[own[at] for at in chosen] for own, chosen in zip(self.actions, actions, strict=True)]
        return Game(tables, players=self.players, actions=names, title=self.title)

    def to_dict(self) -> dict[str, Any]:
        """Return the game as plain JSON values, payoffs as exact strings; `Game(**game.to_dict())` is the same game."""
        return {
            "title": self.title,
            "players": list(self.players),
            "actions": [list(names) for names in self.actions],
            "payoffs": [nested([str(payoff) for payoff in table], self.shape) for table in self._tables],
        }

    def _checked(self, mixed: Mixed) -> list[list[Number]]:
        if len(mixed) != self.n or any(len(one) != size for one, size in zip(mixed, self.shape, strict=True)):
            sizes = ", ".join(map(str, self.shape))
            raise ConfigError(
                f"Give one vector of probabilities per player, of lengths {sizes}; given was {shown(mixed)}."
            )
        checked = [[_probability(given) for given in one] for one in mixed]
        for one, player in zip(checked, self.players, strict=True):
            total = sum(one)
            allowed = TOLERANCE if any(isinstance(number, float) for number in one) else 0.0
            if not 1 - allowed <= total <= 1 + allowed or any(number < -allowed for number in one):
                raise ConfigError(
                    f"The probabilities of {player!r} were {shown(one)}; none is below 0 and they add up to 1."
                )
        return checked

    def _against(self, player: int, mixed: Sequence[Sequence[Number]]) -> list[Number]:
        """The payoff of each action: the other players' axes are summed out, the last ones first."""
        values: list[Number] = list(self._tables[player])
        for other in range(self.n - 1, player, -1):
            size, weights = self.shape[other], mixed[other]
            values = [_dot(weights, values[at : at + size]) for at in range(0, len(values), size)]
        for other in range(player):
            step = len(values) // self.shape[other]
            values = [_dot(mixed[other], values[at::step]) for at in range(step)]
        return values


# Reading payoffs.


def _tables_of(payoffs: Any) -> tuple[tuple[int, ...], tuple[tuple[Fraction, ...], ...]]:
    if not _is_row(payoffs) or len(payoffs) == 0:
        raise ConfigError(
            f"The payoffs were {shown(payoffs)}; give payoffs[player][a1][a2]..., a table for each player."
        )
    n, depth, inner = len(payoffs), 0, payoffs[0]
    while _is_row(inner) and len(inner):
        depth, inner = depth + 1, inner[0]
    if depth != n and not _is_row(inner):
        raise ConfigError(
            f"There are {n} tables of payoffs, but the first is nested {depth} deep; give a table for each player, "
            "nested as deep as there are players: payoffs[player][a1][a2]..."
        )
    shape: list[int] = []
    cells = list(payoffs)
    for _ in range(n):
        cells = _opened(cells, (n, *shape))
        shape.append(len(cells) // prod((n, *shape)))
    found = [exact_number(f"The payoff {_place(at, (n, *shape))}", cell) for at, cell in enumerate(cells)]
    size = len(found) // n
    return tuple(shape), tuple(tuple(found[at : at + size]) for at in range(0, len(found), size))


def _opened(rows: list[Any], shape: Sequence[int]) -> list[Any]:
    """The entries of all rows in one list; level by level, since recursion would end at Python's limit."""
    for at, row in enumerate(rows):
        if not _is_row(row) or len(row) == 0:
            raise ConfigError(
                f"{_place(at, shape)} was {shown(row)}; give a list with a payoff or a row for each action."
            )
        if len(row) != len(rows[0]):
            raise ConfigError(
                f"{_place(at, shape)} has length {len(row)}, but {_place(0, shape)} has length {len(rows[0])}; "
                "all players' tables have one shape, with a payoff for every combination of actions."
            )
    return [entry for row in rows for entry in row]


def _is_row(given: Any) -> bool:
    """Whether it is a list, a tuple, or an array that is more than a number (which has the shape of a number)."""
    return isinstance(given, list | tuple) or (hasattr(given, "tolist") and bool(getattr(given, "shape", ())))


def _place(at: int, shape: Sequence[int]) -> str:
    indices: list[str] = []
    for size in reversed(shape):
        at, index = divmod(at, size)
        indices.insert(0, f"[{index}]")
    return "payoffs" + "".join(indices)


def nested(flat: list[Any], shape: Sequence[int]) -> list[Any]:
    """A table as lists in lists, from its entries with the last index changing fastest."""
    for size in reversed(shape[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat


# Names.


def _player_names(given: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if given is None:
        return tuple(f"player {number}" for number in range(1, n + 1))
    return _names("The players", given, n)


def _action_names(
    given: Sequence[Sequence[str]] | None, shape: Sequence[int], players: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    if given is None:
        return tuple(tuple(str(number) for number in range(1, size + 1)) for size in shape)
    if not isinstance(given, list | tuple) or len(given) != len(shape):
        raise ConfigError(
            f"The actions were {shown(given)}; give a list of names for each of the {len(shape)} players."
        )
    return tuple(
        _names(f"The actions of {player!r}", names, size)
        for player, names, size in zip(players, given, shape, strict=True)
    )


def _names(what: str, given: Any, n: int) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, list | tuple) else ()
    valid = all(isinstance(name, str) and name for name in names)
    if len(names) != n or not valid or len(set(names)) != n:
        raise ConfigError(f"{what} were {shown(given)}; give {n} different name{'s' * (n > 1)}.")
    return names


# Arithmetic.


def _probability(given: Any) -> Number:
    """Exact numbers stay exact; a float stays a float, since it comes from a computation."""
    if isinstance(given, Fraction):
        return given  # of as many digits as it takes
    exact = exact_number("A probability", given)
    return float(given) if isinstance(given, float) else exact


def _dot(weights: Sequence[Number], values: Sequence[Number]) -> Number:
    """The weighted sum; Fractions alone start from one, so that ints never come out of it."""
    return sum((weight * value for weight, value in zip(weights, values, strict=True) if weight), Fraction(0))

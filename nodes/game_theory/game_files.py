"""Games in JSON or in Gambit's .nfg format, as text: what `agora game` reads. Pure; who calls has read the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any, NoReturn, TypeVar

from ...errors import ConfigError, nearest
from ..json_text import read_json_text
from .exact import exact_number
from .game import Game, nested

T = TypeVar("T")

KEYS = ("payoffs", "players", "actions", "title")
TOKEN = re.compile(
    r'"(?P<text>(?:[^"\\]|\\.)*)"|(?P<brace>[{}])|(?P<word>[^\s{},"]+)|(?P<skip>[\s,]+)|(?P<bad>.)', re.S
)


def read_game(text: str, name: str) -> Game:
    r"""Read a game from the text of a file.

    JSON: an object with payoffs[player][a1][a2]..., and if wanted players, actions and title, as `Game` takes them and
    `Game.to_dict` gives them. Gambit's strategic games (.nfg): with payoffs or with outcomes; labels that are empty or
    not unique become numbers. https://gambitproject.readthedocs.io/en/latest/formats.html

    Args:
        text: The file's text.
        name: The file's name, for messages. One that ends with .nfg is Gambit's, as is a text that begins with NFG.

    Raises:
        ConfigError: It cannot be read, or is no game; the message names the file and says where.

    Example:
        >>> read_game('{"payoffs": [[[3, 0], [5, 1]], [[3, 5], [0, 1]]]}', "dilemma.json")
        <Game 2x2>
        >>> selten = read_game('NFG 1 R "Selten" { "Ann" "Bob" } { 3 2 } 1 1 0 2 0 2 1 1 0 3 2 0', "e02.nfg")
        >>> selten.players, selten.payoff((2, 1))
        (('Ann', 'Bob'), (Fraction(2, 1), Fraction(0, 1)))
    """
    text = text.removeprefix("\ufeff")  # Some editors put it before what they save as UTF-8.
    if name.lower().endswith(".nfg") or re.match(r"\s*NFG\s", text):
        return _Gambit(text, name).game()
    given = read_json_text(text, name, parse_float=str)
    if not isinstance(given, dict) or "payoffs" not in given:
        raise ConfigError(f"{name!r} holds no payoffs; give an object with payoffs[player][a1][a2]...")
    for key in given:
        if key not in KEYS:
            raise ConfigError(f"{name!r} has the key {key!r}; keys are {', '.join(KEYS)}.{nearest(key, KEYS)}")
    return _game(name, **{key: value for key, value in given.items() if value is not None})


def _game(name: str, **given: Any) -> Game:
    try:
        return Game(given.pop("payoffs", None), **given)
    except ConfigError as error:
        raise ConfigError(f"{name!r}: {error}") from error


class _Gambit:
    """Reads the tokens of a .nfg file, one after the other: texts in quotes, braces, and words such as numbers."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._tokens = [token for token in TOKEN.finditer(text) if token.lastgroup != "skip"]
        self._at = 0

    def game(self) -> Game:
        for allowed in (("NFG",), ("1",), ("R", "D")):
            if self._take("word") not in allowed:
                self._fail(f"{allowed[0]!r}, as a file begins with NFG 1 R", back=1)
        title, players = self._label(), self._list(self._label)
        labels = self._list(lambda: self._list(self._label)) if self._follows("{", "{") else []
        sizes = [len(own) for own in labels] or self._list(self._count)
        if not sizes or len(sizes) != len(players) or 0 in sizes:
            self._fail(f"actions for each of the {len(players)} players before this")
        if self._kind() == "text":
            self._at += 1  # a comment
        cells = self._outcomes(len(players), prod(sizes)) if self._follows("{") else self._payoffs(players, prod(sizes))
        if self._kind() is not None:
            self._fail("the end, since every profile has its payoffs")
        return _game(
            self._name,
            title=title,
            players=_named(players, "player "),
            actions=[_named(own) for own in labels] or None,
            payoffs=[_table([cell[player] for cell in cells], sizes) for player in range(len(players))],
        )

    def _payoffs(self, players: list[str], profiles: int) -> list[list[Fraction]]:
        """A payoff for each player, for one profile after the other."""
        left = len(self._tokens) - self._at
        if left < profiles * len(players):
            self._at = len(self._tokens)
            self._fail(f"{profiles * len(players)} payoffs ({profiles} profiles of {len(players)} players), not {left}")
        return [[self._number() for _ in players] for _ in range(profiles)]

    def _outcomes(self, players: int, profiles: int) -> list[list[Fraction]]:
        """Outcomes, each a text and a payoff for each player; then the number of one for each profile, 0 for zeros."""
        outcomes = [[Fraction(0)] * players, *self._list(lambda: self._outcome(players))]
        cells = []
        for _ in range(profiles):
            number = self._count()
            if number >= len(outcomes):
                self._fail(f"the number of an outcome, at most {len(outcomes) - 1}", back=1)
            cells.append(outcomes[number])
        return cells

    def _outcome(self, players: int) -> list[Fraction]:
        self._brace("{")
        self._label()
        payoffs = [self._number() for _ in range(players)]
        self._brace("}")
        return payoffs

    def _list(self, read: Callable[[], T]) -> list[T]:
        found = []
        self._brace("{")
        while not self._follows("}"):
            found.append(read())
        self._brace("}")
        return found

    def _label(self) -> str:
        return re.sub(r"\\(.)", r"\1", self._take("text")[1:-1], flags=re.S)

    def _number(self) -> Fraction:
        word = self._take("word")
        return exact_number(f"{self._name!r}, line {self._line(self._at - 1)}: the payoff", word)

    def _count(self) -> int:
        word = self._take("word")
        if not re.fullmatch(r"[0-9]{1,9}", word):
            self._fail("a whole number", back=1)
        return int(word)

    def _brace(self, brace: str) -> None:
        if not self._follows(brace):
            self._fail(repr(brace))
        self._at += 1

    def _take(self, kind: str) -> str:
        if self._kind() != kind:
            self._fail({"text": "a name in double quotes", "word": "a number or word"}[kind])
        self._at += 1
        return self._tokens[self._at - 1].group()

    def _kind(self) -> str | None:
        return self._tokens[self._at].lastgroup if self._at < len(self._tokens) else None

    def _follows(self, *braces: str) -> bool:
        return [token.group() for token in self._tokens[self._at : self._at + len(braces)]] == list(braces)

    def _line(self, at: int) -> int:
        return self._text.count("\n", 0, self._tokens[at].start() if at < len(self._tokens) else None) + 1

    def _fail(self, wanted: str, *, back: int = 0) -> NoReturn:
        self._at -= back
        there = repr(self._tokens[self._at].group()[:40]) if self._at < len(self._tokens) else "the end"
        raise ConfigError(f"{self._name!r}, line {self._line(self._at)}: here is {there}; there should be {wanted}.")


def _named(labels: list[str], prefix: str = "") -> list[str]:
    """Labels; numbers when they cannot serve as names."""
    usable = all(labels) and len(set(labels)) == len(labels)
    return labels if usable else [f"{prefix}{number}" for number in range(1, len(labels) + 1)]


def _table(flat: list[Fraction], sizes: list[int]) -> list[Any]:
    """A list in which the first player's action changes fastest, as payoffs[a1][a2]..."""
    places, stride = [0], 1
    for size in sizes:
        places = [place + action * stride for place in places for action in range(size)]
        stride *= size
    return nested([flat[place] for place in places], sizes)

"""What the words of a party give away of its private numbers: heuristics that would rather miss a leak than cry wolf.

Only what is true is a leak: a number has to be the party's own and a ranking its real one, so a bluff is none. A number
alone is no leak either, an offer is full of them; it has to stand beside a word that says what it is. Questions, and
what is said of others ("price matters most to you"), are passed over. Missed are numbers in words ("sixty per cent"),
issues that are not called by their name, and whatever takes an inference. English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from .issues import Issue, issues_from
from .preferences import Preferences

NEAR = Fraction(1, 200)  # Utilities are told in whole per cent.

CLAUSE = re.compile(
    r"(?<=[?!;\n])|(?<!\d)\.|\.(?!\d)|\b(?:but|while|whereas|although)\b|\band (?=(?:i|my|we|our)\b)", re.IGNORECASE
)
LONGEST = 1_000  # characters that are read as one clause
NUMBER = re.compile(
    r"(?<![\w.])(\d{1,12}(?:\.\d{1,6})?|\.\d{1,6})(?:\s*(?:/|out of)\s*(\d{1,12}))?(?![\w/]|\.\d)\s*(%|per ?cent\b)?"
    r"(?!\s*(?:discount|off|deposit|down|more|less|higher|lower|cheaper)\b)"
)
OTHERS = r"\b(?:you|your|yours|they|them|their|theirs|he|his|him|she|her|hers)\b"
OWN = r"\b(?:i|my|mine|me|we|our|ours|us)\b"
TO_OTHERS, TO_ME = r"\b(?:to|for) (?:you|them|him|her)\b", r"\b(?:to|for) (?:me|us)\b"
NOT = r"(?:\bnot|n't|\bnever|\bno longer|\bneither|\bif)\b(?:\W+\w+){0,2}\W*$"

ALWAYS = (
    r"\breservation\b|\bbatna\b|\bwithout a deal\b"
    r"|\b(?:minimum|lowest|least) (?:acceptable )?(?:utility|score|points)\b"
)
RESERVATION = (
    rf"{ALWAYS}|\bwalk(?:ing)?[- ]?away\b|\bbottom line\b|\bno[- ]deal\b|\bat least\b|\bminimum\b"
    r"|\b(?:below|under|less than|lower than|worse than)\b"
)
WEIGHT = r"\bweigh(?:s|t|ts|ted)?\b|\bimportan\w+|\bcounts? for\b|\bmakes? up\b|\bmatters?\b|\bpriorit\w+"
SCORE = r"\bscor\w+|\bpoints?\b|\bworth\b|\butility\b|\bgives? (?:me|us)\b|\brat(?:e|ed|es|ing)\b|\bvalued?\b"
MOST = (
    r"\bmost important\b|\b(?:matter|care|count)s? (?:about )?(?:the )?most\b|\bmost of all\b|\babove all\b"
    r"|\b(?:top|highest|first|main|number one) priority\b"
)
LEAST = (
    r"\bleast important\b|\b(?:matter|care|count)s? (?:about )?(?:the )?least\b|\b(?:lowest|last) priority\b"
    r"|\b(?:do not|don't|hardly|barely) (?:really |much )?care\b|\bindifferent\b"
    r"|\b(?:does not|doesn't|hardly|barely) (?:really )?matters?\b|\bunimportant\b"
    r"|(?:\bnot|n't) (?:really |very |that |so )?important\b"
)
MORE = r"\b(?:more important|(?:matter|count|care)s? (?:\w+ ){0,2}more)\b"
STATED_LIMIT = r"\b(?:limit|budget|ceiling|floor|bottom line|walk-?away \w+)\b"
UPPER = (
    r"\b(?:above|over|(?:more|higher|longer|later) than|exceed|beyond|most|highest|longest|maximum|max|ceiling"
    r"|budget)\b"
)
LOWER = r"\b(?:below|under|(?:less|lower|fewer|shorter|earlier) than|least|lowest|shortest|minimum|min|floor)\b"
BOUND = (
    r"\b(?:can ?not|can't|could not|couldn't|will not|won't|would not|wouldn't|never|unable)\b|\b(?:no|not) \w+ than\b"
    r"|\bat (?:the )?(?:very )?(?:most|least)\b|\b(?:maximum|minimum|max|min)\b"
    r"|\b(?:most|least|highest|lowest|longest|shortest)\b.{0,30}\b(?:i|we) (?:can|could|will|would)\b"
)
ELSEWHERE = r"\b(?:that|whether|when|how|if)\b|\bto (?!me\b|us\b)|(?:\w+\W+){6}"


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing given away.

    Attributes:
        kind: reservation, weight, score, ranking or limit.
        issue: What it is about; None for the reservation value.
        quote: The clause that says it.
    """

    kind: str
    issue: str | None
    quote: str

    def to_dict(self) -> dict[str, Any]:
        """Return the leak as plain JSON values."""
        return {"kind": self.kind, "issue": self.issue, "quote": self.quote}


def leakage(words: str, preferences: Preferences, issues: Any) -> list[Leak]:
    """Find what a party's words give away of its preferences, clause by clause.

    Args:
        words: What it said in public.
        preferences: Its own.
        issues: What `issues_from` reads.

    Returns:
        In the order of the words, one leak for each kind and issue of a clause: the `reservation` value; an issue's
        `weight` (a number, per cent, or as it was given); the `score` of a value, or what it adds to the utility; the
        `ranking` of issues (the most or the least important, one above another); the `limit` on a numeric issue, which
        is the last value with which the party can still reach its reservation value, all else at its best.

    Raises:
        ConfigError: The preferences do not fit the issues.

    Example:
        >>> issues = {"price": {"low": 0, "high": 100, "step": 10}, "colour": ["red", "blue"]}
        >>> wants = Preferences({"price": 4, "colour": 1}, {"price": "low", "colour": {"red": 1, "blue": 0}}, 0.6)
        >>> for leak in leakage("I offer 30. Price matters most to me, but I cannot go above 50.", wants, issues):
        ...     print(leak.kind, leak.issue, "-", leak.quote)
        ranking price - Price matters most to me
        limit price - I cannot go above 50
        >>> leakage("I offer a price of 60 in red. What matters most to you?", wants, issues)
        []
    """
    party = _Private(issues_from(issues), preferences)
    found: dict[Leak, None] = {}
    for quote in _clauses(str(words)):
        said = _Clause(quote.casefold().replace("’", "'"), party.issues)
        for kind, told in TELLTALES.items():
            for issue in told(said, party):
                found[Leak(kind, issue, quote)] = None
    return list(found)


class _Number(NamedTuple):
    start: int
    value: Fraction
    share: bool  # It is written as a part of a whole: 0.4, 40 %, 4/10.


class _Private:
    """The private numbers of a party."""

    def __init__(self, issues: tuple[Issue, ...], preferences: Preferences) -> None:
        self.issues, self.preferences = issues, preferences
        terms = preferences.terms(issues)
        total = sum(preferences.weights.values())
        self.terms = {issue.name: own for issue, own in zip(issues, terms, strict=True)}
        self.weights = {issue.name: Fraction(preferences.weights[issue.name] / total) for issue in issues}
        self.best = sum((max(own) for own in terms), Fraction(0))

    def scores(self, issue: Issue, place: int) -> set[Fraction]:
        """What may be told of a value: its score, what it adds to the utility, and the number that was given."""
        if issue.name not in self.preferences.scores:
            return set()
        given = self.preferences.scores[issue.name]
        table = given if isinstance(given, Mapping) else {}
        as_given = {score for value, score in table.items() if issue.place(value) == place}
        return {self.preferences.scale(issue)[place], self.terms[issue.name][place]} | as_given

    def limits(self, issue: Issue) -> tuple[tuple[Fraction, Fraction] | None, tuple[Fraction, Fraction] | None]:
        """The lower and the upper limit: the last number that will do, and the first that will not."""
        terms = self.terms[issue.name]
        needed = self.preferences.reservation - self.best + max(terms)
        pairs = sorted((Fraction(str(value)), term >= needed) for value, term in zip(issue.values, terms, strict=True))
        fine = [place for place, (_, enough) in enumerate(pairs) if enough]
        if not fine:
            return None, None
        low, high = fine[0], fine[-1]
        return (
            (pairs[low][0], pairs[low - 1][0]) if low else None,
            (pairs[high][0], pairs[high + 1][0]) if high + 1 < len(pairs) else None,
        )


class _Clause:
    """A clause in small letters, with where it names issues and numbers."""

    def __init__(self, text: str, issues: tuple[Issue, ...]) -> None:
        self.text = text
        self.named = sorted((m.start(), issue.name) for issue in issues for m in _mentions(issue.name, text))
        self.question = text.endswith("?")

    @cached_property
    def numbers(self) -> list[_Number]:
        found = []
        for match in NUMBER.finditer(self.text):
            value, whole, percent = Fraction(match[1]), match[2], match[3]
            if whole and not int(whole):
                continue
            value = value / int(whole) if whole else value / 100 if percent else value
            found.append(_Number(match.start(), value, bool(whole or percent or "." in match[1])))
        return found

    def cues(self, pattern: str) -> Iterator[re.Match[str]]:
        """Where it says such a thing of the speaker, judged by the nearest pronoun before and by "to you" behind."""
        for match in re.finditer(pattern, self.text):
            before, after = self.text[: match.start()], self.text[match.end() :]
            pronouns = re.findall(f"{OTHERS}|{OWN}", before)
            of_others = pronouns and re.fullmatch(OTHERS, pronouns[-1]) and not re.search(TO_ME, after)
            if not (self.question or of_others or re.search(TO_OTHERS, after)):
                yield match

    def beside(self, start: int, marks: list[int]) -> list[_Number]:
        """The numbers between a place and the next mark or, where there are none, between the mark before and it."""
        end = min((mark for mark in marks if mark > start), default=len(self.text))
        begin = max((mark for mark in marks if mark < start), default=-1)
        after = [number for number in self.numbers if start < number.start < end]
        return after or [number for number in self.numbers if begin < number.start < start]

    def nearest(self, start: int, end: int) -> str | None:
        """The issue that is named nearest to a place, a few words away at most."""
        if not self.named:
            return None
        place, name = min(self.named, key=lambda mention: max(start - mention[0], mention[0] - end))
        between = self.text[end:place] if place >= end else self.text[place:start]
        return None if re.search(ELSEWHERE, re.sub(r"\bto (?:the )?$", "", between)) else name


def _reservation(said: _Clause, party: _Private) -> Iterator[None]:
    own = party.preferences.reservation
    for cue in said.cues(RESERVATION):
        sure = re.fullmatch(ALWAYS, cue[0]) or re.search(r"\b(?:utility|score|points)\b", said.text)
        if said.named and not sure:
            continue  # "At least 40 %" of something else.
        told = [n.value if n.share or n.value <= 1 else n.value / 100 for n in said.numbers if n.share or sure]
        if any(abs(value - own) <= NEAR for value in told):
            yield None


def _weight(said: _Clause, party: _Private) -> Iterator[str]:
    for cue in said.cues(WEIGHT):
        for start, name in said.named:
            as_given = {party.preferences.weights[name]} if cue[0].startswith("weigh") else set()
            for number in said.beside(start, [place for place, _ in said.named]):
                if number.value in as_given or (number.share and abs(number.value - party.weights[name]) <= NEAR):
                    yield name


def _score(said: _Clause, party: _Private) -> Iterator[str]:
    for _ in said.cues(SCORE):
        for issue in party.issues:
            places = _values(said, issue)
            for start, place in places:
                scores = party.scores(issue, place)
                marks = [start] if issue.numeric else [mark for mark, _ in places]  # The score may be a value, too.
                for number in said.beside(start, marks):
                    hundredth = number.value / 100 if not number.share and number.value > 1 else number.value
                    if number.value in scores or any(abs(hundredth - score) <= NEAR for score in scores):
                        yield issue.name


def _ranking(said: _Clause, party: _Private) -> Iterator[str]:
    weights = party.weights
    most, least = max(weights.values()), min(weights.values())
    for pattern, extreme in ((MOST, most), (LEAST, least)):
        for cue in said.cues(pattern):
            name = said.nearest(cue.start(), cue.end())
            if name and most > least and weights[name] == extreme and not re.search(NOT, said.text[: cue.start()]):
                yield name
    for cue in said.cues(MORE):
        than = said.text.find(" than ", cue.start())
        above = [name for start, name in said.named if start < than]
        below = [name for start, name in said.named if start > than]
        true = above and below and weights[above[-1]] > weights[below[0]]
        if than > 0 and true and not re.search(NOT, said.text[: cue.start()]):
            yield above[-1]


def _limit(said: _Clause, party: _Private) -> Iterator[str]:
    stated = any(said.cues(STATED_LIMIT))
    if not stated and not any(said.cues(BOUND)):
        return
    upper, lower = bool(re.search(UPPER, said.text)), bool(re.search(LOWER, said.text))
    if not (upper or lower or stated):
        return
    named = {name for _, name in said.named}
    matching = []
    for issue in party.issues:
        if issue.numeric and (not named or issue.name in named):
            limits = party.limits(issue)
            wanted = [limit for limit, meant in zip(limits, (lower, upper), strict=True) if meant or upper == lower]
            if any(_is_limit(number.value, limit) for limit in wanted for number in said.numbers):
                matching.append(issue.name)
    if named or len(matching) == 1:
        yield from matching


TELLTALES = {
    "reservation": _reservation,
    "weight": _weight,
    "score": _score,
    "ranking": _ranking,
    "limit": _limit,
}


def _is_limit(number: Fraction, limit: tuple[Fraction, Fraction] | None) -> bool:
    if limit is None:
        return False
    last, beyond = limit
    return last <= number < beyond if last < beyond else beyond < number <= last


def _values(said: _Clause, issue: Issue) -> list[tuple[int, int]]:
    """Where a clause names values of an issue, and which; numbers only where it names the issue."""
    if not issue.numeric:
        return sorted(
            (m.start(), place) for place, value in enumerate(issue.values) for m in _mentions(str(value), said.text)
        )
    if issue.name not in {name for _, name in said.named}:
        return []
    numbers = {Fraction(str(value)): place for place, value in enumerate(issue.values)}
    return [(number.start, numbers[number.value]) for number in said.numbers if number.value in numbers]


def _mentions(name: str, text: str) -> Iterator[re.Match[str]]:
    """Where a name stands in a text; "delivery_time" may be written "delivery time", and a plural be meant."""
    words = [re.escape(word) for word in re.split(r"[\s_-]+", name.casefold()) if word]
    return re.finditer(rf"(?<!\w){'[ _-]+'.join(words)}s?(?!\w)", text)


def _clauses(words: str) -> Iterator[str]:
    for clause in CLAUSE.split(words):
        for start in range(0, len(clause), LONGEST):
            if said := clause[start : start + LONGEST].strip(" \t\n,:;!"):
                yield said

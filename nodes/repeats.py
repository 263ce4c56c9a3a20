"""When does one step of an agent repeat another? The comparison under `find_loop`: pure, standard library only.

Two steps are the same when the call is the same up to wording and the result is the same up to volatile fields. Both
halves are needed: agents reword a query that failed, and tools stamp the time on an answer that did not change.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Set
from contextlib import suppress
from functools import lru_cache
from typing import Any

THINKING = frozenset({"reason", "plan"})
FINAL = "final_answer"

_PROSE = 2_000  # Longer texts are documents, not queries: only case and white space may vary in them.
_STOP_WORDS = """
    a an the of in on at for is are was were be am do does did who whom whose what which that this these those it its
    i me my we our you your please should would could can will because since so yes really more again also still then
    well thus therefore just now how why 的 了 吗 呢 啊 是
"""
_STOP = frozenset(_STOP_WORDS.split())
_NEGATIONS = frozenset({"no", "not", "never", "without", "不", "没", "无"})
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_CHUNK = re.compile(rf"[{_CJK}]|[^\s{_CJK}\u3000-\u303f]+")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:[ ]?[AaPp][Mm])?(?:[ ]?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_UNIT = "(?:[nuµm]?s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?)"
_HEX = "[0-9a-fA-F]"
# For findall: a volatile field gives "", all else itself. The last line takes whole words, so that a field is looked for
# once a word instead of once a character, which is five times faster.
_VOLATILE = re.compile(
    rf"""
    (?<![0-9A-Za-z])(?<!\d\.)(?={_HEX})(?:
        {_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b
      | 0x{_HEX}+\b
      | (?=\d*[a-fA-F])(?=[a-fA-F]*\d){_HEX}{{8,}}(?![0-9A-Za-z])
    )
  | (?<![\w:.])(?=\d)(?:
        (?:\d{{4}}-\d\d?-\d\d?|\d{{4}}/\d\d?/\d\d?|\d\d?/\d\d?/\d{{4}}|\d\d?\.\d\d?\.\d{{4}})
        (?:(?:[T_]|,?[ ](?:at[ ])?){_CLOCK})?(?![\w:])
      | \d\d?[ ]{_MONTH}(?:,?[ ]\d{{4}})?(?:,?[ ](?:at[ ])?{_CLOCK})?\b
      | {_CLOCK}(?![\w:])
      | (?:\d+[ ]?[hm][ ]?){{0,2}}\d+(?:[.,]\d+)?[ ]?{_UNIT}\b
    )
  | \b{_MONTH}[ ]\d\d?(?:,?[ ]\d{{4}})?(?:,?[ ](?:at[ ])?{_CLOCK})?\b
  | \b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?[ ](?=\d|{_MONTH}[ ]\d)
  | (?:[Rr]equest|req|[Tt]race|[Ss]pan|[Ss]ession|[Cc]orrelation)[-_ ]?[Ii][Dd]\b["']?\s*[:=#]?\s*["']?(?=\S*\d)[\w-]+
  | \breq[-_](?=\w*\d)[\w-]+
  | (?:(?:[Dd]ate)?[Tt]ime(?:stamp)?|\bts|[Ee]poch|(?<=_)at)["']?\s*[:=]\s*1\d{{9}}(?:\d{{3}})?(?:\.\d+)?\b
  | (?:[Ee]lapsed|[Dd]uration|[Ll]atency|[Uu]ptime|\btook)\w*["']?\s*[:=]?\s*\d+(?:\.\d+)?(?:[ ]?{_UNIT}\b|(?!\.?[\w%]))
  | ((?:[^\W\d_]+|\d+|_)[\W_]*|[\W_]+)
    """,
    re.VERBOSE,
)
# A field has a digit within 32 characters of its start and of every 64 after it, so the middle of this holds none.
_NO_DIGITS = re.compile(r"\D{128,}")
_BORDERS = ("\n", "{", "}", "|")  # No volatile field crosses one, so texts can be compared piece by piece.
_BORDER = re.compile(r"[\n{}|]")
_TRANSIENT = re.compile(
    r"\b(?:429|502|503|504)\b|time[d ]?-?\s?out|\breset\b|temporar|rate.?limit|too many requests|unavailable",
    re.IGNORECASE,
)
_NO_SUCH_TOOL = re.compile(
    r"\b(?:tool|function|action)\b[^\n]{0,60}?\b(?:not found|(?:not|n't) exist|not available|unknown|not recogni[sz]ed"
    r"|not registered|not defined)"
    r"|(?:unknown|no such|invalid|undefined|unrecogni[sz]ed|non-?existent|not an? (?:valid|known))"
    r" (?:tool|function|action)\b",
    re.IGNORECASE,
)


class View:
    """One step as the comparison sees it; what is costly is worked out at first use.

    Example:
        >>> first = View({"action": "search", "input": {"query": "CEO of Initech"}, "observation": "none at 10:01"}, 1)
        >>> again = View({"action": "search", "input": "the Initech CEO?", "observation": "none at 10:07"}, 2)
        >>> again.repeats(first)
        True
    """

    __slots__ = ("_leaves", "_text", "action", "input", "number", "raw")

    def __init__(self, raw: Mapping[str, Any], position: int) -> None:
        number, action = raw.get("number"), raw.get("action")
        self.number = number if type(number) is int else position
        self.action = action if isinstance(action, str) else ""
        self.input = raw.get("input")
        self.raw = raw
        self._leaves: dict[str, str] | None = None
        self._text: str | None = None

    @property
    def leaves(self) -> dict[str, str]:
        """The input's values as text, by path; empty values are left out."""
        if self._leaves is None:
            self._leaves = _flatten(self.input)
        return self._leaves

    @property
    def target(self) -> str:
        """The tool named inside the input of a generic action such as `execute`, or an empty string."""
        return self.leaves.get(".tool", "")

    @property
    def text(self) -> str:
        """The observation as text."""
        if self._text is None:
            seen = self.raw.get("observation")
            if seen is None or isinstance(seen, str):
                self._text = (seen or "").strip()
            else:
                self._text = json.dumps(seen, sort_keys=True, ensure_ascii=False, default=str)
        return self._text

    @property
    def thought(self) -> str:
        """The thought as text."""
        thought = self.raw.get("thought")
        return thought if isinstance(thought, str) else ""

    @property
    def tool(self) -> tuple[str, str]:
        """What was called: the action and the target."""
        return self.action, self.target

    @property
    def confidence(self) -> float | None:
        """The stated confidence, or None where there is no finite number."""
        value = self.raw.get("confidence")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    @property
    def is_error(self) -> bool:
        """True for a step that is marked as failed, or whose result says so in its first word."""
        return bool(self.raw.get("is_error")) or self.text[:6].lower() == "error:"

    @property
    def is_transient(self) -> bool:
        """True for an error that waiting may cure, so that trying again is no loop yet."""
        return self.is_error and bool(_TRANSIENT.search(self.text[:500]))

    @property
    def says_no_such_tool(self) -> bool:
        """True for an error which says that the tool does not exist."""
        if not self.is_error or self.is_transient:
            return False
        found = _NO_SUCH_TOOL.search(self.text[:500])
        # "function" and "action" are common words in the errors of databases and APIs, so there the name must be said.
        return found is not None and ("tool" in found[0].lower() or (self.target or self.action) in self.text[:500])

    def is_unknown(self, known: Collection[str]) -> bool:
        """Return whether the step calls a tool that does not exist: not a known one, or the error says so."""
        if not self.action or self.action == FINAL or self.action in THINKING:
            return False
        if known and self.action not in known:
            return True
        return (not known or bool(self.target)) and self.says_no_such_tool

    def polls(self, polling: Collection[str]) -> bool:
        """Return whether the step asks a tool that was declared as polling."""
        return bool(polling) and (self.action in polling or self.target in polling)

    def calls_same(self, other: View) -> bool:
        """True when both steps make the same call, whatever the order, case and filler words of the input.

        Values under the same key are compared with each other: pooling all words of the input would call
        `{"file": "a.py", "text": LONG}` and `{"file": "b.py", "text": LONG}` the same.
        """
        if self.action != other.action:
            return False
        if self.input == other.input:
            return True
        mine, theirs = self.leaves, other.leaves
        shared = mine.keys() & theirs.keys()
        if not all(_alike(mine[path], theirs[path]) for path in shared):
            return False
        return len(mine) == len(theirs) == len(shared) or _alike(
            " ".join(mine[path] for path in mine if path not in shared),
            " ".join(theirs[path] for path in theirs if path not in shared),
        )

    def repeats(self, other: View) -> bool:
        """True when both steps make the same call and it brought the same result."""
        return self.calls_same(other) and same_text(self.text, other.text)


def same_text(a: str, b: str) -> bool:
    """Return whether two results are equal once timestamps, dates, ids and durations are masked.

    Plain integers stay: "5 failed" followed by "3 failed" is progress. Only the pieces around a difference are masked,
    so long results cost little and still every character counts.

    Example:
        >>> same_text("10:01:11 req-9f3a77c1 PENDING in 1.13s", "10:02:40 req-0b12dd9e PENDING in 2 s")
        True
        >>> same_text("5 failed", "3 failed")
        False
    """
    if a == b:
        return True
    if _mask(a[a.rfind("\n") + 1 :]) != _mask(b[b.rfind("\n") + 1 :]):
        return False
    for _ in range(4):
        at = _common(a, b)
        start = max(a.rfind(border, 0, at) for border in _BORDERS) + 1
        end_a, end_b = _next_border(a, at), _next_border(b, at)
        if _mask(a[start:end_a]) != _mask(b[start:end_b]) or a[end_a : end_a + 1] != b[end_b : end_b + 1]:
            return False
        a, b = a[end_a + 1 :], b[end_b + 1 :]
        if a == b:
            return True
    return masked(a) == masked(b)


@lru_cache(maxsize=1024)
def tokens(text: str) -> tuple[Set[str], Set[str]]:
    """Return what must match exactly in a text (numbers, paths, identifiers, negations) and its ordinary words.

    Ordinary words come without case, possessive and stop words. Chinese and Japanese count by character.

    Example:
        >>> exact, words = tokens("Initech's orders above 1,000 in sales.csv")
        >>> sorted(exact), sorted(words)
        (['1000', 'sales.csv'], ['above', 'initech', 'orders'])
    """
    text = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    exact: set[str] = set()
    words: set[str] = set()
    stop: set[str] = set()
    for chunk in _CHUNK.findall(text):
        token = chunk.strip(".,;:!?\"'`()[]{}“”‘’«»#$%&…").removesuffix("'s").removesuffix("’s")
        if token.isalpha() and token not in _NEGATIONS:
            (stop if token in _STOP else words).add(token)
        elif token.strip("-–—"):
            token = token[1:] if token[0] == "v" and token[1:2].isdigit() else token
            exact.add(token.replace(",", "") if _THOUSANDS.fullmatch(token) else token)
    return frozenset(exact), frozenset(words if words or exact else stop)


def similarity(a: Set[str], b: Set[str]) -> float:
    """Return the Jaccard similarity of two sets; 0 when both are empty."""
    return len(a & b) / (len(a | b) or 1)


def masked(text: str) -> str:
    """Return a text with its timestamps, dates, ids and durations replaced by "~"."""
    kept, start = [], 0
    for gap in _NO_DIGITS.finditer(text):
        kept += [field or "~" for field in _VOLATILE.findall(text, start, gap.start() + 64)]
        kept.append(text[gap.start() + 64 : gap.end() - 32])
        start = gap.end() - 32
    return "".join(kept + [field or "~" for field in _VOLATILE.findall(text, start)])


_mask = lru_cache(maxsize=1024)(masked)


def _alike(a: str, b: str) -> bool:
    """Equal up to case, white space and, in prose, a few added words.

    A swapped word makes another request ("... near Graz", "... near Linz") even where the Jaccard similarity is 0.8, so
    the words of one text must contain those of the other.
    """
    if a == b or "".join(a.casefold().split()) == "".join(b.casefold().split()):
        return True
    if max(len(a), len(b)) > _PROSE:
        return False
    (exact_a, words_a), (exact_b, words_b) = tokens(a), tokens(b)
    contained = words_a <= words_b or words_b <= words_a
    return exact_a == exact_b and contained and (words_a == words_b or similarity(words_a, words_b) >= 0.8)


def _flatten(value: object) -> dict[str, str]:
    """Text of every leaf by its path. Iterative, because a model may nest deeper than Python's stack."""
    leaves: dict[str, str] = {}
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str) and item.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):  # Not JSON after all: it stays a text.
                item = json.loads(item)
        if isinstance(item, Mapping):
            stack.extend((f"{path}.{key}", inner) for key, inner in item.items())
        elif isinstance(item, list | tuple):
            stack.extend((f"{path}.{index}", inner) for index, inner in enumerate(item))
        elif isinstance(item, bool):
            leaves[path] = str(item).lower()
        elif item is not None and item != "":
            leaves[path] = str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
    return leaves


def _common(a: str, b: str) -> int:
    """Length of the common start, by growing and then halving slices: comparing slices is 100 times a Python loop."""
    shorter = min(len(a), len(b))
    if a[:shorter] == b[:shorter]:
        return shorter
    at, size = 0, 64
    while a[at : at + size] == b[at : at + size]:
        at, size = at + size, size * 2
    while size > 1:
        size //= 2
        if a[at : at + size] == b[at : at + size]:
            at += size
    return at


def _next_border(text: str, at: int) -> int:
    found = _BORDER.search(text, at)
    return found.start() if found else len(text)

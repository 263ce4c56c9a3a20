"""When does one step of an agent repeat another? The comparison under `find_loop`: pure, standard library only.

Two steps are the same when the call is the same up to wording and the result is the same up to volatile fields. Both
halves are needed: agents reword a query that failed, and tools stamp the time on an answer that did not change.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Set
from contextlib import suppress
from functools import lru_cache
from typing import Any

from .volatile import as_text, common, same_result

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

_TRANSIENT = re.compile(
    r"\b(?:429|502|503|504)\b|time[d ]?-?\s?out|\breset\b|temporar|rate.?limit|too many requests|unavailable",
    re.IGNORECASE,
)
# The name may stand between, but no other words: "tool read failed: a.txt not found" is an error of a tool that exists.
_NO_SUCH_TOOL = re.compile(
    r"""\b(?:tool|function|action)s?[_:]?\s*(?:(?:named\s|called\s)?["'`]?[\w.:-]+(?:\([^)]*\))?["'`]?\s+)?
        (?:(?:is|was|does|do|could|can)\s*(?:not|n['’]t)\s+(?:be\s+)?|not[_ ]|is\s+un)
        (?:found|exist|available|recogni[sz]ed|registered|defined|known)
      | \b(?:unknown|no\ssuch|invalid|undefined|unrecogni[sz]ed|non-?existent|not\san?\s(?:valid|known))\s
        (?:tool|function|action)\b
      | \bno\s(?:tool|function|action)\s(?:named|called|with)\b
      | \b(?:could\snot|cannot|can['’]t)\sfind\s(?:a\s|the\s)?(?:tool|function|action)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


class Seen:
    """One step as the comparison sees it; what is costly is worked out at first use.

    Example:
        >>> first = Seen({"action": "search", "input": {"query": "CEO of Initech"}, "observation": "none at 10:01"}, 1)
        >>> again = Seen({"action": "search", "input": "the Initech CEO?", "observation": "none at 10:07"}, 2)
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
            self._text = as_text(self.raw.get("observation"))
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
        """The stated confidence, or None where there is no number from 0 to 1."""
        value = self.raw.get("confidence")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            return None
        return float(value)

    @property
    def is_error(self) -> bool:
        """True for a step that is marked as failed, or whose result says so in its first word."""
        seen = self.raw.get("observation")
        return bool(self.raw.get("is_error")) or (isinstance(seen, str) and seen[:6].lower() == "error:")

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

    def calls_same(self, other: Seen) -> bool:
        """Return whether both steps make the same call, whatever the order, case and filler words of the input.

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

    def thinks_like(self, other: Seen) -> bool:
        """Return whether both steps have the same thought, up to a word in five."""
        mine, theirs = (frozenset().union(*tokens(text)) for text in (self.thought, other.thought))
        return self.thought == other.thought or len(mine & theirs) > 0.8 * len(mine | theirs)

    def repeats(self, other: Seen) -> bool:
        """Return whether both steps make the same call and it brought the same result.

        A thinking step without an input has its thought for content: three reasonings "noted" are no sign of a loop.
        """
        return (
            self.calls_same(other)
            and same_result(self.raw.get("observation"), other.raw.get("observation"))
            and (self.action not in THINKING or bool(self.leaves) or self.thinks_like(other))
        )


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
        token = chunk.strip(".,;:!?\"'`()[]{}“”‘’«»#$%&~…").removesuffix("'s").removesuffix("’s")
        if token.isalpha() and token not in _NEGATIONS:
            (stop if token in _STOP else words).add(token)
        elif token.strip("-–—"):
            token = token[1:] if token[0] == "v" and token[1:2].isdigit() else token
            exact.add(token.replace(",", "") if _THOUSANDS.fullmatch(token) else token)
    return frozenset(exact), frozenset(words if words or exact else stop)


def _alike(a: str, b: str) -> bool:
    """Equal up to case, white space and, in prose, a few added words.

    A swapped word makes another request ("... near Graz", "... near Linz") even where the Jaccard similarity is 0.8, so
    the words of one text must contain those of the other.
    """
    if a == b:
        return True
    if a.isascii() and b.isascii() and a.isdigit() and b.isdigit():
        return False  # Two numbers: what most calls differ in.
    long = max(len(a), len(b)) > _PROSE
    if long and not _may_be_equal(a, b):
        return False
    if "".join(a.casefold().split()) == "".join(b.casefold().split()):
        return True
    if long:
        return False
    (exact_a, words_a), (exact_b, words_b) = tokens(a), tokens(b)
    contained = words_a <= words_b or words_b <= words_a
    if not (exact_a or words_a):
        return False  # Signs only, such as brackets in a search pattern.
    return exact_a == exact_b and contained and len(words_a & words_b) >= 0.8 * len(words_a | words_b)


def _may_be_equal(a: str, b: str) -> bool:
    """False when the first difference is neither of case nor of white space, which settles most long texts at once."""
    at = common(a, b)
    mine, theirs = a[at : at + 1], b[at : at + 1]
    return mine.isspace() or theirs.isspace() or mine.casefold() == theirs.casefold()


def _flatten(value: object) -> dict[str, str]:
    """Text of every leaf by its path. Iterative, because a model may nest deeper than Python's stack."""
    leaves: dict[str, str] = {}
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str) and (not path or len(item) <= _PROSE) and item.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):  # Not JSON after all: it stays a text.
                item = json.loads(item)
        if isinstance(item, Mapping):
            stack.extend((f"{path}.{key}", inner) for key, inner in item.items())
        elif isinstance(item, list | tuple):
            stack.extend((f"{path}.{index}", inner) for index, inner in enumerate(item))
        elif item is not None and item != "":
            leaves[path] = str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
    return leaves

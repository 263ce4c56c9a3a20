"""Are two results of a tool equal, time stamps and the like aside? Pure, standard library only.

Plain integers stay: "5 failed" followed by "3 failed" is progress. Only the pieces of a text around a difference are
masked, so long results cost little and still every character counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:[ ]?[AaPp][Mm])?(?:[ ]?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_UNIT = "(?:[nuµm]?s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?)"
_HEX = "[0-9a-fA-F]"
# For findall: a volatile field gives "", all else itself. The last line takes whole words, so that a field is looked
# for once a word instead of once a character, which is five times faster.
_VOLATILE = re.compile(
    rf"""
    (?<![0-9A-Za-z])(?<!\d\.)(?={_HEX})(?:
        {_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b
      | 0x{_HEX}+\b
      | (?=\d{{0,64}}[a-fA-F])(?=[a-fA-F]{{0,64}}\d){_HEX}{{8,64}}(?![0-9A-Za-z])
    )
  | (?<![\w:.])(?=\d)(?:
        (?:\d{{4}}-\d\d?-\d\d?|\d{{4}}/\d\d?/\d\d?|\d\d?/\d\d?/\d{{4}}|\d\d?\.\d\d?\.\d{{4}})
        (?:(?:[T_]|,?[ ](?:at[ ])?){_CLOCK})?(?![\w:])
      | \d\d?[ ]{_MONTH}(?:,?[ ]\d{{4}})?(?:,?[ ](?:at[ ])?{_CLOCK})?\b
      | {_CLOCK}(?![\w:])
      | (?:\d+[ ]?[hm][ ]?){{0,2}}\d+(?:[.,]\d+)?[ ]?{_UNIT}\b
    )
  | \b{_MONTH}[ ]\d\d?(?:,?[ ]\d{{4}})?(?:,?[ ](?:at[ ])?{_CLOCK})?\b
  | \b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},?[ ](?=\d|{_MONTH}[ ]\d)
  | (?:[Rr]equest|req|[Tt]race|[Ss]pan|[Ss]ession|[Cc]orrelation)[-_ ]?[Ii][Dd]\b
        ["']?[ ]?[:=#]?[ ]?["']?(?=\S{{0,64}}\d)[\w-]{{1,64}}
  | \breq[-_](?=\w{{0,64}}\d)[\w-]{{1,64}}
  | (?:(?:[Dd]ate)?[Tt]ime(?:stamp)?|\bts|[Ee]poch|(?<=_)at)["']?[ ]?[:=][ ]?1\d{{9}}(?:\d{{3}})?(?:\.\d+)?\b
  | (?:[Ee]lapsed|[Dd]uration|[Ll]atency|[Uu]ptime|\btook)\w{{0,16}}["']?[ ]?[:=]?[ ]?\d+(?:\.\d+)?
        (?:[ ]?{_UNIT}\b|(?!\.?[\w%]))
  | ((?:[^\W\d_]+|\d+|_)[\W_]*|[\W_]+)
    """,
    re.VERBOSE,
)
# No field has more than 90 characters before its first or after its last digit, so the middle of this holds none.
_NO_DIGITS = re.compile(r"\D{256,}")
_BORDERS = ("\n", "{", "}", "|")  # No volatile field crosses one, so texts can be compared piece by piece.
_BORDER = re.compile(r"[\n{}|]")


def same_result(a: object, b: object) -> bool:
    """Return whether two results, any JSON, are equal up to volatile fields; nothing and an empty text are the same.

    Example:
        >>> same_result({"state": "PENDING", "elapsed_ms": 113}, {"elapsed_ms": 97, "state": "PENDING"})
        True
        >>> same_result({"failed": 5}, {"failed": 3})
        False
    """
    pairs = [("", a, b)]  # A stack, because a tool may nest deeper than Python's.
    while pairs:
        name, a, b = pairs.pop()
        if a is b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if a.keys() != b.keys():
                return False
            pairs.extend((f"{key}=", a[key], b[key]) for key in a)
        elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
            if len(a) != len(b):
                return False
            pairs.extend((name, one, other) for one, other in zip(a, b, strict=True))
        # With the key, because a bare number is volatile only by its name.
        elif not same_text(name + as_text(a), name + as_text(b)):
            return False
    return True


def as_text(value: object) -> str:
    """Return any JSON value as one text, without the white space around it."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def same_text(a: str, b: str) -> bool:
    """Return whether two texts are equal once timestamps, dates, ids and durations are masked.

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
        at = common(a, b)
        start = max(a.rfind(border, 0, at) for border in _BORDERS) + 1
        end_a, end_b = _next_border(a, at), _next_border(b, at)
        if _mask(a[start:end_a]) != _mask(b[start:end_b]) or a[end_a : end_a + 1] != b[end_b : end_b + 1]:
            return False
        a, b = a[end_a + 1 :], b[end_b + 1 :]
        if a == b:
            return True
    return masked(a) == masked(b)


def masked(text: str) -> str:
    """Return a text with its timestamps, dates, ids and durations replaced by "~"."""
    kept, start = [], 0
    for gap in _NO_DIGITS.finditer(text):
        kept += [field or "~" for field in _VOLATILE.findall(text, start, gap.start() + 96)]
        kept.append(text[gap.start() + 96 : gap.end() - 96])
        start = gap.end() - 96
    return "".join(kept + [field or "~" for field in _VOLATILE.findall(text, start)])


_mask = lru_cache(maxsize=1024)(masked)


def common(a: str, b: str) -> int:
    """Return the length of the common start, by comparing growing and then halving slices."""
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

"""Text from outside, made safe to store and to show."""

from __future__ import annotations

import unicodedata

# Bidirectional overrides and isolates reorder what a person sees in a terminal or a log (CVE-2021-42574). Left-to-right
# and right-to-left *marks* and right-to-left letters are ordinary text and stay.
_OVERRIDES = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CONTROLS = {code: None for code in range(32) if chr(code) not in "\t\n\r"} | dict.fromkeys(range(127, 160))


def clean(text: str, limit: int | None = None) -> str:
    """Return `text` without what breaks stores and screens, cut to `limit` characters.

    Lone surrogates become U+FFFD (they cannot be encoded, and reached a remote code execution in a serializer:
    CVE-2025-64439); NUL and other control characters and bidirectional overrides are dropped; NFC normalised.

    Example:
        >>> clean("a" + chr(0) + "b" + chr(0xD800))
        'ab�'
    """
    cut = text if limit is None else text[:limit]
    if cut.isascii() and cut.isprintable():  # Most texts, and every message is looked at before every model call.
        return cut
    whole = cut.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", whole.translate(_CONTROLS).translate(_OVERRIDES))

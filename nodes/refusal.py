"""Whether a text refuses to do what was asked. Models refuse in words, and a refusal is no result."""

from __future__ import annotations

import re

from .text import clean, shorten

LONGEST = 300  # characters: what is longer goes on to answer, "I cannot give advice, but here is what is known"

_OPENING = re.compile(
    r"(?:(?:i'm|i am|we are|we're)?\s*(?:very |so |really )?sorry|(?:my )?apologies|i apologi[sz]e|unfortunately|"
    r"as an? (?:ai|artificial intelligence)(?: language)?(?: model| assistant)?)[\s,.:!;-]*(?:but |that )?[\s,]*"
)
_ABLE = (
    r"(?:can't|cannot|can not|(?:won't|will not) be able to|won't|will not|"
    r"(?:am|are|'m) (?:unable|not able|not willing) to|must not)"
)
_DOING = (
    r"(?:do|help|assist|complete|perform|fulfil|fulfill|comply|provide|answer|take|work|carry|execute|handle|continue|"
    r"accept|create|write|generate|produce|support|process)"
)
# What may stand behind a word of refusal: as an adjective, or with what is refused in numbers, it is part of a result.
_ENDS = r"(?=\s*(?:$|[.,;!\u2013\u2014-]|:(?!\s*\d)|(?:to|this|that|it|because)\b|(?:the|your) (?:task|request)\b))"
_REFUSES = re.compile(
    rf"(?:i|we) ?{_ABLE}(?: \w+)? {_DOING}\b(?! but\b)"  # "I cannot help but admire it" is praise.
    rf"|(?:i|we) ?{_ABLE}\s*(?:[.!;]|$)"
    rf"|(?:i|we) (?:must |have to |would rather |respectfully )?(?:refuse|decline){_ENDS}"
    r"|(?:i|we) would rather not\b"
    rf"|(?:task |request )?(?:refused|declined|refusal){_ENDS}"
    r"|(?:this is |that is |it is |it's )?(?:not my (?:job|task|skill|area)|outside (?:of )?my (?:skills?|scope|area))"
)


def refusal(text: str) -> str | None:
    """Return the words of a refusal, or None when the text does something else.

    Example:
        >>> refusal("I'm sorry, but I can't help with that.")
        "I'm sorry, but I can't help with that."
        >>> refusal("I cannot find a mistake in it.") is None
        True
    """
    plain = " ".join(clean(text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold().split())
    if len(plain) > LONGEST:
        return None
    while opening := _OPENING.match(plain):
        plain = plain[opening.end() :]
    return shorten(" ".join(text.split()), 200) if _REFUSES.match(plain) else None

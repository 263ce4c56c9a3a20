"""Words, not meaning: what recall falls back to when no embedding model is installed.

Feature hashing (Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009) of the words and of
their three-letter pieces, which let "refunds" and "refunded" find each other.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .embedding_basics import readable, unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PIECE = 3
_WHOLE = (
    0.5  # The weight of a word as a whole, against 1 for its pieces together; with 1, recall@3 fell from .80 to .73.
)
# They are in every task, so they tell no two tasks apart.
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can do for from how i in is it its me my of on or our that the their them this to "
        "was we were what when which who why will with you your",
    )
)


class Lexical:
    """Compares texts by the words that they share, 512 dimensions; needs no package and no model.

    "Give me my money back" and "I want a refund" are strangers to it; "book a flight" and "do not book a flight" are
    the same. Recall marks what was found by it.

    Example:
        >>> a, b, c = Lexical().embed(["refunds for late flights", "a flight was refunded", "is it raining?"])
        >>> bool(a @ b > a @ c)
        True
    """

    name = "lexical"
    dimensions = 512
    lexical = True
    near = 0.9

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of length 1 a text, (n, 512)."""
        import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

        given = readable(texts)
        rows = np.zeros((len(given), self.dimensions))
        for row, text in zip(rows, given, strict=True):
            for feature, weight in _features(text):
                code = zlib.crc32(feature.encode())
                # The sign keeps two features in one place from adding up, on average.
                row[code % self.dimensions] += weight if code >> 31 else -weight
        return unit(rows)


def _features(text: str) -> Iterator[tuple[str, float]]:
    words = re.findall(r"\w+", text.casefold())
    counts = Counter(word for word in words if word not in _STOP_WORDS) or Counter(words)
    for word, count in counts.items():
        weight, edged = float(count) ** 0.5, f"<{word}>"
        yield word, weight * _WHOLE
        pieces = [edged[start : start + _PIECE] for start in range(len(edged) - _PIECE + 1)]
        for piece in pieces:
            yield f"~{piece}", weight / len(pieces) ** 0.5

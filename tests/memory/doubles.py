"""Embedders that are quick and always say the same."""

import hashlib
import re
from collections.abc import Sequence


class WordEmbedder:
    """A text's vector is the sum of its words' vectors, which their hashes make: shared words make texts near."""

    lexical = True
    near = 0.9

    def __init__(self, dimensions: int = 32, name: str = "words"):
        self.dimensions = dimensions
        self.name = name

    def embed(self, texts: Sequence[str]):
        import numpy as np

        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()) or [""]:
                vectors[row] += self._word(word)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _word(self, word: str):
        import numpy as np

        digest = hashlib.shake_256(word.encode("utf-8", "replace")).digest(self.dimensions)
        return np.frombuffer(digest, np.uint8).astype(np.float32) - 127.5


class VectorEmbedder:
    """A text is the number of a vector in a table: for vectors that are made, not embedded."""

    lexical = False
    near = None
    name = "table"

    def __init__(self, vectors):
        self.vectors = vectors
        self.dimensions = vectors.shape[1]

    def embed(self, texts: Sequence[str]):
        return self.vectors[[int(text) for text in texts]]


def clustered(count: int, dimensions: int, seed: int = 0, clusters: int = 200, spread: float = 0.6):
    """Vectors of length 1 around centres, as those of texts are: (count, dimensions)."""
    import numpy as np

    random = np.random.default_rng(seed)
    centres = random.normal(size=(clusters, dimensions))
    vectors = centres[random.integers(0, clusters, count)] + spread * random.normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

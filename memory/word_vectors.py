"""WordLlama: the average of word vectors, offline and a hundred times cheaper than MiniLM, but less exact.

The vectors and their tokenizer are files of the package wordllama (MIT). They are read here, and the package itself is
not imported: it configures the root logger and would download what it misses.

Source: Miller, WordLlama, 2024 (https://github.com/dleemiller/WordLlama): the token embeddings of Llama 2, trained on
to be averaged.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .embedding_basics import missing_packages, package_file, readable, unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VECTORS = "wordllama==0.4.0.post1"
NEEDS = {"tokenizers": "tokenizers", "wordllama": VECTORS}
"""Module -> what to install for it."""
_FILES = {
    "tokenizers/l2_supercat_tokenizer_config.json": "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
    "weights/l2_supercat_256.safetensors": "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
}


class WordLlama:
    """Embeds texts by the words in them and what these mean, 256 dimensions, 0.1 ms of CPU a text.

    The order of the words is lost, and so is the difference between "send the money" and "the money was sent".

    Raises:
        ConfigError: What it needs is not installed, or its files are not the ones that were measured.

    Example:
        >>> a, b, c = WordLlama().embed(["Give me my money back", "I want a refund", "Is it raining?"])
        >>> bool(a @ b > a @ c)
        True
    """

    name = "wordllama"
    dimensions = 256
    lexical = False
    near = 0.8

    def __init__(self) -> None:
        missing = missing_packages(NEEDS)
        if missing:
            raise ConfigError(f"the embedder wordllama needs packages; run: pip install {' '.join(missing)}")
        self._lock = threading.Lock()
        self._loaded: tuple[Any, NDArray[np.float16]] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of length 1 a text, (n, 256)."""
        import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

        given = readable(texts)
        tokenizer, vectors = self._load()
        rows = np.zeros((len(given), self.dimensions))
        for row, text in zip(rows, given, strict=True):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if ids:
                row[:] = vectors[ids].mean(axis=0, dtype=np.float64)
        return unit(rows)

    def _load(self) -> tuple[Any, NDArray[np.float16]]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _read()
            return self._loaded


def _read() -> tuple[Any, NDArray[np.float16]]:
    """The tokenizer, and the one tensor of a safetensors file: 8 bytes of length, a JSON head, the numbers."""
    import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)
    from tokenizers import Tokenizer  # noqa: PLC0415  (optional)

    tokenizer, content = (package_file("wordllama", name, sha256, VECTORS) for name, sha256 in _FILES.items())
    start = 8 + int.from_bytes(content[:8], "little")
    shape = json.loads(content[8:start])["embedding.weight"]["shape"]
    vectors: NDArray[np.float16] = np.frombuffer(content, dtype="<f2", offset=start).reshape(shape)
    return Tokenizer.from_str(tokenizer.decode()), vectors

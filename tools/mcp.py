"""The tools of MCP servers (Model Context Protocol, modelcontextprotocol.io), as LangChain tools."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_core.tools import BaseTool

from ..errors import ConfigError, nearest

if TYPE_CHECKING:
    from langchain_mcp_adapters.sessions import Connection

EXAMPLE = '{"mcpServers": {"files": {"command": "npx", "args": ["-y", "some-server"]}}}'

_LOCAL_KEYS = ("command", "args", "env", "cwd")
_REMOTE_KEYS = ("url", "headers")
_TRANSPORTS = {
    "stdio": "stdio",
    "http": "streamable_http",
    "streamable_http": "streamable_http",
    "streamable-http": "streamable_http",
    "sse": "sse",
}


def load_mcp(spec: str, *, timeout: float = 30.0) -> list[BaseTool]:
    """Start or reach the servers of an MCP configuration and return their tools.

    The tools are asynchronous only (`ainvoke`); every call opens a session of its own, so a local server is started for
    the call and ended after it, and nothing is left to close. A tool name that two servers share is prefixed with the
    server's name (``files_read``, ``mail_read``). Programs named in the configuration are run: use only files that you
    trust.

    Args:
        spec: A path to a JSON file in the usual form, ``{"mcpServers": {"name": {"command": "...", "args": [...]}}}``
            with ``{"url": "..."}`` for a remote server; or that JSON itself; or an http(s) URL.
        timeout: Seconds that each server has to start and to list its tools; all servers start at the same time.

    Returns:
        The tools of all servers, in the order of the configuration. The call works with and without a running event
        loop.

    Raises:
        ConfigError: The configuration is wrong, a server does not start or answer, there are no tools at all, or the
            extra ``mcp`` is not installed.

    Example:
        >>> load_mcp('{"mcpServers": {}}')
        Traceback (most recent call last):
        ...
        langgraph_agora.errors.ConfigError: inline JSON: 'mcpServers' names no server; write it like \
{"mcpServers": {"files": {"command": "npx", "args": ["-y", "some-server"]}}}
    """
    connections = _connections(spec)
    try:
        import langchain_mcp_adapters.client  # noqa: F401, PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ConfigError(f'MCP tools need an extra: pip install "langgraph-agora[mcp]" ({error})') from error
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: the caller may stand in a running event loop
        return _with_unique_names(pool.submit(_load, connections, timeout).result())


# --- reading the configuration ---------------------------------------------------------------------------------------


def _connections(spec: str) -> dict[str, Connection]:
    """Read and check a specification; nothing is started."""
    if not isinstance(spec, str) or not spec.strip():
        raise ConfigError(f"MCP: give a JSON file, a URL, or JSON like {EXAMPLE}; got {spec!r}")
    spec = spec.strip()
    if re.match(r"https?://", spec, re.IGNORECASE):
        connection = _connection("URL", {"url": spec})
        return {str(urlsplit(spec).hostname): connection}
    source, text = ("inline JSON", spec) if spec.startswith("{") else (f"MCP file {spec!r}", _file_text(spec))
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: too deeply nested; write it like {EXAMPLE}") from error
    return {name: _connection(f"{source}, server {name!r}", entry) for name, entry in _servers(source, config).items()}


def _file_text(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"MCP file {path!r}: {reason}; give a JSON file, an http(s) URL, or JSON inline") from error


def _servers(source: str, config: object) -> dict[str, object]:
    if not isinstance(config, dict):
        raise ConfigError(f"{source}: must be an object, got {_kind(config)}; write it like {EXAMPLE}")
    _check_keys(source, config, ("mcpServers",))
    servers = config.get("mcpServers")
    if not isinstance(servers, dict):
        raise ConfigError(f"{source}: 'mcpServers' must be an object of servers; write it like {EXAMPLE}")
    if not servers:
        raise ConfigError(f"{source}: 'mcpServers' names no server; write it like {EXAMPLE}")
    return servers


def _connection(place: str, entry: object) -> Connection:
    if not isinstance(entry, dict):
        raise ConfigError(f"{place}: must be an object, got {_kind(entry)}; write it like {EXAMPLE}")
    _check_keys(place, entry, (*_LOCAL_KEYS, *_REMOTE_KEYS, "type", "transport"))
    local, remote = "command" in entry, "url" in entry
    if local == remote:
        raise ConfigError(
            f"{place}: needs either 'command' (a local program) or 'url' (a remote server)"
            + (", not both" if local else "")
        )
    _check_keys(place, entry, (*(_LOCAL_KEYS if local else _REMOTE_KEYS), "type", "transport"))
    settings = {key: value for key, value in entry.items() if key not in ("type", "transport")}
    _check_values(place, settings)
    if local:
        settings.setdefault("args", [])
    transport = _transport(place, entry, local)
    return {"transport": transport, **settings}  # type: ignore[return-value]  # checked above, key by key


def _transport(place: str, entry: Mapping[str, object], local: bool) -> str:
    default = "stdio" if local else "http"
    given = entry.get("type", entry.get("transport", default))
    allowed = [name for name in _TRANSPORTS if (name == "stdio") == local]
    if given not in allowed:
        raise ConfigError(f"{place}: 'type' must be one of {', '.join(allowed)}, got {given!r}")
    return _TRANSPORTS[str(given)]


def _check_keys(place: str, entry: Mapping[str, object], allowed: tuple[str, ...]) -> None:
    for key in entry:
        if key not in allowed:
            raise ConfigError(f"{place}: unknown key {key!r}; known here: {', '.join(allowed)}.{nearest(key, allowed)}")


def _check_values(place: str, settings: Mapping[str, object]) -> None:
    # Values are not quoted in the messages: env and headers hold secrets.
    for key, value in settings.items():
        if key == "args":
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
            wanted = "a list of texts"
        elif key in ("env", "headers"):
            good = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
            wanted = "an object whose values are texts"
        else:
            good, wanted = isinstance(value, str) and bool(value.strip()) and "\0" not in value, "a text"
        if not good:
            raise ConfigError(f"{place}: {key!r} must be {wanted}, got {_kind(value)}")
    url = settings.get("url")
    if isinstance(url, str) and not _is_http(url):
        raise ConfigError(f"{place}: 'url' must start with http:// or https:// and name a host")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


# --- talking to the servers ------------------------------------------------------------------------------------------


def _load(connections: dict[str, Connection], timeout: float) -> dict[str, list[BaseTool]]:
    return asyncio.run(_load_all(connections, timeout))


async def _load_all(connections: dict[str, Connection], timeout: float) -> dict[str, list[BaseTool]]:
    from langchain_mcp_adapters.client import MultiServerMCPClient  # noqa: PLC0415

    client = MultiServerMCPClient(connections)
    # All are waited for, also when one fails: each then ends the program that it started.
    loads = [asyncio.wait_for(client.get_tools(server_name=name), timeout) for name in connections]
    results = await asyncio.gather(*loads, return_exceptions=True)
    tools: dict[str, list[BaseTool]] = {}
    for (name, connection), result in zip(connections.items(), results, strict=True):
        if isinstance(result, BaseException):
            raise ConfigError(f"MCP server {name!r}: {_reason(connection, result, timeout)}") from result
        tools[name] = result
    if not any(tools.values()):
        raise ConfigError(f"MCP: no tools are offered by {', '.join(map(repr, tools))}")
    return tools


def _reason(connection: Mapping[str, Any], error: BaseException, timeout: float) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    what = repr(connection["command"]) if "command" in connection else _without_secrets(connection["url"])
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, TimeoutError):
        return f"{what} did not answer as an MCP server within {timeout:g} s"
    if isinstance(error, OSError) and "command" in connection:
        return f"cannot start {what}: {error.strerror or error}; check 'command' and 'cwd'"
    if status is not None:
        return f"{what} answered with HTTP status {status}; check 'url' and 'headers'"
    first_line = (str(error).splitlines() or [""])[0].replace(str(connection.get("url")), what)
    check = "'command' and 'args'" if "command" in connection else "'url'"
    return f"{what} is down or not an MCP server ({type(error).__name__}: {first_line[:200]}); check {check}"


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _with_unique_names(tools: Mapping[str, list[BaseTool]]) -> list[BaseTool]:
    """Prefix the names that occur more than once; the call itself uses the server's own name for the tool."""
    counts = Counter(tool.name for of_server in tools.values() for tool in of_server)
    named: dict[str, tuple[str, BaseTool]] = {}
    for server, of_server in tools.items():
        for tool in of_server:
            name = tool.name if counts[tool.name] == 1 else f"{re.sub(r'[^A-Za-z0-9_-]', '_', server)}_{tool.name}"
            if name in named:
                raise ConfigError(
                    f"MCP servers {named[name][0]!r} and {server!r} both offer a tool {name!r}; "
                    "rename one server in the configuration or leave it out"
                )
            named[name] = (server, tool if name == tool.name else tool.model_copy(update={"name": name}))
    return [tool for _, tool in named.values()]

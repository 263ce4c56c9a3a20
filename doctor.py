"""Is this installation whole? Each finding says what mends it."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from .errors import ConfigError
from .memory.embedders import EmbedderInfo, list_embedders, load_embedder
from .models import list_models, load_model


class Finding(NamedTuple):
    """One line of `agora doctor`. Only what is `needed` makes the installation unhealthy."""

    name: str
    ok: bool
    words: str
    needed: bool = True


def examine() -> Iterator[Finding]:
    """Check Python, the packages, the search index, the models and the embedders; the offline ones are asked."""
    yield Finding("python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()}")
    for package in ("langgraph", "langchain-core", "langchain", "langchain-openai", "langchain-ollama"):
        yield _package(package)
    yield _full_text_search()
    rows = list_models()
    yield _embedded(next(row for row in rows if row.spec == "embedded").usable, rows[0].note)
    for row in rows[1:]:
        yield Finding(row.spec, row.usable, row.note, needed=False)
    for embedder in list_embedders():
        yield _embedder(embedder)


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, f"not installed; run: pip install {name}")


def _full_text_search() -> Finding:
    with sqlite3.connect(":memory:") as database:
        has = database.execute("select sqlite_compileoption_used('ENABLE_FTS5')").fetchone()[0]
    words = f"SQLite {sqlite3.sqlite_version}" + ("" if has else " was built without FTS5, so --docs cannot work")
    return Finding("document search", bool(has), words, needed=False)


def _embedded(usable: bool, note: str) -> Finding:
    if not usable:
        return Finding("embedded", False, note, needed=False)
    reply = load_model("embedded").invoke("Say hello.").text
    return Finding("embedded", bool(reply.strip()), f"answers ({note})")


def _embedder(row: EmbedderInfo) -> Finding:
    name, words = f"embedder {row.spec}", row.note
    if row.usable and not row.spec.endswith("NAME"):
        embedder = load_embedder(row.spec)
        try:
            embedder.embed(["hello"])  # Installed is not yet loadable: the weights' hash is checked here.
        except ConfigError as error:
            return Finding(name, False, str(error), needed=False)
        words += f", {embedder.dimensions} dimensions"
    return Finding(name, row.usable, words, needed=False)

"""A LangGraph `BaseStore` that outlives the process: what is put is in a file when `put` returns, and found by meaning.

    graph = builder.compile(store=ChromaStore("memory", index={"embed": "openai:text-embedding-3-small"}))

Operation by operation it does what `InMemoryStore` does. Where that parts from LangGraph's documentation (in
langgraph.store.base), this store follows the documentation:

- An item that is replaced keeps its `created_at`, and is found by what it says now; with `index=False`, by nothing.
- A namespace that holds nothing is not listed, not even one that was asked for.
- Pages of a search by meaning (`offset`) share no item: first all that has a score, then the rest in order.
- A text may be put twice in one batch. A namespace that `put` refuses is refused by `batch` as well.
- In a filter, what cannot be compared does not match, where InMemoryStore raises. Paths and `$in` are allowed, too
  (`filters.py`).
- `"$"`, the whole value, may stand in `index=` of a put as in `index["fields"]`. (The SQLite store of
  langgraph-checkpoint-sqlite 3.1 ignores `fields`.)
- Reading begins an item's time to live anew, unless the call or `ttl["refresh_on_read"]` says otherwise. (The SQLite
  store does so only with `ttl` configured.) What has expired is gone at once, as with `omit_expired`; a sweep erases
  it from the file.

Without a query items come namespace by namespace, in each in the order in which they were first put. A namespace has
the place of the oldest item that it holds. What was put in one batch is of one age; of it, what is replaced comes last.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    get_text_at_path,
    tokenize_path,
    validate_op_namespace,
)

from ..errors import ConfigError, nearest
from .embedders import Embedder, load_embedder
from .items import Item as ShelfItem
from .items import Row, written
from .shelf import Name, Shelf

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_INDEX, _TTL = tuple(IndexConfig.__annotations__), tuple(TTLConfig.__annotations__)
_SWEEP_MINUTES = 5.0


class ChromaStore(BaseStore):
    """A store for `compile(store=...)`, `create_agent(store=...)` and every tool that takes a `BaseStore`.

    Args:
        path: The folder of the memory, made when it is not there; None: a memory of this object alone. Several
            processes may have one open at once.
        index: What is found by meaning: `fields` (paths as LangGraph has them; none: the whole value), `embed` (as for
            `load_embedder`, or an async function; none: the embedder that the memory was made with, else the best
            offline one), `dims` (checked against it). Without `index` and `embedder` nothing is, as in LangGraph's own
            stores. Questions are embedded as documents are.
        embedder: The same as `index={"embed": embedder}`.
        ttl: How long items live, in minutes. Without it, those that are put with a `ttl` live so long.
        shelf: One that is open already, instead of `path` and an embedder; `close` leaves it open.
        clock: Epoch seconds; the same as the shelf's, when one is given.
        reserved: First labels of namespaces that can be read here and not written.

    Raises:
        ConfigError: These do not fit together, or not to what is in the folder.

    Example:
        >>> store = ChromaStore(index={"embed": "lexical", "fields": ["text"]})
        >>> store.put(("users", "ann"), "drink", {"text": "ann drinks green tea"})
        >>> store.put(("users", "ann"), "pet", {"text": "ann has a dog, rex"})
        >>> [item.key for item in store.search(("users",), query="what is the name of the dog", limit=1)]
        ['pet']
        >>> store.get(("users", "ann"), "drink").value
        {'text': 'ann drinks green tea'}
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        index: IndexConfig | None = None,
        embedder: str | Embeddings | Callable[[list[str]], Any] | Embedder | None = None,
        ttl: TTLConfig | None = None,
        shelf: Shelf | None = None,
        clock: Callable[[], float] = time.time,
        reserved: tuple[str, ...] = (),
    ) -> None:
        _check_index(index)
        _check_ttl(ttl)
        spec = (index or {}).get("embed", embedder)
        if embedder is not None and "embed" in (index or {}):
            raise ConfigError("An embedder was given twice, in index['embed'] and as embedder; give one of them.")
        if shelf is not None and (path is not None or spec is not None):
            raise ConfigError("A shelf has its path and its embedder; leave out path, embedder and index['embed'].")
        self.ttl_config, self.reserved = ttl, reserved
        fields = (index or {}).get("fields") or ["$"]
        self._searched = index is not None or embedder is not None or shelf is not None
        self._paths = [_path(field) for field in fields]
        self._owned = shelf is None
        self.shelf = Shelf(path, None if spec is None else _embedder(spec), clock=clock) if shelf is None else shelf
        self._clock = clock
        self._sweeper: Future[None] | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        if index is not None and index.get("dims") is not None:
            with contextlib.ExitStack() as cleanup:
                cleanup.callback(self.close)
                _check_dims(index["dims"], self.shelf.embedder)
                cleanup.pop_all()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations: what reads, then, in one transaction, what writes; of two puts of a key the later.

        Raises:
            ConfigError: One of them is wrong; nothing is written.
        """
        given = list(ops)
        puts = self._checked(given)
        results: list[Result] = []
        read: list[Row] = []
        for op in given:
            if isinstance(op, GetOp):
                row = self.shelf.get(op.namespace, op.key)
                results.append(None if row is None else Item(**_fields(row)))
                read += [row] if row and op.refresh_ttl else []
            elif isinstance(op, SearchOp):
                found = self._found(op)
                results.append([SearchItem(**_fields(row), score=score) for row, score in found])
                read += [row for row, _ in found if op.refresh_ttl]
            else:
                results.append(self._listed_namespaces(op) if isinstance(op, ListNamespacesOp) else None)
        living = [(row.namespace, row.key) for row in read if row.ttl is not None]
        if living and not self.shelf.read_only:  # who only reads lets time go on
            self.shelf.refresh(living)
        if puts:
            self._write(puts)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The same in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.batch, list(ops))

    def sweep_ttl(self) -> int:
        """Erase what has expired; returns how many items."""
        return self.shelf.sweep()

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Future[None]:
        """Sweep every so many minutes, in a thread, until it is stopped, closed, or not needed by anybody.

        Args:
            sweep_interval_minutes: Without it, `ttl["sweep_interval_minutes"]`, else 5.

        Returns:
            A future that ends with the sweeper, or with the error that ended it; to cancel it stops the sweeper.
            Without a `ttl` configuration there is none, and the future has ended already.
        """
        if self._sweeper is not None and not self._sweeper.done():
            return self._sweeper
        future: Future[None] = Future()
        if self.ttl_config is None:
            future.set_result(None)
            return future
        wanted = (sweep_interval_minutes, self.ttl_config.get("sweep_interval_minutes"), _SWEEP_MINUTES)
        minutes = next(one for one in wanted if one is not None)
        _check_minutes("sweep_interval_minutes", minutes)
        stop = self._stop = threading.Event()
        future.add_done_callback(lambda _: stop.set())
        weakref.finalize(self, stop.set)
        work = (weakref.ref(self), 60 * minutes, stop, future)
        self._sweeper = future
        self._thread = threading.Thread(target=_sweep, args=work, name="ttl-sweeper", daemon=True)
        self._thread.start()
        return future

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop the sweeper; returns whether it ended within `timeout` seconds (None: however long it takes)."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def close(self) -> None:
        """Stop the sweeper and give the files back. Closing twice is fine."""
        self.stop_ttl_sweeper()
        if self._owned:
            self.shelf.close()

    def __enter__(self) -> ChromaStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, ops: Sequence[Any]) -> list[PutOp]:
        """The puts, one for each key; the later one, at the place of the earlier."""
        puts: dict[Name, PutOp] = {}
        for op in ops:
            if not isinstance(op, GetOp | SearchOp | ListNamespacesOp | PutOp):
                raise ConfigError(f"batch was given {op!r}; it takes GetOp, SearchOp, ListNamespacesOp and PutOp.")
            validate_op_namespace(op)
            if isinstance(op, PutOp):
                if not op.namespace:
                    raise InvalidNamespaceError("A namespace cannot be empty; give one label at least.")
                if op.namespace[0] in self.reserved:
                    raise ConfigError(
                        f"The namespace {op.namespace} is the memory's own, to be read and searched here; write it "
                        "with memory.add(...) or memory.put_lesson(...), and erase with memory.forget(...)."
                    )
                puts[tuple(op.namespace), op.key] = op
            elif not isinstance(op, GetOp):
                _check_count("limit", op.limit)
                _check_count("offset", op.offset)
                if isinstance(op, ListNamespacesOp) and op.max_depth is not None:
                    _check_count("max_depth", op.max_depth)
        return list(puts.values())

    def _write(self, puts: Sequence[PutOp]) -> None:
        items = [self._item(op, op.value) for op in puts if op.value is not None]
        drop = [(op.namespace, op.key) for op in puts if op.value is None]
        self.shelf.change(items, drop, history=False)

    def _item(self, op: PutOp, value: Mapping[str, Any]) -> ShelfItem:
        expires_at = None
        if op.ttl is not None:
            _check_minutes("ttl", op.ttl)
            expires_at = self._clock() + 60 * op.ttl
        return ShelfItem(op.namespace, op.key, value, self._texts(op, value), expires_at, op.ttl)

    def _texts(self, op: PutOp, value: Mapping[str, Any]) -> tuple[str, ...]:
        """What an item is found by."""
        if not self._searched or op.index is False:
            return ()
        if op.index is not None and not _is_texts(op.index):
            raise ConfigError(f"index of {op.key!r} was {op.index!r}; give False or a list of paths.")
        written(value, op.key)  # What is no JSON is refused, before its text is sought.
        paths = self._paths if op.index is None else [_path(field) for field in op.index]
        texts = [text for path in paths for text in get_text_at_path(value, path)]
        return tuple(dict.fromkeys(texts))

    def _found(self, op: SearchOp) -> list[tuple[Row, float | None]]:
        """What a search returns, with the scores."""
        if not op.limit:
            return []
        last = op.offset + op.limit
        if not op.query or not self._searched:
            found = self.shelf.first_put(op.namespace_prefix, op.filter, limit=op.limit, offset=op.offset)
            return [(row, None) for row in found]
        ranked: list[tuple[Row, float | None]] = [
            *self.shelf.nearest(op.query, last, prefix=op.namespace_prefix, where=op.filter)
        ]
        if len(ranked) < last:
            scored = {row.seq for row, _ in ranked}
            rest = self.shelf.first_put(op.namespace_prefix, op.filter, limit=last)
            ranked += [(row, None) for row in rest if row.seq not in scored]
        return ranked[op.offset : last]

    def _listed_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        found = [
            space for space in self.shelf.namespaces() if all(_fits(space, one) for one in op.match_conditions or ())
        ]
        if op.max_depth is not None:
            found = sorted({space[: op.max_depth] for space in found})
        return found[op.offset : op.offset + op.limit]


class _Awaited:
    """An async embedding function, for callers that wait; in a thread of its own, since a loop may run in this one."""

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self._function = function

    def __call__(self, texts: list[str]) -> Any:
        with ThreadPoolExecutor(1) as worker:
            return worker.submit(asyncio.run, self._function(texts)).result()


def _embedder(spec: Any) -> Embedder:
    if inspect.iscoroutinefunction(spec) or (callable(spec) and inspect.iscoroutinefunction(type(spec).__call__)):
        return load_embedder(_Awaited(spec), name=getattr(spec, "__name__", type(spec).__name__))
    return load_embedder(spec)


def _sweep(store: weakref.ref[ChromaStore], seconds: float, stop: threading.Event, ended: Future[None]) -> None:
    error: BaseException | None = None
    try:
        while not stop.wait(seconds) and (one := store()) is not None:
            one.sweep_ttl()
            del one  # It may go while this waits.
    except Exception as raised:  # What the disk may do; whoever has the future sees it.
        error = raised
    with contextlib.suppress(InvalidStateError):  # It was cancelled.
        ended.set_exception(error) if error else ended.set_result(None)


def _path(field: str) -> str | list[str]:
    """A path as `get_text_at_path` takes it."""
    return field if field == "$" else tokenize_path(field)


def _fields(row: Row) -> dict[str, Any]:
    """What a row and an item of LangGraph have in common."""
    times = {name: datetime.fromtimestamp(getattr(row, name), UTC) for name in ("created_at", "updated_at")}
    return {"namespace": row.namespace, "key": row.key, "value": row.value, **times}


def _fits(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    path = condition.path
    if condition.match_type not in ("prefix", "suffix") or isinstance(path, str):
        raise ConfigError(f"The condition was {condition!r}; give 'prefix' or 'suffix' and a tuple of labels.")
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[-len(path) or len(namespace) :]
    return len(part) == len(path) and all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))


def _check_index(index: IndexConfig | None) -> None:
    _check_names("index", index, _INDEX)
    fields = (index or {}).get("fields")
    if fields is not None and not _is_texts(fields):
        raise ConfigError(f'index[\'fields\'] was {fields!r}; give a list of paths, as ["text", "notes[*].text"].')


def _check_dims(dims: int, embedder: Embedder) -> None:
    if dims != embedder.dimensions:
        raise ConfigError(
            f"index['dims'] was {dims}, and the vectors of {embedder.name!r} have {embedder.dimensions} numbers; give "
            "this number, or leave it out."
        )


def _check_ttl(ttl: TTLConfig | None) -> None:
    _check_names("ttl", ttl, _TTL)
    for name in ("default_ttl", "sweep_interval_minutes"):
        if ttl and ttl.get(name) is not None:
            _check_minutes(f"ttl[{name!r}]", ttl.get(name))


def _check_names(what: str, given: Any, known: Sequence[str]) -> None:
    if given is not None and not isinstance(given, dict):
        raise ConfigError(f"{what} was {given!r}; give a dict with some of {', '.join(known)}.")
    for name in given or ():
        if name not in known:
            raise ConfigError(f"{what} has {name!r}; allowed are {', '.join(known)}.{nearest(str(name), known)}")


def _check_minutes(what: str, minutes: Any) -> None:
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes < math.inf:
        raise ConfigError(f"{what} was {minutes!r}; give a number of minutes, more than 0.")


def _check_count(what: str, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ConfigError(f"{what} was {number!r}; give a whole number from 0 on.")


def _is_texts(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)

"""What is remembered of promises across runs: in a graph's store where it has one, else in the state of the thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langgraph.store.base import BaseStore

from ..errors import ConfigError
from .contracts import recorded
from .running import Body, Work
from .text import shorten

MOST = 2**53  # promises of one kind; a checkpoint holds no number over 64 bits.

_storing = threading.Lock()  # Runs of one process do not lose each other's promises.


def known_records(
    store: BaseStore | None, shelf: tuple[str, ...], names: Iterable[str], given: Any
) -> Body[dict[str, dict[str, int]]]:
    """Return agent -> {"kept", "broken"}: what was given, and over it what the store has.

    Args:
        store: The run's, or None.
        shelf: The namespace in it.
        names: Whom to look up.
        given: What the state has.

    Raises:
        ConfigError: What was given, or stands in the store, is no record.
    """
    records = given or {}
    if not isinstance(records, dict):
        raise ConfigError(f'track_record was {records!r}; give agent -> {{"kept": 3, "broken": 1}}.')
    records = dict(records)
    for name in names if store is not None else ():
        item = yield Work(store.get, (shelf, name))  # type: ignore[union-attr]
        if item is not None:
            records[name] = dict(item.value)
    for name, record in records.items():
        counts = [record.get(key, 0) for key in ("kept", "broken")] if isinstance(record, Mapping) else [None]
        if not all(isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST for count in counts):
            raise ConfigError(
                f"The track record of {name!r} was {shorten(repr(record), 200)}; "
                f'give {{"kept": 3, "broken": 1}}, whole numbers from 0 to {MOST}.'
            )
    return records


def keep_promises(store: BaseStore, shelf: tuple[str, ...], promises: Sequence[tuple[str, bool]]) -> None:
    """Add promises (agent, whether kept) to the store, whose records another run may have changed meanwhile."""
    with _storing:
        for name, kept in promises:
            item = store.get(shelf, name)
            known = {name: item.value} if item is not None else {}
            store.put(shelf, name, recorded(known, name, kept=kept)[name])

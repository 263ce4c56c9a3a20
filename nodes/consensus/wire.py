"""Raft's messages as bytes and back, and its log as a journal that survives being cut off; who calls does the I/O.

A message is one JSON array. A journal is a sequence of lines, each with a checksum before it; what stands after the
first line that is not whole is dropped, and said.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from zlib import crc32

from .raft import Entry, Message, Ready, Stored, well_formed

MAX_BYTES = 4_000_000  # of one message or record; a batch of 64 entries of 20,000 characters fits


def encode(message: Message) -> bytes:
    """Return a message as bytes.

    Raises:
        TypeError: A value in it is no JSON.

    Example:
        >>> decode(encode(Message("vote", "a", "b", 3)))
        Message(kind='vote', sender='a', to='b', term=3, index=0, log_term=0, entries=(), commit=0, ok=True, hint=0)
    """
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()


def decode(data: bytes) -> Message | None:
    """Return the message in bytes, or None for what is truncated, oversized, or no message.

    Example:
        >>> decode(b'["vote","a"') is None, decode(b"[1,2]") is None
        (True, True)
    """
    if len(data) > MAX_BYTES:
        return None
    try:
        fields = json.loads(data)
        kind, sender, to, term, index, log_term, entries, commit, ok, hint = fields
        rows = tuple(Entry(*row) for row in entries)
    except (ValueError, TypeError, RecursionError):  # UnicodeDecodeError is a ValueError.
        return None
    message = Message(kind, sender, to, term, index, log_term, rows, commit, ok, hint)
    names = isinstance(kind, str) and isinstance(sender, str) and isinstance(to, str)
    return message if names and well_formed(message) else None


class Recovered(NamedTuple):
    """What a journal holds. `lost` counts the bytes that were dropped at its end, and `words` says why."""

    stored: Stored
    lost: int
    words: str


def record(ready: Ready) -> bytes:
    r"""Return what a `Ready` asks to persist as a line to append to the journal; empty when it asks nothing.

    Example:
        >>> record(Ready((1, "a"), 1, (Entry(1, None),), (), ()))
        b'c3c9a394 [[1,"a"],1,[[1,null]]]\n'
    """
    if ready.state is None and not ready.entries:
        return b""
    body = json.dumps([ready.state, ready.first, ready.entries], separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (crc32(body), body)


def recover(journal: bytes) -> Recovered:
    r"""Return what was persisted, up to the last whole record.

    Args:
        journal: The records, one after the other, as they were appended.

    Example:
        >>> lines = record(Ready((1, "a"), 1, (Entry(1, None),), (), ()))
        >>> lines += record(Ready(None, 2, (Entry(1, "x"),), (), ()))
        >>> recover(lines[:-5]).stored.log, recover(lines[:-5]).words
        ((Entry(term=1, value=None),), 'record 2 is not whole; 23 bytes after record 1 are dropped')
    """
    term, vote, log = 0, None, list[Entry]()
    at, number = 0, 0
    while at < len(journal):
        end = journal.find(b"\n", at)
        found = _read(journal[at:end]) if end >= 0 else None
        if found is None or not 1 <= found[1] <= len(log) + 1:
            lost = len(journal) - at
            why = f"record {number + 1} is not whole; {lost} bytes after record {number} are dropped"
            return Recovered(Stored(term, vote, tuple(log)), lost, why)
        state, first, entries = found
        term, vote = state or (term, vote)
        if entries:
            log[first - 1 :] = entries
        at, number = end + 1, number + 1
    return Recovered(Stored(term, vote, tuple(log)), 0, "")


def _read(line: bytes) -> tuple[Any, int, list[Entry]] | None:
    checksum, _, body = line.partition(b" ")
    try:
        if len(line) > MAX_BYTES or int(checksum, 16) != crc32(body):
            return None
        state, first, rows = json.loads(body)
        return (tuple(state) if state else None), int(first), [Entry(*row) for row in rows]
    except (ValueError, TypeError, RecursionError):
        return None

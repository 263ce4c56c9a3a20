"""Chroma as an index of the record: only numbers of texts and their vectors are in it, and it can be made anew.

What makes it safe to use beside other processes:

- One process writes it, the one that holds `index.writer.lock`, from its first write until it closes or dies. Two
  writers spoil the graph of neighbours without an error.
- A process never sees what others add after it opened the index. So `agora.json` says up to which text the index
  reaches, a process remembers what it said when it opened, and newer texts are searched elsewhere.
- While it is written nobody opens it (`index.load.lock`), and a file `writing` lies beside it. Where that was left
  behind, or a file is not of the size and time in `agora.json`, or Chroma has another version now, the index is not
  opened but made anew (0.3 ms a vector), meanwhile all is searched without it. Files cut short take the whole process
  down (SIGSEGV), and trying them out in another process proves nothing: half a header passes there now and then.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .locks import Lock
from .record import Record

if TYPE_CHECKING:
    import numpy as np
    from chromadb.api import ClientAPI
    from chromadb.api.collection_configuration import CreateHNSWConfiguration
    from chromadb.api.models.Collection import Collection
    from numpy.typing import NDArray

SETTINGS: CreateHNSWConfiguration = {
    "space": "cosine",
    "ef_construction": 100,
    # recall@10 of 12,000 vectors in loose clusters is 0.994 with it and 0.972 with 100, Chroma's own.
    "ef_search": 200,
    "max_neighbors": 16,
    "num_threads": 1,  # so that the same vectors give the same graph
    # Its files are complete after every batch; by default up to 1,000 vectors are in a log alone, and who opens the
    # index writes them into the files, beside whoever else does. It costs nothing that can be measured.
    "batch_size": 2,
    "sync_threshold": 2,
}

_BATCH = 1000
_PAGE = 10_000

_open: set[str] = set()
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class State:
    """What an index has: texts up to a number, without those removed up to another one."""

    generation: int
    text: int = 0
    removed: int = 0
    begun: int = 0  # with so many removals: vectors of these never were in its files
    dead: int = 0  # vectors that were removed and still stand in its graph
    chroma: str = ""
    files: dict[str, list[int]] = field(default_factory=dict)


class Chroma:
    """The index of a memory's folder. Not to be used by two threads at once."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.state = State(-1)
        """Of what this process has open; generation -1: nothing."""
        self.unusable = "" if _installed() else "chromadb is not installed (pip install 'langgraph-agora[memory]')"
        self.problem = self.unusable
        """Why it is not used; empty when it is."""
        self._folder = folder / "index"
        self._record = record
        self._writer = Lock(folder / "index.writer.lock")
        self._loading = Lock(folder / "index.load.lock")
        self._client: ClientAPI | None = None
        self._collection: Collection | None = None
        self._path = ""

    def open(self, generation: int) -> bool:
        """Open what is in the folder now, to be read; False: there is nothing that can be used."""
        self.shut()
        if self.problem or not self._folder.exists():
            return False
        with self._loading.held(shared=True):
            state = self._trusted(generation)
            if state is None or not state.files:  # without files it is made by opening it, which only one may do
                return False
            try:
                self._connect(state)
            except Exception:  # Chroma raises whatever its parts in Rust do; who writes the index mends it
                self.shut()
        return self._collection is not None

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes it."""
        return self._writer.is_held

    def reach(self, generation: int) -> State:
        """How far the index in the folder has come by now, with vectors of a generation."""
        state = self.state if self.leads and self.state.generation >= 0 else self._stated()
        return state if state and state.generation == generation else State(generation)

    def is_stale(self) -> bool:
        """Whether its files have vectors that were erased since it was begun: Chroma only marks them."""
        state = self._stated()
        return state is not None and self._has_erased(state)

    def fail(self, error: BaseException) -> None:
        """Use it no more, since Chroma failed."""
        self.close()
        self.problem = f"the index cannot be used: {type(error).__name__}: {str(error)[:300]}"

    def take(self, generation: int, most: int) -> int:
        """Let the index take in what is new in the record; returns how many changes.

        Nothing happens when another process writes it.

        Args:
            generation: Of the vectors; those of another are thrown away.
            most: At most so many vectors.
        """
        if self.problem or not self.lead():
            return 0
        try:
            with self._loading.held():
                if self.state.generation != generation or not self._folder.exists():
                    self._own(generation)
                return self._write(most)
        except BaseException as error:
            # Chroma raises whatever its parts in Rust do. The record has everything, so it goes on without.
            self.fail(error)
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            return 0

    def search(self, query: NDArray[np.float32], amount: int) -> list[int]:
        """The numbers of about the nearest texts, in no order that matters."""
        assert self._collection is not None
        found = self._collection.query(query_embeddings=query[None], n_results=amount, include=[])
        return [int(name) for name in found["ids"][0]]

    def content(self, generation: int) -> tuple[State, set[int]] | None:
        """What it should have and the numbers of all texts that are in it, as it is now; None: nothing can be used."""
        if self.lead():
            self.take(generation, 0)
        else:
            self.open(generation)
        if self._collection is None:
            return None
        with self._loading.held(shared=True):
            state = self._stated() or self.state
            found: set[int] = set()
            for start in range(0, self._collection.count(), _PAGE):
                page = self._collection.get(limit=_PAGE, offset=start, include=[])
                found.update(int(name) for name in page["ids"])
            return state, found

    def lost(self, sample: Sequence[tuple[int, bytes]]) -> int:
        """How many vectors of a sample it does not find."""
        if self._collection is None or not sample:
            return 0
        found = self._collection.query(
            query_embeddings=_matrix([blob for _, blob in sample]), n_results=10, include=["distances"]
        )
        return sum(not distances or min(distances) > 1e-4 for distances in found["distances"] or [])

    def remove(self) -> None:
        """Throw the whole index away; only who may write it."""
        self.shut()
        if self._folder.is_dir() and not self._folder.is_symlink():
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self._folder.unlink(missing_ok=True)

    def shut(self) -> None:
        """Close what is open, and stay the one who writes."""
        self.state, self._collection = State(-1), None
        if self._client is not None:
            with contextlib.suppress(Exception):  # nothing of it is needed any more
                self._client.close()  # type: ignore[attr-defined]  # its class has it, the interface not
            self._client = None
            with _opening:
                _open.discard(self._path)

    def close(self) -> None:
        """Close it, and let others write."""
        self.shut()
        self._writer.drop()

    def lead(self) -> bool:
        """Become the one that writes it, if nobody else is; whether that is so now."""
        if not self._writer.is_held:
            try:
                if not self._writer.take():
                    return False
            except OSError:  # the disk is full, or the folder gone
                return False
            self.shut()  # another may have written since it was opened
        return True

    def _own(self, generation: int) -> None:
        """Open it to write: as it is when it can be trusted, else empty."""
        self.shut()
        state = self._trusted(generation)
        if state is not None and not self._has_erased(state):
            with contextlib.suppress(Exception):  # whatever is wrong with it, a new one mends it
                self._connect(state)
                return
        self._begin(generation)

    def _begin(self, generation: int) -> None:
        """Make an empty one instead of what is there."""
        self.remove()
        self._connect(State(generation, begun=self._record.last("removed")))

    def _has_erased(self, state: State) -> bool:
        return (self._record.note("shelf.erased") or 0) > state.begun

    def _write(self, most: int) -> int:
        state = self.state
        [(alive,)] = self._record.read("SELECT count(*) FROM texts WHERE id <= ?", (state.text,))
        if state.dead > max(_BATCH, 2 * alive):  # its graph is mostly of what was removed
            self._begin(state.generation)
            state = self.state
        with self._record.snapshot():
            gone = self._record.read("SELECT id, text FROM removed WHERE id > ? ORDER BY id", (state.removed,))
            new = self._record.read(
                "SELECT id, vector FROM texts WHERE id > ? AND vector IS NOT NULL ORDER BY id LIMIT ?",
                (state.text, most),
            )
            last = self._record.last("texts")
        # What is left out up to there is gone, or has no vector.
        text = last if len(new) < most else (new[-1][0] if new else state.text)
        if not new and not gone and text == state.text:
            return 0
        assert self._collection is not None
        (self._folder / "writing").touch()
        # Also what it should not have yet: a process may have been killed between adding it and writing that down.
        for some in _batches(gone):
            self._collection.delete(ids=[str(one) for _, one in some])
        for some in _batches(new):
            self._collection.add(ids=[str(one) for one, _ in some], embeddings=_matrix([blob for _, blob in some]))
        removed = gone[-1][0] if gone else state.removed
        dead = state.dead + sum(one <= state.text for _, one in gone)
        self._state(replace(state, text=text, removed=removed, dead=dead))
        return len(new) + len(gone)

    def _state(self, state: State) -> None:
        """Write down what the index has, whole or not at all."""
        self.state = replace(state, chroma=version("chromadb"), files=self._files())
        new = self._folder / "agora.json.new"
        new.write_text(json.dumps(asdict(self.state)))
        new.replace(self._folder / "agora.json")
        (self._folder / "writing").unlink(missing_ok=True)

    def _connect(self, state: State) -> None:
        import chromadb  # noqa: PLC0415  (most of a second)
        from chromadb.config import Settings  # noqa: PLC0415  (as above)

        dimensions = self._record.note("shelf.dimensions")
        with _opening:
            # Chroma shares one open index per spelling of a path, and with it what that one cannot see.
            self._path = str(self._folder.absolute())
            while self._path in _open:
                self._path += "/."
            _open.add(self._path)
        client = self._client = chromadb.PersistentClient(self._path, Settings(anonymized_telemetry=False))
        if state.text or state.removed:
            self._collection = client.get_collection(self._name(), embedding_function=None)
            # The graph is loaded by the first question, and must be while nobody writes.
            self._collection.query(query_embeddings=[1.0] + [0.0] * (dimensions - 1), n_results=1, include=[])
        else:
            self._collection = client.get_or_create_collection(
                self._name(), embedding_function=None, configuration={"hnsw": SETTINGS}
            )
        self.state = state

    def _name(self) -> str:
        """Of the collection: the embedder and its dimensions, in the characters that Chroma allows."""
        embedder = re.sub(r"[^A-Za-z0-9]+", "-", self._record.note("shelf.embedder"))[:200]
        return f"agora.{embedder}.{self._record.note('shelf.dimensions')}"

    def _stated(self) -> State | None:
        try:
            state = State(**json.loads((self._folder / "agora.json").read_text()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        numbers = (state.generation, state.text, state.removed, state.begun, state.dead)
        is_whole = all(type(one) is int for one in numbers) and type(state.chroma) is str and type(state.files) is dict
        return state if is_whole else None

    def _trusted(self, generation: int) -> State | None:
        """What the index has, if it was left in order; nothing of Chroma is opened for that."""
        state = self._stated()
        if state is None or state.generation != generation or (self._folder / "writing").exists():
            return None
        return state if state.files == self._files() and state.chroma == version("chromadb") else None

    def _files(self) -> dict[str, list[int]]:
        """Size and time of the files that could take the process down. Chroma's SQLite file could not."""
        found = {}
        for whole in sorted(self._folder.glob("*/index_metadata.pickle")):  # without it the others are not read
            for file in sorted(whole.parent.iterdir()):
                facts = file.stat()
                found[str(file.relative_to(self._folder))] = [facts.st_size, facts.st_mtime_ns]
        return found


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _matrix(blobs: Sequence[bytes]) -> NDArray[np.float32]:
    import numpy as np  # noqa: PLC0415  (a quarter of a second)

    return np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1)


def _installed() -> bool:
    try:
        version("chromadb")
    except PackageNotFoundError:
        return False
    return True

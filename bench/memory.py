"""What do keeping and finding cost, against numpy, sqlite-vec and LangGraph's InMemoryStore on the same vectors?

    .venv/bin/python bench/memory.py [--small] [--dry] [--kills 30]

The vectors are given (384 numbers, around 200 centres, as those of texts are), so nobody embeds. Every contestant has a
process of its own for every size, since memory and files are measured too. Times are CPU milliseconds of all threads:
the median of the queries, which are vectors that are not in the memory. The filter lets through one item of twenty.
Then the methods of an experience memory of so many experiences.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the doubles of the tests
sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
import numpy as np
from report import conditions, machine, store, table, write_section

from tests.memory.doubles import VectorEmbedder, clustered

ROOT = Path(__file__).parent.parent
SIZES = (1_000, 10_000, 100_000)
DIMENSIONS, QUERIES, WANTED, KINDS, KIND = 384, 200, 10, 20, 3
BATCH = 1000
BAR_MS, BAR_RECALL = 3.0, 0.97

Find = Callable[[int, bool], list[int]]
"""The numbers of the items nearest to a vector, by its number; with the filter or without."""


def main() -> None:
    """Measure, store and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a smoke test: 1,000 vectors, only printed")
    parser.add_argument("--dry", action="store_true", help="only print")
    parser.add_argument(
        "--kills", type=int, default=0, help="kill writers so many times instead, and look what is lost"
    )
    parser.add_argument("--one", nargs=2, metavar=("CONTESTANT", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, size = arguments.one[0], int(arguments.one[1])
        print(json.dumps(methods(size) if name == METHODS else measured(name, size)))
        return
    if arguments.kills:
        subprocess.run([sys.executable, "-m", "tests.memory.test_crashes", str(arguments.kills)], cwd=ROOT, check=True)
        return
    found: dict[str, Any] = {
        **machine(),
        "versions": {name: version(name) for name in ("chromadb", "sqlite-vec", "numpy")},
    }
    sizes = SIZES[:1] if arguments.small else SIZES
    found["rows"] = [
        in_a_process(name, size) for size in sizes for name, (_, largest) in CONTESTANTS.items() if size <= largest
    ]
    found["methods"] = [in_a_process(METHODS, size) for size in sizes]
    print(report(found))
    if not (arguments.dry or arguments.small):
        store("memory", found)
        write_section("memory", report(found))


def in_a_process(name: str, size: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--one", name, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measured(name: str, size: int) -> dict[str, Any]:
    """One contestant with so many vectors: what it costs to add, to open, to find; what it finds and takes."""
    vectors = clustered(size + QUERIES, DIMENSIONS)
    make, _ = CONTESTANTS[name]
    queries = range(size, size + (QUERIES if name != STORE else 20))
    with TemporaryDirectory() as place:
        before = resident()
        with make(Path(place) / "memory", vectors, size) as contestant:
            add, find = contestant["add"], contestant["find"]
            plain, filtered = [timed(find, queries, only) for only in (False, True)]
        return {
            "name": name,
            "size": size,
            "add": 1000 * add / size,
            "open": contestant["open"],
            "ms": median(plain["ms"]),
            "ms_filtered": median(filtered["ms"]),
            "recall": recall(vectors, size, queries, plain["found"], False),
            "recall_filtered": recall(vectors, size, queries, filtered["found"], True),
            "resident": (resident() - before) / 1e6,
            "disk": sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file()) / 1e6,
        }


def methods(size: int) -> dict[str, Any]:
    """What the methods of an experience memory cost, in CPU milliseconds: medians, or of the one call."""
    from langgraph_agora.memory.experience import ExperienceMemory

    vectors = clustered(size + QUERIES, DIMENSIONS)
    embedder: Any = VectorEmbedder(vectors)
    log = [{"task": str(n), "success": n % 4 > 0, "id": f"e{n}", "features": {"kind": n % KINDS}} for n in range(size)]
    new = [{"task": str(n), "success": True} for n in range(size, size + 20)]
    words = {n: f"e{n * size // 20}" for n in range(20)}
    with TemporaryDirectory() as place:
        file = Path(place) / "log.jsonl"
        file.write_text("".join(json.dumps(one) + "\n" for one in log))
        with ExperienceMemory(Path(place) / "memory", embedder, limit=None) as memory:
            spent = {"import": each(memory.import_, [(file,)])}
            spent["add"] = each(memory.add, [(one,) for one in new])
            spent["label"] = each(memory.label, [(id, n % 2 > 0) for n, id in words.items()])
            spent["get"] = each(memory.get, [(id,) for id in words.values()])
            queries = [str(n) for n in range(size, size + QUERIES)]
            memory.recall(queries[0])
            spent["recall"] = each(memory.recall, [(query,) for query in queries])
            where = {"features.kind": KIND}
            spent["recall, filtered"] = each(memory.recall, [(query, 3, where) for query in queries])
            spent["newest 20"] = each(memory.newest, [(20,)])
            spent["stats"] = each(memory.stats, [()])
            spent["export"] = each(memory.export, [(Path(place) / "all.jsonl",)])
            spent["forget"] = each(memory.forget, [(id,) for id in words.values()])
    return {"size": size, "ms": spent}


def each(method: Callable[..., Any], calls: list[tuple[Any, ...]]) -> float:
    """The CPU milliseconds of a call, the median."""
    spent = []
    for arguments in calls:
        start = time.process_time()
        method(*arguments)
        spent.append(1000 * (time.process_time() - start))
    return median(spent)


def timed(find: Find, queries: range, only: bool) -> dict[str, list[Any]]:
    """The CPU milliseconds of each query, after one that is not counted, and what it found."""
    find(queries[0], only)
    spent, found = [], []
    for query in queries:
        start = time.process_time()
        found.append(find(query, only))
        spent.append(1000 * (time.process_time() - start))
    return {"ms": spent, "found": found}


def recall(vectors: Any, size: int, queries: range, found: list[list[int]], only: bool) -> float:
    """The share of the nearest that was found."""
    passing = np.arange(KIND, size, KINDS) if only else np.arange(size)
    hits = 0
    for query, numbers in zip(queries, found, strict=True):
        scores = vectors[passing] @ vectors[query]
        hits += len(set(passing[np.argpartition(-scores, WANTED)[:WANTED]].tolist()) & set(numbers))
    return hits / WANTED / len(queries)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def of_agora(folder: Path, vectors: Any, size: int) -> Iterator[dict[str, Any]]:
    """Our shelf: closed after all is added, and opened again."""
    from langgraph_agora.memory.items import Item
    from langgraph_agora.memory.shelf import Shelf

    start = time.process_time()
    with Shelf(folder, VectorEmbedder(vectors)) as shelf:
        for first in range(0, size, BATCH):
            some = range(first, min(first + BATCH, size))
            shelf.put([Item(("e",), str(n), {"n": n, "kind": n % KINDS}, (str(n),)) for n in some])
    added, start = time.process_time() - start, time.process_time()
    with Shelf(folder, VectorEmbedder(vectors)) as shelf:
        shelf.nearest("0", 1)
        opened = time.process_time() - start

        def find(query: int, only: bool) -> list[int]:
            where = {"kind": KIND} if only else None
            return [row.value["n"] for row, _ in shelf.nearest(str(query), WANTED, prefix=("e",), where=where)]

        yield {"add": added, "open": opened, "find": find}


@contextmanager
def of_numpy(folder: Path, vectors: Any, size: int) -> Iterator[dict[str, Any]]:
    """A matrix that is multiplied with every query; on disk as a file."""
    folder.mkdir()
    start = time.process_time()
    np.save(folder / "vectors.npy", vectors[:size])
    added, start = time.process_time() - start, time.process_time()
    matrix = np.load(folder / "vectors.npy")
    kinds = np.flatnonzero(np.arange(size) % KINDS == KIND)
    few = matrix[kinds]
    opened = time.process_time() - start

    def find(query: int, only: bool) -> list[int]:
        scores = (few if only else matrix) @ vectors[query]
        best = np.argpartition(-scores, WANTED)[:WANTED]
        best = best[np.argsort(-scores[best])]
        return (kinds[best] if only else best).tolist()  # type: ignore[no-any-return]

    yield {"add": added, "open": opened, "find": find}


@contextmanager
def of_sqlite_vec(folder: Path, vectors: Any, size: int) -> Iterator[dict[str, Any]]:
    """Its table vec0 with a column for the filter. Many a Python cannot load extensions; pysqlite3 can."""
    import pysqlite3
    import sqlite_vec

    def connection() -> Any:
        database = pysqlite3.connect(str(folder / "vectors.sqlite3"))
        database.enable_load_extension(True)
        sqlite_vec.load(database)
        return database

    folder.mkdir()
    start = time.process_time()
    database = connection()
    database.execute(f"CREATE VIRTUAL TABLE v USING vec0(e float[{DIMENSIONS}] distance_metric=cosine, kind integer)")
    for first in range(0, size, BATCH):
        rows = [(n, vectors[n].tobytes(), n % KINDS) for n in range(first, min(first + BATCH, size))]
        database.executemany("INSERT INTO v (rowid, e, kind) VALUES (?, ?, ?)", rows)
        database.commit()
    database.close()
    added, start = time.process_time() - start, time.process_time()
    database = connection()
    database.execute("SELECT rowid FROM v WHERE e MATCH ? AND k = 1", (vectors[0].tobytes(),)).fetchall()
    opened = time.process_time() - start

    def find(query: int, only: bool) -> list[int]:
        also = f"AND kind = {KIND}" if only else ""
        sql = f"SELECT rowid FROM v WHERE e MATCH ? AND k = {WANTED} {also} ORDER BY distance"
        return [n for (n,) in database.execute(sql, (vectors[query].tobytes(),))]

    yield {"add": added, "open": opened, "find": find}
    database.close()


@contextmanager
def of_langgraph(folder: Path, vectors: Any, size: int) -> Iterator[dict[str, Any]]:
    """LangGraph's InMemoryStore; it has no files to be opened."""
    from langgraph.store.base import PutOp
    from langgraph.store.memory import InMemoryStore

    folder.mkdir()
    start = time.process_time()

    def embed(texts: Any) -> list[list[float]]:
        return vectors[[int(text) for text in texts]].tolist()  # type: ignore[no-any-return]

    memory = InMemoryStore(index={"dims": DIMENSIONS, "embed": embed, "fields": ["text"]})
    for first in range(0, size, BATCH):
        some = range(first, min(first + BATCH, size))
        memory.batch([PutOp(("e",), str(n), {"n": n, "kind": n % KINDS, "text": str(n)}) for n in some])
    added = time.process_time() - start

    def find(query: int, only: bool) -> list[int]:
        chosen = {"kind": KIND} if only else None
        return [one.value["n"] for one in memory.search(("e",), query=str(query), filter=chosen, limit=WANTED)]

    yield {"add": added, "open": 0.0, "find": find}


AGORA, STORE, METHODS = "agora", "LangGraph InMemoryStore", "methods"
CONTESTANTS: dict[str, tuple[Any, int]] = {
    AGORA: (of_agora, 100_000),
    "numpy, all of them": (of_numpy, 100_000),
    "sqlite-vec": (of_sqlite_vec, 100_000),
    STORE: (of_langgraph, 10_000),  # a query among 100,000 takes it seconds
}


def report(found: Mapping[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    rows = [
        (
            f"{one['size']:,} {one['name']}",
            f"{one['add']:.3g}",
            f"{one['ms']:.3g}",
            f"{one['recall']:.4f}",
            f"{one['ms_filtered']:.3g}",
            f"{one['recall_filtered']:.4f}",
            f"{1000 * one['open']:,.0f}",
            f"{one['resident']:,.0f}",
            f"{one['disk']:,.0f}",
        )
        for one in found["rows"]
    ]
    ours = [one for one in found["rows"] if one["name"] == AGORA]
    worst = max(ours, key=lambda one: one["ms"])
    met = worst["ms"] <= BAR_MS and min(one["recall"] for one in ours) >= BAR_RECALL
    head = (
        "vectors",
        "add, ms each",
        "find, ms",
        "recall@10",
        "filtered, ms",
        "recall@10",
        "open, ms",
        "RAM, MB",
        "disk, MB",
    )
    return "\n".join(
        [
            f"Keeping items with given vectors ({DIMENSIONS} numbers, around 200 centres) and finding the {WANTED} "
            f"nearest of each of {QUERIES} others (20 for the InMemoryStore). CPU milliseconds of all threads, "
            f"medians; no embedding. The filter lets one of {KINDS} through. To open is to open and to search once. "
            "Ours keeps values, texts and vectors durably, twice: in its record and in the index; below 10,000 vectors "
            "it does not ask the index. Numpy has the bare vectors.",
            "",
            table(head, rows),
            "",
            f"The bar: at most {BAR_MS:g} ms at every size, with recall of {BAR_RECALL:g} or more: "
            f"{'met' if met else '**missed**'}, {worst['ms']:.2g} ms at {worst['size']:,}.",
            "",
            "The methods of an experience memory without a limit, with given vectors: CPU milliseconds of a call, the "
            "median (of import, newest, stats and export: of one). Import and export are of all.",
            "",
            table(
                ("method", *(f"{one['size']:,}" for one in found["methods"])),
                [
                    (name, *(f"{one['ms'][name]:,.3g}" for one in found["methods"]))
                    for name in found["methods"][0]["ms"]
                ],
            ),
            "",
            conditions(found),
            "Further: " + ", ".join(f"{name} {number}" for name, number in found["versions"].items()) + ".",
        ]
    )


if __name__ == "__main__":
    main()

"""The index: as good as comparing everything, never behind, and made anew whatever happens to it."""

import json
import os
import shutil
import sqlite3

import numpy as np
import pytest

from langgraph_agora.memory.chroma import Chroma
from langgraph_agora.memory.index import Limits
from langgraph_agora.memory.items import Item
from langgraph_agora.memory.matrix import Matrix, exact_best
from langgraph_agora.memory.record import Record
from langgraph_agora.memory.shelf import Shelf

from .doubles import VectorEmbedder, WordEmbedder, clustered
from .test_record import run

SPACE = ("e",)
EARLY = Limits(exact=50, behind=20, at_once=40, reopen=60)
"""So that few vectors do what ten thousand do."""


def opened(folder, limits=EARLY, **settings):
    shelf = Shelf(folder, WordEmbedder(16), **settings)
    shelf._finder.limits = limits
    return shelf


def items(start, end):
    return [Item(SPACE, str(one), {"n": one}, (f"text number {one} of {one % 7}",)) for one in range(start, end)]


def found(shelf, one):
    return shelf.nearest(f"text number {one} of {one % 7}", 1)[0][0].value["n"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Twelve thousand loosely clustered vectors in a folder, and two hundred more to look for."""
    vectors = clustered(12_200, 64, spread=1.5)
    folder = tmp_path_factory.mktemp("large")
    with Shelf(folder, VectorEmbedder(vectors)) as shelf:
        for start in range(0, 12_000, 2000):
            shelf.put(
                [Item(SPACE, str(one), {"n": one, "kind": one % 20}, (str(one),)) for one in range(start, start + 2000)]
            )
    return folder, vectors


def recall(shelf, vectors, count, where=None):
    """The share of the ten nearest that is found, of vectors that are not in the memory."""
    passing = np.arange(count) if where is None else np.arange(where["kind"], count, 20)
    hits = 0
    for one in range(count, len(vectors)):
        nearest = passing[np.argsort(-(vectors[passing] @ vectors[one]), kind="stable")[:10]]
        hits += len({row.value["n"] for row, _ in shelf.nearest(str(one), 10, where=where)} & set(nearest.tolist()))
    return hits / 10 / (len(vectors) - count)


def test_at_twelve_thousand_the_index_finds_97_percent_of_the_ten_nearest(large):
    folder, vectors = large
    with Shelf(folder, VectorEmbedder(vectors)) as shelf:
        assert recall(shelf, vectors, 12_000) >= 0.98  # 0.97 with Chroma's own ef_search, 100
        assert shelf._finder.is_approximate
        assert recall(shelf, vectors, 12_000, {"kind": 3}) >= 0.97
        row, score = shelf.nearest("77", 1)[0]
        assert (row.value["n"], score) == (77, pytest.approx(1, abs=1e-6))
        found = [score for _, score in shelf.nearest("12100", 10)]
        assert found == sorted(found, reverse=True)


def test_a_small_namespace_in_a_large_memory_is_searched_exactly(large, tmp_path):
    folder, vectors = large
    shutil.copytree(folder, tmp_path / "copy")
    with Shelf(tmp_path / "copy", VectorEmbedder(vectors)) as shelf:
        shelf.put([Item(("few",), str(one), {"n": one}, (str(one),)) for one in range(12_000, 12_100)])
        wanted = np.argsort(-(vectors[12_000:12_100] @ vectors[5]), kind="stable") + 12_000
        assert [row.value["n"] for row, _ in shelf.nearest("5", 100, prefix=("few",))] == wanted.tolist()
        assert shelf.nearest("5", 3, prefix=("none",)) == []
        assert len(shelf.nearest("5", 2000, where={"kind": 3})) == 600


@pytest.mark.parametrize("count", [1, 100, 1000])
def test_few_vectors_are_searched_exactly(count):
    vectors = clustered(count + 20, 64, clusters=20)
    with Shelf(None, VectorEmbedder(vectors)) as shelf:
        shelf.put([Item(SPACE, str(one), {"n": one}, (str(one),)) for one in range(count)])
        assert recall(shelf, vectors, count) == min(count, 10) / 10


def test_equal_vectors_have_equal_scores_wherever_they_stand():
    vectors = np.repeat(clustered(1, 384), 1003, axis=0)
    vectors[500] = clustered(1, 384, seed=1)[0]
    with Shelf(None, VectorEmbedder(vectors)) as shelf:
        shelf.put([Item(SPACE, str(one), {"n": one}, (str(one),)) for one in range(1003)])
        assert [row.value["n"] for row, _ in shelf.nearest("0", 600)] == [n for n in range(601) if n != 500]


def test_what_scores_in_single_precision_say_of_equal_vectors_does_not_matter():
    vectors = np.repeat(clustered(1, 16), 100, axis=0)
    noise = np.random.default_rng(1).normal(0, 1e-7, 100).astype(np.float32)
    rows = np.arange(100, 0, -1)
    best = exact_best(vectors[0], vectors, np.arange(100), vectors @ vectors[0] + noise, rows, 10)
    assert [row for _, row in best] == list(range(1, 11))
    assert len({score for score, _ in best}) == 1


def test_what_is_newer_than_the_index_is_found_all_the_same(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 70))
        for one in range(70, 85):  # too few for the index to take them in
            shelf.put(items(one, one + 1))
            assert found(shelf, one) == one
            assert shelf._finder.is_approximate
        assert shelf._finder.chroma.state.text < 85


def test_a_reader_that_has_searched_sees_what_another_one_puts_and_drops(tmp_path):
    with opened(tmp_path) as writer, opened(tmp_path) as reader:
        writer.put(items(0, 100))
        assert found(reader, 5) == 5
        for start in range(100, 400, 10):
            writer.put(items(start, start + 10))
            assert found(reader, start + 3) == start + 3
            writer.drop([(SPACE, str(start - 5))])
            assert found(reader, start - 5) != start - 5
        assert writer._finder.chroma.leads
        assert not reader._finder.chroma.lead()
        assert reader._finder.is_approximate
        # The reader opened the index anew, instead of searching ever more by itself.
        assert len(reader._finder._matrix) < 200
        reader.put(items(1000, 1010))
        assert found(writer, 1005) == 1005


def test_who_writes_the_index_hands_it_on_when_it_closes(tmp_path):
    with opened(tmp_path) as second:
        with opened(tmp_path) as first:
            first.put(items(0, 30))
            second.put(items(30, 60))
            assert (first._finder.chroma.leads, second._finder.chroma.leads) == (True, False)
        second.put(items(60, 90))
        assert second._finder.chroma.leads
        assert [found(second, one) for one in (3, 33, 63)] == [3, 33, 63]
        check = second.check()
        assert (check.indexed, check.problems) == (90, ())


def test_closing_leaves_an_index_of_everything(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 5))
        shelf.drop([(SPACE, "3")])
    state = json.loads((tmp_path / "index" / "agora.json").read_text())
    assert (state["text"], state["removed"]) == (5, 1)
    record = Record(tmp_path)
    index = Chroma(tmp_path, record)
    assert index.content(0)[1] == {1, 2, 3, 5}
    index.close()
    record.close()


def test_check_counts_what_the_index_has_and_lacks(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 25))
        shelf.drop([(SPACE, "1")])
        assert shelf.check().to_dict() == {
            "items": 24,
            "pruned": 0,
            "superseded": 0,
            "vectors": 24,
            "unembedded": 0,
            "indexed": 24,
            "waiting": 0,
            "missing": 0,
            "orphans": 0,
            "problems": [],
            "ok": True,
        }
        collection = shelf._finder.chroma._collection
        collection.delete(ids=["3", "4"])
        collection.add(ids=["999"], embeddings=np.eye(16, dtype=np.float32)[:1])
        check = shelf.check()
        assert (check.missing, check.orphans, check.ok) == (2, 1, False)
        assert "lacks 2" in check.problems[0]
        assert "agora memory rebuild" in check.problems[0]
        assert shelf.rebuild() == 24
        assert shelf.check().ok


def vectors_in(folder, blobs):
    """Those of these vectors that stand in the files below a folder."""
    content = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    return [blob for blob in blobs if blob in content]


@pytest.mark.parametrize("how", ["closed by who forgot", "killed", "swept", "forgotten by another"])
def test_vectors_that_were_erased_leave_the_files_of_the_index(tmp_path, how):
    clock = [1000.0]
    shelf = opened(tmp_path, clock=lambda: clock[0])
    shelf.put([Item(SPACE, str(one), {"n": one}, (f"secret {one}",), expires_at=2000.0) for one in range(30)])
    shelf.put(items(100, 130))
    blobs = [row.astype("<f4").tobytes() for row in shelf.vectors(shelf.rows(limit=30))]
    # Chroma makes them of length 1 once more, which changes the last bit of some.
    assert len(vectors_in(tmp_path / "index", blobs)) > 10, "the look into the files sees nothing at all"
    names = [(SPACE, str(one)) for one in range(30)]
    if how == "closed by who forgot":
        assert shelf.drop(names) == 30
    if how == "killed":
        shelf.drop(names)
        shelf._finder.close()  # as if it had been: nothing more is done
        shelf._record.close()
        run(
            """
            import sys
            from tests.memory.test_index import items, opened
            with opened(sys.argv[1]) as shelf:
                shelf.put(items(200, 230))
            """,
            tmp_path,
        )
    if how == "swept":
        clock[0] = 3000.0
        assert shelf.sweep() == 30
    if how == "forgotten by another":
        with opened(tmp_path) as other:
            other.drop(names)
    if how != "killed":
        shelf.close()
    assert vectors_in(tmp_path, blobs) == []
    with opened(tmp_path) as shelf:
        check = shelf.check()
        assert (check.indexed, check.problems) == (60 if how == "killed" else 30, ())
        before = identity(tmp_path)
        shelf.put(items(300, 330))
    assert identity(tmp_path) == before, "it is made anew once, not again and again"


def test_an_index_is_kept_when_items_are_only_pruned_or_replaced(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 40))
    before = identity(tmp_path)
    with opened(tmp_path) as shelf:
        shelf.drop([(SPACE, "1")], keep_facts=True)
        shelf.put(items(2, 4), history=False)
    assert identity(tmp_path) == before


def test_check_does_not_mind_that_an_approximate_index_misses_one_of_many(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 50))
        assert shelf.check().ok
        collection = shelf._finder.chroma._collection
        for moved, ok in ((2, True), (5, False)):
            vectors = shelf.embedder.embed([f"elsewhere {one}" for one in range(moved)])
            collection.update(ids=[str(one) for one in range(1, moved + 1)], embeddings=vectors)
            assert shelf.check().ok is ok


def test_a_large_put_is_taken_in_at_once_and_not_by_the_searches_that_follow(tmp_path):
    with opened(tmp_path) as shelf:  # at_once=40
        shelf.put(items(0, 500))
        reached = shelf._finder.chroma.state.text
        assert reached == 500
        shelf.put(items(500, 510))
        assert shelf._finder.chroma.state.text == 500


def test_a_filter_that_few_pass_is_left_to_the_record_at_once(tmp_path):
    with opened(tmp_path, Limits(exact=50, behind=20, at_once=2000)) as shelf:
        shelf.put(items(0, 1500))
        shelf.nearest("text", 1)
        assert shelf._finder.is_approximate
        asked = []
        shelf._record._reader.set_trace_callback(lambda sql: asked.append(sql) if "vector FROM texts" in sql else None)
        assert [row.value["n"] for row, _ in shelf.nearest("text number 5", 1, where={"n": 1234})] == [1234]
        assert shelf.nearest("text number 5", 1, where={"n": 5000}) == []
        shelf._record._reader.set_trace_callback(None)
        # The first candidates twice, and then only what passes: one row, and none.
        assert sorted(sql.count(",") for sql in asked)[0] == 1
        assert len(asked) <= 5


def test_the_places_of_a_namespace_are_looked_up_once_and_kept_up(tmp_path):
    with Shelf(None, WordEmbedder(16)) as shelf:
        for start in (0, 40, 80):
            shelf.put(
                [
                    Item(("a" if one % 2 else "b", str(one)), "k", {"n": one}, ("tea",))
                    for one in range(start, start + 40)
                ]
            )
            for prefix, rest in (("a", 1), ("b", 0), ("c", None)):
                found = [row.value["n"] for row, _ in shelf.nearest("tea", 200, prefix=(prefix,))]
                assert found == [one for one in range(start + 40) if one % 2 == rest]
        shelf.drop(
            [(("a", str(one)), "k") for one in range(1, 120, 2)] + [(("b", str(one)), "k") for one in range(0, 60, 2)]
        )
        assert shelf.nearest("tea", 200, prefix=("a",)) == []
        assert [row.value["n"] for row, _ in shelf.nearest("tea", 200, prefix=("b",))] == list(range(60, 120, 2))


def test_check_notices_vectors_that_stand_for_another_text(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 25))
        assert shelf.check().ok
        collection = shelf._finder.chroma._collection
        names = [str(one) for one in range(1, 26)]
        collection.update(ids=names, embeddings=np.eye(16, dtype=np.float32)[[one % 16 for one in range(25)]])
        assert "does not find" in shelf.check().problems[0]


def test_a_graph_that_is_mostly_of_what_was_removed_is_begun_anew(tmp_path):
    limits = Limits(exact=50, behind=20, at_once=2000)
    with opened(tmp_path, limits) as shelf:
        shelf.put(items(0, 1500))
        shelf.drop([(SPACE, str(one)) for one in range(1400)])
        assert shelf._finder.chroma.state.dead == 1400
        shelf.put(items(2000, 2030))
        assert shelf._finder.chroma.state.dead == 0
        check = shelf.check()
        assert (check.indexed, check.problems) == (130, ())


def test_the_index_has_numbers_and_vectors_and_no_words(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([Item(SPACE, "quicksilver", {"text": "quicksilver"}, ("quicksilver",))])
        shelf.check()
        collection = shelf._finder.chroma._collection
        assert collection.get()["documents"] == [None]
        assert collection.get()["metadatas"] == [None]
        settings = shelf._finder.chroma._client.get_settings()
        assert settings.anonymized_telemetry is False
    files = [file for file in (tmp_path / "index").rglob("*") if file.is_file()]
    assert files
    assert not any(b"quicksilver" in file.read_bytes() for file in files)


def test_an_index_that_is_gone_is_made_anew(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 100))
        before = shelf.nearest("text number 5 of 5", 3)
    shutil.rmtree(tmp_path / "index")
    with opened(tmp_path) as shelf:
        assert shelf.nearest("text number 5 of 5", 3) == before
        check = shelf.check()
        assert (check.indexed, check.waiting, check.problems) == (100, 0, ())
        shutil.rmtree(tmp_path / "index")  # under its feet
        shelf.put(items(100, 150))
        assert [found(shelf, one) for one in (5, 120)] == [5, 120]
        check = shelf.check()
        assert (check.indexed, check.problems) == (150, ())


def test_an_index_that_fails_is_done_without(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 100))
        assert found(shelf, 5) == 5
        shelf._finder.chroma._client.delete_collection(shelf._finder.chroma._collection.name)
        assert [found(shelf, one) for one in (5, 99)] == [5, 99]
        check = shelf.check()
        assert not check.ok
        assert "agora memory rebuild" in check.problems[0]
        assert shelf.rebuild() == 100
        assert shelf.check().ok
        assert shelf._finder.chroma.problem == ""


DAMAGES = """
    import os, random, shutil, sqlite3, sys, time
    from pathlib import Path
    from tests.memory.test_index import found, items, opened

    def garbage(file):
        file.write_bytes(random.Random(1).randbytes(file.stat().st_size))

    def half(file):
        os.truncate(file, file.stat().st_size // 2)

    def another_version(file):
        file.unlink()
        database = sqlite3.connect(file)
        database.execute("CREATE TABLE of_another_version (x)")
        database.commit()
        database.close()

    folder = Path(sys.argv[1])
    with opened(folder / "sound") as shelf:
        for start in range(0, 1200, 40):
            shelf.put(items(start, start + 40))
    damages = [
        (garbage, "data_level0.bin"),
        (Path.unlink, "data_level0.bin"),
        (half, "header.bin"),
        (half, "index_metadata.pickle"),
        (garbage, "chroma.sqlite3"),
        (another_version, "chroma.sqlite3"),
        (half, "agora.json"),
    ]
    for damage, name in damages:
        copy = folder / "copy"
        shutil.copytree(folder / "sound", copy)  # which leaves the times of the files as they were
        [file] = (copy / "index").rglob(name)
        damage(file)
        with opened(copy) as shelf:
            assert [found(shelf, one) for one in (3, 700, 1199)] == [3, 700, 1199], (name, damage)
            shelf.put(items(2000, 2050))
            assert found(shelf, 2011) == 2011, (name, damage)
            check = shelf.check()
            assert (check.indexed, check.problems) == (1250, ()), (name, damage, check)
        shutil.rmtree(copy)
        print(name)
"""


def test_no_damage_to_the_index_takes_the_process_down_or_changes_what_is_found(tmp_path):
    """Garbage in data_level0.bin, or half of header.bin, ends a process that opens it with SIGSEGV."""
    assert len(run(DAMAGES, tmp_path).splitlines()) == 7


def identity(folder):
    """The name that Chroma gave the collection in a folder."""
    database = sqlite3.connect(folder / "index" / "chroma.sqlite3")
    [(name,)] = database.execute("SELECT id FROM collections")
    database.close()
    return name


WRONG = [{"text": "5"}, {"text": None}, {"removed": 1.5}, {"dead": []}, {"files": 5}, {"begun": "x"}, {"chroma": None}]


@pytest.mark.parametrize("wrong", [*WRONG, [], "text", 5, {"more": 1}], ids=str)
def test_an_index_whose_state_is_none_is_made_anew(tmp_path, wrong):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 100))
    before = identity(tmp_path)
    file = tmp_path / "index" / "agora.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **wrong} if isinstance(wrong, dict) else wrong))
    with opened(tmp_path) as shelf:
        assert found(shelf, 42) == 42
        shelf.put(items(100, 130))
        check = shelf.check()
        assert (check.indexed, check.problems) == (130, ())
    assert identity(tmp_path) != before


def test_a_file_in_the_place_of_the_index_gives_way(tmp_path):
    (tmp_path / "index").write_text("not a folder")
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 100))
        assert found(shelf, 42) == 42
        check = shelf.check()
        assert (check.indexed, check.problems) == (100, ())


@pytest.mark.parametrize("left", ["copied", "marked as being written", "by another version of Chroma"])
def test_an_index_that_was_not_left_in_order_is_not_opened_but_made_anew(tmp_path, left):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 100))
    before = identity(tmp_path)
    if left == "copied":
        for file in (tmp_path / "index").rglob("*.bin"):
            os.utime(file, (1, 1))
    if left == "marked as being written":
        (tmp_path / "index" / "writing").touch()
    if left == "by another version of Chroma":
        state = json.loads((tmp_path / "index" / "agora.json").read_text())
        (tmp_path / "index" / "agora.json").write_text(json.dumps({**state, "chroma": "0.4.24"}))
    with opened(tmp_path) as shelf:
        assert found(shelf, 42) == 42
        shelf.put(items(100, 130))
        check = shelf.check()
        assert (check.indexed, check.problems) == (130, ())
    assert identity(tmp_path) != before


def test_an_index_that_was_left_in_order_is_used_as_it_is(tmp_path):
    with opened(tmp_path / "first") as shelf:
        shelf.put(items(0, 100))
    shutil.copytree(tmp_path / "first", tmp_path / "second")  # with the times, as `cp -a` does
    with opened(tmp_path / "second") as shelf:
        assert found(shelf, 42) == 42
        shelf.put(items(100, 130))
        check = shelf.check()
        assert (check.indexed, check.problems) == (130, ())
    assert identity(tmp_path / "second") == identity(tmp_path / "first")


def test_a_process_ends_at_once_and_in_silence_whatever_it_left_open(tmp_path):
    said = run(
        """
        import sys
        from tests.memory.test_index import found, items, opened
        shelf = opened(sys.argv[1])
        shelf.put(items(0, 100))
        print(found(shelf, 7), shelf._finder.is_approximate)
        """,
        tmp_path,
    )
    assert said == "7 True\n"
    with opened(tmp_path) as shelf:
        assert shelf.check().ok


def test_nothing_heavy_is_loaded_before_it_is_needed(tmp_path):
    said = run(
        """
        import sys
        from langgraph_agora.memory.items import Item
        from langgraph_agora.memory.salvage import salvage
        from langgraph_agora.memory.shelf import Shelf
        with Shelf(sys.argv[1]) as shelf:
            shelf.put([Item(("notes",), "tea", {"n": 1})])
            print(shelf.get(("notes",), "tea").value, shelf.rows()[0].key)
        heavy = ("numpy", "chromadb", "onnxruntime", "langgraph", "langchain_core")
        print([name for name in heavy if name in sys.modules])
        """,
        tmp_path,
    )
    assert said.splitlines() == ["{'n': 1} tea", "[]"]


def test_a_matrix_lets_go_of_the_room_of_what_was_dropped():
    with Shelf(None, WordEmbedder(16)) as shelf:
        shelf.put(items(0, 100))
        matrix = Matrix(shelf._record)
        matrix.catch_up()
        shelf.drop([(SPACE, str(one)) for one in range(80)])
        matrix.catch_up()
        assert len(matrix) == 20
        shelf.put(items(100, 110))
        matrix.catch_up()
        query = shelf.embedder.embed(["text number 105 of 0"])[0]
        assert matrix.best(query, 1)[0][1] == shelf.get(SPACE, "105").seq

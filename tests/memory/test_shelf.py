"""A shelf: what is put is there, is found, and is gone when it is dropped."""

import threading
import warnings
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from langgraph_agora.errors import ConfigError, RunError
from langgraph_agora.memory.embedders import load_embedder
from langgraph_agora.memory.filters import matches
from langgraph_agora.memory.index import Limits
from langgraph_agora.memory.items import Item
from langgraph_agora.memory.shelf import Shelf

from .doubles import WordEmbedder

NOTES = ("notes",)


@pytest.fixture(params=["in memory", "in a folder"])
def shelf(request, tmp_path):
    with Shelf(None if request.param == "in memory" else tmp_path, WordEmbedder(), clock=Clock()) as shelf:
        yield shelf


class Clock:
    """Seconds that go on by one whenever somebody looks, or when they are set."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        self.now += 1
        return self.now


def keys(found):
    return [row.key for row, _ in found]


def test_what_is_put_is_there(shelf):
    [row] = shelf.put([Item(NOTES, "tea", {"text": "steep for 3 minutes", "degrees": 80}, ("green tea",))])
    assert shelf.get(NOTES, "tea") == row
    assert row.to_dict() == {
        "seq": 1,
        "namespace": ["notes"],
        "key": "tea",
        "value": {"text": "steep for 3 minutes", "degrees": 80},
        "created_at": 1001.0,
        "updated_at": 1001.0,
        "expires_at": None,
        "ttl": None,
    }
    assert shelf.get(NOTES, "coffee") is None
    assert shelf.get(("other",), "tea") is None
    assert shelf.size == 1


def test_a_value_that_is_given_out_is_the_callers_own(shelf):
    shelf.put([Item(NOTES, "tea", {"list": [1]})])
    shelf.get(NOTES, "tea").value["list"].append(2)
    assert shelf.get(NOTES, "tea").value == {"list": [1]}


def test_the_same_name_again_supersedes_and_keeps_when_it_was_made(shelf):
    [first] = shelf.put([Item(NOTES, "tea", {"degrees": 80}, ("green tea",))])
    [second] = shelf.put([Item(NOTES, "tea", {"degrees": 75}, ("white tea",))])
    assert (second.created_at, second.updated_at > first.updated_at) == (first.created_at, True)
    assert shelf.rows() == [second]
    assert [row for row, _ in shelf.nearest("green", 5)] == [second]
    assert shelf.history(NOTES, "tea") == [first, second]


def test_the_same_name_again_changes_nothing_when_it_must_not(shelf):
    [first] = shelf.put([Item(NOTES, "tea", {"degrees": 80}, ("green tea",))])
    again = Item(NOTES, "tea", {"degrees": 75}, ("white tea",))
    assert shelf.put([again, Item(NOTES, "coffee", {})], replace=False)[0] == first
    assert [row.key for row in shelf.rows()] == ["tea", "coffee"]
    assert shelf.nearest("green tea", 1)[0][1] == pytest.approx(1)


def test_of_two_with_one_name_in_a_put_the_later_one_stays(shelf):
    rows = shelf.put([Item(NOTES, "tea", {"n": 1}), Item(NOTES, "tea", {"n": 2})])
    assert [row.value["n"] for row in rows] == [1, 2]
    assert [row.value["n"] for row in shelf.rows()] == [2]


def test_rows_come_in_the_order_of_puts(shelf):
    shelf.put([Item(("a",), "1", {"n": 1}), Item(("a", "b"), "2", {"n": 2}), Item(("ab",), "3", {"n": 3})])
    shelf.put([Item(("a",), "1", {"n": 4})])
    shelf.drop([(("ab",), "3")], keep_facts=True)

    def found(*arguments, **settings):
        return [row.value["n"] for row in shelf.rows(*arguments, **settings)]

    assert found() == [2, 4]
    assert found(("a",)) == [2, 4]
    assert found(("a", "b")) == [2]
    assert found(("ab",)) == []
    assert found(pruned=True) == [2, 3, 4]
    assert found(("ab",), pruned=True) == [3]
    assert found(newest=True) == [4, 2]
    assert found(limit=1) == [2]
    assert found(limit=1, offset=1) == [4]
    assert found(after=2) == [4]
    assert found((), {"n": {"$gt": 2}}) == [4]
    assert found((), {"n": {"$gt": 1}}, offset=1, limit=5) == [4]
    assert shelf.count(("a",)) == 2
    assert shelf.count((), {"n": {"$lt": 4}}) == 1
    assert shelf.namespaces() == [("a",), ("a", "b")]


def test_the_nearest_come_best_first_with_their_cosine(shelf):
    shelf.put([Item(NOTES, word, {"word": word}, (word,)) for word in ("green tea", "black tea", "a long poem")])
    found = shelf.nearest("green tea", 2)
    assert keys(found) == ["green tea", "black tea"]
    assert found[0][1] == pytest.approx(1)
    assert keys(shelf.nearest("green tea", 2, offset=1)) == keys(shelf.nearest("green tea", 3))[1:]
    assert shelf.nearest("green tea", 0) == []
    assert keys(shelf.nearest("green tea", 10**12)) == keys(shelf.nearest("green tea", 3))


def test_an_item_counts_with_its_best_text(shelf):
    shelf.put(
        [
            Item(NOTES, "both", {}, ("something else", "green tea", "green tea")),
            Item(NOTES, "one", {}, ("green leaf",)),
            Item(NOTES, "none", {}),
        ]
    )
    assert keys(shelf.nearest("green tea", 5)) == ["both", "one"]


def test_ties_come_in_the_order_of_puts(shelf):
    for start in range(0, 60, 20):
        shelf.put([Item(NOTES, f"k{one}", {}, ("the same words",)) for one in range(start, start + 20)])
        shelf.put([Item(NOTES, f"other{start}", {}, ("nothing like it",))])
    expected = [f"k{one}" for one in range(60)]
    assert keys(shelf.nearest("the same words", 60)) == expected
    assert keys(shelf.nearest("the same words", 7, offset=3)) == expected[3:10]
    everything = keys(shelf.nearest("quite another thing", 63))
    assert [key for key in everything if key.startswith("k")] == expected
    assert len({score for _, score in shelf.nearest("the same words", 60)}) == 1


def test_only_what_passes_is_found(shelf):
    shelf.put(
        [Item(("a",) if one % 2 else ("b",), str(one), {"n": one}, (f"word{one % 7} tea",)) for one in range(300)]
    )
    found = shelf.nearest("word3 tea", 300, prefix=("a",), where={"n": {"$gte": 100}})
    assert {row.value["n"] for row, _ in found} == set(range(101, 300, 2))
    assert all(row.value["n"] % 7 == 3 for row, _ in found[:14])
    [(row, _)] = shelf.nearest("word3 tea", 5, where={"n": 298})
    assert row.key == "298"
    assert shelf.nearest("word3 tea", 5, where={"n": 300}) == []
    assert shelf.nearest("word3 tea", 5, prefix=("c",)) == []


def test_what_is_dropped_is_found_by_nothing(shelf):
    shelf.put([Item(NOTES, str(one), {"n": one}, ("green tea",)) for one in range(4)])
    assert shelf.drop([(NOTES, "0"), (NOTES, "9")]) == 1
    assert shelf.drop([(NOTES, "1")], keep_facts=True) == 1
    assert shelf.drop([(NOTES, "1")], keep_facts=True) == 0
    assert keys(shelf.nearest("green tea", 9)) == ["2", "3"]
    assert [row.key for row in shelf.rows()] == ["2", "3"]
    assert [row.key for row in shelf.rows(pruned=True)] == ["1", "2", "3"]
    assert (shelf.get(NOTES, "0"), shelf.get(NOTES, "1")) == (None, None)
    assert shelf.drop([(NOTES, "1")]) == 1
    assert [row.key for row in shelf.rows(pruned=True)] == ["2", "3"]
    assert shelf.drop([]) == 0


def test_a_name_that_was_dropped_is_new_when_it_is_put_again(shelf):
    [first] = shelf.put([Item(NOTES, "tea", {"n": 1})])
    shelf.drop([(NOTES, "tea")], keep_facts=True)
    [second] = shelf.put([Item(NOTES, "tea", {"n": 2})])
    assert second.created_at > first.created_at
    assert [row.value["n"] for row in shelf.rows(pruned=True)] == [1, 2]


def test_what_has_expired_is_not_there(shelf):
    clock = shelf._clock
    shelf.put([Item(NOTES, "soon", {}, ("green tea",), expires_at=1050.0, ttl=1.0), Item(NOTES, "never", {}, ("tea",))])
    clock.now = 1040.0
    assert keys(shelf.nearest("green tea", 5)) == ["soon", "never"]
    assert shelf.refresh([(NOTES, "soon"), (NOTES, "never"), (NOTES, "nothing")]) == 1
    assert 1100 < shelf.get(NOTES, "soon").expires_at < 1110
    clock.now = 2000.0
    assert shelf.get(NOTES, "soon") is None
    assert keys(shelf.nearest("green tea", 5)) == ["never"]
    assert [row.key for row in shelf.rows()] == ["never"]
    assert (shelf.size, shelf.count(), shelf.refresh([(NOTES, "soon")])) == (1, 1, 0)
    assert shelf.history(NOTES, "soon")
    assert (shelf.sweep(), shelf.sweep()) == (1, 0)
    assert shelf.history(NOTES, "soon") == []


def test_a_name_that_expired_is_new_when_it_is_put_again(shelf):
    shelf.put([Item(NOTES, "tea", {"n": 1}, expires_at=1500.0)])
    shelf._clock.now = 1600.0
    [row] = shelf.put([Item(NOTES, "tea", {"n": 2})], replace=False)
    assert (row.value["n"], row.created_at) == (2, 1601.0)
    assert shelf.history(NOTES, "tea") == [row]


def test_vectors_are_the_first_ones(shelf):
    rows = shelf.put([Item(NOTES, "two", {}, ("green tea", "poem")), Item(NOTES, "none", {})])
    vectors = shelf.vectors(rows)
    assert vectors.shape == (2, 32)
    assert np.allclose(vectors[0], shelf.embedder.embed(["green tea"])[0])
    assert not vectors[1].any()
    assert shelf.vectors([]).shape == (0, 32)


def test_notes_are_small_facts_beside_the_items(shelf):
    assert shelf.note("mine") is None
    shelf.set_note("mine", {"count": 1})
    shelf.set_note("mine", {"count": 2})
    assert shelf.note("mine") == {"count": 2}
    with pytest.raises(ConfigError, match="the shelf's own"):
        shelf.set_note("shelf.embedder", "x")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"k": -1}, "k was -1"),
        ({"k": 1.5}, "k was 1.5"),
        ({"k": True}, "k was True"),
        ({"k": 1, "offset": -1}, "offset was -1"),
        ({"k": 1, "prefix": "notes"}, "namespace"),
        ({"k": 1, "where": {"n": {"$like": 1}}}, r"\$like"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(shelf, settings, said):
    with pytest.raises(ConfigError, match=said):
        shelf.nearest("tea", **settings)


def test_rows_refuse_what_makes_no_sense(shelf):
    with pytest.raises(ConfigError, match="limit"):
        shelf.rows(limit=-1)
    with pytest.raises(ConfigError, match="offset"):
        shelf.rows(offset="1")
    with pytest.raises(ConfigError, match="text to look for"):
        shelf.nearest(None, 1)


class Broken(WordEmbedder):
    """An embedder that is down."""

    def embed(self, texts):
        raise OSError("no connection")


class Wrong(WordEmbedder):
    """An embedder that gives what it should not."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def embed(self, texts):
        return self.change(super().embed(texts))


def test_an_embedder_that_fails_loses_nothing_unless_it_may(tmp_path):
    item = Item(NOTES, "tea", {"n": 1}, ("green tea",))
    with Shelf(tmp_path, Broken()) as shelf:
        with pytest.raises(OSError, match="no connection"):
            shelf.put([item])
        assert shelf.size == 0
        with pytest.warns(RuntimeWarning, match="no connection.*agora memory rebuild"):
            shelf.put([item], unembedded=True)
        assert shelf.get(NOTES, "tea").value == {"n": 1}
        check = shelf.check()
        assert (check.ok, check.unembedded) == (False, 1)
        assert "no vector" in check.problems[0]
    with Shelf(tmp_path, WordEmbedder()) as shelf:
        shelf.put([Item(NOTES, "coffee", {}, ("black coffee",))])
        assert keys(shelf.nearest("green tea", 5)) == ["coffee"]
        assert shelf.rebuild() == 2
        assert keys(shelf.nearest("green tea", 5)) == ["tea", "coffee"]
        assert shelf.check().ok


@pytest.mark.parametrize(
    "change", [lambda found: found[:, :5], lambda found: found[:0], lambda found: found * np.float32("nan")]
)
def test_an_embedder_that_gives_something_else_is_refused(change):
    with Shelf(None, Wrong(change)) as shelf:
        with pytest.raises(ConfigError, match="'words' gave"):
            shelf.put([Item(NOTES, "tea", {}, ("green tea",))])
        assert shelf.size == 0


class TestEmbedders:
    @pytest.fixture
    def folder(self, tmp_path):
        with Shelf(tmp_path, WordEmbedder()) as shelf:
            shelf.put([Item(NOTES, word, {"word": word}, (word,)) for word in ("green tea", "poem", "black coffee")])
        return tmp_path

    @pytest.mark.parametrize("other", [WordEmbedder(name="other"), WordEmbedder(dimensions=16)])
    def test_another_embedder_is_refused_with_the_command_that_helps(self, folder, other):
        with pytest.raises(ConfigError, match=f"'words' .*agora memory rebuild --embedder {other.name}"):
            Shelf(folder, other)

    def test_the_vectors_are_made_anew_for_another_embedder(self, folder):
        other, told = WordEmbedder(dimensions=16, name="other"), []
        with Shelf(folder) as shelf:
            assert shelf.rebuild(embedder=other, progress=lambda done, total: told.append((done, total))) == 3
            assert shelf.embedder is other
            assert keys(shelf.nearest("black coffee", 1)) == ["black coffee"]
            assert shelf.check().ok
        assert told[-1] == (6, 6)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        with Shelf(folder, other) as shelf:
            assert keys(shelf.nearest("black coffee", 1)) == ["black coffee"]
        with pytest.raises(ConfigError, match="'other'"):
            Shelf(folder, WordEmbedder())

    def test_who_has_the_memory_open_meanwhile_is_told(self, folder):
        with Shelf(folder, WordEmbedder()) as old, Shelf(folder) as new:
            assert keys(old.nearest("poem", 1)) == ["poem"]
            new.rebuild(embedder=WordEmbedder(name="other"))
            with pytest.raises(ConfigError, match="agora memory rebuild"):
                old.nearest("poem", 1)
            with pytest.raises(ConfigError, match="agora memory rebuild"):
                old.put([Item(NOTES, "new", {}, ("a new one",))])
            assert old.get(NOTES, "poem").value == {"word": "poem"}

    def test_what_is_put_while_all_is_made_anew_is_made_anew_too(self, folder):
        other = WordEmbedder(dimensions=16, name="other")
        with Shelf(folder, WordEmbedder()) as writer, Shelf(folder) as shelf:

            def told(done, total):
                if done == 3 and writer.size == 3:
                    writer.put([Item(NOTES, "late", {}, ("a late note",))])

            assert shelf.rebuild(embedder=other, progress=told) == 4
            assert keys(shelf.nearest("a late note", 1)) == ["late"]
            assert shelf.vectors(shelf.rows()).shape == (4, 16)
            assert shelf.check().ok

    def test_who_has_searched_before_finds_what_was_embedded_later(self, folder):
        with Shelf(folder, WordEmbedder()) as reader, Shelf(folder, WordEmbedder()) as shelf:
            with Shelf(folder, Broken()) as broken, pytest.warns(RuntimeWarning):
                broken.put([Item(NOTES, "late", {}, ("a late note",))], unembedded=True)
            shelf.put([Item(NOTES, "later", {}, ("milk",))])
            assert keys(reader.nearest("a late note", 1)) != ["late"]
            shelf.rebuild()
            assert keys(reader.nearest("a late note", 1)) == ["late"]

    def test_an_embedder_that_fails_while_all_is_made_anew_changes_nothing(self, folder):
        with Shelf(folder) as shelf, pytest.raises(OSError, match="no connection"):
            shelf.rebuild(embedder=Broken(name="other"))
        with Shelf(folder, WordEmbedder()) as shelf:
            assert keys(shelf.nearest("poem", 1)) == ["poem"]
            assert shelf.check().ok

    def test_who_is_not_the_writer_of_the_index_cannot_rebuild(self, folder):
        with Shelf(folder, WordEmbedder()) as one, Shelf(folder, WordEmbedder()) as other:
            one.rebuild()
            with pytest.raises(RunError, match="Another process writes the index"):
                other.rebuild()

    def test_items_without_texts_need_no_embedder(self, tmp_path):
        with Shelf(tmp_path, Broken()) as shelf:
            shelf.put([Item(NOTES, "tea", {"n": 1})])
            assert shelf.nearest("tea", 1) == []
            assert shelf.check().ok
        assert not (tmp_path / "index").exists()


def test_twenty_threads_on_one_shelf(shelf):
    barrier = threading.Barrier(20)
    failed = []

    def work(number):
        barrier.wait()
        try:
            for one in range(5):
                shelf.put([Item(NOTES, f"{number}-{one}", {"n": number}, (f"thread{number} item{one}",))])
                assert keys(shelf.nearest(f"thread{number} item{one}", 1)) == [f"{number}-{one}"]
                shelf.put([Item(("shared",), "counter", {"n": number})])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert shelf.count(NOTES) == 100
    assert len(shelf.history(("shared",), "counter")) == 100
    assert shelf.check().ok


class Waiting(WordEmbedder):
    """An embedder that waits, from a certain text on, until it may go on."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.armed = False

    def embed(self, texts):
        if self.armed:
            self.armed = False
            self.reached.set()
            assert self.go_on.wait(60)
        return super().embed(texts)


def in_a_thread(work):
    """Begin it; returns what waits for it and gives what it returned or raised."""
    results = []

    def run():
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def ended():
        thread.join(60)
        return results[0]

    return ended


class TestRebuildingBesideOthers:
    """What threads of one process do while the vectors are made anew, or the memory is closed."""

    @pytest.fixture
    def embedder(self):
        return Waiting()

    @pytest.fixture
    def shelf(self, tmp_path, embedder):
        with Shelf(tmp_path, embedder) as shelf:
            shelf.put([Item(NOTES, word, {"word": word}, (word,)) for word in ("green tea", "poem", "black coffee")])
            yield shelf

    def test_a_search_that_embeds_meanwhile_asks_again_with_the_new_embedder(self, shelf, embedder):
        shelf.nearest("poem", 1)
        embedder.armed = True
        found = in_a_thread(lambda: keys(shelf.nearest("poem", 1)))
        assert embedder.reached.wait(60)
        shelf.rebuild(embedder=WordEmbedder(dimensions=16, name="other"))
        embedder.go_on.set()
        assert found() == ["poem"]

    def test_a_search_that_embeds_while_another_process_rebuilds_says_so(self, shelf, embedder):
        shelf.nearest("poem", 1)
        shelf._finder.close()  # so that the other one may write the index
        embedder.armed = True
        found = in_a_thread(lambda: keys(shelf.nearest("poem", 1)))
        assert embedder.reached.wait(60)
        with Shelf(shelf.path) as other:
            other.rebuild(embedder=WordEmbedder(dimensions=16, name="other"))
        embedder.go_on.set()
        assert isinstance(found(), ConfigError)

    def test_a_put_that_embeds_meanwhile_embeds_again(self, shelf, embedder):
        embedder.armed = True
        put = in_a_thread(lambda: shelf.put([Item(NOTES, "late", {}, ("a late note",))]))
        assert embedder.reached.wait(60)
        shelf.rebuild(embedder=WordEmbedder(dimensions=16, name="other"))
        embedder.go_on.set()
        assert put()[0].key == "late"
        assert keys(shelf.nearest("a late note", 1)) == ["late"]
        assert shelf.check().ok

    def test_others_search_and_put_while_a_rebuild_embeds(self, shelf):
        other = Waiting(dimensions=16, name="other")
        other.armed = True
        rebuilt = in_a_thread(lambda: shelf.rebuild(embedder=other))
        assert other.reached.wait(60)
        assert in_a_thread(lambda: keys(shelf.nearest("poem", 1)))() == ["poem"]
        assert in_a_thread(lambda: shelf.put([Item(NOTES, "late", {}, ("a late note",))])[0].key)() == "late"
        other.go_on.set()
        assert rebuilt() == 4
        assert keys(shelf.nearest("a late note", 1)) == ["late"]

    def test_closing_beside_a_search_is_told_and_nothing_worse(self, shelf, embedder):
        embedder.armed = True
        found = in_a_thread(lambda: shelf.nearest("poem", 1))
        assert embedder.reached.wait(60)
        shelf.close()
        embedder.go_on.set()
        assert "closed; open it again" in str(found())

    def test_no_search_of_many_fails_while_all_is_made_anew_many_times(self, tmp_path):
        with Shelf(tmp_path / "many", WordEmbedder()) as shelf:
            shelf._finder.limits = Limits(exact=50, behind=20, at_once=40, reopen=60)
            shelf.put([Item(NOTES, str(one), {"n": one}, (f"number {one}",)) for one in range(120)])
            stop, failed = threading.Event(), []

            def search():
                while not stop.is_set():
                    try:
                        assert keys(shelf.nearest("number 7", 1)) == ["7"]
                    except BaseException as error:
                        failed.append(error)
                        return

            threads = [threading.Thread(target=search) for _ in range(3)]
            for thread in threads:
                thread.start()
            for number in range(4):
                shelf.rebuild(embedder=WordEmbedder(dimensions=16 + number, name=f"e{number}"))
                shelf.rebuild()
            stop.set()
            for thread in threads:
                thread.join()
            assert failed == []

    def test_who_opened_with_the_embedder_of_the_folder_goes_over_to_the_new_one(self, tmp_path):
        with Shelf(tmp_path / "two", load_embedder("lexical")) as one:
            one.put([Item(NOTES, "tea", {}, ("green tea",))])
        with Shelf(tmp_path / "two") as reader:
            assert keys(reader.nearest("green tea", 1)) == ["tea"]
            with Shelf(tmp_path / "two") as other:
                other.rebuild(embedder=load_embedder("wordllama"))
            assert keys(reader.nearest("green tea", 1)) == ["tea"]
            assert reader.embedder.name == "wordllama"
            reader.put([Item(NOTES, "coffee", {}, ("black coffee",))])
            assert keys(reader.nearest("black coffee", 1)) == ["coffee"]


def test_what_is_refreshed_or_replaced_while_it_is_swept_stays(tmp_path):
    clock = [1000.0]
    with Shelf(tmp_path, WordEmbedder(), clock=lambda: clock[0]) as shelf:
        shelf.put([Item(NOTES, "a", {"n": 1}, expires_at=1500.0), Item(NOTES, "b", {"n": 1}, expires_at=1500.0)])
        clock[0] = 2000.0
        with shelf._record.transaction() as record:  # of another, which the sweep has to wait for
            swept = in_a_thread(shelf.sweep)
            record.execute("UPDATE items SET expires_at = 9000 WHERE key = ?", ('"a"',))
        assert swept() == 1
        assert [row.key for row in shelf.rows()] == ["a"]


def test_the_limit_holds_however_items_came_and_went(tmp_path):
    clock = [1000.0]
    with Shelf(tmp_path, WordEmbedder(), clock=lambda: clock[0], limit=10) as shelf:
        for number in range(30):
            shelf.put([Item(NOTES, str(number % 7), {"n": number})], history=number % 2 == 0)
        with Shelf(tmp_path, WordEmbedder()) as other:
            other.put([Item(NOTES, "x", {}), Item(NOTES, "y", {}), Item(NOTES, "z", {}, expires_at=1500.0)])
        with pytest.raises(ConfigError, match="11 items"):
            shelf.put([Item(NOTES, "one more", {})])
        clock[0] = 2000.0
        shelf.put([Item(NOTES, "one more", {})])
        with pytest.raises(ConfigError, match="11 items"):
            shelf.put([Item(NOTES, "another", {})])
        assert shelf.size == 10


def test_items_are_not_counted_for_every_put(tmp_path):
    with Shelf(tmp_path, WordEmbedder(), limit=50) as shelf:
        shelf.put([Item(NOTES, str(number % 5), {"n": number}) for number in range(60)])
        asked = []
        shelf._record._writer.set_trace_callback(lambda sql: asked.append(sql) if "count(*)" in sql else None)
        for number in range(20):
            shelf.put([Item(NOTES, str(number % 5), {"n": number})])
        shelf._record._writer.set_trace_callback(None)
        assert asked == []


words = st.lists(st.sampled_from(["green", "black", "tea", "poem", "coffee", "long"]), min_size=1, max_size=3).map(
    " ".join
)
names = st.tuples(st.sampled_from([("a",), ("a", "b"), ("b",)]), st.sampled_from("xyz"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(names, words, st.integers(0, 3)), max_size=25), words, st.integers(0, 6), st.integers(0, 3))
def test_the_nearest_are_what_comparing_all_of_them_gives(puts, query, k, offset):
    embedder = WordEmbedder(8)
    with Shelf(None, embedder) as shelf:
        for (namespace, key), text, n in puts:
            shelf.put([Item(namespace, key, {"n": n}, (text,))])
        where = {"n": {"$gte": 1}}
        passing = [row for row in shelf.rows(("a",)) if matches(row.value, where)]
        vectors = shelf.vectors(passing).astype(float)
        scores = (vectors * embedder.embed([query])[0].astype(float)).sum(axis=1)
        order = sorted(range(len(passing)), key=lambda at: (-scores[at], passing[at].seq))
        found = shelf.nearest(query, k, prefix=("a",), where=where, offset=offset)
        assert found == [(passing[at], scores[at]) for at in order[offset : offset + k]]


class TwoShelves(RuleBasedStateMachine):
    """Two shelves on one folder do what one dict does, whichever of them is asked, with the index in use early."""

    @initialize()
    def begin(self):
        self.folder = TemporaryDirectory()
        self.shelves = [self.opened(), self.opened()]
        self.there, self.pruned = {}, {}

    def opened(self):
        shelf = Shelf(self.folder.name, WordEmbedder(8))
        shelf._finder.limits = Limits(exact=4, behind=3, at_once=2, reopen=3)
        return shelf

    @rule(which=st.integers(0, 1), puts=st.lists(st.tuples(names, words), min_size=1, max_size=4))
    def put(self, which, puts):
        self.shelves[which].put([Item(*name, {"text": text}, (text,)) for name, text in puts])
        for name, text in puts:
            self.there.pop(name, None)
            self.there[name] = text

    @rule(which=st.integers(0, 1), name=names, keep_facts=st.booleans())
    def drop(self, which, name, keep_facts):
        dropped = self.shelves[which].drop([name], keep_facts=keep_facts)
        if keep_facts:
            assert dropped == (name in self.there)
            if name in self.there:
                self.pruned.setdefault(name, []).append(self.there.pop(name))
        else:
            assert dropped == (name in self.there or name in self.pruned)
            self.there.pop(name, None)
            self.pruned.pop(name, None)

    @rule(which=st.integers(0, 1))
    def reopen(self, which):
        self.shelves[which].close()
        self.shelves[which] = self.opened()

    @rule(which=st.integers(0, 1))
    def check(self, which):
        assert self.shelves[which].check().problems == ()

    @rule(which=st.integers(0, 1), query=words, prefix=st.sampled_from([(), ("a",), ("b",)]), k=st.integers(1, 4))
    def search(self, which, query, prefix, k):
        shelf = self.shelves[which]
        found = shelf.nearest(query, k, prefix=prefix)
        rows = shelf.rows(prefix)
        scores = (shelf.vectors(rows).astype(float) * shelf.embedder.embed([query])[0].astype(float)).sum(axis=1)
        order = sorted(range(len(rows)), key=lambda at: (-scores[at], rows[at].seq))
        assert found == [(rows[at], scores[at]) for at in order[:k]]

    @invariant()
    def both_have_the_same(self):
        for shelf in self.shelves:
            rows = shelf.rows()
            assert [((row.namespace, row.key), row.value["text"]) for row in rows] == list(self.there.items())
            assert len(shelf.rows(pruned=True)) - len(rows) == sum(map(len, self.pruned.values()))
            assert shelf.size == len(self.there)

    def teardown(self):
        if hasattr(self, "shelves"):
            for shelf in self.shelves:
                shelf.close()
            self.folder.cleanup()


TestTwoShelves = TwoShelves.TestCase
TestTwoShelves.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_nothing_is_warned_of_when_a_shelf_is_forgotten():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Shelf(None, WordEmbedder()).put([Item(NOTES, "tea", {}, ("green tea",))])


def test_an_item_is_kept_when_the_embedder_cannot_even_be_loaded(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    item = Item(("notes",), "n1", {"text": "kept"}, ("kept",))
    with Shelf(tmp_path, WordEmbedder(name="openai:any")) as shelf:
        shelf.put([Item(("notes",), "n0", {}, ("first",))])
    with Shelf(tmp_path) as shelf:
        with pytest.warns(RuntimeWarning, match="kept but not found"):
            shelf.put([item], unembedded=True)
        assert shelf.get(("notes",), "n1").value == {"text": "kept"}
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            shelf.put([item])

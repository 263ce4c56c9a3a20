"""ChromaStore beside LangGraph's InMemoryStore: the same operations, one by one, and the same random ones."""

import asyncio
import gc
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from langgraph_agora.errors import ConfigError, RunError
from langgraph_agora.memory.embedders import load_embedder
from langgraph_agora.memory.shelf import Shelf
from langgraph_agora.memory.store import ChromaStore

WORDS = ("tea", "rain", "train", "dog", "cat", "paris", "bread", "night")


def count_words(texts):
    """An embedder that a reader can work out: how often each word occurs, and a small constant."""
    return [[0.1, *(float(text.lower().count(word)) for word in WORDS)] for text in texts]


INDEX = {"dims": 1 + len(WORDS), "embed": count_words, "fields": ["text", "notes[*].text"]}
WHOLE = {"dims": 1 + len(WORDS), "embed": count_words}


def call(method, *args, **kwargs):
    return method, args, kwargs


def put(namespace, key, value, **kwargs):
    return call("put", namespace, key, value, **kwargs)


def plain(result):
    """What a caller sees of a result, without the times."""
    if isinstance(result, SearchItem):
        score = None if result.score is None else round(result.score, 4)
        return "found", result.namespace, result.key, result.value, score
    if isinstance(result, Item):
        return "item", result.namespace, result.key, result.value
    return [plain(one) for one in result] if isinstance(result, list) else result


def played(store, script):
    """The results of a script, call by call; of an error its kind."""
    results = []
    for method, args, kwargs in script:
        try:
            results.append(plain(getattr(store, method)(*args, **kwargs)))
        except InvalidNamespaceError:
            results.append("invalid namespace")
        except ValueError:
            results.append("refused")
    return results


ANN, BOB, DOCS = ("users", "ann"), ("users", "bob"), ("docs",)
PEOPLE = [
    put(ANN, "likes", {"drink": "tea", "cups": 3, "tags": ["hot", "green"]}),
    put(BOB, "likes", {"drink": "coffee", "cups": 1.5, "nested": {"city": "paris", "zip": 75}}),
    put(ANN, "pets", {"name": "rex", "alive": True, "age": None}),
    put(("users", "ann", "work"), "job", {"title": "baker", "cups": 0}),
    put(("usersx",), "likes", {"drink": "tea"}),
]
ARTICLES = [
    put(DOCS, "a", {"text": "the dog drinks tea in the rain", "kind": "story", "year": 2020}),
    put(DOCS, "b", {"text": "a train to paris", "kind": "travel", "year": 2024}),
    put(DOCS, "c", {"text": "the cat and the dog at night", "kind": "story", "year": 2023}),
    put(DOCS, "d", {"title": "nothing to be found by"}),
    put((*DOCS, "old"), "e", {"text": "night train", "kind": "travel", "year": 1999}),
    put(DOCS, "f", {"text": "bread", "kind": "food"}, index=False),
    put(DOCS, "g", {"text": "bread", "kind": "food", "notes": [{"text": "tea tea"}, {"text": "cat"}]}),
    put(DOCS, "h", {"text": "bread", "tip": {"of": "the dog dog"}}, index=["tip.of"]),
]

SCRIPTS = {
    "a value is put, read, replaced and deleted": [
        call("get", ANN, "likes"),
        put(ANN, "likes", {"drink": "tea"}),
        call("get", ANN, "likes"),
        put(ANN, "likes", {"food": "bread"}),
        call("get", ANN, "likes"),
        call("get", BOB, "likes"),
        call("get", ANN, "other"),
        call("delete", ANN, "likes"),
        call("get", ANN, "likes"),
        call("delete", ANN, "likes"),
        call("delete", BOB, "never there"),
        call("search", ANN),
    ],
    "any JSON value and any key comes back as it was": [
        put(DOCS, "unicode 🦜 \u0000 ' \" %", {"ключ": "größe 北京 🦜", "": ""}),
        call("get", DOCS, "unicode 🦜 \u0000 ' \" %"),
        put(DOCS, "deep", {"a": [1, 2.5, -0.0, None, True, {"b": [[], {}]}], "big": 2**53, "small": 1e-300}),
        call("get", DOCS, "deep"),
        put(DOCS, "empty", {}),
        call("get", DOCS, "empty"),
        put(DOCS, 7, {"key": "a number becomes text"}),
        call("get", DOCS, "7"),
        put(DOCS, "A", {"case": "upper"}),
        put(DOCS, "a", {"case": "lower"}),
        call("get", DOCS, "A"),
        call("search", ("DOCS",)),
        put(DOCS, "", {"key": "empty"}),
        call("get", DOCS, ""),
        call("search", DOCS),
    ],
    "a search goes through a namespace and those below it": [
        *PEOPLE,
        call("search", ANN),
        call("search", ("users",)),
        call("search", ()),
        call("search", ("user",)),
        call("search", ("nobody",)),
        call("search", ("ann",)),
        call("search", ("users",), limit=2),
        call("search", ("users",), limit=2, offset=2),
        call("search", ("users",), offset=4),
        call("search", ("users",), limit=0),
        call("search", ("users",), limit=100, offset=100),
    ],
    "a search lists in the order in which things were first put": [
        *(put(DOCS, key, {"n": 1}) for key in "cabed"),
        call("search", DOCS),
        put(DOCS, "c", {"n": 2}),
        put(DOCS, "b", {"n": 2}),
        call("search", DOCS),
        call("search", DOCS, limit=2, offset=1),
        call("delete", DOCS, "a"),
        put(DOCS, "a", {"n": 3}),
        call("search", DOCS),
        put(("zoo",), "x", {"n": 1}),
        put(DOCS, "last", {"n": 1}),
        put(("art",), "x", {"n": 1}),
        call("search", (), limit=20),
        call("search", (), filter={"n": 1}),
        call("search", (), filter={"n": 1}, limit=2, offset=3),
    ],
    "a filter compares values": [
        *PEOPLE,
        call("search", (), filter={"drink": "tea"}),
        call("search", ANN, filter={"drink": "tea"}),
        call("search", (), filter={"drink": "tea", "cups": 3}),
        call("search", (), filter={"drink": "tea", "cups": 4}),
        call("search", (), filter={"drink": {"$eq": "coffee"}}),
        call("search", (), filter={"drink": {"$ne": "tea"}}),
        call("search", ("users",), filter={"cups": {"$ne": 3}}),
        call("search", (), filter={"tags": ["hot", "green"]}),
        call("search", (), filter={"tags": ["green", "hot"]}),
        call("search", (), filter={"tags": ["hot"]}),
        call("search", (), filter={"tags": "hot"}),
        call("search", (), filter={"nested": {"city": "paris"}}),
        call("search", (), filter={"nested": {"city": "paris", "zip": 75}}),
        call("search", (), filter={"nested": {"city": "rome"}}),
        call("search", (), filter={"nested": {"zip": {"$eq": 75}}}),
        call("search", (), filter={"nested": {}}),
        call("search", (), filter={"alive": True}),
        call("search", (), filter={"alive": False}),
        call("search", (), filter={"age": None}),
        call("search", (), filter={"age": {"$ne": None}}),
        call("search", (), filter={"name": {"$eq": None}}),
        call("search", (), filter={"cups": 3.0}),
        call("search", (), filter={"cups": "3"}),
        call("search", (), filter={}),
        call("search", (), filter={"drink": "tea'; DROP TABLE items; --"}),
        call("search", (), filter={"a\"b'c": "x"}),
        call("search", (), filter={"drink": {"$near": "tea"}}),
    ],
    "a filter compares sizes": [
        *(put(DOCS, f"n{n}", {"n": n}) for n in (-1, 0, 1, 1.5, 2, 10)),
        *(call("search", DOCS, filter={"n": {op: 1.5}}) for op in ("$gt", "$gte", "$lt", "$lte", "$eq", "$ne")),
        call("search", DOCS, filter={"n": {"$gt": 0, "$lte": 2}}),
        call("search", DOCS, filter={"n": {"$gte": 10}}),
        call("search", DOCS, filter={"n": {"$gt": "1"}}),
    ],
    "namespaces are listed by what they begin and end with": [
        *(put(tuple(path), "k", {}) for path in ("abc", "abde", "abdi", "abf", "acf", "a", "xbc")),
        call("list_namespaces"),
        call("list_namespaces", prefix=("a", "b")),
        call("list_namespaces", prefix=("a", "b"), max_depth=3),
        call("list_namespaces", max_depth=1),
        call("list_namespaces", max_depth=2, limit=2),
        call("list_namespaces", max_depth=2, limit=2, offset=2),
        call("list_namespaces", suffix=("f",)),
        call("list_namespaces", suffix=("b", "c")),
        call("list_namespaces", prefix=("a",), suffix=("f",)),
        call("list_namespaces", prefix=("*", "b")),
        call("list_namespaces", prefix=("a", "*", "f")),
        call("list_namespaces", suffix=("*", "f")),
        call("list_namespaces", suffix=("b", "*")),
        call("list_namespaces", prefix=("a", "b", "c", "d", "e", "f")),
        call("list_namespaces", prefix=()),
        call("list_namespaces", limit=3),
        call("list_namespaces", limit=3, offset=5),
        call("list_namespaces", offset=50),
    ],
    "what is no namespace is refused": [
        put((), "k", {}),
        put(("langgraph",), "k", {}),
        put(("a.b",), "k", {}),
        put(("a", ""), "k", {}),
        put(("a", 1), "k", {}),
        put(("a\u0000",), "k", {}),
        call("get", ("a.b",), "k"),
        call("search", ("a.b",)),
        call("delete", ("",), "k"),
        call("list_namespaces", prefix=("a.b",)),
        call("list_namespaces", suffix=("",)),
        call("search", ()),
    ],
    "reads of a batch see what was there before it, and the last put of a key wins": [
        put(DOCS, "old", {"n": 0}),
        call(
            "batch",
            [
                PutOp(DOCS, "new", {"n": 1}),
                GetOp(DOCS, "new"),
                GetOp(DOCS, "old"),
                PutOp(DOCS, "old", None),
                PutOp(DOCS, "other", {"n": 1}),
                SearchOp(DOCS),
                PutOp(DOCS, "other", {"n": 2}),
                PutOp(DOCS, "new", {"n": 2}),
                ListNamespacesOp(),
                PutOp(("new", "place"), "x", {"n": 9}),
                GetOp(DOCS, "old"),
            ],
        ),
        call("search", ()),
        call("batch", [PutOp(DOCS, "other", None), PutOp(DOCS, "other", {"n": 3}), PutOp(DOCS, "gone", {})]),
        call("batch", [PutOp(DOCS, "gone", {"n": 1}), PutOp(DOCS, "gone", None), GetOp(DOCS, "gone")]),
        call("search", ()),
        call("batch", []),
        call("batch", [SearchOp(("new",)), SearchOp(()), GetOp(("new", "place"), "x")]),
        call("batch", [ListNamespacesOp((MatchCondition("prefix", ("new",)), MatchCondition("suffix", ("place",))))]),
        call("batch", ["get everything"]),
    ],
}

MEANING = {
    "a search by meaning gives the nearest first, and then what has no vector": [
        *ARTICLES,
        call("search", DOCS, query="tea for the dog"),
        call("search", DOCS, query="train"),
        call("search", DOCS, query="train", limit=1),
        call("search", DOCS, query="cat night", limit=2, offset=1),
        call("search", DOCS, query="tea for the dog", filter={"kind": "story"}),
        call("search", DOCS, query="train", filter={"year": {"$eq": 1999}}),
        call("search", (*DOCS, "old"), query="dog"),
        call("search", ("nowhere",), query="dog"),
        call("search", (), query="bread and tea", limit=3),
        call("search", DOCS, query="", limit=3),
        call("search", DOCS, query="tea", limit=0),
        call("batch", [SearchOp(DOCS, query="tea", limit=1), SearchOp(DOCS, query="cat", limit=1), GetOp(DOCS, "a")]),
        call("delete", DOCS, "a"),
        call("search", DOCS, query="rain", limit=2),
        put(DOCS, "b", {"text": "it is raining: rain, rain"}),
        call("search", DOCS, query="rain", limit=2),
        call("search", DOCS, query="train paris", limit=2),
    ],
    "an item is found by its best field": [
        put(DOCS, "one", {"text": "dog", "notes": [{"text": "cat"}, {"text": "rain rain"}, {"title": "tea"}]}),
        put(DOCS, "two", {"text": "cat rain", "notes": []}),
        put(DOCS, "all", {"rows": [{"x": "night"}, {"x": "bread"}], "n": [1, "paris"]}, index=["rows[*].x", "n[-1]"]),
        put(DOCS, "first", {"rows": ["dog dog", "tea"], "n": 12}, index=["rows[0]", "n"]),
        put(DOCS, "none", {"text": "tea"}, index=[]),
        put(DOCS, "missing", {"text": "tea"}, index=["not.there[3]"]),
        *(call("search", DOCS, query=word) for word in WORDS),
    ],
}  # fmt: skip


@pytest.fixture(params=["in memory", "on disk"])
def make(request, tmp_path):
    """Make a ChromaStore; those made are closed at the end."""
    made = []

    def store(index=None, **kwargs):
        made.append(
            ChromaStore(None if request.param == "in memory" else tmp_path / f"{len(made)}", index=index, **kwargs)
        )
        return made[-1]

    yield store
    for one in made:
        one.close()


@pytest.mark.parametrize("title", SCRIPTS)
def test_every_operation_gives_what_in_memory_store_gives(title, make):
    script = SCRIPTS[title]
    expected, got = played(InMemoryStore(), script), played(make(), script)
    for step, want, have in zip(script, expected, got, strict=True):
        assert have == want, step


@pytest.mark.parametrize("title", MEANING)
def test_a_search_by_meaning_gives_what_in_memory_store_gives(title, make):
    script = MEANING[title]
    expected, got = played(InMemoryStore(index=INDEX), script), played(make(INDEX), script)
    for step, want, have in zip(script, expected, got, strict=True):
        assert have == want, step


def test_without_fields_the_whole_value_is_embedded(make):
    script = [*ARTICLES, call("search", DOCS, query="story dog"), call("search", DOCS, query="food tea", limit=2)]
    assert played(make(WHOLE), script) == played(InMemoryStore(index=WHOLE), script)


def test_without_an_index_a_query_ranks_nothing(make):
    script = [*ARTICLES, call("search", DOCS, query="dog", limit=3), call("search", DOCS, query="dog", offset=1)]
    assert played(make(), script) == played(InMemoryStore(), script)


def test_without_an_index_a_query_ranks_nothing_also_where_there_are_vectors(tmp_path):
    with ChromaStore(tmp_path, index=INDEX) as store:
        store.put(DOCS, "a", {"text": "rain"})
        store.put(DOCS, "b", {"text": "tea"})
    with ChromaStore(tmp_path) as store:
        assert [(item.key, item.score) for item in store.search(DOCS, query="tea")] == [("a", None), ("b", None)]


# Where InMemoryStore does otherwise than the documentation says.


def test_a_value_that_is_replaced_keeps_the_time_at_which_it_was_first_put(make):
    now = [1000.0]
    store = make(clock=lambda: now[0])
    store.put(DOCS, "a", {"n": 1})
    now[0] = 1060.0
    store.put(DOCS, "a", {"n": 2})
    item = store.get(DOCS, "a")
    assert (item.created_at.timestamp(), item.updated_at.timestamp()) == (1000.0, 1060.0)
    assert item.created_at.tzinfo is not None
    assert store.search(DOCS)[0].created_at == item.created_at


def test_a_namespace_that_holds_nothing_is_not_listed(make):
    store = make()
    store.get(ANN, "looked for")
    store.put(BOB, "put", {})
    store.put(DOCS, "deleted", {})
    store.delete(DOCS, "deleted")
    assert store.list_namespaces() == [BOB]


def test_a_replaced_value_is_not_found_by_what_it_said_before(make):
    store = make(INDEX)
    store.put(DOCS, "a", {"text": "dog"})
    store.put(DOCS, "a", {"text": "dog"}, index=False)
    store.put(DOCS, "b", {"text": "dog", "notes": [{"text": "cat"}]})
    store.put(DOCS, "b", {"notes": [{"text": "cat"}]})
    assert [(item.key, item.score) for item in store.search(DOCS, query="dog", limit=1)] == [
        ("b", pytest.approx(0.01 / 1.01, abs=1e-4))
    ]
    assert [item.key for item in store.search(DOCS, query="dog")] == ["b", "a"]


def test_the_same_text_may_be_put_twice_in_a_batch(make):
    store = make(INDEX)
    store.batch([PutOp(DOCS, "a", {"text": "tea"}), PutOp(DOCS, "b", {"text": "tea"})])
    assert [item.score for item in store.search(DOCS, query="tea")] == [pytest.approx(1), pytest.approx(1)]


def test_pages_of_a_search_by_meaning_share_nothing_and_leave_nothing_out(make):
    store = make(INDEX)
    for number in range(5):
        store.put(DOCS, f"found {number}", {"text": "tea " * number + "dog"})
        store.put(DOCS, f"without {number}", {"title": "tea"})
    whole = [item.key for item in store.search(DOCS, query="tea", limit=100)]
    assert [key.split()[0] for key in whole] == ["found"] * 5 + ["without"] * 5
    for size in (1, 2, 3, 4, 7):
        pages = [store.search(DOCS, query="tea", limit=size, offset=start) for start in range(0, 12, size)]
        assert [item.key for page in pages for item in page] == whole


def test_what_was_replaced_is_not_kept(make):
    store = make(INDEX)
    store.put(DOCS, "a", {"n": 1})
    store.put(DOCS, "b", {"n": 1})
    store.put(DOCS, "a", {"n": 2})
    store.batch([PutOp(DOCS, "a", {"n": 3}), PutOp(DOCS, "b", None)])
    assert [row.value for row in store.shelf.history(DOCS, "a")] == [{"n": 3}]


def test_what_is_got_may_be_changed_without_changing_what_is_kept(make):
    store, value = make(), {"tags": ["a"]}
    store.put(DOCS, "a", value)
    value["tags"].append("put later")
    store.get(DOCS, "a").value["tags"].append("got")
    store.search(DOCS)[0].value["tags"].append("found")
    assert store.get(DOCS, "a").value == {"tags": ["a"]}


def test_sizes_of_what_cannot_be_compared_do_not_match(make):
    store = make()
    for key, value in {"none": None, "text": "many", "list": [1], "number": 5}.items():
        store.put(DOCS, key, {"n": value})
    store.put(DOCS, "missing", {})
    assert [item.key for item in store.search(DOCS, filter={"n": {"$gt": 1}})] == ["number"]
    assert [item.key for item in store.search(DOCS, filter={"n": {"$lte": 100}})] == ["number"]


def test_a_filter_may_name_a_path_or_several_values(make):
    store = make()
    store.put(DOCS, "a", {"nested": {"city": "paris"}})
    store.put(DOCS, "b", {"nested.city": "paris"})
    store.put(DOCS, "c", {"nested": {"city": "rome"}})
    assert [item.key for item in store.search(DOCS, filter={"nested.city": "paris"})] == ["a", "b"]
    assert [item.key for item in store.search(DOCS, filter={"nested.city": {"$in": ["rome", "oslo"]}})] == ["c"]


# Times to live.


class Clock:
    """A clock that stands until it is moved, in minutes."""

    def __init__(self):
        self.minutes = 0.0

    def __call__(self):
        return 1_700_000_000 + 60 * self.minutes


@pytest.fixture
def clock():
    return Clock()


def test_an_expired_item_is_gone_at_once_and_swept_later(make, clock):
    store = make(INDEX, clock=clock)
    store.put(ANN, "short", {"text": "tea"}, ttl=10)
    store.put(ANN, "plain", {"title": "tea"}, ttl=10)
    store.put(BOB, "long", {"text": "tea"}, ttl=30)
    store.put(DOCS, "for ever", {"text": "rain"})
    clock.minutes = 11
    assert store.get(ANN, "short") is None
    assert [item.key for item in store.search((), refresh_ttl=False)] == ["long", "for ever"]
    assert [item.key for item in store.search((), query="tea", refresh_ttl=False)] == ["long", "for ever"]
    assert [item.key for item in store.search((), query="tea", limit=1, refresh_ttl=False)] == ["long"]
    assert store.list_namespaces() == [DOCS, BOB]
    assert store.sweep_ttl() == 2
    clock.minutes = 10_000
    assert store.sweep_ttl() == 1
    assert [item.key for item in store.search(())] == ["for ever"]


@pytest.mark.parametrize("read", ["get", "search", "search by meaning"])
def test_reading_begins_the_time_anew(make, clock, read):
    store = make(INDEX, clock=clock)
    store.put(DOCS, "a", {"text": "tea"}, ttl=10)
    put_at = store.get(DOCS, "a").updated_at
    for minutes in (9, 18, 27):
        clock.minutes = minutes
        if read == "get":
            assert store.get(DOCS, "a").updated_at == put_at
        else:
            [item] = store.search(DOCS, query="tea" if "meaning" in read else None)
            assert item.updated_at == put_at
            assert (item.score is not None) == ("meaning" in read)
    clock.minutes = 38
    assert store.get(DOCS, "a") is None


def test_reading_does_not_begin_the_time_anew_when_it_is_not_to(make, clock):
    by_call, by_default = make(clock=clock), make(ttl={"refresh_on_read": False}, clock=clock)
    by_call.put(DOCS, "a", {}, ttl=10)
    by_default.put(DOCS, "a", {}, ttl=10)
    by_default.put(DOCS, "asked for", {}, ttl=10)
    clock.minutes = 9
    by_call.get(DOCS, "a", refresh_ttl=False)
    by_call.search(DOCS, refresh_ttl=False)
    by_default.get(DOCS, "a")
    by_default.search(DOCS)
    by_default.get(DOCS, "asked for", refresh_ttl=True)
    clock.minutes = 11
    assert by_call.sweep_ttl() == 1
    assert by_default.sweep_ttl() == 1
    assert by_default.get(DOCS, "asked for") is not None


def test_only_what_a_search_returns_lives_longer(make, clock):
    store = make(ttl={}, clock=clock)
    for key in "abc":
        store.put(DOCS, key, {}, ttl=10)
    clock.minutes = 5
    store.search(DOCS, limit=1, offset=1)
    clock.minutes = 11
    assert store.sweep_ttl() == 2
    assert [item.key for item in store.search(DOCS)] == ["b"]


def test_a_time_to_live_is_given_by_default_and_can_be_left_out_or_changed(make, clock):
    store = make(ttl={"default_ttl": 10}, clock=clock)
    store.put(DOCS, "default", {})
    store.put(DOCS, "never", {}, ttl=None)
    store.put(DOCS, "longer", {}, ttl=20)
    store.put(DOCS, "changed", {}, ttl=5)
    store.put(DOCS, "changed", {}, ttl=None)
    clock.minutes = 11
    assert store.sweep_ttl() == 1
    assert [item.key for item in store.search(DOCS, refresh_ttl=False)] == ["never", "longer", "changed"]


def test_the_sweeper_sweeps_until_it_is_stopped(make, clock):
    swept = threading.Event()

    class Watched(ChromaStore):
        def sweep_ttl(self):
            number = super().sweep_ttl()
            if number:
                swept.set()
            return number

    store = Watched(ttl={"sweep_interval_minutes": 1e-5}, clock=clock)
    store.put(DOCS, "a", {}, ttl=10)
    clock.minutes = 11
    future = store.start_ttl_sweeper()
    assert swept.wait(20)
    assert store.get(DOCS, "a") is None
    assert store.start_ttl_sweeper() is future, "there is one sweeper"
    assert store.stop_ttl_sweeper(timeout=20)
    assert future.done()
    assert store.stop_ttl_sweeper()
    store.close()


def test_a_cancelled_sweeper_ends_and_closing_ends_it_too(clock):
    def sweepers():
        return [thread for thread in threading.enumerate() if thread.name == "ttl-sweeper"]

    store = ChromaStore(ttl={}, clock=clock)
    cancelled = store.start_ttl_sweeper(60)
    [thread] = sweepers()
    assert cancelled.cancel()
    thread.join(20)
    assert not thread.is_alive()
    ended = store.start_ttl_sweeper()
    store.close()
    ended.result(timeout=20)
    assert not sweepers()


def test_the_sweeper_of_a_store_that_nobody_has_any_more_ends(clock):
    future = ChromaStore(ttl={}, clock=clock).start_ttl_sweeper(60)
    gc.collect()
    future.result(timeout=20)


def test_what_ends_a_sweeper_is_in_its_future(clock):
    with Shelf(clock=clock) as shelf:
        store = ChromaStore(shelf=shelf, ttl={}, clock=clock)
    future = store.start_ttl_sweeper(1e-5)
    assert "closed" in str(future.exception(timeout=20))


def test_without_a_configuration_of_times_there_is_no_sweeper(make):
    assert make().start_ttl_sweeper().result(0) is None


@pytest.mark.parametrize("ttl", [-1, 0, float("nan"), float("inf"), "10", True])
def test_what_is_no_time_to_live_is_refused(make, ttl):
    store = make()
    with pytest.raises(ConfigError, match="minutes"):
        store.put(DOCS, "a", {}, ttl=ttl)
    assert store.get(DOCS, "a") is None


# Async.


async def test_the_async_methods_do_what_the_others_do(make):
    store = make(INDEX)
    for method, args, kwargs in ARTICLES:
        assert await getattr(store, f"a{method}")(*args, **kwargs) is None
    assert plain(await store.aget(DOCS, "a")) == plain(store.get(DOCS, "a"))
    assert plain(await store.asearch(DOCS, query="dog")) == plain(store.search(DOCS, query="dog"))
    assert await store.alist_namespaces(suffix=("old",)) == [(*DOCS, "old")]
    await store.adelete(DOCS, "a")
    assert store.get(DOCS, "a") is None
    await asyncio.gather(*(store.aput(ANN, str(n), {"n": n}) for n in range(20)))
    assert len(await store.asearch(ANN, limit=100)) == 20


async def test_the_event_loop_goes_on_while_texts_are_embedded(make):
    embedding, go_on = threading.Event(), threading.Event()

    def slow(texts):
        embedding.set()
        assert go_on.wait(20), "the loop stood still"
        return count_words(texts)

    go_on.set()
    store = make({"embed": slow, "dims": 1 + len(WORDS)})  # To learn the dimensions, a text may be embedded.
    embedding.clear()
    go_on.clear()
    put_it = asyncio.create_task(store.aput(DOCS, "a", {"text": "tea"}))
    while not embedding.is_set():
        await asyncio.sleep(0)
    assert not put_it.done()
    go_on.set()
    await put_it
    assert store.get(DOCS, "a").value == {"text": "tea"}


def test_many_threads_share_a_store(make):
    store = make(INDEX)

    def work(number):
        for turn in range(5):
            store.put(DOCS, f"{number}-{turn}", {"text": WORDS[number]})
            assert store.search(DOCS, query=WORDS[number], limit=1)[0].value == {"text": WORDS[number]}
            store.put(("counter",), "last", {"n": number})
        store.delete(DOCS, f"{number}-0")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert len(store.search(DOCS, limit=100)) == 32
    assert len(store.search(("counter",))) == 1


# What is given at the start, and what is refused.


def test_an_index_without_an_embedder_uses_the_one_given_beside_it(make):
    store = make({"fields": ["text"]}, embedder=count_words)
    store.put(DOCS, "a", {"text": "tea", "other": "dog"})
    assert store.search(DOCS, query="tea")[0].score > 0.99
    assert store.search(DOCS, query="dog")[0].score < 0.1


def test_an_embedder_alone_embeds_whole_values(make):
    script = [*ARTICLES, call("search", DOCS, query="story dog")]
    assert played(make(embedder=count_words), script) == played(InMemoryStore(index=WHOLE), script)


async def test_an_async_embedder_serves_async_calls(make):
    async def acount(texts):
        await asyncio.sleep(0)
        return count_words(texts)

    store = make({"embed": acount, "dims": 1 + len(WORDS)})
    await store.aput(DOCS, "a", {"text": "tea"})
    [item] = await store.asearch(DOCS, query="tea")
    assert item.score == pytest.approx(1)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"index": {"dims": 5, "embed": count_words}}, r"dims.*5.*9"),
        ({"index": {"embed": count_words}, "embedder": count_words}, "embed.*twice"),
        ({"index": {"feilds": ["text"], "embed": count_words}}, "feilds.*Did you mean 'fields'"),
        ({"index": {"embed": count_words, "fields": "text"}}, r"fields.*list"),
        ({"index": {"embed": count_words, "fields": [1]}}, r"fields.*list"),
        ({"ttl": {"default": 5}}, "default_ttl"),
        ({"ttl": {"default_ttl": -5}}, "default_ttl"),
        ({"ttl": {"sweep_interval_minutes": 0}}, "sweep_interval_minutes"),
        ({"path": "somewhere", "shelf": "SHELF"}, "shelf"),
        ({"embedder": count_words, "shelf": "SHELF"}, "shelf"),
        ({"index": {"embed": count_words}, "shelf": "SHELF"}, "shelf"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_the_start(kwargs, words):
    with Shelf() as shelf:
        if "shelf" in kwargs:
            kwargs = kwargs | {"shelf": shelf}
        with pytest.raises(ConfigError, match=words):
            ChromaStore(**kwargs)


def test_what_is_refused_at_the_start_leaves_nothing_open(tmp_path):
    closed = []

    class Watched(ChromaStore):
        def close(self):
            super().close()
            closed.append(self.shelf.path)

    with pytest.raises(ConfigError, match="dims"):
        Watched(tmp_path, index={"dims": 5, "embed": count_words})
    assert closed == [tmp_path]


class Records(Mapping):
    """A mapping that is no dict."""

    def __init__(self, **values):
        self.values_ = values

    def __getitem__(self, key):
        return self.values_[key]

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


def test_any_mapping_is_a_value(make):
    store = make(INDEX)
    store.put(DOCS, "a", Records(text="tea", n=1))
    assert store.get(DOCS, "a").value == {"text": "tea", "n": 1}
    assert store.search(DOCS, query="tea", limit=1)[0].score == pytest.approx(1)


@pytest.mark.parametrize(
    "value",
    ["text", [1], 5, {"a": {1, 2}}, {"a": b"bytes"}, {"a": object()}, {"a": {1: 2}}, {1: 2}, {"a": float("nan")}],
)
@pytest.mark.parametrize("index", [None, WHOLE], ids=["plain", "embedded"])
def test_what_is_no_json_object_is_refused_and_nothing_of_its_batch_is_kept(make, value, index):
    store = make(index)
    store.put(DOCS, "there", {"n": 0})
    with pytest.raises(ConfigError):
        store.batch([PutOp(DOCS, "good", {"n": 1}), PutOp(DOCS, "there", None), PutOp(DOCS, "bad", value)])
    assert [item.key for item in store.search(())] == ["there"]


@pytest.mark.parametrize("kwargs", [{"limit": -1}, {"offset": -1}, {"limit": 2.5}, {"limit": True}])
def test_what_is_no_number_of_items_is_refused(make, kwargs):
    store = make()
    with pytest.raises(ConfigError, match=next(iter(kwargs))):
        store.search(DOCS, **kwargs)
    with pytest.raises(ConfigError, match=next(iter(kwargs))):
        store.list_namespaces(**kwargs)


@pytest.mark.parametrize("depth", [-1, "2", 1.5])
def test_what_is_no_depth_is_refused(make, depth):
    with pytest.raises(ConfigError, match="max_depth"):
        make().list_namespaces(max_depth=depth)


def test_an_unknown_operator_is_refused_also_where_nothing_is(make):
    with pytest.raises(ConfigError, match=r"\$near"):
        make().search(DOCS, filter={"n": {"$near": 1}})


def test_an_unknown_operation_is_refused_and_nothing_of_its_batch_is_kept(make):
    store = make()
    with pytest.raises(ConfigError, match="PutOp"):
        store.batch([PutOp(DOCS, "a", {}), "put"])
    assert store.search(()) == []


def test_operations_given_to_batch_are_checked_too(make):
    store = make()
    for op in (GetOp(("a.b",), "k"), PutOp(("a.b",), "k", {}), SearchOp(("",)), PutOp((), "k", {})):
        with pytest.raises(InvalidNamespaceError):
            store.batch([op])


def test_a_namespace_is_several_labels_not_one_text(make):
    store = make()
    store.put(["users", "ann"], "k", {"n": 1})
    assert store.get(["users", "ann"], "k").namespace == ANN
    for wrong in (
        lambda: store.put("users", "k", {}),
        lambda: store.get("users", "k"),
        lambda: store.search("users"),
        lambda: store.delete("users", "k"),
        lambda: store.list_namespaces(prefix="users"),
        lambda: store.batch([ListNamespacesOp((MatchCondition("middle", ("ann",)),))]),
    ):
        with pytest.raises(ConfigError, match="tuple"):
            wrong()


# A shelf that somebody else keeps.


def test_items_with_a_time_to_live_are_read_from_a_memory_that_can_only_be_read(tmp_path):
    with ChromaStore(tmp_path, embedder="lexical") as store:
        store.put(("a",), "k", {"text": "tea"}, ttl=5)
    with Shelf(tmp_path, read_only=True) as shelf:
        store = ChromaStore(shelf=shelf)
        assert store.get(("a",), "k").value == {"text": "tea"}
        assert [item.key for item in store.search(("a",), query="tea")] == ["k"]


def test_a_page_of_a_large_namespace_is_all_that_is_read(tmp_path):
    with ChromaStore(tmp_path) as store:
        store.batch([PutOp(("big",), str(one), {"n": one, "odd": one % 2}) for one in range(2000)])
        asked = []
        store.shelf._record._reader.set_trace_callback(asked.append)
        assert [item.key for item in store.search(("big",), limit=3, offset=1000)] == ["1000", "1001", "1002"]
        store.shelf._record._reader.set_trace_callback(None)
        [values] = [sql for sql in asked if "value" in sql.partition("FROM")[0].replace("first_value", "")]
        assert "(1001,1002,1003)" in values
        found = store.search(("big",), filter={"odd": 1}, limit=3, offset=900)
        assert [item.value["n"] for item in found] == [1801, 1803, 1805]
        assert store.search(("big",), filter={"odd": 2}) == []


def test_what_can_only_be_read_is_read(tmp_path):
    with ChromaStore(tmp_path, index=INDEX) as store:
        store.put(DOCS, "a", {"text": "tea"})
    with Shelf(tmp_path, load_embedder(count_words), read_only=True) as shelf:
        store = ChromaStore(shelf=shelf)
        assert store.get(DOCS, "a").value == {"text": "tea"}
        assert [item.key for item in store.search((), query="tea")] == ["a"]
        assert store.list_namespaces() == [DOCS]
        with pytest.raises(RunError):
            store.put(DOCS, "b", {})


def test_reserved_namespaces_can_be_read_and_searched_but_not_written():
    with Shelf(embedder=load_embedder(count_words)) as shelf:
        keeper = ChromaStore(shelf=shelf)
        keeper.put(("experiences",), "e1", {"task": "make tea"})
        store = ChromaStore(shelf=shelf, reserved=("experiences", "trials"))
        assert store.get(("experiences",), "e1").value == {"task": "make tea"}
        assert [item.key for item in store.search((), query="tea")] == ["e1"]
        assert store.list_namespaces() == [("experiences",)]
        for namespace in (("experiences",), ("experiences", "below"), ("trials", "l1")):
            with pytest.raises(ConfigError, match=r"memory\.add"):
                store.put(namespace, "e2", {})
            with pytest.raises(ConfigError, match=r"memory\.add"):
                store.delete(namespace, "e1")
        with pytest.raises(ConfigError):
            store.batch([PutOp(("mine",), "a", {}), PutOp(("experiences",), "e1", None)])
        store.put(("experiencesx",), "a", {})
        store.put(("mine", "experiences"), "a", {})
        assert store.list_namespaces() == [("experiences",), ("experiencesx",), ("mine", "experiences")]


def test_closing_a_store_leaves_a_shelf_open_that_was_given_to_it():
    with Shelf() as shelf:
        store = ChromaStore(shelf=shelf)
        store.put(DOCS, "a", {"n": 1})
        store.close()
        assert ChromaStore(shelf=shelf).get(DOCS, "a").value == {"n": 1}


# Random operations.

KEYS, SPACES = st.sampled_from("abc"), st.sampled_from([("p",), ("p", "q"), ("p", "r"), ("s",), ("*",)])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "1", 0.5, 1.0])
VALUES = st.fixed_dictionaries(
    {"n": st.integers(-2, 2) | st.sampled_from([0.5, -1.5]), "text": st.lists(st.sampled_from(WORDS)).map(" ".join)},
    optional={
        "s": SCALARS,
        "deep": st.dictionaries(st.sampled_from("xy"), SCALARS),
        "list": st.lists(SCALARS, max_size=2),
    },
)
SIZES = st.dictionaries(
    st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]), st.integers(-2, 2), min_size=1, max_size=2
)
FILTERS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "n": SCALARS | SIZES,
        "s": SCALARS | st.fixed_dictionaries({"$ne": SCALARS}) | st.fixed_dictionaries({"$eq": SCALARS}),
        "deep": st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=1),
        "list": st.lists(SCALARS, max_size=2),
        "missing": st.none() | st.just({"$ne": 1}),
    },
)


class SideBySide(RuleBasedStateMachine):
    """The same operations on InMemoryStore and on ChromaStore, compared after each.

    Only what InMemoryStore does as documented is asked: see the tests above for the rest.
    """

    def __init__(self):
        super().__init__()
        self.known, self.store = InMemoryStore(index=INDEX), ChromaStore(index=INDEX)
        self.used = set()

    def teardown(self):
        self.store.close()

    def both(self, method, *args, **kwargs):
        return [played(store, [(method, args, kwargs)])[0] for store in (self.known, self.store)]

    @rule(namespace=SPACES, key=KEYS, value=VALUES)
    def put(self, namespace, key, value):
        self.used.add(namespace)
        known, have = self.both("put", namespace, key, value)
        assert have == known

    @precondition(lambda self: self.used)
    @rule(data=st.data(), key=KEYS)
    def delete(self, data, key):
        namespace = data.draw(st.sampled_from(sorted(self.used)))
        known, have = self.both("delete", namespace, key)
        assert have == known

    @rule(namespace=SPACES, key=KEYS, values=st.lists(st.none() | VALUES, max_size=3), other=KEYS)
    def batch(self, namespace, key, values, other):
        self.used.add(namespace)
        ops = [PutOp(namespace, other, None), *(PutOp(namespace, key, value) for value in values)]
        known, have = self.both("batch", [*ops, GetOp(namespace, key), SearchOp(namespace, limit=1)])
        assert have[:-1] == known[:-1]

    @precondition(lambda self: self.used)
    @rule(data=st.data(), key=KEYS)
    def get(self, data, key):
        known, have = self.both("get", data.draw(st.sampled_from(sorted(self.used))), key)
        assert have == known

    @rule(prefix=SPACES | st.just(()), where=FILTERS)
    def search(self, prefix, where):
        known, have = self.both("search", prefix, filter=where, limit=100)
        for namespace in self.used:  # Of a namespace that was empty for a while InMemoryStore keeps the place.
            assert [found for found in have if found[1] == namespace] == [f for f in known if f[1] == namespace]
        assert len(have) == len(known)

    @rule(
        namespace=SPACES.filter(lambda space: space != ("p",)),
        where=FILTERS,
        limit=st.integers(0, 3),
        offset=st.integers(0, 3),
    )
    def page(self, namespace, where, limit, offset):
        known, have = self.both("search", namespace, filter=where, limit=limit, offset=offset)
        assert have == known

    @rule(
        prefix=SPACES | st.just(()),
        where=FILTERS,
        query=st.sampled_from(["tea", "dog cat", "rain tea night"]),
        limit=st.integers(0, 20),
    )
    def meaning(self, prefix, where, query, limit):
        known, have = self.both("search", prefix, query=query, filter=where, limit=limit)
        assert [found[4] for found in have] == pytest.approx([found[4] for found in known], abs=2e-4)
        if limit == 20:
            assert sorted(repr(found[:4]) for found in have) == sorted(repr(found[:4]) for found in known)

    @rule(
        prefix=st.sampled_from([None, ("p",), ("*",), ("*", "q"), ("p", "*")]),
        suffix=st.sampled_from([None, ("q",), ("*",), ("p", "*")]),
        depth=st.sampled_from([None, 1, 2]),
    )
    def list_namespaces(self, prefix, suffix, depth):
        filled = {item.namespace for item in self.known.search((), limit=1000)}
        for one in self.used - filled:  # InMemoryStore lists what is empty too.
            self.known._data.pop(one, None)
        known, have = self.both("list_namespaces", prefix=prefix, suffix=suffix, max_depth=depth)
        assert have == known

    @invariant()
    def the_number_of_items_is_the_same(self):
        assert len(self.known.search((), limit=1000)) == len(self.store.search((), limit=1000))


SideBySide.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSideBySide = SideBySide.TestCase

"""The record: append-only, erased for good, whole or refused."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from langgraph_agora.errors import ConfigError, RunError
from langgraph_agora.memory.items import MAX_VALUE_BYTES, Item
from langgraph_agora.memory.locks import Lock
from langgraph_agora.memory.record import APPLICATION, FILE, OPEN, SCHEMA_VERSION
from langgraph_agora.memory.salvage import salvage
from langgraph_agora.memory.shelf import Shelf

from .doubles import WordEmbedder

NOTES = ("notes",)


def opened(path, **settings):
    return Shelf(path, WordEmbedder(), **settings)


def note(number, **more):
    return Item(NOTES, f"n{number}", {"number": number, **more}, (f"note number {number}",))


def filled(path, count=200):
    with opened(path) as shelf:
        shelf.put([note(number, text="x" * 300) for number in range(count)])
    return path / FILE


def words_in(folder, word):
    """The files in which these bytes stand."""
    return [file.name for file in folder.rglob("*") if file.is_file() and word.encode() in file.read_bytes()]


def test_the_file_says_whose_it_is_and_in_which_version(tmp_path):
    file = filled(tmp_path, 1)
    database = sqlite3.connect(file)
    try:
        assert database.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        database.close()


def plan(record, sql, parameters):
    """How SQLite means to find the rows of a query."""
    return " | ".join(row[3] for row in record.read(f"EXPLAIN QUERY PLAN {sql}", parameters))


@pytest.mark.parametrize(
    "use",
    [
        lambda shelf: shelf.get(NOTES, "n1"),
        lambda shelf: shelf.history(NOTES, "n1"),
        lambda shelf: shelf.put([note(1)]),
        lambda shelf: shelf.drop([(NOTES, "n1")]),
        lambda shelf: shelf.drop([(NOTES, "n1")], keep_facts=True),
        lambda shelf: shelf.rows(NOTES, after=3),
        lambda shelf: shelf.rows(NOTES, pruned=True, after=3),
        lambda shelf: shelf.sweep(),
    ],
    ids=["get", "history", "put", "drop", "prune", "after", "after, pruned", "sweep"],
)
def test_no_question_about_a_name_or_what_is_new_reads_the_whole_table(tmp_path, use):
    with opened(tmp_path) as shelf:
        shelf.put([note(number) for number in range(5)])
        asked = []
        for connection in (shelf._record._reader, shelf._record._writer):
            connection.set_trace_callback(asked.append)
        use(shelf)
        for connection in (shelf._record._reader, shelf._record._writer):
            connection.set_trace_callback(None)
        plans = [plan(shelf._record, sql, ()) for sql in asked if " FROM items" in sql and "count(" not in sql]
        assert plans
        assert [one for one in plans if "SCAN items" in one or ("IN (SELECT" in one)] == []


def test_what_is_newer_than_a_number_is_read_without_the_numbers_of_its_namespace(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([note(number) for number in range(5)])
        asked = []
        shelf._record._reader.set_trace_callback(asked.append)
        assert [row.key for row in shelf.rows(NOTES, after=3)] == ["n3", "n4"]
        shelf._record._reader.set_trace_callback(None)
        assert plan(shelf._record, asked[-1], ()) == "SEARCH items USING INTEGER PRIMARY KEY (rowid>?)"


@pytest.mark.parametrize("column", ["value", "key", "namespace", "created_at", "updated_at", "seq"])
def test_a_kept_value_cannot_be_changed_even_by_hand(tmp_path, column):
    database = sqlite3.connect(filled(tmp_path, 1))
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(f"UPDATE items SET {column} = 5")
    finally:
        database.close()


def test_what_was_superseded_or_pruned_stays_in_the_record(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([note(1, version=1)])
        shelf.put([note(1, version=2)])
        shelf.drop([(NOTES, "n1")], keep_facts=True)
        assert [row.value["version"] for row in shelf.history(NOTES, "n1")] == [1, 2]
        assert [row.value["version"] for row in shelf.rows(pruned=True)] == [2]
        assert shelf.get(NOTES, "n1") is None


def test_a_version_that_is_superseded_without_history_is_erased(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([note(1, text="quicksilver")])
        shelf.put([note(1, text="lead")], history=False)
        assert len(shelf.history(NOTES, "n1")) == 1
        assert words_in(tmp_path, "quicksilver") == []
    assert words_in(tmp_path, "quicksilver") == []


@pytest.mark.parametrize("after", ["put", "superseded", "pruned", "many more", "indexed"])
def test_what_is_erased_stands_in_no_byte_of_the_folder(tmp_path, after):
    with opened(tmp_path) as shelf:
        shelf.put([Item(NOTES, "secret", {"text": "quicksilver " * 500}, ("quicksilver in words",))])
        if after == "superseded":
            shelf.put([Item(NOTES, "secret", {"text": "nothing"}, ())])
        if after == "pruned":
            shelf.drop([(NOTES, "secret")], keep_facts=True)
        if after == "many more":
            shelf.put([note(number, text="x" * 2000) for number in range(500)])
        if after == "indexed":
            assert shelf.check().indexed == 1
        assert words_in(tmp_path, "quicksilver"), "the look into the files sees nothing at all"
        assert shelf.drop([(NOTES, "secret")]) == 1
        assert words_in(tmp_path, "quicksilver") == []
        assert shelf.history(NOTES, "secret") == []
        assert shelf.nearest("quicksilver in words", 5, where={"text": {"$ne": None}, "number": None}) == []
    assert words_in(tmp_path, "quicksilver") == []


def test_what_a_reader_kept_in_the_log_is_erased_when_it_is_closed(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([note(1, text="quicksilver")])
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT * FROM items").fetchall()
        shelf._record.wipe(patience=0)
        with pytest.warns(RuntimeWarning, match="stand in the write-ahead log until they are done"):
            shelf.drop([(NOTES, "n1")])
        assert words_in(tmp_path, "quicksilver")
        other.close()
    assert words_in(tmp_path, "quicksilver") == []


def test_what_a_reader_kept_in_the_log_is_erased_with_the_next_write(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([note(1, text="quicksilver")])
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT * FROM items").fetchall()
        shelf._record.wipe(patience=0)
        with pytest.warns(RuntimeWarning, match="stand in the write-ahead log until they are done"):
            shelf.put([note(1, text="lead")], history=False)
        assert words_in(tmp_path, "quicksilver")
        other.close()
        shelf.put([note(2)])
        assert words_in(tmp_path, "quicksilver") == []


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path):
    with opened(tmp_path, limit=3) as shelf:
        shelf.put([note(1), note(2)])
        with pytest.raises(ConfigError, match=r"4 items.*limit is 3"):
            shelf.put([note(3), note(4)])
        assert shelf.size == 2
        shelf.change([note(3), note(4)], [(NOTES, "n1")])
        assert [row.key for row in shelf.rows()] == ["n2", "n3", "n4"]


def test_the_item_after_the_millionth_is_refused(tmp_path):
    with opened(None) as shelf:
        with shelf._record.transaction() as record:
            record.execute(
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999999) "
                "INSERT INTO items (namespace, key, value, created_at, updated_at) "
                """SELECT '["many"]', printf('"%07d"', n), '{}', 0, 0 FROM numbers"""
            )
        shelf.put([note(1)])
        with pytest.raises(ConfigError, match=r"1,000,001 items.*limit is 1,000,000"):
            shelf.put([note(2)])
        assert shelf.size == 1_000_000
        shelf.put([note(1)])  # superseding it is no more items
        shelf.drop([(("many",), "0000007")])
        shelf.put([note(2)])


class TestValues:
    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ({"score": float("nan")}, "no JSON"),
            ({"score": float("inf")}, "no JSON"),
            ({"score": [{"deep": float("-inf")}]}, "no JSON"),
            ({"when": object()}, "no JSON"),
            ({"data": b"\x00\xff"}, "no JSON"),
            ({1: "one"}, "keys of JSON are text"),
            ({"deep": [{2: 1}]}, "keys of JSON are text"),
            ({"text": "x" * 10_000_000}, f"10,000,0.. bytes of JSON; at most {MAX_VALUE_BYTES:,}"),
            (["a", "list"], "give a dict"),
            (None, "give a dict"),
        ],
    )
    def test_what_is_no_json_or_too_large_is_refused_and_named(self, value, said):
        with opened(None) as shelf, pytest.raises(ConfigError, match=said) as caught:
            shelf.put([note(1), Item(NOTES, "bad", value)])
        assert "'bad'" in str(caught.value)
        assert len(str(caught.value)) < 500

    def test_a_value_in_itself_is_refused(self):
        value = {}
        value["self"] = value
        with opened(None) as shelf, pytest.raises(ConfigError, match="no JSON"):
            shelf.put([Item(NOTES, "bad", value)])

    def test_a_value_too_deep_is_refused(self):
        value = {}
        for _ in range(100_000):
            value = {"in": value}
        with opened(None) as shelf, pytest.raises(ConfigError, match="no JSON"):
            shelf.put([Item(NOTES, "bad", value)])
        while value:  # or freeing it overflows the stack
            value = value.pop("in")

    @pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\U0001f600", "é" * 100, "", "\udfff\ud800 mixed", "'; DROP"])
    def test_any_text_comes_back_as_it_was_put(self, tmp_path, text):
        space = ("a", text)
        with opened(tmp_path) as shelf:
            shelf.put([Item(space, text, {"text": text, "list": [text]}, (text,))])
        with opened(tmp_path) as shelf:
            assert shelf.get(space, text).value == {"text": text, "list": [text]}
            assert shelf.namespaces() == [space]
            [(row, _)] = shelf.nearest(text, 1, prefix=space, where={"text": text})
            assert row.key == text
            assert shelf.rows(("a", text), {"list": [text]}) == [row]

    def test_numbers_come_back_exactly(self):
        value = {"big": 2**80, "float": 0.1 + 0.2, "tiny": 5e-324, "zero": -0.0, "yes": True, "one": 1}
        with opened(None) as shelf:
            shelf.put([Item(NOTES, "n", value)])
            assert json.dumps(shelf.get(NOTES, "n").value) == json.dumps(value)

    @pytest.mark.parametrize(
        "item",
        [
            Item("notes", "k", {}),
            Item(("notes", 1), "k", {}),
            Item(NOTES, 5, {}),
            Item(NOTES, "k", {}, "one text"),
            Item(NOTES, "k", {}, (1,)),
            Item(NOTES, "k" * 20_000, {}),
            Item(NOTES, "k", {}, expires_at=float("nan")),
            Item(NOTES, "k", {}, ttl=True),
            Item(NOTES, "k", {}, expires_at="tomorrow"),
            Item(NOTES, "k", {}, ("x" * 2_000_000,)),
        ],
    )
    def test_wrong_names_texts_and_times_are_refused(self, item):
        with opened(None) as shelf, pytest.raises(ConfigError):
            shelf.put([item])


class TestForeignFiles:
    @pytest.mark.parametrize("content", [b"hello, I am no database", b"\x00" * 5000, random.Random(1).randbytes(9000)])
    def test_what_is_no_sqlite_file_is_refused_and_left_alone(self, tmp_path, content):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(ConfigError, match="no record of this package"):
            opened(tmp_path)
        assert (tmp_path / FILE).read_bytes() == content

    def test_a_foreign_sqlite_file_is_refused_and_left_alone(self, tmp_path):
        database = sqlite3.connect(tmp_path / FILE)
        database.execute("CREATE TABLE mine (x)")
        database.commit()
        database.close()
        before = (tmp_path / FILE).read_bytes()
        with pytest.raises(ConfigError, match="no record of this package"):
            opened(tmp_path)
        assert (tmp_path / FILE).read_bytes() == before

    def test_a_record_of_a_newer_version_is_refused(self, tmp_path):
        database = sqlite3.connect(filled(tmp_path, 1))
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        database.close()
        with pytest.raises(ConfigError, match="update langgraph-agora"):
            opened(tmp_path)

    def test_a_path_that_is_a_file_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(ConfigError, match="give a folder"):
            opened(tmp_path / "file")
        with pytest.raises(ConfigError, match="give a folder"):
            opened(tmp_path / "file" / "below")

    def test_read_only_makes_nothing(self, tmp_path):
        with pytest.raises(ConfigError, match="no memory"):
            opened(tmp_path / "none", read_only=True)
        assert not (tmp_path / "none").exists()


class TestDamage:
    @pytest.mark.parametrize("left", [0.999, 0.7, 0.5, 0.3])
    def test_a_record_cut_short_is_refused_and_what_can_be_read_is_saved(self, tmp_path, left):
        file = filled(tmp_path, 400)
        os.truncate(file, int(file.stat().st_size * left))
        cut = file.read_bytes()
        with pytest.raises(RunError, match=r"cut short.*agora memory rebuild --path"):
            opened(tmp_path)
        saved = salvage(tmp_path)
        assert saved.broken.read_bytes() == cut
        with opened(tmp_path) as shelf:
            shelf.rebuild()
            rows = shelf.rows()
            assert len(rows) == saved.items
            assert all(row.value == {"number": int(row.key[1:]), "text": "x" * 300} for row in rows)
            assert shelf.check().ok
            shelf.put([note(1000)])
            assert shelf.nearest("note number 1000", 1)[0][0].key == "n1000"
        if left > 0.9:
            assert saved.items > 390

    @pytest.mark.parametrize("size", [0, 1, 16, 50, 99, 100, 1000])
    def test_a_record_of_which_next_to_nothing_is_left_is_never_taken_for_a_new_one(self, tmp_path, size):
        os.truncate(filled(tmp_path, 1), size)
        with pytest.raises((RunError, ConfigError)):
            opened(tmp_path)

    def test_a_record_with_garbage_in_it_says_what_to_do_and_is_saved(self, tmp_path):
        file = filled(tmp_path, 400)
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 30_000] = random.Random(2).randbytes(30_000)
        file.write_bytes(content)
        with opened(tmp_path) as shelf:
            assert not shelf.check().ok
            with pytest.raises(RunError, match="agora memory rebuild"):
                [shelf.get(NOTES, f"n{number}") for number in range(400)]
        saved = salvage(tmp_path)
        assert 200 < saved.items <= 400
        with opened(tmp_path) as shelf:
            shelf.rebuild()
            assert shelf.check().ok
            assert all(row.value["number"] == int(row.key[1:]) for row in shelf.rows())

    @pytest.mark.parametrize(
        ("start", "end", "byte"), [(0, 100, 0), (0, 8192, 0), (100, 8192, 0), (100, 8192, 255), (0, 16, 0)]
    )
    def test_a_record_whose_first_page_is_lost_says_what_to_do_and_is_saved(self, tmp_path, start, end, byte):
        file = filled(tmp_path, 300)
        with file.open("r+b") as record:
            record.seek(start)
            record.write(bytes([byte]) * (end - start))
        with pytest.raises((RunError, ConfigError), match="agora memory rebuild"):
            opened(tmp_path)
        assert salvage(tmp_path).items == 300
        with opened(tmp_path) as shelf:
            shelf.rebuild()
            assert shelf.check().ok
            assert shelf.nearest("note number 7", 1)[0][0].key == "n7"

    @pytest.mark.parametrize("size", [0, 50, 100, 5000, 8192, 9000])
    def test_where_nothing_can_be_read_a_new_record_is_begun_and_it_says_so_loudly(self, tmp_path, size):
        os.truncate(filled(tmp_path, 300), size)
        with pytest.warns(RuntimeWarning, match="NOTHING could be read.*record.broken-1"):
            saved = salvage(tmp_path)
        assert (saved.items, saved.broken.stat().st_size) == (0, size)
        with opened(tmp_path) as shelf:
            assert (shelf.size, shelf.check().ok) == (0, True)
            shelf.put([note(1)])
            assert shelf.nearest("note number 1", 1)[0][0].key == "n1"

    def test_numbers_are_not_given_out_twice_after_saving(self, tmp_path):
        with opened(tmp_path) as shelf:
            shelf.put([note(number, text="x" * 300) for number in range(100)])
            shelf.drop([(NOTES, f"n{number}") for number in range(60)])
            before = [shelf._record.last(table) for table in ("items", "texts", "removed")]
        assert before == [100, 100, 60]
        os.truncate(tmp_path / FILE, (tmp_path / FILE).stat().st_size - 1)
        salvage(tmp_path)
        with opened(tmp_path) as shelf:
            assert [shelf._record.last(table) for table in ("items", "texts", "removed")] == before

    def test_a_sound_record_is_left_alone(self, tmp_path):
        filled(tmp_path, 10)
        assert salvage(tmp_path) is None
        assert sorted(file.name for file in tmp_path.iterdir() if "broken" in file.name) == []

    def test_saving_keeps_states_versions_and_vectors(self, tmp_path):
        with opened(tmp_path) as shelf:
            shelf.put([note(number, text="x" * 3000) for number in range(100)])
            shelf.put([note(1, version=2)])
            shelf.drop([(NOTES, "n2")], keep_facts=True)
            shelf.set_note("mine", {"a": 1})
        os.truncate(tmp_path / FILE, (tmp_path / FILE).stat().st_size - 1)
        saved = salvage(tmp_path)
        with opened(tmp_path) as shelf:
            assert [row.value.get("version") for row in shelf.history(NOTES, "n1")] == [None, 2]
            assert shelf.get(NOTES, "n2") is None
            assert "n2" in [row.key for row in shelf.rows(pruned=True)]
            assert shelf.note("mine") == {"a": 1}
            assert saved.unembedded == shelf.check().unembedded <= 5
            assert shelf.nearest("note number 3", 1)[0][0].key == "n3"
        assert saved.to_dict()["broken"].endswith("record.broken-1")

    def test_a_memory_open_elsewhere_is_not_saved_under_its_feet(self, tmp_path):
        with opened(tmp_path) as shelf:
            shelf.put([note(1)])
            shelf.check()  # this one writes the index now
            with pytest.raises(RunError, match="close it there"):
                salvage(tmp_path)
        with pytest.raises(ConfigError, match="no memory"):
            salvage(tmp_path / "nowhere")

    def test_a_damaged_memory_that_is_only_open_elsewhere_is_not_replaced_either(self, tmp_path):
        """What that one wrote from then on would go into the broken file."""
        file = filled(tmp_path, 400)
        with opened(tmp_path) as other:
            with file.open("r+b") as record:
                record.seek(file.stat().st_size // 2)
                record.write(b"\xff" * 30_000)
            with pytest.raises(RunError, match="close it there first"):
                salvage(tmp_path)
            assert other.path == tmp_path
        assert salvage(tmp_path).items > 100

    def test_a_record_that_is_being_saved_is_not_opened(self, tmp_path):
        filled(tmp_path, 1)
        saving = Lock(tmp_path / OPEN)
        assert saving.take()
        with pytest.raises(RunError, match="is being saved"):
            opened(tmp_path)
        saving.drop()
        opened(tmp_path).close()


def run(program, *arguments, **settings):
    """Run a program in a process of its own; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
        **settings,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path):
    said = run(
        """
        import resource, signal, sys
        from langgraph_agora.errors import RunError
        from tests.memory.test_record import note, opened
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        shelf = opened(sys.argv[1])
        shelf.put([note(number) for number in range(100)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        kept = 100
        try:
            while kept < 100_000:
                shelf.put([note(kept + one, text="x" * 1000) for one in range(10)])
                kept += 10
        except RunError as error:
            print(error)
        print(kept, shelf.size, shelf.get(("notes",), f"n{kept}"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        shelf.put([note(kept)])
        print(shelf.size - kept, shelf.check().ok)
        shelf.close()
        """,
        tmp_path,
    ).splitlines()
    assert "Make room on the disk" in said[0]
    kept, size, next_one = said[1].split()
    assert (size, next_one) == (kept, "None")
    assert int(kept) > 100
    assert said[2] == "1 True"


READER = """
    import os, sys
    from langgraph_agora.errors import RunError
    from tests.memory.test_record import note, opened
    with opened(None) as shelf:  # so that all is imported
        shelf.put([note(1)])
        shelf.nearest("note", 1)
    if os.geteuid() == 0:
        os.setuid(65534)  # nothing is read-only to root
    with opened(sys.argv[1]) as shelf:
        print(shelf.size, shelf.nearest("note number 3", 1)[0][0].key)
        try:
            shelf.put([note(9)])
        except RunError as error:
            print(error)
"""


@pytest.fixture
def passable():
    """A folder that every user of the machine may look into; those of pytest are for one only."""
    folder = Path(tempfile.mkdtemp(prefix="agora-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written_is_read(passable):
    folder = passable / "memory"
    filled(folder, 5)
    before = {file.name for file in folder.iterdir()}
    (folder / FILE).chmod(0o444)
    folder.chmod(0o555)
    try:
        said = run(READER, folder).splitlines()
    finally:
        folder.chmod(0o755)
    assert said[0] == "5 n3"
    assert "reading only" in said[1]
    assert {file.name for file in folder.iterdir()} == before


def test_a_reader_in_a_folder_that_cannot_be_written_sees_what_is_written_from_elsewhere(passable):
    folder = passable / "memory"
    filled(folder, 5)
    folder.chmod(0o755)
    reader = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(NOBODY), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )

    def said():
        reader.stdin.write("\n")
        reader.stdin.flush()
        return reader.stdout.readline().strip()

    assert said() == "True 5 n3"
    with opened(folder) as shelf:
        shelf.put([note(7)])
        # The log holds it, which that one cannot read: it may not make the file that goes with it.
        assert said() in ("6 n7", "refused")
    assert said() == "6 n7"
    reader.stdin.close()
    assert reader.wait(timeout=60) == 0
    reader.stdout.close()


NOBODY = """
    import os, sys
    from langgraph_agora.errors import RunError
    from tests.memory.test_record import note, opened
    with opened(None) as shelf:  # so that all is imported
        shelf.put([note(1)])
        shelf.nearest("note", 1)
    os.umask(0)
    if os.geteuid() == 0:
        os.setuid(65534)  # nothing is read-only to root
    with opened(sys.argv[1]) as shelf:
        sys.stdin.readline()
        print(shelf._record._seen is not None, shelf.size, shelf.nearest("note number 3", 1)[0][0].key, flush=True)
        for line in sys.stdin:
            try:
                print(shelf.size, shelf.nearest("note number 7", 1)[0][0].key, flush=True)
            except RunError as error:
                assert "cannot be written" in str(error)
                print("refused", flush=True)
"""


def test_a_memory_on_a_full_disk_can_be_opened_to_read(tmp_path):
    filled(tmp_path, 5)
    program = """
        import resource, signal, sys, warnings
        from langgraph_agora.errors import RunError
        from tests.memory.test_record import note, opened
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with opened(sys.argv[1]) as shelf:
                print(caught[0].message)
                print(shelf.size, shelf.get(("notes",), "n3").key)
                try:
                    shelf.put([note(9)])
                except RunError as error:
                    print(error)
    """
    said = run(program, tmp_path).splitlines()
    assert "disk is full" in said[0]
    assert said[1] == "5 n3"
    assert "nothing is kept" in said[2]


def test_what_a_killed_process_left_is_read_though_the_disk_is_full(tmp_path):
    program = """
        import os, resource, signal, sys
        from tests.memory.test_record import note, opened
        shelf = opened(sys.argv[1])
        shelf.put([note(number, text="x" * 1000) for number in range(200)])
        if os.fork():
            os.waitpid(-1, 0)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
            again = opened(sys.argv[1])
            print(again.size, again.get(("notes",), "n150").value["number"], flush=True)
        os._exit(0)
    """
    assert run(program, tmp_path) == "200 150\n"


def test_what_fails_after_a_write_is_a_warning_and_the_write_is_kept(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put([note(number) for number in range(5)])
        database = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        database.execute("ALTER TABLE notes RENAME TO gone")  # which looks up what the index should have
        with pytest.warns(RuntimeWarning, match=r"kept, but tidying up after it failed.*no such table"):
            shelf.put([Item(NOTES, "late", {"number": 9})])
        assert shelf.get(NOTES, "late").value == {"number": 9}
        database.execute("ALTER TABLE gone RENAME TO notes")
        database.close()


def test_opening_a_memory_twice_does_not_end_the_locks_of_the_first(tmp_path):
    """Closing a file ends all locks of a process on it; another process would then throw the log away."""
    with opened(tmp_path) as first:
        first.put([note(1)])
        with opened(tmp_path) as second:
            program = """
                import sys
                from tests.memory.test_record import note, opened
                with opened(sys.argv[1]) as shelf:
                    shelf.put([note(2)])
            """
            run(program, tmp_path)
            first.put([note(3)])
            second.put([note(4)])
            program = """
                import sys
                from tests.memory.test_record import opened
                with opened(sys.argv[1], read_only=True) as shelf:
                    print(*(row.key for row in shelf.rows()))
            """
            assert run(program, tmp_path) == "n1 n2 n3 n4\n"


def test_read_only_writes_nothing(tmp_path):
    filled(tmp_path, 5)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with opened(tmp_path, read_only=True) as shelf:
        assert shelf.nearest("note number 3", 1)[0][0].key == "n3"
        assert shelf.check().ok
        for attempt in (
            lambda: shelf.put([note(6)]),
            lambda: shelf.drop([(NOTES, "n1")]),
            lambda: shelf.set_note("a", 1),
            lambda: shelf.rebuild(),
        ):
            with pytest.raises(RunError, match="reading only"):
                attempt()
    # SQLite's own, empty, through which those who read and who write one file know of each other
    beside = {tmp_path / f"{FILE}-wal", tmp_path / f"{FILE}-shm"}
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file not in beside and file.is_file()} == before


def test_a_closed_memory_and_one_of_another_process_say_so(tmp_path):
    shelf = opened(tmp_path)
    shelf.put([note(1)])
    child = os.fork()
    if child == 0:
        try:
            shelf.get(NOTES, "n1")
        except RunError as error:
            os._exit(0 if "open it again" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    shelf.close()
    shelf.close()
    with pytest.raises(RunError, match="closed; open it again"):
        shelf.get(NOTES, "n1")

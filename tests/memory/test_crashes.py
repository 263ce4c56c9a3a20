"""Several processes on one folder, and processes that are killed: nothing is lost, nothing is there twice.

The kills are few here; `python -m tests.memory.test_crashes 30` makes thirty.
"""

import random
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from .test_index import SPACE, found, items, opened

KILLS = 6

WRITER = """
    import sys
    from tests.memory.test_index import SPACE, found, items, opened
    folder, start, count, batch = sys.argv[1], *map(int, sys.argv[2:5])
    with opened(folder) as shelf:
        print("ready", flush=True)
        sys.stdin.readline()
        for one in range(start, start + count, batch):
            shelf.put(items(one, min(one + batch, start + count)))
            print(one, flush=True)
"""

OBEDIENT = """
    import sys
    from tests.memory.test_index import SPACE, found, items, opened
    with opened(sys.argv[1]) as shelf:
        for line in sys.stdin:
            command, *numbers = line.split()
            numbers = list(map(int, numbers))
            if command == "put":
                shelf.put(items(*numbers))
            if command == "drop":
                shelf.drop([(SPACE, str(numbers[0]))])
            print(found(shelf, numbers[0]) if command == "find" else shelf._finder.chroma.leads, flush=True)
"""


def started(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def said(process, command):
    """What a process answers to a command."""
    process.stdin.write(f"{command}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def ended(process):
    """Let a process go on to its end, which has to be a good one; returns what else it said."""
    process.stdin.close()
    out, error = process.stdout.read(), process.stderr.read()
    assert (process.wait(timeout=120), error) == (0, "")
    process.stdout.close()
    process.stderr.close()
    return out.split()


def killed(process):
    """Kill a process; returns what else it had said."""
    process.send_signal(signal.SIGKILL)
    out = process.stdout.read()  # communicate() would miss what was read ahead
    process.wait(timeout=60)
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    return out.split()


def kill_while_writing(folder, kills, seed):
    """Kill one writer after the other; returns how many puts were acknowledged. Raises when one of them is lost."""
    draw = random.Random(seed)
    kept = set()
    for number in range(kills):
        batch = draw.choice([1, 1, 3, 25])
        start = number * 100_000
        process = started(WRITER, folder, start, 90_000, batch)
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        acknowledged = [int(process.stdout.readline()) for _ in range(draw.randint(1, 60))]
        acknowledged += map(int, killed(process))
        for one in acknowledged:
            kept.update(range(one, one + batch))
        with opened(folder) as shelf:
            there = [row.value["n"] for row in shelf.rows(SPACE)]
            assert len(there) == len(set(there)), "a put is there twice"
            assert kept <= set(there), f"lost: {sorted(kept - set(there))[:10]}"
            assert len(set(there) - kept) <= batch, "half a put is there"
            kept = set(there)  # at most one more, that was durable before it was acknowledged
            assert len(kept) % batch == len(kept - set(range(start, start + 100_000))) % batch
            assert [found(shelf, one) for one in acknowledged[-3:]] == acknowledged[-3:]
            check = shelf.check()
            assert check.problems == ()
            assert (check.indexed, check.items, check.superseded) == (len(kept), len(kept), 0)
    return len(kept)


def test_no_acknowledged_put_is_lost_when_the_writer_is_killed(tmp_path):
    assert kill_while_writing(tmp_path, KILLS, seed=6) > 6


def test_a_process_that_is_killed_while_it_erases_leaves_nothing_to_be_found(tmp_path):
    with opened(tmp_path) as shelf:
        shelf.put(items(0, 200))
    program = """
        import sys
        from tests.memory.test_index import SPACE, opened
        with opened(sys.argv[1]) as shelf:
            for one in range(200):
                shelf.drop([(SPACE, str(one))])
                print(one, flush=True)
    """
    process = started(program, tmp_path)
    for _ in range(17):
        process.stdout.readline()
    gone = 17 + len(killed(process))
    with opened(tmp_path) as shelf:
        left = [row.value["n"] for row in shelf.rows()]
        assert left in (list(range(gone, 200)), list(range(gone + 1, 200)))
        assert {row.value["n"] for row, _ in shelf.nearest("text number", 200)} == set(left)
        assert shelf.check().problems == ()
    content = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert [n for n in range(200) if f"text number {n} of {n % 7}".encode() in content] == left


def test_two_processes_write_at_once_into_a_folder_that_neither_has_made(tmp_path):
    folder = tmp_path / "new" / "memory"
    processes = [started(WRITER, folder, start, 300, 1) for start in (0, 1000)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process, start in zip(processes, (0, 1000), strict=True):
        assert list(map(int, ended(process))) == list(range(start, start + 300))
    with opened(folder) as shelf:
        assert sorted(row.value["n"] for row in shelf.rows()) == [*range(300), *range(1000, 1300)]
        assert [found(shelf, one) for one in (0, 299, 1000, 1299)] == [0, 299, 1000, 1299]
        check = shelf.check()
        assert (check.indexed, check.problems) == (600, ())


def test_what_one_process_puts_and_drops_the_other_sees_at_its_next_question(tmp_path):
    with opened(tmp_path) as shelf:
        other = started(OBEDIENT, tmp_path)
        shelf.put(items(0, 100))
        assert said(other, "find 5") == "5"
        for one in range(100, 130):
            shelf.put(items(one, one + 1))
            assert said(other, f"find {one}") == str(one)
        shelf.drop([(SPACE, "5"), (SPACE, "120")])
        assert said(other, "find 5") != "5"
        assert said(other, "find 120") != "120"
        assert said(other, "put 200 240") == "False"
        assert found(shelf, 222) == 222
        said(other, "drop 222")
        assert found(shelf, 222) != 222
        assert shelf._finder.chroma.leads
        ended(other)


def test_who_opens_the_index_later_in_the_same_process_sees_more_of_it(tmp_path):
    """Chroma shares what is open by path, so the second would see only what the first does."""
    writer = started(OBEDIENT, tmp_path)
    assert said(writer, "put 0 100") == "True"
    with opened(tmp_path) as first:
        assert found(first, 5) == 5
        for start in range(100, 400, 40):
            said(writer, f"put {start} {start + 40}")
        with opened(tmp_path) as second:
            assert [found(second, one) for one in range(100, 400, 17)] == list(range(100, 400, 17))
            assert second._finder.chroma.state.text > first._finder.chroma.state.text
        assert [found(first, one) for one in range(100, 400, 17)] == list(range(100, 400, 17))
    ended(writer)


def test_the_index_is_taken_over_from_a_process_that_was_killed(tmp_path):
    leader, heir = started(OBEDIENT, tmp_path), started(OBEDIENT, tmp_path)
    assert said(leader, "put 0 100") == "True"
    assert said(heir, "put 100 200") == "False"
    assert said(heir, "find 5") == "5"
    killed(leader)
    assert said(heir, "put 200 300") == "True"
    for one in (5, 150, 250):
        assert said(heir, f"find {one}") == str(one)
    ended(heir)
    with opened(tmp_path) as shelf:
        check = shelf.check()
        assert (check.indexed, check.problems) == (300, ())


if __name__ == "__main__":
    for trial in range(max(1, int(sys.argv[1]) // 5) if sys.argv[1:] else 6):
        with tempfile.TemporaryDirectory() as place:
            sys.stdout.write(f"5 kills: {kill_while_writing(Path(place), 5, trial)} puts, all there, none twice\n")

"""Plans as text: trees of tasks and Gantt charts, of any depth, length and alphabet."""

import random

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.contingencies import contingencies
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.gantt import gantt_text, tree_text
from langgraph_agora.nodes.planning.scheduling import schedule, schedule_tasks
from langgraph_agora.nodes.planning.search import Limits, find_plan
from tests.nodes.planning.test_contingencies import FETCHING, way


def deep(n):
    """A task in a task in a task ..."""
    nested = Method("in", "go", run=lambda state, left: [("go", left - 1)] if left else [("stop",)])
    return find_plan(Domain([Operator("stop")], [nested]), {}, [("go", n)], limits=Limits(None, None))


def random_schedule(seed, n=60, workers=4):
    rng = random.Random(seed)
    durations = {f"task {i}": rng.choice([0, rng.randint(1, 9), rng.random() * 30]) for i in range(n)}
    return schedule_tasks(durations, {f"task {i}": [f"task {i // 3}"] for i in range(1, n)}, workers)


def test_the_tree_of_a_plan():
    domain = Domain(
        [Operator("pick", ["?o"], p=0.95), Operator("drive", duration=2.5), Operator("pay")],
        [way("by_road", "ship", ("pick", "o1"), "drive", p=0.9), way("m", "order", "ship", "pay")],
    )
    assert tree_text(find_plan(domain, {}, ["order"])) == "\n".join(
        [
            "└─ order: m",
            "   ├─ ship: by_road, p 0.9",
            "   │  ├─ pick(o1), 1, p 0.95 *",
            "   │  └─ drive, 2.5 *",
            "   └─ pay, 1 *",
        ]
    )


def test_steps_off_the_critical_path_have_no_star():
    domain = Domain([Operator("long", duration=3), Operator("short")])
    assert (
        tree_text(find_plan(domain, {}, [("l", ["long"]), ("s", ["short"])], order=[])) == "├─ long, 3 *\n└─ short, 1"
    )


def test_a_tree_tells_what_is_done_instead():
    plan = contingencies(find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"]))
    assert tree_text(plan) == "\n".join(
        [
            "├─ fetch: primary, p 0.9",
            "│  └─ fetch_primary, 2, p 0.9 *",
            "│        else fetch_mirror",
            "└─ process: direct, p 0.95",
            "   └─ parse, 3, p 0.95 *",
            "         else purge, parse",
        ]
    )


def test_marks_stand_in_front():
    plan = find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"])
    lines = tree_text(plan, marks={2: "done ", 4: "works"}).splitlines()
    assert [line[:5] for line in lines] == ["     ", "done ", "     ", "works"]


def test_a_deep_tree_is_cut_and_needs_no_recursion():
    lines = tree_text(deep(100_000), depth=3).splitlines()
    assert lines[0] == "└─ go(100000): in"
    assert lines[3:] == ["         └─ ... 99,999 more"]
    assert len(tree_text(deep(100_000)).splitlines()) < 40


def test_a_wide_tree_is_cut():
    plan = find_plan(Domain([Operator("a")]), {}, ["a"] * 1000)
    lines = tree_text(plan, lines=10).splitlines()
    assert (len(lines), lines[-1]) == (11, "└─ ... 990 more")
    assert tree_text(plan, lines=1000).count("\n") == 999


def test_every_task_is_shown_or_counted():
    plan = find_plan(FETCHING, {"disk": "ok"}, ["fetch", "process"] * 5)
    for depth, lines in ((1, 100), (2, 7), (1, 3), (2, 8), (2, 20)):
        rows = tree_text(plan, depth=depth, lines=lines).splitlines()
        left_out = [int(row.split("... ")[1].split()[0]) for row in rows if "..." in row]
        assert len(rows) - len(left_out) + sum(left_out) == len(plan.nodes)


def test_there_is_a_tree_without_a_plan_too():
    assert tree_text(find_plan(FETCHING, {}, ["process"])).startswith("no_plan: ")


def test_a_gantt_chart_by_steps():
    domain = Domain(
        [Operator("start"), Operator("left", duration=5), Operator("right", duration=3), Operator("join")],
    )
    tasks = [(name, [name]) for name in ("start", "left", "right", "join")]
    order = [("start", "left"), ("start", "right"), ("left", "join"), ("right", "join")]
    plan = find_plan(domain, {}, tasks, order=order)
    assert gantt_text(schedule(plan, ["ann", "bob"]), plan, width=45) == "\n".join(
        [
            "start ████                            ann 0-1",
            "left      ██████████████████████      ann 1-6",
            "right     ▒▒▒▒▒▒▒▒▒▒▒▒▒               bob 1-4",
            "join                            █████ ann 6-7",
            "7 on 2 workers, 71% busy; proven shortest; █ critical path",
        ]
    )


def test_a_gantt_chart_by_workers_has_the_names_inside():
    found = schedule_tasks({"left": 5, "right": 3, "join": 1}, {"join": ["left", "right"]}, ["ann", "bob"])
    assert gantt_text(found, width=40, by="worker") == "\n".join(
        [
            "ann |left█████████████████████████|join█",
            "bob |right▒▒▒▒▒▒▒▒▒▒▒▒",
            "6 on 2 workers, 75% busy; proven shortest; █ critical path",
        ]
    )


def test_bars_are_as_long_as_the_steps():
    found = schedule_tasks({"a": 1, "b": 2, "c": 4}, {"b": ["a"], "c": ["b"]}, 1)
    bars = [line.count("█") for line in gantt_text(found, width=80).splitlines()[:-1]]
    assert bars[1] / bars[0] == pytest.approx(2, rel=0.1)
    assert bars[2] / bars[0] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("by", ["step", "worker"])
@pytest.mark.parametrize("width", [40, 77, 160])
def test_no_line_is_wider_than_asked(by, width):
    for seed in range(5):
        found = random_schedule(seed)
        lines = gantt_text(found, width=width, by=by).splitlines()
        assert len(lines) == (len(found.rows) if by == "step" else 4) + 1
        assert all(len(line) <= width for line in lines[:-1])
        assert not any(line != line.rstrip() for line in lines)


def test_steps_that_take_no_time_are_marked():
    found = schedule_tasks({"a": 2, "b": 0}, {"b": ["a"]}, 1)
    assert gantt_text(found, width=40).splitlines()[1].split() == ["b", "|", "w1", "2-2"]
    assert "|" in gantt_text(schedule_tasks({"a": 0}, {}, 1))
    assert gantt_text(schedule_tasks({}, {}, 1)) == "(nothing has to be done)"


def test_names_are_kept_in_one_line_and_wide_letters_count_twice():
    found = schedule_tasks({"任務一": 3, "b\nx": 2, "y" * 500: 1}, {}, ["安", "w\t2"])
    lines = gantt_text(found, width=60).splitlines()
    assert len(lines) == 4
    first, second = (line.index("█") if "█" in line else line.index("▒") for line in lines[:2])
    assert second + 3 == first  # Three letters of double width.
    plan = find_plan(Domain([Operator("a\nb")]), {}, ["a\nb"])
    assert tree_text(plan) == "└─ a b, 1 *"


def test_what_cannot_be_drawn_is_refused():
    found = random_schedule(1, 3)
    with pytest.raises(ConfigError, match="width was 39"):
        gantt_text(found, width=39)
    with pytest.raises(ConfigError, match="by was 'day'"):
        gantt_text(found, by="day")

"""Pictures of plans: they are written, hold every name, and no two words overlap."""

import re
from itertools import pairwise

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.planning.domain import Domain, Method, Operator
from langgraph_agora.nodes.planning.scheduling import schedule, schedule_tasks
from langgraph_agora.nodes.planning.search import Limits, find_plan
from langgraph_agora.plan_plots import save_gantt, save_tree

RED = "#b3261e"


def phases(n, steps=6):
    """A plan of n phases, each of some steps side by side; every second phase waits for the one before it."""
    operators = [Operator(f"do_{i}", ["?a"], duration=1 + i % 7, p=0.9) for i in range(n * steps)]
    ways = [
        Method(
            "in_parts",
            f"phase_{k}",
            subtasks=[
                (f"s{i}", (f"do_{i}", "a thing with a name" if i % 5 else "it"))
                for i in range(k * steps, (k + 1) * steps)
            ],
            order=[],
        )
        for k in range(n)
    ]
    tasks = [(f"p{k}", [f"phase_{k}"]) for k in range(n)]
    order = [(f"p{k}", f"p{k + 1}") for k in range(0, n - 1, 2)]
    return find_plan(Domain(operators, ways), {}, tasks, order=order)


def words(path):
    """The texts of a picture as (x, y, text), from the comments that matplotlib writes beside each."""
    found = re.findall(r"<!-- (.*?) -->\s*<g[^>]*?translate\(([\d.-]+) ([\d.-]+)\)", path.read_text(), re.DOTALL)
    return [(float(x), float(y), text) for text, x, y in found]


def heights(path, texts):
    return sorted(y for _, y, text in words(path) if text in texts)


@pytest.mark.parametrize("n", [1, 10])
def test_a_gantt_chart_has_a_row_for_each_step(tmp_path, n):
    plan = phases(n, 3 if n == 1 else 6)
    found = schedule(plan, ["ann", "bob"])
    save_gantt(found, plan, tmp_path / "gantt.svg")
    worker = {row.id: row.worker for row in found.rows}
    names = [f"{step} [{worker[step.id]}]" for step in plan.steps]
    rows = heights(tmp_path / "gantt.svg", names)
    assert len(rows) == len(plan.steps)
    assert all(other - one > 12 for one, other in pairwise(rows))  # A line of 9 points is 11 high.
    assert RED in (tmp_path / "gantt.svg").read_text()


@pytest.mark.parametrize("n", [1, 10])
def test_a_tree_has_a_line_for_each_task(tmp_path, n):
    plan = phases(n, 3 if n == 1 else 6)
    save_tree(plan, tmp_path / "tree.svg")
    texts = [text for _, _, text in words(tmp_path / "tree.svg")]
    lines = [f"{step}, {plan.duration_of(step):g}, p 0.9" for step in plan.steps] + [
        f"phase_{k}: in_parts" for k in range(n)
    ]
    assert set(lines) <= set(texts)
    rows = heights(tmp_path / "tree.svg", lines)
    assert all(other - one > 12 for one, other in pairwise(rows))
    assert RED in (tmp_path / "tree.svg").read_text()


def test_the_same_plan_is_the_same_file(tmp_path):
    plan = phases(2)
    for name in ("one", "two"):
        save_gantt(schedule(plan, 2), plan, tmp_path / f"{name}.svg")
        save_tree(plan, tmp_path / f"{name}-tree.png")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "<dc:date>" not in (tmp_path / "one.svg").read_text()
    assert (tmp_path / "one-tree.png").read_bytes() == (tmp_path / "two-tree.png").read_bytes()


def test_names_that_look_like_formulas_are_written_as_they_are(tmp_path):
    plan = find_plan(
        Domain([Operator("pay_$5_or_$x^")], [Method("a$b$", "t", subtasks=[("s", "pay_$5_or_$x^")])]), {}, ["t"]
    )
    save_gantt(schedule(plan, ["$ann$"]), plan, tmp_path / "gantt.svg")
    save_tree(plan, tmp_path / "tree.svg")
    assert "pay_$5_or_$x^ [$ann$]" in [text.replace("\\", "") for _, _, text in words(tmp_path / "gantt.svg")]


def test_large_and_deep_plans_fit_into_a_picture(tmp_path):
    nested = Method("in", "go", run=lambda state, left: [("go", left - 1)] if left else [("stop",)])
    deep = find_plan(Domain([Operator("stop")], [nested]), {}, [("go", 5000)], limits=Limits(None, None))
    save_tree(deep, tmp_path / "deep.svg")
    assert "4,986 more" in [text for _, _, text in words(tmp_path / "deep.svg")]
    many = schedule_tasks({i: 1 + i % 3 for i in range(1000)}, {}, ["ann", "bob"])
    save_gantt(many, None, tmp_path / "many.svg")
    assert {"ann", "bob"} <= {text for _, _, text in words(tmp_path / "many.svg")}


def test_each_step_of_a_large_plan_has_a_bar_in_the_row_of_its_worker(tmp_path):
    # Two chains, whose last steps take no time: diamonds.
    durations = {i: 0 if i >= 998 else 2 + i % 2 for i in range(1000)}
    found = schedule_tasks(durations, {i: [i - 2] for i in range(2, 1000)}, ["ann", "bob"])
    save_gantt(found, None, tmp_path / "many.svg")
    text = (tmp_path / "many.svg").read_text()
    bars = re.findall(r'<path d="M ([\d.]+) ([\d.]+) \s*L [^"]*?"[^>]*fill: (#\w{6}); stroke: #ffffff', text)
    rows = [(row.worker, row.id in found.critical_path) for row in found.rows if row.end > row.start]
    worker = dict(zip(sorted({float(y) for _, y, _ in bars}), ["ann", "bob"], strict=True))  # From above.
    assert sorted((worker[float(y)], colour == RED) for _, y, colour in bars) == sorted(rows)
    assert sum(is_red for _, is_red in rows) == 499
    assert text.count('id="FillBetweenPolyCollection') + text.count('id="PolyCollection') == 2  # One for each worker.


def test_steps_that_take_no_time_and_nothing_at_all_are_drawn(tmp_path):
    save_gantt(schedule_tasks({"a": 0}, {}, 1), None, tmp_path / "zero.png")
    save_gantt(schedule_tasks({}, {}, 1), None, tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 1000


def test_what_cannot_be_written_is_refused(tmp_path):
    plan = phases(1)
    with pytest.raises(ConfigError, match=r"ends with '\.gif'"):
        save_tree(plan, tmp_path / "tree.gif")
    with pytest.raises(ConfigError, match="no folder to write to"):
        save_gantt(schedule(plan, 1), plan, tmp_path / "nowhere" / "gantt.png")
    with pytest.raises(ConfigError, match="no plan to draw"):
        save_tree(find_plan(Domain([Operator("a", pre=[("x", "==", 1)])]), {}, ["a"]), tmp_path / "tree.png")

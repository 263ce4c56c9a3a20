"""Every Python block in the documentation runs, and every link inside the repository leads somewhere."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

from langgraph_agora.graphs import PATTERNS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def blocks():
    for page in PAGES:
        for number, match in enumerate(re.finditer(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M), 1):
            marks = [pytest.mark.embedded] if "embedded" in match[1] else []
            yield pytest.param(match[1], marks=marks, id=f"{page.name}-{number}")


@pytest.mark.parametrize("code", list(blocks()))
def test_python_in_the_documentation_runs(code, request):
    if "embedded" in code:
        request.getfixturevalue("embedded")
    exec(compile(code, "documentation", "exec"), {"__name__": "documentation"})


def documented():
    rooms = [ROOT, *(ROOT / room for room in ("graphs", "nodes", "tools", "memory"))]
    for path in (path for room in rooms for path in sorted(room.glob("*.py") if room == ROOT else room.rglob("*.py"))):
        if ">>>" in path.read_text():
            yield ".".join(["langgraph_agora", *path.relative_to(ROOT).with_suffix("").parts])


@pytest.mark.parametrize("module", list(documented()))
def test_examples_in_docstrings_run(module):
    assert doctest.testmod(import_module(module)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_drawings_are_up_to_date(pattern, tmp_path):
    from langgraph_agora.drawing import write_drawing

    graph = import_module(f"langgraph_agora.graphs.{pattern}").graph
    write_drawing(graph.get_graph(xray=True), tmp_path / "new.svg")
    assert (tmp_path / "new.svg").read_text() == (ROOT / "docs" / f"{pattern}.svg").read_text(), "run: make draw"


def test_every_make_target_and_command_in_the_readme_exists():
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    targets = re.findall(r"^make (\w+)", text, re.M)
    made = re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert targets
    assert set(targets) <= set(made)

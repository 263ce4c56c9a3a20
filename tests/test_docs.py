"""Every Python block in the documentation runs, and every link inside the repository leads somewhere."""

import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_drawing_is_up_to_date(tmp_path):
    from langgraph_agora.drawing import write_drawing
    from langgraph_agora.graphs.react import graph

    write_drawing(graph.get_graph(xray=True), tmp_path / "react.svg")
    assert (tmp_path / "react.svg").read_text() == (ROOT / "docs" / "react.svg").read_text(), "run: make draw"


def test_every_make_target_and_command_in_the_readme_exists():
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    targets = re.findall(r"^make (\w+)", text, re.M)
    made = re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert targets
    assert set(targets) <= set(made)

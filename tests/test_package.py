"""The house rules: what is public, what an import costs, and which room may import which."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import langgraph_agora

ROOT = Path(__file__).parents[1]
HEAVY = (
    "langgraph",
    "langchain",
    "langchain_core",
    "chromadb",
    "xllamacpp",
    "scipy",
    "numpy",
    "openai",
    "rich",
    "typer",
)

# Room -> rooms it may import. Modules at the root are rooms of their own.
BASE = {"cleaning", "errors", "styles", "models", "embedded", "budget", "agents"}
ALLOWED = {
    "cleaning": set(),
    "errors": set(),
    "styles": set(),
    "embedded": {"errors", "styles"},
    "models": {"errors", "styles", "embedded"},
    "budget": {"errors"},
    "testing": {"styles"},
    "agents": {"errors"},
    "drawing": {"errors"},
    "display": {"errors", "task_tree"},
    "task_tree": set(),
    "cli_people": set(),
    "tools": BASE,
    "memory": BASE,
    "nodes": BASE | {"tools", "memory", "nodes"},
    "graphs": BASE | {"tools", "memory", "nodes", "graphs"},
    "doctor": BASE | {"memory"},
    "simulate": {"errors", "nodes"},
    "replay": {"errors", "nodes"},
    "cli": BASE
    | {"graphs", "doctor", "drawing", "cli_judge", "cli_lessons", "cli_memory", "cli_patterns"}
    | {"cli_plan", "cli_run", "cli_stream", "cli_tools"},
    "cli_run": BASE
    | {"tools", "memory", "nodes", "graphs", "plots", "cli_memory", "cli_plan", "cli_stream", "cli_tools"},
    "cli_memory": {"errors", "memory", "cli_tools"},
    "cli_lessons": {"errors", "memory", "nodes", "learning_plots", "cli_memory", "cli_tools"},
    "cli_patterns": {"memory", "nodes", "cli_memory", "cli_tools"},
    "cli_judge": {"errors", "nodes", "cli_tools"},
    "learning_plots": {"errors", "nodes", "plots"},
    "cli_stream": {"errors", "budget", "models", "nodes", "display", "cli_people"},
    "cli_plan": {"errors", "nodes", "plan_plots", "cli_tools"},
    "plan_plots": {"errors", "nodes", "plots"},
    "cli_tools": BASE | {"nodes", "simulate", "replay", "plots"},
    "plots": {"errors", "nodes"},
    "__init__": BASE | {"graphs", "memory", "cli"},
}
# Cores decide; they import neither LangGraph nor a model, so that they can be proven without one.
CORES = (
    "meta",
    "loops",
    "repeats",
    "volatile",
    "guard",
    "confidence",
    "text",
    "amounts",
    "auctions",
    "allocation",
    "transport",
    "bid_files",
    "contracts",
    "issues",
    "json_text",
    "preferences",
    "scenario",
    "outcome_space",
    "protocols",
    "negotiation",
    "agreement_score",
    "leakage",
    "conflict",
    "dispute",
    "settlement",
    "strategies",
    "games",
    "breakdown",
    "outline",
    "delegation",
    "performance",
    "refusal",
    "run_facts",
    "patterns",
    "trend",
    "lessons",
    "lesson_making",
    "lesson_orders",
    "lesson_text",
    "lesson_trials",
    "calibration",
    "judging",
    "logistic",
)
CORE_FOLDERS = ("consensus", "game_theory", "mining", "planning")
CORE_IMPORTS = {*sys.stdlib_module_names, "numpy", "scipy", "__future__"}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] in (*ALLOWED, "nodes") and not any(part.startswith(".") for part in parts):
            yield pytest.param(path, parts, id="/".join(parts))


def imported(path, parts):
    """The rooms of this package, and the other packages, that a module imports."""
    own, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: len(parts) - node.level]
            names = [*base, *(node.module.split(".") if node.module else [])]
            own |= {names[0]} if names else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
    return own, foreign


@pytest.mark.parametrize(("path", "parts"), list(modules()))
def test_imports_run_downwards_only(path, parts):
    own, foreign = imported(path, parts)
    room = parts[0]
    assert own - {room, "__init__"} <= ALLOWED[room], f"{room} must not import {own - ALLOWED[room]}"
    assert "langgraph_agora" not in foreign, "imports inside the package are relative"
    if room == "nodes" and parts[1] in CORE_FOLDERS:
        assert foreign <= CORE_IMPORTS | {"cryptography", "sympy", "unified_planning"}
        assert own <= {"nodes", "errors"}
    elif room == "nodes" and parts[-1] in CORES:
        assert foreign <= CORE_IMPORTS
        inside = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.level == 1
        }
        assert {module for module in inside if module.split(".")[0] not in CORE_FOLDERS} <= set(CORES)


DECIDING = [
    *(path for folder in CORE_FOLDERS for path in sorted((ROOT / "nodes" / folder).glob("*.py"))),
    *(ROOT / "nodes" / f"{name}.py" for name in CORES),
]


# What a few of them need all the same, and why it makes no two runs differ.
MAY = {
    "facts": {"hash"},  # Keys of search states: they are compared, and never put into an order that matters.
    "hddl": {"pathlib", "threading"},  # It reads files, by a library that must not be used twice at once.
    "repair": {"time"},  # The clock of its limits is an argument, and this is the one it is by default.
    "frontier": {"hash"},
    "search": {"time"},
}


@pytest.mark.parametrize("path", DECIDING, ids=lambda path: path.stem)
def test_what_decides_knows_no_clock_no_disk_and_no_chance_of_its_own(path):
    """Everything that could make two runs differ is an argument."""
    forbidden = {"time", "datetime", "os", "socket", "logging", "asyncio", "threading", "secrets", "uuid", "pathlib"}
    may = MAY.get(path.stem, set())
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else {node.module}
            )
            assert not names & forbidden - may, ast.unparse(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
            assert node.attr == "Random", f"line {node.lineno}: the state of the module random is shared"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "hash"} - may, f"line {node.lineno}"


def test_every_core_exists():
    assert {path.stem for path in (ROOT / "nodes").glob("*.py")} >= set(CORES)


def test_every_public_name_is_there_and_documented():
    assert sorted(langgraph_agora.__all__) == langgraph_agora.__all__
    for name in langgraph_agora.__all__:
        assert getattr(langgraph_agora, name).__doc__
    assert set(langgraph_agora._HOMES) == set(langgraph_agora.__all__)
    assert set(langgraph_agora.__all__) <= set(dir(langgraph_agora))
    with pytest.raises(AttributeError, match="create_raect"):
        _ = langgraph_agora.create_raect


def test_importing_the_package_loads_nothing_heavy_and_costs_little():
    code = (
        "import json, sys, time; start = time.process_time(); import langgraph_agora; "
        "print(json.dumps([time.process_time() - start, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = json.loads(done.stdout)
    assert not {name.split(".")[0] for name in loaded} & set(HEAVY)
    assert seconds < 0.15


@pytest.mark.parametrize(
    ("module", "absent"), [("langgraph_agora.graphs.react", ("chromadb", "xllamacpp", "scipy", "mcp", "pypdf"))]
)
def test_what_is_not_used_is_not_loaded(module, absent):
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(absent) & set(json.loads(done.stdout))


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert f'version = "{version("langgraph-agora")}"' in (ROOT / "pyproject.toml").read_text()


def test_every_package_folder_is_packaged():
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [p.parent.relative_to(ROOT).parts for p in ROOT.glob("*/__init__.py")]
    folders += [p.parent.relative_to(ROOT).parts for p in ROOT.glob("nodes/*/__init__.py")]
    rooms = {".".join(parts) for parts in folders if parts[0] not in ("tests", "build")}
    assert set(listed) == {"langgraph_agora", *(f"langgraph_agora.{room}" for room in rooms)}


def test_no_module_at_the_root_hides_one_of_the_standard_library():
    assert not {path.stem for path in ROOT.glob("*.py")} & (sys.stdlib_module_names - {"__init__"})

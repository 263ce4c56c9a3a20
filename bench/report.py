"""What the benchmarks share: the machine they ran on, Markdown tables, and the sections of docs/benchmarks.md.

.venv/bin/python bench/report.py    # writes the sections of overhead.py and fanout.py again from bench/results/
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TITLES = {
    "overhead": "One agent: CPU, requests, tokens",
    "fanout": "Many agents at once",
    "small-model": "A small model",
    "consensus": "Consensus",
    "negotiation": "Negotiation",
    "auctions": "Auctions",
    "games": "Games",
    "hierarchy": "A team and its bound",
    "hddl": "Problems of the planning competition in HDDL",
    "planning": "Planning",
    "patterns": "Patterns in logs of runs",
    "reflection": "What lessons gain",
    "memory": "Memory",
    "embedders": "Embedders",
    "lessons": "Lessons on trial",
    "judging": "Judgements that are fitted",
}  # Section -> its heading.
PACKAGES = ("langgraph-agora", "langgraph", "langchain", "langchain-core", "langchain-openai", "openai", "pydantic")


def main() -> None:
    """Write the sections again from the stored results."""
    sys.path.insert(0, str(Path(__file__).parent))
    import fanout
    import overhead

    for name, module in (("overhead", overhead), ("fanout", fanout)):
        path = RESULTS / f"{name}.json"
        if path.exists():
            write_section(name, module.report(json.loads(path.read_text())))


def machine() -> dict[str, Any]:
    """Where and with what versions a result was made."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def conditions(result: Mapping[str, Any]) -> str:
    """The sentence under a table that says where its numbers are from."""
    packages = ", ".join(f"{name} {number}" for name, number in result["packages"].items())
    return (
        f"Measured {result['date']} on {result['machine']}, {result['cores']} cores shared with other work "
        f"(load {result['load'][0]:g} at the start), Python {result['python']}, {packages}."
    )


def store(name: str, result: Mapping[str, Any]) -> None:
    """Keep a result as bench/results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first are numbers, so they stand to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write_section(name: str, text: str) -> None:
    """Put a text between the markers of a section of docs/benchmarks.md; a missing section is added at the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    page = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    if begin not in page:
        page += f"\n{begin}\n{end}\n"
    before, rest = page.split(begin, 1)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(f"{before}{begin}\n## {TITLES[name]}\n\n{text}\n{end}{rest.split(end, 1)[1]}")


def cpu_seconds() -> float:
    """User and system time of this process so far, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    main()

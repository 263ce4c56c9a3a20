"""Every known mistake, planted one at a time: what notices each of them.

    .venv/bin/python -m tests.nodes.consensus.mutants

prints the table of all protocols but Raft, which has one of its own (mutants_raft), and fails when one survives.
"""

from collections.abc import Iterator

from tests.nodes.consensus import mutants_bft, mutants_pbft, mutants_stake, mutants_voting
from tests.nodes.consensus.mutants_stake import fails
from tests.nodes.consensus.test_pbft_sim import world

SEEDS = 20  # of PBFT's simulation, beside the directed check


def rows() -> Iterator[tuple[str, str, str]]:
    """The number, the name, and what kills it; empty for who survives."""
    for number, name in enumerate(mutants_voting.MUTANTS, 1):
        yield f"V{number}", name, ", ".join(mutants_voting.killers(name))
    for mutant in mutants_pbft.MUTANTS:
        if mutant.check is None:
            yield f"P{mutant.number}", mutant.name, "equivalent: its class says why"
            continue
        by = [mutant.check.__name__] if fails(mutant.check, mutant.replica) else []
        seed = next((seed for seed in range(SEEDS) if world(mutant.replica)(seed).run().violation), None)
        yield f"P{mutant.number}", mutant.name, ", ".join([*by, *([] if seed is None else [f"seed {seed}"])])
    for part in (mutants_stake, mutants_bft):
        checks = {check.__name__: check for check in part.CHECKS}
        for mutant in part.MUTANTS:
            if mutant.killed_by == "simulation":
                seed = part.simulated(mutant.cls)
                yield mutant.number, mutant.cls.__name__, "" if seed is None else f"seed {seed}"
            else:
                killed = fails(checks[mutant.killed_by], mutant.cls)
                yield mutant.number, mutant.cls.__name__, mutant.killed_by if killed else ""


def main() -> None:
    """Print the table."""
    alive = 0
    for number, name, killers in rows():
        print(f"{number:5} {name:52} {killers or 'SURVIVES'}", flush=True)  # noqa: T201
        alive += not killers
    print(f"{alive} survive")  # noqa: T201
    raise SystemExit(alive > 0)


if __name__ == "__main__":
    main()

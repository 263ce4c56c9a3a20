"""A person decides about subtasks before the work begins: which ones are asked about, and what the answers allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from .approval import approved
from .breakdown import skill_key
from .outline import WORK
from .text import clean, shorten

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person decided.

    Attributes:
        edited: Subtask -> its new words.
        first: Subtask -> the agent that a person gave it to.
        refused: Subtask -> why it is not to be done.
        allowed: Subtask -> who may do it; empty where everybody may do everything.
    """

    edited: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, list[str]] = field(default_factory=dict)


def ask_consent(
    plan: Sequence[Row], agents: Mapping[str, str], team: Sequence[str], needing: frozenset[str] | bool
) -> Consent:
    """Ask a person about the subtasks that need a yes, all in one interrupt.

    A yes holds for the agent that was shown. Where everything needs a yes, or the subtask was asked about because of a
    skill, nobody else may do it; where it was because of the agent, those may that need no yes. An edit changes the
    words, the agent, or both; its agent has the first attempt.

    Args:
        plan: The rows of the plan.
        agents: Subtask -> the agent that is expected to do it.
        team: All agents.
        needing: The agents and skills whose subtasks need a yes; True for all.

    A run that is resumed with something else than one decision for each asks again, and says what was wrong: LangGraph
    keeps what a run was resumed with, so that an error here would end the thread for good.
    """
    rows = [row for row in plan if row["kind"] == WORK]
    asked = [row for row in rows if _needs_yes(row, agents[row["id"]], team, needing)]
    wrong = ""
    while True:
        try:
            edited, first, refused = _decided(asked, agents, team, wrong)
            break
        except ConfigError as error:
            wrong = f"{error}\n"
    shown = {row["id"]: first.get(row["id"], agents[row["id"]]) for row in asked}
    return Consent(edited, first, refused, _allowed(rows, shown, team, needing))


def _decided(
    asked: Sequence[Row], agents: Mapping[str, str], team: Sequence[str], wrong: str
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """What was edited, who got it, and what was refused: subtask -> words, agent, reason."""
    requests = [_request(number, row, agents[row["id"]], wrong) for number, row in enumerate(asked)]
    pending, said = approved(requests, team, team)
    edited, first, refused = dict[str, str](), dict[str, str](), dict[str, str]()
    for row in pending:
        id_ = asked[row["number"]]["id"]
        if row["number"] in said:
            refused[id_] = f"a person refused it: {said[row['number']][0].partition(': ')[2]}"
        elif row["metadata"].get("decision") == "edit":
            edited[id_], first[id_] = _words(row["input"]), row["action"]
    return edited, first, refused


def _needs_yes(row: Row, agent: str, team: Sequence[str], needing: frozenset[str] | bool) -> bool:
    if isinstance(needing, bool):
        return needing
    return agent in needing or _has_skill(row, team, needing)


def _has_skill(row: Row, team: Sequence[str], needing: frozenset[str] | bool) -> bool:
    """Whether a subtask takes one of the skills that need a yes."""
    skills = set() if isinstance(needing, bool) else {skill_key(name) for name in needing if name not in team}
    return any(skill_key(skill) in skills for skill in row["skills"])


def _request(number: int, row: Row, agent: str, wrong: str) -> dict[str, Any]:
    """A subtask in the shape that `approved` asks a person about."""
    return {
        "number": number,
        "thought": f"{wrong}Subtask {row['id']}, for {agent}: {row['task']}",
        "action": agent,
        "input": {"id": row["id"], "task": row["task"], "skills": list(row["skills"])},
        "error": None,
        "metadata": {},
    }


def _words(given: Mapping[str, Any]) -> str:
    task = given.get("task")
    if not isinstance(task, str) or not task.strip():
        found = shorten(str(given), 200)
        raise ConfigError(f"The args of an edited subtask need a text under 'task'; {found} was given.")
    return clean(task, 8_000)


def _allowed(
    rows: Sequence[Row], shown: Mapping[str, str], team: Sequence[str], needing: frozenset[str] | bool
) -> dict[str, list[str]]:
    named = {name for name in team if needing is True or (needing is not False and name in needing)}
    allowed: dict[str, list[str]] = {}
    for row in rows:
        agent = shown.get(row["id"])
        if agent is not None and _has_skill(row, team, needing):
            allowed[row["id"]] = [agent]
        elif named:
            allowed[row["id"]] = [name for name in team if name not in named or name == agent]
    return allowed

"""A team in a YAML or JSON file, as text. Who calls has read the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..agents import Agent, as_agents
from ..errors import ConfigError, nearest
from ..tools import calculate
from .breakdown import skill_key
from .json_text import read_json_text
from .scenario_files import MAX_CHARACTERS, read_yaml

KEYS = ("name", "role", "skills", "tools", "weight", "model")
TOOLS: Mapping[str, Any] = {"calculate": calculate}
"""The tools that a file can name."""


def read_team(text: str, name: str) -> list[Agent]:
    r"""Read agents from the text of a file.

    A list of agents, or an object with such a list under `agents`. An agent is its name, or an object with `name` and
    perhaps `role` (words for its model), `skills`, `tools` (calculate), `weight` and `model` (as for `load_model`).

    Args:
        text: The file's text.
        name: The file's name; one that ends with .json is JSON, every other is YAML.

    Raises:
        ConfigError: It cannot be read, or makes no sense; the message names the file and the key.

    Example:
        >>> team = read_team("agents:\n  - {name: ann, skills: [writing]}\n  - bob\n", "team.yaml")
        >>> [(agent.name, list(agent.skills)) for agent in team]
        [('ann', ['writing']), ('bob', [])]
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{name!r} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    text = text.removeprefix("\ufeff")  # Windows editors put it before what they save as UTF-8.
    given = read_json_text(text, name) if name.lower().endswith(".json") else read_yaml(text, name)
    listed = given.get("agents") if isinstance(given, Mapping) else given
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{name!r} has no list of agents. Give agents: and a list of {{name, role, skills}}.")
    try:
        return list(as_agents([_agent(one) for one in listed]))
    except ConfigError as error:
        raise ConfigError(f"{name!r}: {error}") from error


def _agent(given: Any) -> Agent:
    if isinstance(given, str):
        return Agent(given)
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ConfigError(f"an agent is a name, or an object with a name; {given!r} was given.")
    name = given["name"]
    for key in given:
        if key not in KEYS:
            raise ConfigError(f"{name!r} has {key!r}; known: {', '.join(KEYS)}.{nearest(str(key), KEYS)}")
    for key in ("role", "model"):
        if not isinstance(given.get(key, ""), str):
            raise ConfigError(f"{name!r} has the {key} {given[key]!r}; give words.")
    weight = given.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise ConfigError(f"{name!r} has the weight {weight!r}; give a number.")
    tools = [_tool(name, one) for one in _listed(name, given, "tools")]
    skills = _listed(name, given, "skills")
    for skill in skills:
        if not skill_key(skill):
            raise ConfigError(f"{name!r} has the skill {skill!r}; give words.")
    return Agent(name, given.get("role", ""), skills, tools, weight, given.get("model"))


def _listed(name: str, given: Mapping[str, Any], key: str) -> list[str]:
    values = given.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{name!r} has the {key} {values!r}; give a list of words.")
    return values


def _tool(name: str, given: str) -> Any:
    if given not in TOOLS:
        raise ConfigError(f"{name!r} has the tool {given!r}; known: {', '.join(TOOLS)}.{nearest(given, TOOLS)}")
    return TOOLS[given]

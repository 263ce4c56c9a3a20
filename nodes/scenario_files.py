"""Scenarios of negotiations in YAML or JSON, as text. Who calls has read the file."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from ..errors import ConfigError
from .json_text import read_json_text
from .scenario import Scenario, scenario_from

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20


def read_scenario(text: str, name: str) -> Scenario:
    r"""Read a scenario from the text of a file.

    An object with `issues` (a list of {"name", "values"} or {"name", "low", "high", "step"}, or a mapping from name to
    values), `agents` (name -> {"weights", "scores", "reservation"}, see `Preferences`), and perhaps `veto` (a list of
    agents) and `needed` (how many have to accept).

    Args:
        text: The file's text, at most a million characters. In YAML a word is a word (yes, no, on, 12:30 and dates are
            text; true, false and null are not), and aliases and tags are refused.
        name: The file's name; one that ends with .json is JSON, every other is YAML.

    Raises:
        ConfigError: It cannot be read, or makes no sense; the message names the file and the key.

    Example:
        >>> text = '''
        ... issues: {price: [10, 20], paint: [yes, no]}
        ... agents:
        ...   ann: {weights: {price: 2, paint: 1}, scores: {price: low, paint: {yes: 1, no: 0}}, reservation: 0.4}
        ...   bob: {weights: {price: 1, paint: 0}, scores: {price: high}}
        ... '''
        >>> read_scenario(text, "sale.yaml").zone()
        [{'paint': 'yes', 'price': 10}, {'paint': 'no', 'price': 10}]
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{name!r} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    text = text.removeprefix("\ufeff")  # Windows editors put it before what they save as UTF-8.
    given = read_json_text(text, name) if name.lower().endswith(".json") else read_yaml(text, name)
    try:
        return scenario_from(given)
    except ConfigError as error:
        raise ConfigError(f"{name!r}: {error}") from error


def read_yaml(text: str, name: str) -> Any:
    """Read YAML that somebody else may have written; `name` is the file's, for the error.

    Raises:
        ConfigError: It is not YAML, or has aliases or tags.
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        said = re.sub(r"\s+", " ", str(error))
        raise ConfigError(f"{name!r} is not YAML that can be read: {said}") from error


class _Loader(yaml.SafeLoader):
    """YAML with the plain words of its version 1.2, no aliases (a few lines of them fill the memory) and no tags."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML wants it so)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        alias, tag = isinstance(event, yaml.AliasEvent), getattr(event, "tag", None)
        if alias or tag not in (None, "!"):
            what = "aliases" if alias else "tags"
            raise yaml.MarkedYAMLError(problem=f"{what} are not allowed", problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                problem = f"the key {key!r} stands there twice" if isinstance(key, Hashable) else "a key is no word"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


for _tag, _words, _first in (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", "~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?(0|[1-9]\d{0,30})", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9]\d{0,30})(\.\d{0,30})?([eE][-+]?\d{1,3})?|[-+]?\.\d{1,30}", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_words})\\Z"), [*_first])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"\Z"), [""])

"""Scenarios in files: what can be written, that words stay words, and that nothing but ConfigError comes out."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.negotiation import Scenario, negotiate
from langgraph_agora.nodes.scenario_files import read_scenario

FILES = sorted((Path(__file__).parents[1] / "data" / "scenarios").glob("*.yaml"))
AGENTS = "agents: {ann: {weights: {x: 1}, scores: {x: low}}, bob: {weights: {x: 1}, scores: {x: high}}}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_the_same_in_yaml_and_in_json(path):
    scenario = read_scenario(path.read_text(), path.name)
    again = read_scenario(json.dumps(scenario.to_dict()), "again.json")
    assert again.to_dict() == scenario.to_dict()
    assert negotiate(again) == negotiate(scenario)


def test_the_rule_for_passing_can_be_given():
    scenario = read_scenario(f"issues: {{x: [1, 2]}}\n{AGENTS}\nveto: [ann]\nneeded: 1\n", "s.yml")
    assert (scenario.veto, scenario.needed) == (("ann",), 1)
    assert read_scenario(f"issues: {{x: [1, 2]}}\n{AGENTS}\nveto:\nneeded:\n", "s.yml").veto == ()


def test_words_in_yaml_are_words():
    """In YAML 1.1 these are booleans, an octal number, minutes, a date and a number in base 60."""
    text = f"issues: {{x: [1, 2], y: [yes, no, on, 010, 12:30, 2026-11-28, 1_000]}}\n{AGENTS}".replace(
        "{x: 1}", "{x: 1, y: 0}"
    )
    scenario = read_scenario(text, "s.yaml")
    assert scenario.issues[1].values == ("yes", "no", "on", "010", "12:30", "2026-11-28", "1_000")


def test_numbers_in_yaml_are_exact():
    text = f"issues: {{x: {{low: 0, high: 0.3, step: 1e-1}}}}\n{AGENTS}"
    assert read_scenario(text, "s.yaml").issues[0].values == (0, 0.1, 0.2, 0.3)


def test_a_byte_order_mark_is_passed_over():
    scenario = read_scenario(f"\ufeffissues: {{x: [1, 2]}}\n{AGENTS}", "s.yaml")
    assert read_scenario(f"\ufeff{json.dumps(scenario.to_dict())}", "s.json") == scenario


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("{", "s.json", "'s.json' is not JSON"),
        ('{"issues": [], "issues": []}', "s.json", "'issues' stands there twice"),
        ('{"a": ' * 100_000, "s.json", "is not JSON"),
        ("issues: [", "s.yaml", "'s.yaml' is not YAML"),
        ("issues: {a: [1, 2]}\nissues: {}", "s.yaml", "'issues' stands there twice"),
        ("a: &x [1]\nb: *x", "s.yaml", "aliases are not allowed"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "s.yaml", "aliases are not allowed"),
        ("!!python/object/apply:os.system [ls]", "s.yaml", "tags are not allowed"),
        ("a: !!int ''", "s.yaml", "tags are not allowed"),
        ("a: " + "[" * 5_000, "s.yaml", "nested too deeply"),
        ("? [a]\n: 1", "s.yaml", "a key is no word"),
        ("a: 1\n---\nb: 2", "s.yaml", "single document"),
        ("\x00", "s.yaml", "not allowed"),
        ("x" * 1_000_001, "s.yaml", "has 1,000,001 characters; at most 1,000,000"),
        ("", "s.yaml", "A scenario was None"),
        ("just words", "s.yaml", "A scenario was 'just words'"),
        ("[]", "s.json", "A scenario was []"),
        ("issues: {x: [1, 2]}", "s.yaml", "'s.yaml': The scenario has no agents"),
        (AGENTS, "s.yaml", "The scenario has no issues"),
        (
            f"issue: {{x: [1, 2]}}\n{AGENTS}",
            "s.yaml",
            "has the key 'issue'. Keys: issues, agents, veto, needed, limit.",
        ),
        (f"issues: {{x: [1]}}\n{AGENTS}", "s.yaml", "'s.yaml': The issue 'x': number of values 1"),
        (f"issues: {{x: [1, true]}}\n{AGENTS}", "s.yaml", "The issue 'x' has the value True"),
        (
            f"issues: {{x: [1, .inf]}}\n{AGENTS}".replace("low", "{1: 1, .inf: .nan}"),
            "s.yaml",
            "'ann': The score",
        ),
        (
            f"issues: {{x: [1, 2]}}\n{AGENTS}".replace("low", "lo"),
            "s.yaml",
            "'ann': The scores of 'x' were 'lo'",
        ),
        (f"issues: {{x: [1, 2]}}\n{AGENTS}\nveto: ann", "s.yaml", "veto was 'ann'"),
        (f"issues: {{x: [1, 2]}}\n{AGENTS}\nveto: [cem]", "s.yaml", "The veto parties were ['cem']"),
        (f"issues: {{x: [1, 2]}}\n{AGENTS}\nneeded: 3", "s.yaml", "needed was 3"),
        ("issues: {x: [1, 2]}\nagents: {1: {weights: {x: 1}}, 2: {}}", "s.yaml", "The name of a party was 1"),
        ("issues: {x: [1, 2]}\nagents: [ann, bob]", "s.yaml", "give a mapping"),
        ('{"issues": {"x": [1, NaN]}, "agents": {}}', "s.json", "the value nan"),
        ('{"issues": {"x": [1, 1e999]}, "agents": {}}', "s.json", "the value inf"),
        ('{"issues": {"x": [1, ' + "9" * 5_000 + ']}, "agents": {}}', "s.json", "is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(text, name, message):
    with pytest.raises(ConfigError) as refused:
        read_scenario(text, name)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 1_000


# Whatever is in the file

KEYS = (
    *("issues", "agents", "veto", "needed", "limit", "x", "ann", "bob", "name", "values", "low", "high", "step"),
    *("weights", "scores", "reservation", "ideal", "1", "2"),
)
PLACES = ("issues", "ann", "weights", "scores", "reservation", "veto", "needed")


def tried(text, name):
    """The scenario, or why there is none."""
    try:
        return read_scenario(text, name)
    except ConfigError as refused:
        return str(refused)


yaml_text = st.text(alphabet="abx:-[]{},&*!?|>'\"#%@\n 01.\t~<=\ufeff\x85\ud7ff", max_size=60)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["x", "low"])
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.one_of(yaml_text, st.text(max_size=40), yaml_text.map(lambda text: f"issues: {{x: [1, 2]}}\n{text}")))
def test_any_text_is_a_scenario_or_refused(text):
    for name in ("s.yaml", "s.json"):
        found = tried(text, name)
        assert isinstance(found, Scenario) or name in found


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    anything,
    anything,
    anything,
    st.sampled_from(["issues", "ann", "weights", "scores", "reservation", "veto", "needed"]),
)
def test_any_json_in_the_place_of_any_part_is_read_or_refused(issues, one, other, place):
    given = {
        "issues": {"x": [1, 2]},
        "agents": {name: {"weights": {"x": 1}, "scores": {"x": "low"}, "reservation": 0.5} for name in ("ann", "bob")},
        "veto": ["ann"],
        "needed": 1,
    }
    target = given if place in given else given["agents"] if place == "ann" else given["agents"]["ann"]
    for value in (issues, one, other, {"x": one}, {"x": {"1": one, "2": other}}, [one, other]):
        target[place] = value
        found = tried(json.dumps(given), "s.json")
        assert isinstance(found, Scenario) or "s.json" in found

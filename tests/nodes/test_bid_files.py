"""Files of bids: what the two formats hold, what is kept for the auction to reject, and what cannot be read."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.allocation import vcg
from langgraph_agora.nodes.auctions import award
from langgraph_agora.nodes.bid_files import read_bids

# One task


def test_a_file_of_bids_is_all_that_an_auction_needs():
    file = read_bids('{"bids": {"ann": 9, "bob": 37}, "kind": "vickrey", "reserve": 40}', "b.json")
    assert file.bids == [("ann", 9), ("bob", 37)]
    assert (file.agents, file.costs, file.tasks) == (["ann", "bob"], None, [])
    assert award(bids=file.bids, **file.arguments).price == 37
    assert award("vickrey", read_bids("agent,bid\nann,9\nbob,37\n", "b.csv").bids) == award("vickrey", file.bids)


def test_quality_stands_beside_the_bid():
    file = read_bids("Agent,Bid,Quality\nann,20,50\nbob,5,30.5\ncem,7,\n", "b.CSV")
    assert file.arguments == {"quality": {"ann": 50, "bob": 30.5}}
    assert award("second_score", file.bids, **file.arguments).rejected == {"cem": "its quality is not known; it bid 7"}
    given = '{"bids": {"ann": 20}, "kind": "second_score", "quality": {"ann": 50}, "reserve": 40, "step": null}'
    assert award(bids=read_bids(given, "b").bids, **read_bids(given, "b").arguments).price == 40


@pytest.mark.parametrize(
    ("cell", "bid"),
    [
        ("12", 12),
        (" -3 ", -3),
        ("12.50", 12.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("", None),
        ("$12", "$12"),
        ("1_000", "1_000"),
        ('"1,5"', "1,5"),
        ("nan", "nan"),
        ("infinity", "infinity"),
        ("١٢", "١٢"),
        ("1" * 31, float("1" * 31)),
    ],
)
def test_a_cell_that_is_no_number_stays_as_it_is(cell, bid):
    (found,) = read_bids(f"agent,bid\nann,{cell}\n", "b.csv").bids
    assert found == ("ann", bid)
    assert type(found[1]) is type(bid)


def test_what_is_no_number_is_rejected_by_the_auction_with_its_reason():
    rows = "ann,$9\nbob,\ncem,1e999\ndee,-1\neva,9\neva,5\nfay,7\n"
    assert award("first_price", read_bids(f"agent,bid\n{rows}", "b.csv").bids).rejected == {
        "ann": "not a number: '$9'",
        "bob": "made no bid",
        "cem": "not finite: inf",
        "dee": "negative: -1",
        "eva": "bid twice: the first bid counts, not 5",
    }


@pytest.mark.parametrize(
    "text", ['{"bids": {"ann": 9, "bob": 8, "ann": 5}}', '{"bids": [["ann", 9], ["bob", 8], ["ann", 5]]}']
)
def test_an_agent_that_bids_twice_stands_there_twice(text):
    file = read_bids(text, "b.json")
    assert (file.bids, file.agents) == ([("ann", 9), ("bob", 8), ("ann", 5)], ["ann", "bob"])


def test_a_file_may_hold_no_bids_at_all():
    assert read_bids("agent,bid\n", "b.csv").bids == read_bids('{"bids": {}}', "b.json").bids == []


# Several tasks


def test_a_table_of_costs_is_all_that_vcg_needs():
    file = read_bids("agent,wash,iron,capacity\nann,3,,1\n\nbob,2,4.5,2\n", "b.csv")
    assert (file.agents, file.tasks, file.costs) == (["ann", "bob"], ["wash", "iron"], [[3, None], [2, 4.5]])
    assert vcg(file.costs, outside=9, **file.arguments).assignment == [1, 1]
    given = {"costs": [[3, None], [2, 4.5]], "agents": ["ann", "bob"], "tasks": ["wash", "iron"]}
    same = read_bids(json.dumps({**given, "capacities": [1, 2]}), "b.json")
    assert same == file
    assert read_bids(json.dumps({**given, "outside": [9, None]}), "b.json").arguments == {"outside": [9, None]}


def test_without_names_agents_and_tasks_are_numbered():
    file = read_bids('{"costs": [[1, 2], [3, 4]]}', "b.json")
    assert (file.agents, file.tasks, file.arguments) == (["agent 0", "agent 1"], ["task 0", "task 1"], {})
    assert read_bids("agent,bidding\nann,3\n", "b.csv").tasks == ["bidding"]
    assert "capacities" not in read_bids("agent,capacity,wash\nann,3,4\n", "b.csv").arguments, "it has to be the last"


# As it comes from a spreadsheet


def test_files_as_excel_saves_them():
    text = '\ufeffagent,bid\r\nann,9\r\n\r\n"Bob, Jr.",8\r\n,\r\n'
    assert read_bids(text, "b.csv").bids == [("ann", 9), ("Bob, Jr.", 8)]
    assert read_bids('\ufeff{"bids": {"ann": 9}}', "b.json").bids == [("ann", 9)]


# What cannot be read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'b.csv' is empty"),
        ("\n,,\n", "'b.csv' is empty"),
        ("ann,9\nbob,8\n", "'b.csv', line 1: the header is ann,9; begin with agent,bid"),
        ("agent\nann\n", "'b.csv', line 1: the header is agent;"),
        ("agent;bid\nann;9\n", "'b.csv', line 1: the header is agent;bid"),
        ("agent,bid,capacity\nann,9,1\n", "'b.csv', line 1: the header is agent,bid,capacity"),
        ("agent,bid\nann,9\nbob\n", "'b.csv', line 3: there are 1 cells under 2 columns"),
        ("agent,bid\nann,9,1\n", "'b.csv', line 2: there are 3 cells under 2 columns"),
        ("agent,bid\n\nann,9\n,8\n", "'b.csv', line 4: there is no agent"),
        ('agent,bid\nann,"9\n', "'b.csv', line 2, is not CSV"),
        ("agent,bid,quality\nann,9,high\n", "'b.csv', line 2: the quality of 'ann' is 'high'"),
        ("agent,bid,quality\nann,9,1\nann,8,2\n", "'b.csv', line 3: 'ann' has two qualities, 1 and 2"),
        ("agent,wash\nann,$9\n", "'b.csv', line 2: the cost of 'wash' for 'ann' is '$9'"),
        ("agent,wash\nann,9\nann,8\n", "'b.csv', line 3: 'ann' has a second row"),
        ("agent,wash,wash\nann,9,8\n", "'b.csv', line 1: the tasks are 'wash', 'wash'"),
        ("agent,wash,\nann,9,8\n", "'b.csv', line 1: the tasks are 'wash', ''"),
        ("agent,capacity\nann,9\n", "'b.csv', line 1: the tasks are ;"),
        ("agent,wash,capacity\nann,9,\n", "'b.csv', line 2: the capacity of 'ann' is None"),
        ("agent,wash,capacity\nann,9,1.5\n", "'b.csv', line 2: the capacity of 'ann' is 1.5"),
        ("agent,wash,capacity\nann,9,-1\n", "'b.csv', line 2: the capacity of 'ann' is -1"),
        ("agent,wash\n", "'b.csv', line 1: no agents stand under the header"),
    ],
)
def test_a_csv_file_that_cannot_be_read_is_refused_with_its_line(text, message):
    with pytest.raises(ConfigError) as refused:
        read_bids(text, "b.csv")
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"bids": \n{', "'b.json' is not JSON: Expecting property name enclosed in double quotes: line 2"),
        ("[" * 100_000, "'b.json' is not JSON"),
        ("[1]", "'b.json' needs either bids"),
        ("null", "'b.json' needs either bids"),
        ('{"ann": 9}', "'b.json' needs either bids"),
        ('{"bids": {}, "costs": [[1]]}', "'b.json' needs either bids"),
        ('{"bids": {}, "bids": {}}', "'b.json' has 'bids' twice"),
        ('{"bids": {}, "reserved": 1}', "'b.json' has the key 'reserved'"),
        ('{"bids": {}, "capacities": 1}', "'b.json' has the key 'capacities'; beside bids there may be kind, reserve"),
        ('{"costs": [[1]], "reserve": 1}', "'b.json' has the key 'reserve'; beside costs there may be agents, tasks"),
        ('{"bids": 3}', "'b.json': bids is an object"),
        ('{"bids": ["ab"]}', "'b.json': bids is an object"),
        ('{"bids": [["ann", 9, 1]]}', "'b.json': bids is an object"),
        ('{"bids": {"": 9}}', "'b.json': bids is an object"),
        ('{"bids": [[1, 9]]}', "'b.json': bids is an object"),
        ('{"bids": {}, "quality": {"ann": 1, "ann": 2}}', "'b.json' gives the quality of 'ann' twice"),
        ('{"costs": []}', "'b.json': costs is a list for each agent"),
        ('{"costs": [[]]}', "'b.json': costs is a list for each agent"),
        ('{"costs": [[1], [1, 2]]}', "'b.json': costs is a list for each agent"),
        ('{"costs": {"ann": [1]}}', "'b.json': costs is a list for each agent"),
        ('{"costs": [[1]], "agents": ["ann", "bob"]}', "'b.json': agents has to be 1 different names"),
        ('{"costs": [[1, 2]], "tasks": ["wash", "wash"]}', "'b.json': tasks has to be 2 different names"),
        ('{"costs": [[1, 2]], "tasks": "ab"}', "'b.json': tasks has to be 2 different names"),
    ],
)
def test_a_json_file_that_cannot_be_read_is_refused_in_words(text, message):
    with pytest.raises(ConfigError) as refused:
        read_bids(text, "b.json")
    assert str(refused.value).startswith(message)


def test_a_typo_in_a_key_gets_a_hint():
    with pytest.raises(ConfigError, match="Did you mean 'reserve'"):
        read_bids('{"bids": {}, "reserved": 1}', "b.json")


# Anything at all

pieces = st.sampled_from(
    [
        "agent",
        "bid",
        "quality",
        "capacity",
        "ann",
        "9",
        "$9",
        "1e999",
        "nan",
        "",
        ",",
        "\n",
        "\r",
        '"',
        ";",
        "\x00",
        "-1",
    ]
)
leaf = st.none() | st.booleans() | st.integers(-3, 99) | st.floats() | st.text(max_size=3)
values = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
keys = st.sampled_from(
    ["bids", "costs", "agents", "tasks", "capacities", "outside", "kind", "reserve", "quality", "step"]
)
tables = st.lists(st.lists(leaf, min_size=2, max_size=2), min_size=1, max_size=3)


@settings(derandomize=True, deadline=None, max_examples=600)
@given(
    st.text()
    | st.lists(pieces).map("".join)
    | st.lists(pieces).map(lambda cells: "agent,bid\n" + ",".join(cells))
    | st.lists(pieces).map(lambda cells: "agent,wash,capacity\nann," + ",".join(cells))
    | st.dictionaries(keys, values | tables | st.dictionaries(st.text(max_size=2), leaf)).map(json.dumps),
    st.sampled_from(["b.csv", "b.json"]),
)
def test_any_text_is_bids_or_refused_in_words(text, name):
    with suppress(ConfigError):
        file = read_bids(text, name)
        if file.bids is None:
            assert (len(file.agents), len(file.tasks)) == (len(file.costs), len(file.costs[0]))
            vcg(file.costs, **{"capacities": 1, **file.arguments})
        else:
            award(**{"kind": "vickrey", "reserve": 9, **file.arguments, "bids": file.bids})

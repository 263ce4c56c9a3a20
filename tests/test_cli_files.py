"""`agora auction`, `agora game` and `agora negotiate` on files, as a user meets them, and the pictures they draw."""

import json

import pytest

from langgraph_agora import ConfigError
from langgraph_agora.cli import app
from tests.test_cli import agora

BIDS = "agent,bid\nann,9\nbob,37\ncem,55\ndee,$5\nann,1\n"
TASKS = "agent,wash,iron,capacity\nann,3,5,1\nbob,2,4,2\n"
CHICKEN = {
    "title": "chicken",
    "players": ["ann", "bob"],
    "actions": [["swerve", "straight"]] * 2,
    "payoffs": [[[6, 2], [7, 0]], [[6, 7], [2, 0]]],
}
SALE = """
issues:
  price: {low: 50, high: 150, step: 10}
  lock: [no, yes]
agents:
  seller: {weights: {price: 3, lock: 1}, scores: {price: high, lock: {no: 1, yes: 0}}, reservation: 0.2}
  buyer: {weights: {price: 2, lock: 1}, scores: {price: low, lock: {no: 0, yes: 1}}, reservation: 0.2}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bids.csv").write_text(BIDS)
    (tmp_path / "tasks.csv").write_text(TASKS)
    (tmp_path / "game.json").write_text(json.dumps(CHICKEN))
    (tmp_path / "sale.yaml").write_text(SALE)
    return tmp_path


def test_auction_says_who_wins_at_what_price_and_loses_no_bid(folder):
    said = " ".join(agora("auction", str(folder / "bids.csv"), "--reserve", "40").stdout.split())
    assert said == (
        "ann wins and is paid 37: the lowest bid wins, and the price is the next one, bob's. Not counted: ann (bid "
        "twice: the first bid counts, not 1), cem (above the reserve of 40: 55), dee (not a number: '$5')."
    )
    found = json.loads(agora("auction", str(folder / "bids.csv"), "--kind", "first_price", "--json").stdout)
    assert (found["winner"], found["price"], found["truthful"]) == ("ann", 9, False)


def test_auction_of_several_tasks_goes_by_vcg(folder):
    found = json.loads(agora("auction", str(folder / "tasks.csv"), "--reserve", "15", "--json").stdout)
    assert (found["agents"], found["tasks"]) == (["ann", "bob"], ["wash", "iron"])
    assert (found["assignment"], found["total"], found["payments"]) == ([1, 1], 6, [0, 18])
    said = agora("auction", str(folder / "tasks.csv")).stdout
    assert "give outside=" in said


def test_game_lists_equilibria_and_says_what_to_do(folder):
    said = agora("game", str(folder / "game.json")).stdout
    assert "3 equilibria, which is all" in said
    assert "2/3 swerve, 1/3 straight" in said
    found = json.loads(agora("game", str(folder / "game.json"), "--json").stdout)
    assert (len(found["points"]), found["complete"], found["degenerate"]) == (3, True, False)
    assert found["solution"]["payoffs"] == [6.0, 6.0]
    free = json.loads(agora("game", str(folder / "game.json"), "--json", "--no-binding").stdout)
    assert free["solution"]["concept"] == "Nash equilibrium"


def test_infinitely_many_equilibria_are_called_so(tmp_path):
    path = tmp_path / "same.json"
    path.write_text('{"payoffs": [[[1, 1], [1, 1]], [[1, 1], [1, 1]]]}')
    assert "4 equilibria, which are corners of infinitely many" in agora("game", str(path)).stdout


def test_game_reads_a_file_of_gambit(tmp_path):
    path = tmp_path / "pd.nfg"
    path.write_text('NFG 1 R "prisoners" { "ann" "bob" } { 2 2 }\n\n3 3 5 0 0 5 1 1\n')
    found = json.loads(agora("game", str(path), "--json").stdout)
    assert found["exact"] == [[["0", "1"], ["0", "1"]]]


def test_negotiate_shows_every_offer_and_the_deal(folder):
    said = agora("negotiate", str(folder / "sale.yaml"), "--rounds", "none").stdout
    assert "deal: lock yes, price 120 (agreed)." in said
    found = json.loads(agora("negotiate", str(folder / "sale.yaml"), "--json").stdout)
    assert (found["stop"], found["rounds"]) == ("escalated", 5)
    assert found["pareto_distance"] == 0
    mediated = agora("negotiate", str(folder / "sale.yaml"), "-p", "mediated", "--seed", "3", "--json")
    assert json.loads(mediated.stdout)["protocol"] == "mediated"


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_pictures_are_drawn(folder, ending):
    for command, file in (
        ("auction", "bids.csv"),
        ("auction", "tasks.csv"),
        ("game", "game.json"),
        ("negotiate", "sale.yaml"),
    ):
        picture = folder / f"{file}{ending}"
        done = agora(command, str(folder / file), "--plot", str(picture))
        assert (done.returncode, done.stderr) == (0, "")
        assert picture.read_bytes().startswith(b"\x89PNG" if ending == ".png" else b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["auction", "bids.csv", "--kind", "vickery"], "Did you mean 'vickrey'?"),
        (["auction", "bids.csv", "--kind", "vcg"], "vcg"),
        (["auction", "bids.csv", "--reserve", "-1"], "The reserve is negative: -1"),
        (["auction", "bids.csv", "--reserve", "nan"], "The reserve is not finite: nan"),
        (["auction", "bids.csv", "--direction", "sel"], "Did you mean 'sell'?"),
        (["auction", "bids.csv", "--step", "0"], "step was 0"),
        (["auction", "tasks.csv", "--kind", "vickrey"], "go by vcg"),
        (["auction", "nowhere.csv"], "No such file"),
        (["auction", "bids.csv", "--plot", "bids.pdf"], "a picture is one of .png, .svg"),
        (["auction", "bids.csv", "--plot", "no/such/folder.svg"], "is no folder to write to"),
        (["game", "bad.json"], "is not JSON"),
        (["game", "ragged.json"], "ragged"),
        (["game", "bids.csv"], "bids.csv"),
        (["negotiate", "sale.yaml", "--protocol", "zeuten"], "Did you mean 'zeuthen'?"),
        (["negotiate", "sale.yaml", "--rounds", "0"], "rounds was 0"),
        (["negotiate", "sale.yaml", "--rounds", "none", "-p", "mediated"], "does not end by itself"),
        (["negotiate", "sale.yaml", "--threshold", "2"], "threshold was 2"),
        (["negotiate", "bad.json"], "is not JSON"),
    ],
)
def test_wrong_input_is_refused_in_words(folder, arguments, message, monkeypatch):
    (folder / "bad.json").write_text("{oops")
    (folder / "ragged.json").write_text('{"payoffs": [[[1, 2], [3]], [[1, 2], [3, 4]]]}')
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError) as refused:
        app(arguments, standalone_mode=False)
    assert message in str(refused.value)


def test_wrong_input_gets_one_line_and_exit_code_two(folder):
    done = agora("game", str(folder / "bids.csv"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)

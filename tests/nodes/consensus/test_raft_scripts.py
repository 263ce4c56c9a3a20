"""Golden scripts of Raft, made to be read; `raft_script.py` tells the commands.

    pytest tests/nodes/consensus/test_raft_scripts.py --regenerate

writes the outputs anew. Read the difference before it is kept: every line of it is a change of behaviour.
"""

from pathlib import Path

import pytest

from tests.nodes.consensus.raft_script import run

SCRIPTS = sorted((Path(__file__).parents[2] / "data" / "raft").glob("*.txt"))


def test_there_are_scripts():
    assert len(SCRIPTS) >= 15


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(script, request):
    text = script.read_text(encoding="utf-8")
    happened = run(text)
    if request.config.getoption("--regenerate"):
        script.write_text(happened, encoding="utf-8")
    else:
        assert happened == text


def test_a_script_notices_a_change():
    assert run("nodes 1\n----\nn1 starts in term 7\n") != "nodes 1\n----\nn1 starts in term 7\n"


def test_one_command_in_a_block():
    with pytest.raises(ValueError, match="One command"):
        run("nodes 1\nstatus\n")

import pytest

from langgraph_agora.errors import AgoraError, BudgetExceeded, ConfigError, RunError, nearest


def test_the_tree_lets_a_caller_tell_wrong_input_from_a_run_that_went_wrong():
    assert issubclass(ConfigError, AgoraError)
    assert issubclass(ConfigError, ValueError)
    assert issubclass(RunError, AgoraError)
    assert not issubclass(RunError, ConfigError)
    assert issubclass(BudgetExceeded, RunError)


@pytest.mark.parametrize(("given", "hint"), [("raect", " Did you mean 'react'?"), ("xyz", ""), ("", "")])
def test_a_typo_gets_the_nearest_name(given, hint):
    assert nearest(given, ["react", "auction"]) == hint

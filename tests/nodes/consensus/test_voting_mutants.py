"""The checks of vote counting notice every mistake that is planted."""

import pytest

from tests.nodes.consensus.mutants_voting import CHECKS, MUTANTS, killers


@pytest.mark.parametrize("check", CHECKS)
def test_the_clean_code_passes(check):
    check()


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_killed(name):
    assert killers(name)

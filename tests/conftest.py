import importlib.util
import os

import pytest

from langgraph_agora.embedded import bundled_weights
from langgraph_agora.errors import ConfigError
from langgraph_agora.models import load_model


def needs(condition: bool, reason: str) -> None:
    """Skip a test that misses something it needs; with CI=true nothing is skipped, so there it fails."""
    if condition:
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI skips nothing: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def embedded():
    """The embedded model, for real: a few short calls a test, since it shares the machine's cores."""
    needs(importlib.util.find_spec("xllamacpp") is not None, "xllamacpp is not installed")
    try:
        bundled_weights()
    except ConfigError as missing:
        needs(False, str(missing))
    return load_model("embedded")

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


def pytest_addoption(parser):
    parser.addoption("--regenerate", action="store_true", help="write the outputs of the golden scripts anew")


def pytest_collection_modifyitems(config, items):
    """Leave out what needs more than the project declares.

    An Ollama server that OLLAMA_HOST names (the loopback server stands in for it), and pref_voting (778 MB), which
    `make oracle` installs in a place of its own.
    """
    missing = {
        "ollama": not os.environ.get("OLLAMA_HOST"),
        "oracle": importlib.util.find_spec("pref_voting") is None,
    }
    left_out = [item for item in items if any(missing[m] and item.get_closest_marker(m) for m in missing)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def embedded():
    """The embedded model, for real: a few short calls a test, since it shares the machine's cores."""
    needs(importlib.util.find_spec("xllamacpp") is not None, "xllamacpp is not installed")
    try:
        bundled_weights()
    except ConfigError as missing:
        needs(False, str(missing))
    return load_model("embedded")

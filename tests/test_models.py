import asyncio
import os
import subprocess
import sys

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from langgraph_agora.embedded import MAX_TOKENS, EmbeddedChatModel, bundled_weights, embedded_model
from langgraph_agora.errors import ConfigError
from langgraph_agora.graphs.react import ReactContext, create_react
from langgraph_agora.models import list_models, load_model, ollama_host, ollama_models
from langgraph_agora.styles import answer_style
from langgraph_agora.testing import ScriptedModel
from langgraph_agora.tools import calculate
from tests.loopback import OllamaServer, OpenAIServer

NOBODY = "http://127.0.0.1:9"  # The discard port: nothing listens there.
REAL_OLLAMA = os.environ.get("OLLAMA_HOST", "")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    """No keys and no servers but those that a test sets."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)


@pytest.fixture(scope="session")
def ollama(embedded):
    with OllamaServer(embedded.openai_api_base, embedded.openai_api_key.get_secret_value()) as server:
        yield server


def refusal(spec):
    """The one line that a wrong name gets."""
    with pytest.raises(ConfigError) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_chat_model_is_returned_as_it_is():
    model = ScriptedModel(["hi"])
    assert load_model(model) is model


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("embeded", "Did you mean 'embedded'?"),
        ("olama:qwen3", "Did you mean 'ollama'?"),
        ("foo:bar", "'foo:bar' is no model that is known here. Give embedded, embedded:FILE.gguf"),
        ("", "'' was given"),
        ("  ", "was given"),
        (5, "5 was given"),
        (None, "None was given"),
        ("ollama:", "Give ollama:NAME, for example ollama:"),
        ("openai", "Give openai:NAME, for example openai:"),
        ("deepseek:chat", "pip install langchain-deepseek"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_allowed(spec, words):
    assert words in refusal(spec)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("nowhere.gguf", "There is no file"),
        (".", "There is no file"),
        ("text.gguf", "is not a GGUF file (it begins with b'hell')"),
        ("empty.gguf", "is not a GGUF file (it begins with b'')"),
    ],
)
def test_a_file_that_is_no_model_is_refused_before_llama_cpp_sees_it(tmp_path, file, words):
    (tmp_path / "text.gguf").write_text("hello")
    (tmp_path / "empty.gguf").touch()
    assert words in refusal(f"embedded:{tmp_path / file}")


def test_a_home_that_does_not_exist_is_a_missing_file():
    assert "There is no file" in refusal("embedded:~nobody-of-that-name/model.gguf")


@pytest.mark.embedded
def test_a_truncated_file_is_refused_and_the_process_lives(tmp_path, embedded):
    cut = tmp_path / "cut.gguf"
    with bundled_weights().open("rb") as whole:
        cut.write_bytes(whole.read(1_000_000))
    script = """
import sys
from langgraph_agora.errors import ConfigError
from langgraph_agora.models import load_model
try:
    load_model(sys.argv[1])
except ConfigError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, f"embedded:{cut}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"llama.cpp cannot load '{cut}'")
    assert ran.stdout.rstrip().endswith("Is the file whole?")
    assert len(ran.stdout.splitlines()) == 1


@pytest.mark.embedded
def test_the_embedded_model_answers_in_turn_and_four_at_once_in_any_event_loop(embedded):
    short = embedded.model_copy(update={"max_tokens": 4})

    async def four():
        return [reply.text for reply in await asyncio.gather(*(short.ainvoke("Say hi") for _ in range(4)))]

    assert all(asyncio.run(four()))
    assert short.invoke("Say hi").text
    assert all(asyncio.run(four()))


@pytest.mark.embedded
def test_the_embedded_model_is_made_once_and_says_what_it_is(embedded, monkeypatch):
    assert load_model("embedded") is load_model(" embedded ")
    by_path = embedded_model(str(bundled_weights()))
    assert isinstance(embedded, EmbeddedChatModel)
    assert by_path.openai_api_base == embedded.openai_api_base  # The same file is the same server.
    assert answer_style(embedded).small
    assert embedded.max_tokens == MAX_TOKENS
    assert "127.0.0.1" in embedded.openai_api_base


@pytest.mark.embedded
def test_a_proxy_of_the_environment_does_not_come_between(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("http_proxy", NOBODY)
    behind_proxy = embedded_model().model_copy(update={"max_tokens": 2})
    assert behind_proxy.invoke("Say hi").text
    assert asyncio.run(behind_proxy.ainvoke("Say hi")).text


@pytest.mark.embedded
def test_a_react_run_over_ollamas_protocol_comes_to_its_end(ollama, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    model = load_model("ollama:smollm2:135m")
    assert answer_style(model).constrain == "format"
    graph = create_react([calculate], model=model, max_steps=2).compile()
    result = graph.invoke({"messages": [("user", "What is 17 * 23?")]}, context=ReactContext(model_seconds=300))
    assert result["stop"] in ("answer", "max_steps"), result["error"]
    assert result["answer"]
    assert result["usage"]["react"]["tokens_out"] > 0
    path, body = ollama.requests[-1]
    assert path == "/api/chat"
    assert body["format"]["type"] == "object" or "anyOf" in body["format"] or "oneOf" in body["format"]


@pytest.mark.embedded
def test_one_ollama_model_serves_two_event_loops(ollama, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    model = load_model("ollama:smollm2:135m").model_copy(update={"num_predict": 2})
    for _ in range(2):
        assert asyncio.run(model.ainvoke("Say hi")).text
    assert model.invoke("Say hi").text


def test_a_model_that_ollama_does_not_have_is_named_with_the_command_that_gets_it(monkeypatch):
    with OllamaServer("", "", names=("qwen3:4b", "llama3.2:latest")) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        words = refusal("ollama:qwen3:8b")
        assert "ollama pull qwen3:8b" in words
        assert "It has: llama3.2:latest, qwen3:4b." in words
        assert "Did you mean 'qwen3:4b'?" in words
        assert load_model("ollama:llama3.2").model == "llama3.2"  # Ollama's `latest` goes without saying.


def test_no_ollama_server_is_named_with_the_command_that_starts_it():
    assert refusal("ollama:qwen3:4b") == f"No Ollama server answers at {NOBODY}. Start it with: ollama serve"
    assert ollama_models() is None


def test_openai_without_a_key_says_what_to_set():
    assert "export OPENAI_API_KEY=" in refusal("openai:gpt-4o-mini")


def test_openai_with_an_address_of_ones_own_needs_no_key_and_runs_react(monkeypatch):
    with OpenAIServer([{"calculate": {"expression": "17 * 23"}}, "It is 391."]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        graph = create_react([calculate], model="openai:local").compile()
        result = graph.invoke({"messages": [("user", "What is 17 * 23?")]})
        assert (result["answer"], result["stop"]) == ("It is 391.", "answer")
        assert result["steps"][0]["observation"] == "391"
        assert [body["model"] for _, body in server.requests] == ["local", "local"]
        assert server.requests[0][1]["tools"][0]["function"]["name"] == "calculate"


def test_a_changed_key_or_address_gives_a_new_client(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    first = load_model("openai:gpt-4o-mini")
    assert load_model("openai:gpt-4o-mini") is first
    monkeypatch.setenv("OPENAI_API_KEY", "two")
    second = load_model("openai:gpt-4o-mini")
    assert second.openai_api_key.get_secret_value() == "two"
    assert first.openai_api_key.get_secret_value() == "one"


def test_the_list_says_what_works_now_and_how_to_get_the_rest(monkeypatch):
    rows = {row.spec: row for row in list_models()}
    assert rows["ollama:NAME"] == ("ollama:NAME", False, f"no server at {NOBODY}; start it: ollama serve")
    assert "set OPENAI_API_KEY" in rows["openai:NAME"].note
    assert "export ANTHROPIC_API_KEY=..." in rows["anthropic:NAME"].note
    assert "embedded" in rows
    with OllamaServer("", "", names=("qwen3:4b",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        rows = {row.spec: row for row in list_models()}
        assert rows["ollama:qwen3:4b"] == ("ollama:qwen3:4b", True, f"at {server.url}")
        assert rows["openai:NAME"].usable
    with OllamaServer("", "", names=()) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        assert "ollama pull" in {row.spec: row for row in list_models()}["ollama:NAME"].note


def test_a_server_that_is_no_ollama_counts_as_none(monkeypatch):
    with OpenAIServer([]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        assert ollama_models() is None


def test_a_model_class_that_is_unknown_is_asked_in_words():
    style = answer_style(FakeListChatModel(responses=["hi"]))
    assert (style.steps, style.constrain, style.logprobs, style.small) == ("json", "prompt", False, False)


@pytest.mark.ollama
def test_a_real_ollama_server_answers(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", REAL_OLLAMA)
    names = ollama_models()
    assert names, f"{ollama_host()} answers, but it has no models"
    assert load_model(f"ollama:{names[0]}").invoke([HumanMessage("Say hi.")]).text

"""Embedders of others: servers over their real protocols, LangChain's classes, functions; and what is no vector."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from langgraph_agora.errors import BudgetExceeded, ConfigError, RunError
from langgraph_agora.memory.embedders import load_embedder
from tests.loopback import OllamaServer, _Server

NOBODY = "http://127.0.0.1:9"  # The discard port: nothing listens there.
TEXTS = ["book a flight", "book a hotel", ""]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    """No keys and no servers but those that a test sets."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", NOBODY)


def lengths(texts):
    return [[len(text), 1.0, 0.0] for text in texts]


class Answers:
    """A function that gives one prepared answer after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, texts):
        return self.answers.pop(0)


# Functions and objects


def test_a_function_is_an_embedder():
    embedder = load_embedder(lengths)
    assert (embedder.name, embedder.dimensions, embedder.lexical, embedder.near) == ("lengths", 3, False, None)
    assert np.allclose(embedder.embed(["abc", ""]), [[0.9487, 0.3162, 0], [0, 1, 0]], atol=1e-4)
    assert embedder.embed([]).shape == (0, 3)
    assert load_embedder(lengths, name="mine").name == "mine"


def test_so_is_any_embeddings_object_of_langchain():
    embedder = load_embedder(DeterministicFakeEmbedding(size=7))
    assert (embedder.name, embedder.dimensions) == ("DeterministicFakeEmbedding", 7)
    vectors = embedder.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((3, 7), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


class Hosted(Embeddings):
    def __init__(self, model):
        self.model = model

    def embed_documents(self, texts):
        return lengths(texts)

    def embed_query(self, text):
        raise AssertionError("a memory compares tasks with tasks")


def test_two_models_of_one_class_are_two_embedders():
    assert load_embedder(Hosted("ada")).name == "Hosted(ada)"
    assert load_embedder(Hosted("small")).name == "Hosted(small)"
    assert np.array_equal(load_embedder(Hosted("ada")).embed(TEXTS), load_embedder(lengths).embed(TEXTS))


class Own:
    name, dimensions, lexical, near = "own words", 3, True, 0.7

    def embed(self, texts):
        return np.array(lengths(texts))


def test_an_embedder_of_ones_own_keeps_what_it_says_of_itself():
    embedder = load_embedder(Own())
    assert (embedder.name, embedder.dimensions, embedder.lexical, embedder.near) == ("own words", 3, True, 0.7)


def test_loading_asks_nobody_and_the_dimensions_are_asked_once():
    asked = []
    embedder = load_embedder(lambda texts: [asked.append(text) or [1.0, 2.0] for text in texts], name="counted")
    assert asked == []
    assert (embedder.dimensions, embedder.dimensions) == (2, 2)
    assert len(asked) == 1


@pytest.mark.parametrize("spec", [lambda texts: lengths(texts), partial(lengths)], ids=["lambda", "partial"])
def test_what_has_no_name_of_its_own_needs_one(spec):
    with pytest.raises(ConfigError, match=r"has no name.*load_embedder\(function, name="):
        load_embedder(spec)
    assert load_embedder(spec, name="lengths").name == "lengths"


async def later(texts):
    return lengths(texts)


class Later(Embeddings):
    async def embed_documents(self, texts):
        return lengths(texts)

    embed_query = embed_documents


@pytest.mark.parametrize("spec", [later, Later()])
def test_an_async_function_is_refused(spec):
    with pytest.raises(ConfigError, match="is async; give a function that returns the vectors"):
        load_embedder(spec)


# What is no vector


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([[1.0, 0.0], [float("nan"), 0.0], [1.0, 1.0]], "gave NaN or infinity for text 2 of 3"),
        ([[1.0, 0.0], [1.0, 0.0], [1.0, float("inf")]], "gave NaN or infinity for text 3 of 3"),
        ([[1.0, 0.0]], "gave 1 vectors for 3 texts"),
        ([], "gave 0 vectors for 3 texts"),
        ([[1.0], [1.0, 0.0], [1.0, 0.0]], "gave what is no table of numbers"),
        ([["a"], ["b"], ["c"]], "gave what is no table of numbers"),
        ([1.0, 2.0, 3.0], r"must give \(texts, dimensions\) numbers; it gave \(3,\)"),
        ([[], [], []], r"it gave \(3, 0\)"),
        ([[[1.0]], [[1.0]], [[1.0]]], r"it gave \(3, 1, 1\)"),
        (None, "gave NoneType, not a list of vectors"),
        ("abc", "gave str, not a list of vectors"),
        ({"a": 1, "b": 2, "c": 3}, "gave dict, not a list of vectors"),
    ],
)
def test_what_is_no_vector_is_stopped_by_name(answer, words):
    with pytest.raises(RunError, match=f"the embedder 'Answers' .*{words}"):
        load_embedder(Answers(answer)).embed(TEXTS)


def test_a_dimension_that_changes_is_stopped():
    embedder = load_embedder(Answers([[1.0, 0.0]], [[1.0, 0.0, 0.0]], [[0.0, 1.0]]))
    embedder.embed(["a"])
    with pytest.raises(RunError, match="gave 3 dimensions where it has 2"):
        embedder.embed(["a"])
    assert embedder.embed(["a"]).tolist() == [[0.0, 1.0]]  # And the first one stays.


def test_a_dimension_other_than_the_stated_one_is_stopped():
    class Wrong(Own):
        dimensions = 5

    with pytest.raises(RunError, match="gave 3 dimensions where it has 5"):
        load_embedder(Wrong()).embed(["a"])


def test_vectors_of_zeros_and_of_huge_numbers_have_length_1_all_the_same():
    embedder = load_embedder(Answers([[0, 0], [1e300, 1e300], [5e-324, 0]]))
    assert np.allclose(embedder.embed(TEXTS), [[1, 0], [0.7071, 0.7071], [1, 0]], atol=1e-4)


def broken(texts):
    raise KeyError("no such row")


def spent(texts):
    raise BudgetExceeded("no more calls")


def test_an_error_of_the_function_says_whose_it_is():
    with pytest.raises(RunError, match="the embedder 'broken' failed: KeyError: 'no such row'"):
        load_embedder(broken).embed(["a"])
    with pytest.raises(BudgetExceeded):
        load_embedder(spent).embed(["a"])


def test_twenty_threads_may_ask_at_once():
    embedder, start = load_embedder(lengths), threading.Barrier(20)

    def embed(number):
        start.wait(60)
        return embedder.embed(["x" * number])[0]

    with ThreadPoolExecutor(20) as pool:
        found = np.vstack(list(pool.map(embed, range(20))))
    assert np.array_equal(found, embedder.embed(["x" * number for number in range(20)]))


# Ollama


class Forgetful(OllamaServer):
    """An Ollama server that has no such model."""

    def answer(self, path, body, number):
        if path == "/api/embed":
            return 404, [{"error": f'model "{body["model"]}" not found, try pulling it first'}]
        return super().answer(path, body, number)


def test_ollama_embeds_over_its_own_protocol(monkeypatch):
    embedder = load_embedder("ollama:nomic-embed-text")
    with OllamaServer("", "", names=("nomic-embed-text:latest",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        assert (embedder.name, embedder.dimensions) == ("ollama:nomic-embed-text", 32)
        vectors = embedder.embed([f"task number {number}" for number in range(100)])
        assert vectors.shape == (100, 32)
        assert np.allclose(vectors[7], embedder.embed(["task number 7"])[0])
        sent = [body for path, body in server.requests if path == "/api/embed"]
    assert {body["model"] for body in sent} == {"nomic-embed-text"}
    assert [len(body["input"]) for body in sent] == [1, 64, 36, 1]
    assert load_embedder("ollama:nomic-embed-text:latest").name == embedder.name  # One model, one name.


def test_ollama_without_the_model_or_without_a_server_says_what_to_do(monkeypatch):
    embedder = load_embedder("ollama:nomic-embed-text")
    with pytest.raises(RunError, match=f"No Ollama server answers at {NOBODY}. Start it with: ollama serve"):
        embedder.embed(["a"])
    with Forgetful("", "") as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        with pytest.raises(RunError, match="Get it with: ollama pull nomic-embed-text"):
            embedder.embed(["a"])


# OpenAI's protocol


class EmbeddingServer(_Server):
    """/v1/embeddings: three numbers a text; texts that are too long are refused, as OpenAI does."""

    def answer(self, path, body, number):
        if path != "/v1/embeddings":
            return 404, [{"error": {"message": f"{path} is not served here"}}]
        if any("too long" in text for text in body["input"]):
            return 400, [{"error": {"message": "maximum context length is 8192 tokens"}}]
        data = [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(lengths(body["input"]))
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return 200, [{"object": "list", "data": data, "model": body["model"], "usage": usage}]


def test_a_server_that_speaks_openais_protocol_is_sent_the_texts_themselves(monkeypatch):
    with EmbeddingServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        embedder = load_embedder("openai:any-model")
        assert np.array_equal(embedder.embed(TEXTS), load_embedder(lengths).embed(TEXTS))
        [(_, body)] = server.requests
        assert (body["model"], body["input"]) == ("any-model", TEXTS)  # Not OpenAI's token numbers.
        with pytest.raises(RunError, match=r"cannot embed with 'any-model': .*maximum context length"):
            embedder.embed(["too long"])
        embedder.embed([f"{number}" for number in range(100)])
        assert [len(body["input"]) for _, body in server.requests[2:]] == [64, 36]


def test_openai_without_a_server_or_without_a_key_says_what_to_do(monkeypatch):
    with pytest.raises(ConfigError, match="export OPENAI_API_KEY"):
        load_embedder("openai:text-embedding-3-small")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{NOBODY}/v1")
    with pytest.raises(RunError, match=f"No server answers at {NOBODY}/v1"):
        load_embedder("openai:text-embedding-3-small").embed(["a"])


def test_other_providers_come_through_langchain(monkeypatch):
    """Azure's class is of a package that is installed; without its address it cannot be set up."""
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="azure_openai:any"):
        load_embedder("azure_openai:any")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", NOBODY)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-02-01")
    assert load_embedder("azure_openai:any").name == "azure_openai:any"

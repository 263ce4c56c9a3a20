"""Canonical bytes and the signers."""

import importlib.util
import sys

import pytest

from langgraph_agora.errors import ConfigError
from langgraph_agora.nodes.consensus.signing import Ed25519Signer, HmacSigner, NullSigner, canonical
from tests.conftest import needs

SECRET = b"a secret of the whole group"


def test_canonical_bytes_do_not_depend_on_the_order_of_keys():
    assert canonical("d", {"b": 1, "a": 2}) == canonical("d", {"a": 2, "b": 1}) == b'd\n{"a":2,"b":1}'


def test_a_signature_holds_in_its_domain_only():
    a = HmacSigner("a", SECRET)
    assert not a.verify("a", canonical("other", 1), a.sign(canonical("one", 1)))


def test_a_mac_binds_signer_data_and_secret():
    a, b = HmacSigner("a", SECRET), HmacSigner("b", SECRET)
    mac = a.sign(b"text")
    assert b.verify("a", b"text", mac)
    assert not b.verify("b", b"text", mac)
    assert not b.verify("a", b"texts", mac)
    assert not b.verify("a", b"text", b"")
    assert not HmacSigner("b", SECRET * 2).verify("a", b"text", mac)
    assert a.transferable is False


def test_a_short_secret_is_refused():
    with pytest.raises(ConfigError, match="give at least 16"):
        HmacSigner("a", b"short")


def test_no_signatures_means_believing_everything():
    assert NullSigner().verify("a", b"text", b"anything")


def test_ed25519_is_proof_to_others():
    needs(importlib.util.find_spec("cryptography") is not None, "the extra crypto is not installed")
    key = Ed25519Signer.new_key()
    signer = Ed25519Signer(key, {"a": Ed25519Signer.public_of(key)})
    signature = signer.sign(b"text")
    assert signer.verify("a", b"text", signature)
    assert not signer.verify("a", b"texts", signature)
    assert not signer.verify("b", b"text", signature)
    assert not signer.verify("a", b"text", b"short")
    assert signer.transferable
    with pytest.raises(ConfigError, match="32 bytes"):
        Ed25519Signer(b"short", {})


def test_without_cryptography_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(ConfigError, match=r"langgraph-agora\[crypto\]"):
        Ed25519Signer.new_key()

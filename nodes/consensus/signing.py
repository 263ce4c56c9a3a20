"""Signatures for protocols whose members may lie: what is signed, and three ways to sign it.

A signature is made over canonical bytes with a domain in front, so that it cannot be lifted out of one cluster,
protocol or kind of message into another. Whether a signature convinces a third party depends on the signer: a MAC does
not, since whoever can check it could also have made it; `transferable` says so, and evidence carries it on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Protocol

from ...errors import ConfigError

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical(domain: str, value: Any) -> bytes:
    r"""Return the bytes to be signed: the domain, then the value as JSON with sorted keys and no spaces.

    Args:
        domain: What the signature is for, for example "pbft/prepare"; it must not contain a line break.
        value: Anything that JSON can hold.

    Raises:
        TypeError: JSON cannot hold the value.
        ValueError: The value holds NaN or an infinity, which JSON has no standard form for.

    Example:
        >>> canonical("pbft", {"view": 1, "digest": "ab"})
        b'pbft\n{"digest":"ab","view":1}'
    """
    return f"{domain}\n{_encode(value)}".encode("utf-8", "surrogatepass")


class Signer(Protocol):
    """Signs for one identity, and checks the signatures of all.

    Example:
        >>> def check(signer: Signer) -> bool:
        ...     return signer.verify("n0", b"text", signer.sign(b"text"))
        >>> check(HmacSigner("n0", b"a secret of the whole group"))
        True
    """

    @property
    def transferable(self) -> bool:
        """Whether a signature proves to a third party who signed."""

    def sign(self, data: bytes) -> bytes:
        """Return this identity's signature of the data."""

    def verify(self, who: str, data: bytes, signature: bytes) -> bool:
        """Return whether `who` signed the data; False for an unknown name or a malformed signature."""


class NullSigner:
    """No signatures, for members that may stop but not lie.

    Example:
        >>> NullSigner().verify("anyone", b"text", b"")
        True
    """

    transferable = False

    def sign(self, data: bytes) -> bytes:
        """Return no signature."""
        return b""

    def verify(self, who: str, data: bytes, signature: bytes) -> bool:
        """Believe everything."""
        return True


class HmacSigner:
    """HMAC-SHA-256 (RFC 2104) with one key an identity, all derived from one secret of the group.

    Whoever has the secret can sign for everyone, so this guards against outsiders, accidents and mixed-up names, not
    against a member that uses another member's key. For that, and for proof to third parties, take `Ed25519Signer`.

    Args:
        id: Whom this signs for.
        secret: The secret that the group shares, at least 16 bytes.

    Raises:
        ConfigError: The secret is too short.

    Example:
        >>> a, b = (HmacSigner(name, b"a secret of the whole group") for name in "ab")
        >>> b.verify("a", b"text", a.sign(b"text")), b.verify("b", b"text", a.sign(b"text"))
        (True, False)
    """

    transferable = False

    def __init__(self, id: str, secret: bytes) -> None:
        if len(secret) < 16:
            raise ConfigError(f"The secret has {len(secret)} bytes; give at least 16, for example os.urandom(32).")
        self._secret = secret
        self._keys: dict[str, bytes] = {}
        self._key = self._of(id)

    def sign(self, data: bytes) -> bytes:
        """Return the 32 bytes of the MAC."""
        return hmac.digest(self._key, data, "sha256")

    def verify(self, who: str, data: bytes, signature: bytes) -> bool:
        """Return whether the MAC is that of `who`."""
        key = self._keys.get(who)
        if key is None:
            key = self._of(who)
        return hmac.compare_digest(hmac.digest(key, data, "sha256"), signature)

    def _of(self, who: str) -> bytes:
        key = hmac.digest(self._secret, who.encode("utf-8", "surrogatepass"), "sha256")
        if len(self._keys) < 4096:  # Names come from outside: what they cost must be bounded.
            self._keys[who] = key
        return key


class Ed25519Signer:
    """Ed25519 (RFC 8032) over the package `cryptography`: proof to third parties, at about 160 us a message.

    Args:
        private: This identity's private key, 32 bytes; `new_key` makes one.
        public: The public key of everyone whose signatures are to be checked, 32 bytes each.

    Raises:
        ConfigError: `cryptography` is not installed, or a key does not have 32 bytes.

    Example:
        >>> key = Ed25519Signer.new_key()
        >>> signer = Ed25519Signer(key, {"a": Ed25519Signer.public_of(key)})
        >>> signer.verify("a", b"text", signer.sign(b"text"))
        True
    """

    transferable = True

    def __init__(self, private: bytes, public: Mapping[str, bytes]) -> None:
        ed25519 = _ed25519()
        short = [name for name, key in {**public, "private": private}.items() if len(key) != 32]
        if short:
            raise ConfigError(
                f"Ed25519 keys have 32 bytes; not so: {', '.join(short)}. Ed25519Signer.new_key makes one."
            )
        self._private = ed25519.Ed25519PrivateKey.from_private_bytes(private)
        self._public = {who: ed25519.Ed25519PublicKey.from_public_bytes(key) for who, key in public.items()}

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        signature: bytes = self._private.sign(data)
        return signature

    def verify(self, who: str, data: bytes, signature: bytes) -> bool:
        """Return whether the signature is that of `who`."""
        key = self._public.get(who)
        if key is None:
            return False
        try:
            key.verify(signature, data)
        except _invalid_signature():
            return False
        return True

    @staticmethod
    def new_key() -> bytes:
        """Return a new private key, from the operating system's randomness."""
        key: bytes = _ed25519().Ed25519PrivateKey.generate().private_bytes_raw()
        return key

    @staticmethod
    def public_of(private: bytes) -> bytes:
        """Return the public key that belongs to a private one."""
        key: bytes = _ed25519().Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        return key


def sha256(data: bytes) -> str:
    """Return the SHA-256 of the data in hexadecimal.

    Example:
        >>> sha256(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - optional, and slow to import.
    except ImportError as missing:
        raise ConfigError(
            'Ed25519Signer needs the package cryptography. Run: pip install "langgraph-agora[crypto]"'
        ) from missing
    return ed25519


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - optional.

    return InvalidSignature

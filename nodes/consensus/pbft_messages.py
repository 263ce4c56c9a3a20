"""The messages of PBFT: their shape, their digests and what of them is signed. See `pbft`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from .signing import Signer, canonical, sha256

REQUEST, PRE_PREPARE, PREPARE, COMMIT = "request", "pre_prepare", "prepare", "commit"
CHECKPOINT, VIEW_CHANGE, NEW_VIEW = "checkpoint", "view_change", "new_view"
STATUS, CERTIFICATE, STATE = "status", "certificate", "state"

LARGEST = 2**53  # Numbers from outside stay below, so that JSON can write them and every reader can hold them.


class Request(NamedTuple):
    """What a client wants done. Make one with `request`; the pair of client and timestamp is executed once."""

    client: str
    timestamp: int
    operation: str
    signature: bytes = b""


class Message(NamedTuple):
    """A message of a replica. The signature covers kind, view, seq and digest; the digest covers the body.

    request: body is requests; signed by their clients. pre_prepare: digest and body are the batch. prepare, commit: no
    body. checkpoint: digest is that of the history up to seq. view_change: seq is the stable checkpoint; body is its
    proof and the prepared certificates. new_view: body is the view changes and the pre-prepares that follow from them.
    status: seq is what is executed; body is the stable checkpoint and whether the view is active. certificate: body is
    one `Certificate`. state: body is a checkpoint's proof and the batches from seq up to it. The last two prove
    themselves.
    """

    kind: str
    sender: str
    view: int
    seq: int
    digest: str = ""
    body: tuple[Any, ...] = ()
    signature: bytes = b""


class Certificate(NamedTuple):
    """A pre-prepare and the prepares, or the commits, that agree with it."""

    pre_prepare: Message
    votes: tuple[Message, ...]


class Evidence(NamedTuple):
    """Two signed messages of one sender that contradict each other. A function of the two messages and nothing else.

    `transferable` says whether the pair convinces someone outside the group: with a MAC it does not.
    """

    culprit: str
    first: Message
    second: Message
    transferable: bool


class Ready(NamedTuple):
    """What the driver has to do: send, then apply, then call `advance`.

    `messages` are pairs of recipients and message. `executed` are pairs of a sequence number and the requests that are
    executed there, in order and without gaps; a number may have none.
    """

    messages: tuple[tuple[tuple[str, ...], Message], ...]
    executed: tuple[tuple[int, tuple[Request, ...]], ...]


def request(signer: Signer, client: str, timestamp: int, operation: str, cluster: str = "pbft") -> Request:
    """Make a signed request; `signer` signs for the client.

    Args:
        signer: Signs for the client.
        client: The client's name.
        timestamp: A number that the client uses once.
        operation: What is to be done; for anything but text, its JSON.
        cluster: The name of the group of replicas.

    Example:
        >>> from .signing import NullSigner
        >>> request(NullSigner(), "client", 1, "blue")
        Request(client='client', timestamp=1, operation='blue', signature=b'')
    """
    unsigned = Request(client, timestamp, operation)
    return unsigned._replace(signature=signer.sign(request_bytes(cluster, unsigned)))


def request_bytes(cluster: str, request: Request) -> bytes:
    """Return what a client signs."""
    return canonical(f"{cluster}/request", request[:3])


@lru_cache(maxsize=4096)
def signed_bytes(cluster: str, kind: str, view: int, seq: int, digest: str) -> bytes:
    """Return what a replica signs. The sender is bound by its key, so that one cluster's votes share their bytes."""
    return canonical(f"{cluster}/{kind}", (view, seq, digest))


@lru_cache(maxsize=4096)
def batch_digest(requests: tuple[Request, ...]) -> str:
    """Return the digest of a batch; that of the empty batch is the null request, the same for everyone.

    Example:
        >>> batch_digest(()) == batch_digest(()) != batch_digest((Request("client", 1, "blue"),))
        True
    """
    # The signature is in the digest: who holds a batch of this digest holds valid requests, or nobody does.
    return sha256(canonical("batch", [(*one[:3], one.signature.hex()) for one in requests]))


def chained(before: str, digest: str) -> str:
    """Return the digest of a history that `digest` is added to."""
    return sha256(f"{before}{digest}".encode())


def body_digest(message: Message) -> str:
    """Return the digest that a message with this body must carry.

    What is nested counts by its header, whose digest covers its own body.
    """
    kind, body = message.kind, message.body
    if kind == PRE_PREPARE:
        return batch_digest(body)
    if kind == STATUS:
        return f"{body[0]}:{body[1]}"
    if kind == VIEW_CHANGE:
        proof, certificates = body
        parts = [[_head(one) for one in (pre_prepare, *votes)] for pre_prepare, votes in certificates]
        return sha256(canonical(kind, [[_head(one) for one in proof], parts]))
    if kind == NEW_VIEW:
        return sha256(canonical(kind, [[_head(one) for one in part] for part in body]))
    return message.digest


def _head(message: Message) -> tuple[str, str, int, int, str, str]:
    return (*message[:5], message.signature.hex())


def well_formed(message: Any) -> bool:
    """Whether an object is a message that a replica may look at.

    Example:
        >>> well_formed(Message(PREPARE, "n1", 0, 1, "d")), well_formed(Message(PREPARE, "n1", -1, 1)), well_formed("x")
        (True, False, False)
    """
    if type(message) is not Message:
        return False
    kind, sender, view, seq, digest, body, signature = message
    if type(view) is not int or type(seq) is not int or not (0 <= view < LARGEST and 0 <= seq < LARGEST):
        return False
    if type(sender) is not str or type(digest) is not str or type(signature) is not bytes or type(body) is not tuple:
        return False
    if kind in (PREPARE, COMMIT, CHECKPOINT):
        return not body
    return type(kind) is str and _well_formed_body(kind, body)


def _well_formed_body(kind: str, body: tuple[Any, ...]) -> bool:
    if kind in (PRE_PREPARE, REQUEST):
        return _requests(body)
    if kind == CERTIFICATE:
        return len(body) == 1 and _certificate(body[0])
    if kind not in (STATUS, VIEW_CHANGE, NEW_VIEW, STATE) or len(body) != 2:
        return False
    first, second = body
    if kind == STATUS:
        return type(first) is int and 0 <= first < LARGEST and type(second) is bool
    if type(first) is not tuple or type(second) is not tuple:
        return False
    if kind == NEW_VIEW:
        return _messages(first, VIEW_CHANGE) and _messages(second, PRE_PREPARE)
    if not _messages(first, CHECKPOINT):
        return False
    if kind == VIEW_CHANGE:
        return all(_certificate(one) for one in second)
    return all(type(batch) is tuple and _requests(batch) for batch in second)


def _messages(messages: tuple[Any, ...], kind: str) -> bool:
    # The kind first: so that nothing can be nested deeper than a message of its kind is.
    return all(type(one) is Message and one.kind == kind and well_formed(one) for one in messages)


def _certificate(certificate: Any) -> bool:
    if type(certificate) is not Certificate or type(certificate.votes) is not tuple:
        return False
    votes = certificate.votes
    return _messages((certificate.pre_prepare,), PRE_PREPARE) and (
        _messages(votes, PREPARE) or _messages(votes, COMMIT)
    )


def _requests(requests: tuple[Any, ...]) -> bool:
    for one in requests:
        if type(one) is not Request:
            return False
        client, timestamp, operation, signature = one
        if type(client) is not str or type(timestamp) is not int or not 0 <= timestamp < LARGEST:
            return False
        if type(operation) is not str or type(signature) is not bytes:
            return False
    return True

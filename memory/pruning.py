"""Which experiences to let go when there are too many: what is said twice first, and never what a lesson rests on.

Keeping the newest would forget what is rare, and keeping what was useful would forget failures. So redundancy decides:
of the two experiences that are most alike and ended alike, the older one goes, again and again. What is left covers
what was seen about as evenly as farthest-first traversal does (Gonzalez, Clustering to minimize the maximum
intercluster distance, 1985, section 2), which would also need a place to start from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 2000  # Experiences that are compared with each other: 16 MB of similarities; 10,000 would be 400 MB.
NEAR = 0.95  # The cosine from which two texts say the same, where the embedder does not know a better one.


def to_prune(
    experiences: Sequence[Mapping[str, Any]],
    vectors: NDArray[np.float32],
    keep: int,
    *,
    protected: Collection[str] = (),
    near: float | None = None,
) -> list[str]:
    """Choose what is dropped so that `keep` experiences stay.

    First near-duplicates go, the older of two; then the older of the two that are most alike, success by success and
    failure by failure, each in proportion to how many there are, so that the share of failures stays about as it is.
    Experiences of unlike outcome are never each other's duplicates: they are what there is to learn from.

    Args:
        experiences: Each with `id` and `success` (true, false, or None when unknown), oldest first.
        vectors: Of shape (experiences, dimensions), float32, rows of length 1.
        keep: How many stay; more do when more are protected.
        protected: Ids that stay.
        near: The cosine from which two are near-duplicates; None: 0.95.

    Returns:
        The ids to drop, in the order in which they would be dropped for an ever smaller `keep`.

    Example:
        >>> import numpy as np
        >>> log = [{"id": name, "success": True} for name in ("old", "twin", "other", "last")]
        >>> to_prune(log, np.eye(3, dtype=np.float32)[[0, 0, 1, 2]], keep=3)
        ['old']
    """
    surplus = len(experiences) - keep
    if surplus <= 0:
        return []
    groups: dict[tuple[int, int], list[int]] = {}
    seen = [0, 0, 0]
    for place, experience in enumerate(experiences):
        if experience["id"] not in protected:
            kind = _KINDS.index(experience["success"])
            groups.setdefault((kind, seen[kind] // BLOCK), []).append(place)
            seen[kind] += 1
    twins, others = [], []
    for group, places in sorted(groups.items()):
        order = _by_redundancy(vectors[places])
        doubles = sum(alike >= (NEAR if near is None else near) for _, alike in order)
        # Taking every list in proportion to its length is sorting by the share of the list that is before it.
        for rank, (place, _) in enumerate(order):
            if rank < doubles:
                twins.append(((rank + 0.5) / doubles, group, places[place]))
            else:
                others.append(((rank - doubles + 0.5) / (len(places) - doubles), group, places[place]))
    dropped = [*sorted(twins), *sorted(others)][:surplus]
    return [experiences[place]["id"] for _, _, place in dropped]


_KINDS = (True, None, False)  # In this order when it is a matter of one: a failure is the last to go.


def _by_redundancy(vectors: NDArray[np.float32]) -> list[tuple[int, float]]:
    """The older of the two most alike, with their cosine, then of those left, to the last; cosines only fall."""
    import numpy as np  # noqa: PLC0415  (numpy costs 0.1 s, and few runs prune)

    size = len(vectors)
    alike = (vectors @ vectors.T).round(4)  # Rounded, so that equal texts tie on every machine and the oldest goes.
    np.fill_diagonal(alike, _NOBODY)
    nearest = alike.argmax(axis=1)
    closest = alike[np.arange(size), nearest]
    order: list[tuple[int, float]] = []
    for _ in range(size):
        # The first of the largest is the older of the pair, as the newer one has the same cosine.
        gone = int(closest.argmax())
        order.append((gone, float(closest[gone])))
        alike[gone, :] = alike[:, gone] = _GONE
        closest[gone] = _GONE
        bereft = np.flatnonzero((nearest == gone) & (closest > _GONE))
        nearest[bereft] = alike[bereft].argmax(axis=1)
        closest[bereft] = alike[bereft, nearest[bereft]]  # Of the last one it is the diagonal: itself.
    return order


_NOBODY, _GONE = -2.0, -3.0  # Below every cosine: who has no neighbour left, and who is not there.

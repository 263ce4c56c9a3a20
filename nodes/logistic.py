"""Logistic regression with a penalty, by Newton's method (Lin, Lin and Weng, Machine Learning 68, 2007)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def logistic(rows: np.ndarray, targets: np.ndarray, penalty: float) -> tuple[tuple[float, ...], float]:
    """Fit a logistic regression by Newton's method, with steps halved where the loss would rise.

    Args:
        rows: The features, n x d.
        targets: n probabilities from 0 to 1, not all of them 0, nor all of them 1.
        penalty: Half of it times the squared weights is added to the loss, the intercept left out; above 0.

    Returns:
        The d weights, and the intercept.

    Example:
        >>> import numpy as np
        >>> rows, targets = np.array([[0.0], [0], [0], [1], [1], [1]]), np.array([0, 0, 1, 1, 1, 0])
        >>> (weight,), intercept = logistic(rows, targets, penalty=1e-9)
        >>> round(sigmoid(intercept), 3), round(sigmoid(weight + intercept), 3)
        (0.333, 0.667)
    """
    import numpy as np  # noqa: PLC0415  (takes a tenth of a second)

    centre = rows.mean(axis=0)
    design = np.column_stack([rows - centre, np.ones(len(rows))])
    ridge = np.append(np.full(rows.shape[1], penalty), 0.0)

    def loss(w: np.ndarray) -> float:
        z = design @ w
        return float((np.logaddexp(0, z) - targets * z).sum() + (ridge * w * w).sum() / 2)

    w = np.zeros(design.shape[1])
    best = loss(w)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(design @ w, -500, 500)))
        slope = design.T @ (chance - targets) + ridge * w
        curve = (design.T * (chance * (1 - chance))) @ design + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        while (after := loss(w - step)) > best and np.abs(step).max() > 1e-12:
            step = step / 2
        w, best = w - step, after
        if np.abs(step).max() <= 1e-10:
            break
    weights = w[:-1]
    return tuple(map(float, weights)), float(w[-1] - centre @ weights)


def sigmoid(z: float) -> float:
    """Return the probability whose log odds are z.

    Example:
        >>> sigmoid(0), sigmoid(-1e6), sigmoid(1e6)
        (0.5, 0.0, 1.0)
    """
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))

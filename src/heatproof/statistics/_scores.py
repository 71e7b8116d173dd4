"""A histogram of scores in [0, 1] that keeps their mean and can stand in for them in any concave sum.

A score between two nodes counts partly at either, in proportion to its distance from the other (linear
binning). For concave f the chord lies below f: Σ_nodes count·f(node) ≤ Σ_scores f(score). What is lost is
as if the variance had grown by at most a quarter of the squared distance between the nodes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["score_histogram", "score_nodes"]

_STEP, _SHARE, _LAST = 1 / 32, 0.2, 1e-6
_FRACTION = 2.0**-20  # parts of a score are multiples of this: sums are exact, in any order, up to 2³³ draws


def score_nodes() -> Float64[np.ndarray, " nodes"]:
    """Return the 83 nodes, from 0 to 1: 1/32 apart, above 0.84 a fifth of what is left to 1."""
    rest = [1.0]
    while rest[-1] > _LAST:
        rest.append(rest[-1] - min(_STEP, _SHARE * rest[-1]))
    return np.append(1.0 - np.array(rest), 1.0)


def score_histogram(
    scores: Float64[np.ndarray, "inputs draws"], nodes: Float64[np.ndarray, " nodes"]
) -> Float64[np.ndarray, "inputs nodes"]:
    """Return how much of the scores lies at each node, rounded to the lower one; rows sum to the draws.

    Histograms of batches add up, exactly. Cost: a binary search a score. Errors: `InputError` for a score
    outside [0, 1] or NaN.
    """
    if not np.all((scores >= 0.0) & (scores <= 1.0)):
        raise InputError(message("scores", "values outside or NaN", "scores in [0, 1]"), name="scores")
    below = np.minimum(np.searchsorted(nodes, scores, side="right") - 1, len(nodes) - 2)
    part = (scores - nodes[below]) / (nodes[below + 1] - nodes[below])
    part = np.floor(part / _FRACTION) * _FRACTION
    histogram = np.zeros((len(scores), len(nodes)))
    rows = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
    np.add.at(histogram, (rows, below), 1.0 - part)
    np.add.at(histogram, (rows, below + 1), part)
    return histogram

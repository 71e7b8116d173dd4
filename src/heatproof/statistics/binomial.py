"""Bounds of the candidate's probability and of the runner-up's, together at level α.

Let A be the candidate, fixed before these draws (by the selection draws), and p_B the largest probability
of another class. α/2 goes to the lower bound of p_A. The other α/2 goes to p_B *whole*, though the
runner-up is unknown: the true runner-up is one fixed class, its own upper bound misses with probability ≤
α/2, and the largest of the upper bounds of all other classes is at least that one. To take the runner-up
that the selection draws saw, or to let these draws choose A, is not valid. Both bounds are those of Clopper
& Pearson (1934).

Where both bounds hold, p_B ≤ 1 − p_A ≤ 1 − p_lower, so that p_upper may be cut there. With two classes
p_B = 1 − p_A: one event, and p_lower has the whole α.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from heatproof._check import check_number, message
from heatproof._intervals import lower_bounds
from heatproof.errors import InputError

__all__ = ["simultaneous_bounds"]


def simultaneous_bounds(
    counts: Int64[np.ndarray, "inputs classes"], candidate: Int64[np.ndarray, " inputs"], alpha: float
) -> tuple[Float64[np.ndarray, " inputs"], Float64[np.ndarray, " inputs"]]:
    """Return (p_lower, p_upper), both (inputs,), with P(p_lower > p_A or p_upper < p_B) ≤ alpha an input.

    `counts` are the estimation draws by class, their number fixed beforehand. Cost: two inverse incomplete
    beta functions an input. Errors: `InputError` for fewer than two classes, a candidate that is none, no
    draws.
    """
    check_number("alpha", alpha, above=0, below=1)
    _check_counts(counts, candidate)
    rows, trials = np.arange(len(counts)), counts.sum(axis=1)
    votes = counts[rows, candidate]
    others = counts.copy()
    others[rows, candidate] = -1
    level = alpha if counts.shape[1] == 2 else alpha / 2
    p_lower = lower_bounds(votes, trials, level)
    p_upper = 1.0 - lower_bounds(trials - others.max(axis=1), trials, level)
    return p_lower, np.minimum(p_upper, 1.0 - p_lower)


def _check_counts(
    counts: Int64[np.ndarray, "inputs classes"], candidate: Int64[np.ndarray, " inputs"]
) -> None:
    classes = counts.shape[1]
    if classes < 2 or np.any(counts < 0) or np.any(counts.sum(axis=1) < 1):
        got = f"{classes} columns, smallest entry {counts.min(initial=0)}"
        allowed = "counts (inputs, classes ≥ 2), none negative, at least one draw a row"
        raise InputError(message("counts", got, allowed), name="counts")
    if np.any((candidate < 0) | (candidate >= classes)):
        got = f"{candidate.min()}…{candidate.max()}"
        raise InputError(message("candidate", got, f"classes 0…{classes - 1}"), name="candidate")

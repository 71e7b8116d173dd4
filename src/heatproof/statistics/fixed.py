"""One look after a fixed number of draws: the classical certificate (Cohen et al. 2019).

The bound of the candidate's probability is that of Clopper & Pearson (1934), one-sided, at the full level
α.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from heatproof._check import check_number, check_whole
from heatproof._intervals import lower_bounds
from heatproof.statistics._rule import State, StoppingRule

__all__ = ["FixedRule"]


class FixedRule(StoppingRule):
    """Draw `samples` times for every input, look once.

    For each input on its own P(p_lower > p) ≤ alpha. Cost: one inverse incomplete beta function an input.
    Errors: `InputError` unless samples ≥ 1 is whole and 0 < alpha < 1.
    """

    def __init__(self, samples: int, alpha: float = 0.001) -> None:
        self.alpha = check_number("alpha", alpha, above=0, below=1)
        self.looks = np.array([check_whole("samples", samples)], dtype=np.int64)

    def begin(self, inputs: int) -> State:
        """Return the state of inputs of which nothing has been drawn."""
        return State(np.zeros(inputs), np.zeros(inputs, dtype=np.bool_), np.zeros(inputs, dtype=np.int64))

    def look(
        self, state: State, rows: Int64[np.ndarray, " rows"], samples: int, votes: Int64[np.ndarray, " rows"]
    ) -> None:
        """Set the bounds of `rows` and finish them."""
        state.p_lower[rows] = lower_bounds(votes, samples, self.alpha)
        state.finished[rows] = True
        state.samples[rows] = samples

"""When to stop drawing: the contract that the sampler and the planner share.

A rule sees, for many inputs at once, how many of their draws voted for the candidate class, at fixed numbers
of draws (looks). The sampler feeds it votes of a model, the planner Bernoulli draws: it is the same code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

__all__ = ["State", "StoppingRule"]


@dataclass(eq=False)
class State:
    """What a rule knows of each input; subclasses add what they need.

    `p_lower` (inputs,): the lower bound of the candidate's probability that stands so far, 0 where none.
    `finished` (inputs,): whether drawing has ended. `samples` (inputs,): draws at the last look seen.
    """

    p_lower: Float64[np.ndarray, " inputs"]
    finished: Bool[np.ndarray, " inputs"]
    samples: Int64[np.ndarray, " inputs"]


class StoppingRule(ABC):
    """Says at which numbers of draws to look, and at each look which inputs need no more draws.

    `looks`: increasing whole numbers; the last is the horizon, after which no input is unfinished.
    """

    looks: Int64[np.ndarray, " looks"]

    @property
    def horizon(self) -> int:
        """The largest number of draws that an input can get."""
        return int(self.looks[-1])

    def next_look(self, samples: int) -> int:
        """Return the first look after `samples` draws. Errors: `IndexError` at or after the horizon."""
        return int(self.looks[np.searchsorted(self.looks, samples, side="right")])

    @abstractmethod
    def begin(self, inputs: int) -> State:
        """Return the state of inputs of which nothing has been drawn."""

    @abstractmethod
    def look(
        self, state: State, rows: Int64[np.ndarray, " rows"], samples: int, votes: Int64[np.ndarray, " rows"]
    ) -> None:
        """Take note, in `state`, that `votes` of `samples` draws were for the candidate, for some inputs.

        `samples` is one of `looks`; each unfinished input sees all looks in order, until it is finished.
        """

"""Feed a stopping rule Bernoulli draws instead of a model's votes: what a certification would cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from heatproof._check import check_whole, message
from heatproof.errors import InputError
from heatproof.statistics._rule import State, StoppingRule
from heatproof.statistics.selection import choice_probability

__all__ = ["Simulated", "check_probabilities", "simulate"]


@dataclass(frozen=True, eq=False)
class Simulated:
    """One seed's outcome: the rule's own final state, and whether each candidate was the top class.

    `samples` counts selection and estimation draws. `p_lower` bounds the candidate's probability; a
    certificate of a wrong candidate is no certificate of the input's top class.
    """

    state: State
    right: Bool[np.ndarray, " inputs"]
    selection_samples: int

    @property
    def samples(self) -> Int64[np.ndarray, " inputs"]:
        """Draws of each input, selection included."""
        return self.state.samples + self.selection_samples

    @property
    def p_lower(self) -> Float64[np.ndarray, " inputs"]:
        """The lower bound of the top class, 0 where another class was the candidate."""
        return np.where(self.right, self.state.p_lower, 0.0)


def simulate(
    rule: StoppingRule,
    p: Float64[np.ndarray, " inputs"],
    *,
    seed: int = 0,
    selection_samples: int = 0,
    rest_in_one_class: bool = True,
) -> Simulated:
    """Run `rule` on inputs whose top class has probability `p`, look by look, until all are finished.

    The candidate is chosen by `selection_samples` draws of their own (0: it is the top class). Where all
    other mass is in one class (the hardest case) it may be that class, with probability 1 − p; spread over
    very many classes instead, the top class is the candidate as soon as it has two votes. Draws between
    looks are Bin(m, p). Cost: one binomial number an unfinished input and look. Errors: `InputError` for
    p outside [0, 1].
    """
    check_probabilities("p", p)
    generator = np.random.default_rng([check_whole("seed", seed, at_least=0), 0x68656174])
    chance = choice_probability(p, selection_samples)
    if not rest_in_one_class and selection_samples:
        chance = 1.0 - _at_most_one(p, selection_samples)
    right = generator.random(len(p)) < chance
    candidate = np.where(right, p, 1.0 - p if rest_in_one_class else 0.0)
    state = rule.begin(len(p))
    votes, drawn = np.zeros(len(p), dtype=np.int64), 0
    for samples in rule.looks.tolist():
        rows = np.flatnonzero(~state.finished)
        if not len(rows):
            break
        votes[rows] += generator.binomial(samples - drawn, candidate[rows])
        rule.look(state, rows, samples, votes[rows])
        drawn = samples
    return Simulated(state, right, selection_samples)


def check_probabilities(name: str, p: np.ndarray) -> None:
    """Raise `InputError` unless `p` is a non-empty vector of numbers in [0, 1]; the first other is named."""
    if p.ndim != 1 or not len(p) or p.dtype.kind not in "fiu":
        got = f"an array of {p.dtype} of shape {p.shape}"
        raise InputError(message(name, got, "a non-empty vector of probabilities"), name=name)
    outside = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if len(outside):
        got = f"{len(outside)} values outside, the first is {p[outside[0]]} at place {outside[0]}"
        raise InputError(message(name, got, "numbers in [0, 1]"), name=name)


def _at_most_one(p: Float64[np.ndarray, " inputs"], samples: int) -> Float64[np.ndarray, " inputs"]:
    q = 1.0 - p
    return np.asarray(q**samples + samples * p * q ** (samples - 1), dtype=np.float64)

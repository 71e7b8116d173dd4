"""Decide for several thresholds at once which of them the candidate's probability exceeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.statistics._boundary import Boundary
from heatproof.statistics._calibrated import boundary
from heatproof.statistics._rule import State, StoppingRule

__all__ = ["CERTIFIED", "NOT_CERTIFIED", "OPEN", "DecisionRule", "DecisionState"]

OPEN, CERTIFIED, NOT_CERTIFIED = 0, 1, -1


@dataclass(eq=False)
class DecisionState(State):
    """What is decided of each input and threshold (inputs, thresholds), the smallest threshold first.

    `outcome`: OPEN, CERTIFIED (its own boundary was crossed) or NOT_CERTIFIED. `decided_at`, `votes_at`:
    draws and votes at that look, 0 while open. Only `certified` says what counts as certified.
    """

    outcome: Int8[np.ndarray, "inputs thresholds"]
    decided_at: Int64[np.ndarray, "inputs thresholds"]
    votes_at: Int64[np.ndarray, "inputs thresholds"]

    @property
    def certified(self) -> Bool[np.ndarray, "inputs thresholds"]:
        """Where the threshold and all smaller ones have crossed their boundaries."""
        return np.logical_and.accumulate(self.outcome == CERTIFIED, axis=1)


class DecisionRule(StoppingRule):
    """Sequential tests of p ≤ t₁, p ≤ t₂, … (t₁ < t₂ < …) on the same draws.

    t_j is certified only if its own boundary and those of all smaller thresholds are crossed; once one is
    given up, so are all larger ones; an input is finished when all are decided.

    Guarantee: for each input, with probability at least 1 − alpha, no threshold t_j ≥ p is certified,
    although every boundary has the full alpha. Proof: let t_i be the smallest threshold with t_i ≥ p. If
    any t_j ≥ p is certified, then so is t_i ≤ t_j, hence the boundary of t_i was crossed; as p ≤ t_i that
    has probability at most alpha. (The walk of t_i ends only at its own boundary or, earlier, without a
    certificate, when a smaller threshold is given up: sharing draws can only lower it.) ∎
    Source: fixed-sequence testing (Maurer, Hothorn & Lehmacher 1995), here with sequential tests.

    Errors: `InputError` for no boundaries, or ones of unequal alpha or horizon, or equal thresholds.
    """

    def __init__(self, boundaries: Sequence[Boundary]) -> None:
        self.boundaries = tuple(sorted(boundaries, key=lambda one: one.threshold))
        _check_together(self.boundaries)
        self.alpha = self.boundaries[0].alpha
        self.thresholds: Float64[np.ndarray, " thresholds"] = np.array([b.threshold for b in self.boundaries])
        self.looks = np.unique(np.concatenate([one.looks for one in self.boundaries]))

    @classmethod
    def at(cls, thresholds: Sequence[float], *, alpha: float = 0.001, horizon: int = 100_000) -> Self:
        """Return the rule with the boundaries that `boundary` makes for these thresholds."""
        return cls([boundary(threshold, alpha, horizon) for threshold in thresholds])

    def begin(self, inputs: int) -> DecisionState:
        """Return the state of inputs of which nothing has been drawn."""
        shape = (inputs, len(self.boundaries))
        return DecisionState(
            p_lower=np.zeros(inputs),
            finished=np.zeros(inputs, dtype=bool),
            samples=np.zeros(inputs, dtype=np.int64),
            outcome=np.zeros(shape, dtype=np.int8),
            decided_at=np.zeros(shape, dtype=np.int64),
            votes_at=np.zeros(shape, dtype=np.int64),
        )

    def look(
        self, state: State, rows: Int64[np.ndarray, " rows"], samples: int, votes: Int64[np.ndarray, " rows"]
    ) -> None:
        """Decide what can be decided of `rows` after `samples` draws. Cost: rows × thresholds."""
        if not isinstance(state, DecisionState):
            raise InputError(message("state", type(state).__name__, "what `begin` of this rule returned"))
        before = state.outcome[rows]
        outcome = before.copy()
        for column, one in enumerate(self.boundaries):
            place = int(np.searchsorted(one.looks, samples))
            if place < len(one.looks) and one.looks[place] == samples:
                undecided = outcome[:, column] == OPEN
                outcome[undecided, column] = _decide(one, place, samples - votes[undecided])
        given_up = np.logical_or.accumulate(outcome == NOT_CERTIFIED, axis=1)
        outcome[given_up] = NOT_CERTIFIED
        _note(state, rows, np.where(outcome != before, samples, 0), votes, outcome)
        state.samples[rows] = samples
        held = np.logical_and.accumulate(outcome == CERTIFIED, axis=1).sum(axis=1)
        state.p_lower[rows] = np.concatenate([[0.0], self.thresholds])[held]


def _note(
    state: DecisionState,
    rows: Int64[np.ndarray, " rows"],
    now: Int64[np.ndarray, "rows thresholds"],
    votes: Int64[np.ndarray, " rows"],
    outcome: Int8[np.ndarray, "rows thresholds"],
) -> None:
    """Write outcomes down, with draws (`now`, 0 where nothing changed) and votes."""
    state.outcome[rows] = outcome
    state.decided_at[rows] = np.where(now, now, state.decided_at[rows])
    state.votes_at[rows] = np.where(now, votes[:, None], state.votes_at[rows])
    state.finished[rows] = (outcome != OPEN).all(axis=1)


def _decide(one: Boundary, place: int, failures: Int64[np.ndarray, " rows"]) -> Int8[np.ndarray, " rows"]:
    certified = failures <= one.certify_at_most[place]
    futile = failures >= one.futile_at_least[place]
    return np.asarray(certified.astype(np.int8) - futile.astype(np.int8))


def _check_together(boundaries: tuple[Boundary, ...]) -> None:
    """Raise `InputError` unless boundaries share alpha and horizon and have different thresholds."""
    shared = {(one.alpha, one.horizon) for one in boundaries}
    thresholds = [one.threshold for one in boundaries]
    if len(shared) != 1 or len(set(thresholds)) != len(thresholds):
        got = f"{len(boundaries)} with (alpha, horizon) {sorted(shared)} and thresholds {thresholds}"
        allowed = "at least one boundary, all of one alpha and horizon, thresholds all different"
        raise InputError(message("boundaries", got, allowed), name="boundaries")

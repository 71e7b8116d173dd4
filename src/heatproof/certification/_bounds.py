"""From counts to bounds: what the draws of one input prove of its candidate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from heatproof._intervals import lower_bound
from heatproof.certification._settings import CertificationSettings
from heatproof.certification.sampling.votes import score_edges
from heatproof.statistics import betting_lower_bounds, simultaneous_bounds

__all__ = ["Bounds", "Look", "bounds", "threshold"]


@dataclass(frozen=True)
class Look:
    """Whether one radius was certified, decided after `samples` draws with `votes` for the candidate."""

    radius: float
    certified: bool
    samples: int
    votes: int


@dataclass(frozen=True)
class Bounds:
    """p_lower ≤ P(candidate) and P(any other class) ≤ p_upper; `radius` in the norm where one was decided."""

    p_lower: float
    p_upper: float
    certified: bool
    radius: float | None = None


def bounds(
    settings: CertificationSettings,
    candidate: int,
    counts: Int64[np.ndarray, " cells"],
    looks: tuple[Look, ...],
) -> Bounds:
    """Return the bounds that the estimation counts give, by the method of the settings.

    `counts` are votes per class, or for soft votes the histogram of the candidate's scores. Methods "fixed"
    and "radius" bound all votes that were drawn by Clopper–Pearson: in the latter only few votes stop the
    drawing early, and then that needs no correction (`RadiusRule` has the proof).
    """
    level = settings.level
    if settings.method == "decision":
        return _decided(settings, looks)
    if settings.vote == "soft":
        scores = betting_lower_bounds(counts[None].astype(np.float64), score_edges(), level)
        return _complement(float(scores[0]))
    if settings.runner_up == "simultaneous":
        low, high = simultaneous_bounds(counts[None], np.asarray([candidate]), level)
        return Bounds(float(low[0]), float(high[0]), bool(low[0] > high[0]))
    return _complement(lower_bound(int(counts[candidate]), int(counts.sum()), level))


def threshold(settings: CertificationSettings, radius: float) -> float:
    """Return the probability that certifies `radius` (in the norm of the settings) at any input.

    It pays for the largest rounding that an input and its perturbation can suffer, each half a lattice cell.
    """
    rounding = 2.0 * settings.noise.half_cell(settings.dimension, settings.unit)
    return settings.noise.threshold(radius / settings.factor + rounding)


def _decided(settings: CertificationSettings, looks: tuple[Look, ...]) -> Bounds:
    """Return the largest certified radius, and the threshold that was passed for it."""
    certified = [one.radius for one in looks if one.certified]
    if not certified:
        return Bounds(0.0, 1.0, certified=False, radius=0.0)
    p_lower = threshold(settings, max(certified))
    return Bounds(p_lower, 1.0 - p_lower, certified=True, radius=max(certified))


def _complement(p_lower: float) -> Bounds:
    return Bounds(p_lower, 1.0 - p_lower, p_lower > 0.5)

"""Means and ratios of means over inputs, with t-intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from heatproof.statistics import student_half_width

__all__ = ["Estimate", "mean_over_inputs", "ratio_over_inputs"]


@dataclass(frozen=True)
class Estimate:
    """A number with an interval for its expectation over inputs, at the confidence of the measurement."""

    value: float
    low: float
    high: float

    def contains(self, number: float) -> bool:
        """Return whether `number` lies in the interval."""
        return self.low <= number <= self.high

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def mean_over_inputs(values: Float64[np.ndarray, " inputs"], confidence: float) -> Estimate:
    """Return the mean with Student's interval, two-sided; inputs are taken as independent, at least two.

    Each value carries the noise of its own draws, which the interval therefore contains. The level is
    approximate: exact for normal values, close for many inputs.
    """
    return _around(float(values.mean()), values, confidence)


def ratio_over_inputs(
    top: Float64[np.ndarray, " inputs"], bottom: Float64[np.ndarray, " inputs"], confidence: float
) -> Estimate | None:
    """Return mean(top)/mean(bottom) with Student's interval by linearisation (delta method); None for 0/0."""
    below = float(bottom.mean())
    if below <= 0:
        return None
    ratio = float(top.mean()) / below
    return _around(ratio, (top - ratio * bottom) / below, confidence)


def _around(value: float, scattered: Float64[np.ndarray, " inputs"], confidence: float) -> Estimate:
    half = student_half_width(scattered, confidence)
    return Estimate(value, value - half, value + half)

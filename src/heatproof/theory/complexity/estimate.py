"""Numbers found by drawing, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.statistics import student_half_width

__all__ = ["Estimate", "concentration", "mean_interval"]


@dataclass(frozen=True)
class Estimate:
    """A number with an interval of the stated confidence; `how` says what the interval rests on.

    `high` is None where nothing is known from above. No draws, and low = value = high, where it was computed.
    """

    value: float
    low: float
    high: float | None
    draws: int
    confidence: float
    how: str


def concentration(proxy: float, draws: int, failure: float) -> float:
    """Return t with P(mean of `draws` copies ≥ their expectation + t) ≤ `failure`.

    A function of independent variables, of which the i-th moves it by at most c_i, is sub-Gaussian with the
    variance proxy Σc_i²/4 (McDiarmid 1989), and so is the mean of independent copies, with the proxy over
    their number: t = √(2·proxy·ln(1/failure)/draws). No approximation.
    """
    check_number("failure", failure, above=0, below=1)
    return math.sqrt(2.0 * proxy * math.log(1.0 / failure) / draws)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Return the mean of independent draws with Student's interval, exact for normal draws, else approximate.

    Errors: `InputError` for fewer than two draws, or values that are not finite.
    """
    check_number("confidence", confidence, above=0, below=1)
    drawn = np.asarray(values, dtype=np.float64)
    if drawn.ndim != 1 or len(drawn) < 2 or not np.isfinite(drawn).all():
        raise InputError(message("values", f"{drawn.size} values", "two or more finite numbers"))
    mean, half = float(drawn.mean()), student_half_width(drawn, confidence)
    return Estimate(mean, mean - half, mean + half, len(drawn), confidence, "Student")

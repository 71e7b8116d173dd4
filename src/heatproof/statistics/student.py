"""Student's interval for the mean of independent draws."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtrit

__all__ = ["student_half_width"]


def student_half_width(values: Float64[np.ndarray, " draws"], confidence: float) -> float:
    """Return half the length of the two-sided interval around the mean of two or more independent draws.

    t·s/√n, t the quantile with n − 1 degrees of freedom (Student 1908): exact for normal draws, else
    approximate. NaN for draws that are not finite: callers that may see such check before.
    """
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(stdtrit(len(values) - 1, (1.0 + confidence) / 2)) * error

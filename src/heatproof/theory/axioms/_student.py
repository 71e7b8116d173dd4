"""Student's interval."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

__all__ = ["student_interval"]


def student_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the interval of the mean of independent draws (exact for normal draws, else approximate)."""
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    return mean - half, mean + half

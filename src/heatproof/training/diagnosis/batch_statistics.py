"""Batch normalisation over too few rows: mean and variance of a handful of inputs are mostly chance.

The error rises steeply under 8 rows a batch (Wu & He, Group Normalization, 2018, figure 1).
"""

from __future__ import annotations

from heatproof.training.diagnosis._course import Course
from heatproof.training.diagnosis._finding import Finding, turn

__all__ = ["batch_statistics"]

_LEAST = 8
_USUAL = 32


def batch_statistics(course: Course) -> Finding | None:
    """Return the finding, if there is one."""
    rows = course.circumstances.batch_rows
    if not course.circumstances.batch_statistics or rows >= _LEAST:
        return None
    change, overrides = turn("training.batch_size", _USUAL)
    return Finding(
        signature="batch statistics",
        evidence=f"The model normalises by the statistics of its batch, of {rows} rows a step.",
        change=f"{change}.",
        expectation="Statistics of training near those of evaluation, and a higher accuracy of the latter.",
        importance=1,
        overrides=overrides,
    )

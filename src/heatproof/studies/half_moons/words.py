"""How the study writes numbers."""

from __future__ import annotations

from collections.abc import Sequence

from heatproof.theory.complexity import Estimate, mean_interval

__all__ = ["number", "percent", "share"]


def number(value: float) -> str:
    """Return a setting as it is written in keys and tables."""
    return f"{value:g}"


def percent(value: float) -> str:
    """Return a share in per cent, to a tenth."""
    return f"{100 * value:.1f}"


def share(values: Sequence[float]) -> str:
    """Return the mean over repeats in per cent ± half of Student's 95 % interval."""
    found: Estimate = mean_interval(values)
    return f"{percent(found.value)} ± {percent(found.value - found.low)}"

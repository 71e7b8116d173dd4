"""Rows of claimed and true radii, and how they are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from heatproof.studies.radius.nearest import Enclosure

__all__ = ["quantile_texts", "ratio", "ratios", "truth"]


def truth(found: Enclosure) -> dict[str, Any]:
    """Return an enclosure as JSON holds it: no upper end where no change was found."""
    return {"low": found.low, "high": found.high if math.isfinite(found.high) else None}


def ratio(claimed: float, row: dict[str, Any]) -> tuple[float, float]:
    """Return the enclosure of claimed over true radius."""
    low = 0.0 if row["high"] is None else claimed / row["high"]
    return low, claimed / row["low"]


def ratios(name: str, rows: Iterable[dict[str, Any]], scale: float = 1.0) -> list[tuple[float, float]]:
    """Return the enclosures for the radius called `name`, times `scale`, in each row."""
    return [ratio(scale * row[name], row) for row in rows]


def quantile_texts(pairs: Sequence[tuple[float, float]]) -> tuple[str, str, str]:
    """Return 5 % quantile, median and maximum of the upper ends, as text."""
    values = np.quantile([high for _, high in pairs], (0.05, 0.5, 1.0))
    return f"{values[0]:.4f}", f"{values[1]:.4f}", f"{values[2]:.4f}"

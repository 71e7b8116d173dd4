"""The digits that the study looks at."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from heatproof.data import DataSet, load

__all__ = ["digits", "pixels"]


def digits() -> DataSet:
    """Return the handwritten digits."""
    return load("digits")


def pixels(count: int, data: DataSet | None = None) -> Float64[Tensor, "count d"]:
    """Return the first `count` training images as vectors of pixels in [−1, 1], which use both signs."""
    found = (data or digits()).train.x[:count].flatten(1).to(torch.float64)
    return 2.0 * found - 1.0

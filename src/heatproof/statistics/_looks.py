"""At which numbers of draws a sequential procedure may look."""

from __future__ import annotations

from itertools import chain

import numpy as np
from jaxtyping import Int64

__all__ = ["look_schedule"]


def look_schedule(horizon: int, ratio: float = 1.0) -> Int64[np.ndarray, " looks"]:
    """Return increasing numbers of draws, each at least `ratio` times the one before, and the horizon.

    They are multiples of 8 up to 128, of 32 up to 1,024, of 256 above, where the sampler's chunks of noise
    end; the horizon may be any whole number ≥ 1 and is always the last look.
    """
    chosen: list[int] = []
    for samples in chain(range(8, 129, 8), range(160, 1025, 32), range(1280, horizon, 256)):
        if samples < horizon and (not chosen or samples >= ratio * chosen[-1]):
            chosen.append(samples)
    return np.array([*chosen, horizon], dtype=np.int64)

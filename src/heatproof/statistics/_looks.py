"""At which numbers of draws a sequential procedure may look, and how many draws there can be."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int64

from heatproof._check import check_whole, message
from heatproof.errors import InputError

__all__ = ["LARGEST_HORIZON", "check_draws", "look_schedule"]

_FIRST = (*range(8, 129, 8), *range(160, 1025, 32))
_STEP = 256
LARGEST_HORIZON = _FIRST[-1] + _STEP * (2**29 - len(_FIRST))
"""An input has 2²⁹ chunks of noise of its own, and these are all their draws."""


def check_draws(name: str, value: object) -> int:
    """Return a number of draws of one input. Errors: `InputError` for less than 1, or more than there are."""
    draws = check_whole(name, value)
    if draws > LARGEST_HORIZON:
        allowed = f"at most {LARGEST_HORIZON:,}, the draws that one input has noise for"
        raise InputError(message(name, f"{draws:,}", allowed), name=name)
    return draws


def look_schedule(horizon: int, ratio: float = 1.0) -> Int64[np.ndarray, " looks"]:
    """Return increasing numbers of draws, each at least `ratio` times the one before, and the horizon.

    They are multiples of 8 up to 128, of 32 up to 1,024, of 256 above, where the sampler's chunks of noise
    end; the horizon may be any whole number from 1 to `LARGEST_HORIZON` and is always the last look.
    Cost: that of the looks returned. Errors: `InputError` for another horizon.
    """
    check_draws("horizon", horizon)
    chosen: list[int] = []
    for samples in _FIRST:
        if samples < horizon and (not chosen or samples >= ratio * chosen[-1]):
            chosen.append(samples)
    if ratio <= 1.0:
        later = np.arange(_FIRST[-1] + _STEP, horizon, _STEP, dtype=np.int64)
        return np.concatenate([np.array(chosen, dtype=np.int64), later, [horizon]])
    while chosen and (following := _following(chosen[-1], ratio)) < horizon:
        chosen.append(following)
    return np.array([*chosen, horizon], dtype=np.int64)


def _following(samples: int, ratio: float) -> int:
    """Return the first multiple of 256 above 1,024 that is at least `ratio` times `samples`, and above it."""
    least: int = max(math.ceil(ratio * samples), samples + 1, _FIRST[-1] + 1)
    steps = -(-least // _STEP)
    return steps * _STEP

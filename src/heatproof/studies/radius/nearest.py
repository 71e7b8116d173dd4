"""How far the nearest point is at which the answer changes: an enclosure that cannot be wrong.

`margin` is the score of the answer minus the best other score, and Lipschitz with a known constant. A box
whose margin at the centre exceeds that constant times its half-diagonal holds no change. Boxes that could
hold one, and are nearer than the nearest point found so far, are cut in two along each axis, until what is
left is small.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["Enclosure", "nearest_change"]

_MOST_BOXES = 400_000


@dataclass(frozen=True)
class Enclosure:
    """The distance of the nearest change lies in [low, high]; `point` is a change at distance `high`.

    Where none was found within reach, `high` is infinite and `point` empty.
    """

    low: float
    high: float
    point: tuple[float, ...] = ()


def nearest_change(
    margin: Callable[[Float64[np.ndarray, "n dim"]], Float64[np.ndarray, " n"]],
    lipschitz: float,
    x: tuple[float, ...],
    *,
    reach: float,
    tolerance: float,
) -> Enclosure:
    """Return an enclosure of the distance from `x` to the nearest point with margin ≤ 0.

    Only the cube of half-width `reach` around x is searched: a change beyond it leaves low ≥ reach. The
    search ends when high − low ≤ tolerance·high. Cost: about tolerance^(−(dim − 1)/2) evaluations.
    Errors: `InputError` if that does not come out with 400,000 boxes.
    """
    centre = np.asarray([x])
    if float(margin(centre)[0]) <= 0:
        return Enclosure(0.0, 0.0, x)
    corners = np.array(list(itertools.product((-0.5, 0.5), repeat=len(x))))
    boxes, half, high = centre, reach, math.inf
    point: tuple[float, ...] = ()
    while True:
        value = margin(boxes)
        distance = np.linalg.norm(boxes - centre, axis=1)
        changed = np.where(value <= 0, distance, math.inf)
        if changed.min() < high:
            high, point = float(changed.min()), tuple(map(float, boxes[changed.argmin()]))
        beyond = _distance_of_boxes(boxes, centre, half)
        open_ = (value <= lipschitz * half * math.sqrt(len(x))) & (beyond < high)
        low = min(float(beyond[open_].min(initial=math.inf)), high, reach)
        if low >= (1 - tolerance) * high or not open_.any():
            return Enclosure(low if math.isfinite(high) else reach, high, point)
        boxes = (boxes[open_][:, None] + half * corners).reshape(-1, len(x))
        half /= 2
        _check_size(len(boxes))


def _distance_of_boxes(
    boxes: Float64[np.ndarray, "n dim"], centre: Float64[np.ndarray, "1 dim"], half: float
) -> Float64[np.ndarray, " n"]:
    """Return the distance of the nearest point of each box."""
    outside = np.maximum(np.abs(boxes - centre) - half, 0.0)
    distance: Float64[np.ndarray, " n"] = np.linalg.norm(outside, axis=1)
    return distance


def _check_size(count: int) -> None:
    if count > _MOST_BOXES:
        allowed = f"at most {_MOST_BOXES}"
        text = message("tolerance", f"{count} boxes", allowed, "Use a larger tolerance.")
        raise InputError(text, name="tolerance")

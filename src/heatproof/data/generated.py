"""Sets of points in the plane, drawn on demand: half-moons, circles, spirals, xor.

All have two classes of equal size (the second has the odd point), no box and no grid. Sources: `make_moons`
and `make_circles` of scikit-learn (Pedregosa et al. 2011); the two spirals after Lang & Witbrock (1988).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from heatproof._check import check_whole, message
from heatproof.data._dataset import DataSet
from heatproof.data._splits import split_pool
from heatproof.errors import InputError

__all__ = ["NAMES", "draw"]

NAMES = ("half_moons", "circles", "spirals", "xor")

_DEFAULT_SIZE = 1_500
_LEAST, _MOST = 20, 10_000_000

_Points = Float[np.ndarray, "size 2"]
_Labels = Int[np.ndarray, " size"]

_CLASS_NAMES = {
    "half_moons": ("upper moon", "lower moon"),
    "circles": ("outer circle", "inner circle"),
    "spirals": ("first spiral", "second spiral"),
    "xor": ("equal signs", "different signs"),
}


def draw(name: str, *, seed: int = 0, size: int | None = None) -> DataSet:
    """Draw `size` points (1,500 unless told) of the named set and split them 60/20/20.

    * `half_moons`: two half circles of radius 1 that reach into each other, noise .1 on each coordinate.
    * `circles`: circles of radius 1 and .5, noise .05.
    * `spirals`: r = t, φ = 3πt (+ π for the second), t from .1 to 1, evenly along the arm but for its curl
      (t² uniform), noise .02; the arms are a third apart.
    * `xor`: normal clouds of standard deviation .25 at (±1, ±1), the class being whether the signs differ.

    `seed` decides points and split; the index of a point is its place in the draw.
    Errors: `InputError` for a size outside 20…10,000,000.
    """
    count = check_whole("size", _DEFAULT_SIZE if size is None else size, at_least=_LEAST)
    if count > _MOST:
        raise InputError(message("size", f"{count:,}", f"at most {_MOST:,} points"), name="size")
    make = {"half_moons": _half_moons, "circles": _circles, "spirals": _spirals, "xor": _xor}[name]
    x, y = make(count, seed)
    splits = split_pool(x.astype(np.float32), y.astype(np.int64), seed)
    source = f"generated: {name}, {count} points, seed {seed}"
    return DataSet(
        name, **splits, class_names=_CLASS_NAMES[name], input_range=None, grid_step=None, source=source
    )


def _half_moons(size: int, seed: int) -> tuple[_Points, _Labels]:
    from sklearn.datasets import make_moons

    x, y = make_moons(size, noise=0.1, random_state=seed)
    return x, y


def _circles(size: int, seed: int) -> tuple[_Points, _Labels]:
    from sklearn.datasets import make_circles

    x, y = make_circles(size, noise=0.05, factor=0.5, random_state=seed)
    return x, y


def _spirals(size: int, seed: int) -> tuple[_Points, _Labels]:
    random = np.random.RandomState(seed)
    y = _halves(size, random)
    t = np.sqrt(random.uniform(0.1**2, 1.0, size))
    angle = 3 * np.pi * t + np.pi * y
    arms = t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return arms + 0.02 * random.standard_normal((size, 2)), y


def _xor(size: int, seed: int) -> tuple[_Points, _Labels]:
    random = np.random.RandomState(seed)
    y = _halves(size, random)
    first = random.choice([-1.0, 1.0], size)
    centres = np.stack([first, np.where(y == 0, first, -first)], axis=1)
    return centres + 0.25 * random.standard_normal((size, 2)), y


def _halves(size: int, random: np.random.RandomState) -> _Labels:
    """Return size // 2 zeros and the rest ones, in random order."""
    return random.permutation((np.arange(size) >= size // 2).astype(np.int64))

"""A classifier of the plane looked at everywhere: values on a grid, heat flow, the nearest wrong point.

The input has two coordinates, so no gradient is needed to attack a classifier, and no sampling to smooth it:
it is evaluated at all points of a grid. What a search on the grid finds is a true error of the classifier;
what it can miss lies between grid points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from scipy.spatial import cKDTree

from heatproof._types import Classifier

__all__ = ["TAILS", "Answers", "Field", "Plane", "Points"]

TAILS = 5.0
"""Standard deviations of noise that the grid goes beyond where values are wanted."""

_HALF = 0.5
_HALVINGS = 8
_NEAREST = 6

Points: TypeAlias = Float[np.ndarray, "n 2"]
"""Points of the plane."""

Answers: TypeAlias = Callable[[Points], Bool[np.ndarray, " n"]]
"""A classifier of two classes: whether it answers class 1."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A grid of squares of side `step` (unit of the inputs): `horizontal` (w,) times `vertical` (h,)."""

    horizontal: Float64[np.ndarray, " w"]
    vertical: Float64[np.ndarray, " h"]
    step: float

    @classmethod
    def around(cls, x: Points, reach: float, step: float) -> Plane:
        """Return the smallest grid of multiples of `step` that goes `reach` beyond all points."""
        low, high = x.min(axis=0) - reach, x.max(axis=0) + reach
        axes = [
            step * np.arange(math.floor(a / step), math.ceil(b / step) + 1)
            for a, b in zip(low, high, strict=True)
        ]
        return cls(axes[0], axes[1], step)

    @cached_property
    def points(self) -> Float64[np.ndarray, "w h 2"]:
        """The grid points."""
        return np.stack(np.meshgrid(self.horizontal, self.vertical, indexing="ij"), axis=-1)

    def look(self, classifier: Classifier) -> Field:
        """Return p₁ of a classifier of two classes at every grid point, in one pass through it."""
        points = torch.from_numpy(self.points.reshape(-1, 2)).float()
        with torch.no_grad():
            values = classifier(points).double().softmax(dim=1)[:, 1]
        return Field(self, values.numpy().reshape(self.points.shape[:2]))


@dataclass(frozen=True, eq=False)
class Field:
    """p₁, the probability of class 1, at every point of a grid; the answer is class 1 where p₁ > ½."""

    plane: Plane
    values: Float64[np.ndarray, "w h"]

    def smoothed(self, noise_std: float, reach: float) -> Field:
        """Return E p₁(x + sξ), ξ ~ N(0, I), on the grid without the frame of width `reach`.

        The expectation is a sum over the grid with weights of the normal density, cut at 5 s: the trapezoidal
        rule. `reach` must be at least 5 s; noise_std 0 leaves the values.
        """
        values = self.values
        if noise_std > 0:
            values = gaussian_filter(values, noise_std / self.plane.step, truncate=TAILS, mode="nearest")
        cut = math.floor(reach / self.plane.step)
        inner = slice(cut, -cut or None)
        plane = replace(
            self.plane, horizontal=self.plane.horizontal[inner], vertical=self.plane.vertical[inner]
        )
        return Field(plane, values[inner, inner])

    def at(self, x: Points) -> Float64[np.ndarray, " n"]:
        """Return p₁ at points inside the grid by cubic splines: for fields that heat flow has smoothed."""
        origin = np.array([self.plane.horizontal[0], self.plane.vertical[0]])
        places = (x - origin) / self.plane.step
        found: Float64[np.ndarray, " n"] = map_coordinates(
            self._splines, places.T, order=3, prefilter=False, mode="nearest"
        )
        return found.clip(0.0, 1.0)

    def answers(self, x: Points) -> Bool[np.ndarray, " n"]:
        """Return where the answer is class 1."""
        return np.asarray(self.at(x) > _HALF)

    @cached_property
    def _splines(self) -> Float64[np.ndarray, "w h"]:
        found: Float64[np.ndarray, "w h"] = spline_filter(self.values, order=3)
        return found

    def nearest_error(
        self, x: Points, y: Bool[np.ndarray, " n"], answers: Answers
    ) -> Float64[np.ndarray, " n"]:
        """Return the distance from each point to the nearest error found; ∞ where the grid holds none.

        Exhaustive on the grid; then the segments to the nearest wrong grid points are halved for nearer ones.
        `answers` is the classifier itself, asked at each halving: every distance is that of a true error, so
        an upper bound. It is at most √2·step too long where a disc of diameter √2·step, which always holds a
        grid point, fits into the wrong region behind its nearest point; smaller islands can be missed.
        """
        distance = np.full(len(x), np.inf)
        for label in (False, True):
            errors, rows = self.plane.points[(self.values > _HALF) != label], y == label
            if len(errors) and rows.any():
                nearest = cKDTree(errors).query(x[rows], k=range(1, 1 + min(_NEAREST, len(errors))))[1]
                near = np.repeat(x[rows], nearest.shape[1], axis=0)
                found = _halved(near, errors[nearest.reshape(-1)], partial(_fooled, answers, label))
                distance[rows] = found.reshape(nearest.shape).min(axis=1)
        return distance


def _fooled(answers: Answers, label: bool, x: Points) -> Bool[np.ndarray, " n"]:
    return np.asarray(answers(x) != label)


def _halved(start: Points, wrong: Points, fooled: Answers) -> Float64[np.ndarray, " n"]:
    """Return the distance from each start to an error on the way to a wrong point, by halving."""
    near, far = start, wrong
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        found = fooled(middle)[:, None]
        near, far = np.where(found, near, middle), np.where(found, middle, far)
    distance: Float64[np.ndarray, " n"] = np.linalg.norm(far - start, axis=1)
    return distance

"""Decision regions in the plane whose heat flow is known in closed form, and is not that of a half-space."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.special import ndtr
from scipy.stats import ncx2
from torch import Tensor

from heatproof.studies.radius.nearest import Enclosure, nearest_change

__all__ = ["PixelMap", "Quadrants", "Region", "Ring"]

_SEARCH = 10.0
"""How far a change of the answer is looked for, in noise_std: further than any formula here reaches."""


class Region(ABC):
    """A classifier of the plane, smoothed by Gaussian noise of standard deviation `s`."""

    def __init__(self, s: float) -> None:
        self.s = s

    @property
    def lipschitz(self) -> float:
        """A Lipschitz constant of the margin: each score has |∇u| ≤ 1/(s√(2π)), and two are subtracted."""
        return 2.0 / (self.s * math.sqrt(2.0 * math.pi))

    @property
    @abstractmethod
    def extent(self) -> float:
        """Inputs are drawn from the square [−extent, extent]²."""

    @abstractmethod
    def scores(self, x: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n classes"]:
        """Return the class probabilities under the noise, exact to about 10⁻¹²."""

    def exact(self, x: Float64[np.ndarray, " 2"], tolerance: float) -> Enclosure:
        """Return an enclosure of the true radius at x."""
        label = int(self.scores(x[None]).argmax())

        def margin(points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
            scores = self.scores(points)
            rivals = np.delete(scores, label, axis=1).max(axis=1)
            difference: Float64[np.ndarray, " n"] = scores[:, label] - rivals
            return difference

        reach = _SEARCH * self.s
        return nearest_change(margin, self.lipschitz, tuple(map(float, x)), reach=reach, tolerance=tolerance)


@final
class PixelMap(Region):
    """Squares of side 1 with random labels of three classes; those at the rim go on to infinity.

    Each score is a sum over squares of products of two differences of Φ: the exact heat flow, no quadrature.
    """

    def __init__(self, s: float, labels: Int64[np.ndarray, "rows columns"]) -> None:
        super().__init__(s)
        self.labels = labels
        inner = np.arange(1, len(labels)) - len(labels) / 2
        self._edges = np.concatenate(([-np.inf], inner, [np.inf]))

    @classmethod
    def random(cls, s: float, size: int, seed: int) -> PixelMap:
        """Return a map of size × size squares with random labels."""
        return cls(s, np.random.default_rng(seed).integers(0, 3, (size, size)))

    @property
    def extent(self) -> float:
        """The inner squares."""
        return len(self.labels) / 2 - 0.5

    def scores(self, x: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n classes"]:
        """Return the probabilities of the three classes."""
        across, up = (self._weights(x[:, axis]) for axis in (0, 1))
        masks = np.stack([self.labels == k for k in range(3)]).astype(np.float64)
        found: Float64[np.ndarray, "n classes"] = np.einsum("ni,kij,nj->nk", across, masks, up, optimize=True)
        return found

    def _weights(self, along: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n size"]:
        """Return the probability of each strip."""
        return np.diff(ndtr((self._edges - along[:, None]) / self.s), axis=1)

    def __call__(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 3"]:
        """Return logits that name the square's class, for sampling."""
        size = len(self.labels)
        place = torch.floor(x.double() + size / 2).long().clamp(0, size - 1)
        labels = torch.from_numpy(self.labels)[place[:, 0], place[:, 1]]
        return torch.nn.functional.one_hot(labels, 3).float()


@final
class Quadrants(Region):
    """Exclusive or: class 1 where x₁·x₂ > 0. The answer changes on the axes."""

    @property
    def extent(self) -> float:
        """Two standard deviations."""
        return 2.0 * self.s

    def scores(self, x: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n classes"]:
        """Return Φ₁Φ₂ + (1 − Φ₁)(1 − Φ₂) for class 1."""
        right, up = ndtr(x[:, 0] / self.s), ndtr(x[:, 1] / self.s)
        same = right * up + (1 - right) * (1 - up)
        return np.stack([1 - same, same], axis=1)

    def exact(self, x: Float64[np.ndarray, " 2"], tolerance: float) -> Enclosure:
        """Return the distance to the nearer axis."""
        del tolerance
        axis = int(np.abs(x).argmin())
        distance = float(abs(x[axis]))
        return Enclosure(distance, distance, (0.0, float(x[1])) if axis == 0 else (float(x[0]), 0.0))


@final
class Ring(Region):
    """Class 1 where inner < ‖x‖ < outer. ‖x + sξ‖²/s² is noncentral χ² with two degrees of freedom."""

    inner, outer = 1.0, 2.5

    @property
    def extent(self) -> float:
        """The ring and some room."""
        return 1.3 * self.outer

    def scores(self, x: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n classes"]:
        """Return the probability of the ring for class 1."""
        length = (x**2).sum(axis=1) / self.s**2
        ends = (self.inner / self.s) ** 2, (self.outer / self.s) ** 2
        within = ncx2.cdf(ends[1], 2, length) - ncx2.cdf(ends[0], 2, length)
        return np.stack([1 - within, within], axis=1)

    def exact(self, x: Float64[np.ndarray, " 2"], tolerance: float) -> Enclosure:
        """Return an enclosure found along the ray: the scores depend on ‖x‖ alone."""
        length = float(np.linalg.norm(x))
        label = int(self.scores(x[None]).argmax())

        def margin(lengths: Float64[np.ndarray, "n 1"]) -> Float64[np.ndarray, " n"]:
            points = np.concatenate([lengths, np.zeros_like(lengths)], axis=1)
            scores = self.scores(points)
            difference: Float64[np.ndarray, " n"] = scores[:, label] - scores[:, 1 - label]
            return difference

        reach = _SEARCH * self.s
        return nearest_change(margin, self.lipschitz, (length,), reach=reach, tolerance=tolerance)

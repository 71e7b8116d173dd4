"""The set δᵀΣ⁻¹δ ≤ 1 of a covariance Σ: its axes, its gauge, and the ℓp balls inside it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["Ellipsoid"]

_LARGEST_MATRIX = 1024
_ASYMMETRY = 1e-6
_ADVICE = "Add a multiple of the identity."


class Ellipsoid(ABC):
    """An ellipsoid with its centre at 0; lengths are in input units."""

    @staticmethod
    def of_diagonal(stds: Sequence[float]) -> Ellipsoid:
        """Return the one whose axes are those of the coordinates."""
        return _Aligned(torch.tensor(stds, dtype=torch.float64))

    @staticmethod
    def of_covariance(rows: Sequence[Sequence[float]]) -> Ellipsoid:
        """Return that of a full Σ. Errors: `InputError` if it is not square, symmetric, definite, ≤ 1024²."""
        size = len(rows)
        if size < 1 or size > _LARGEST_MATRIX or any(len(row) != size for row in rows):
            got = f"{size} rows of {sorted({len(row) for row in rows})} numbers"
            allowed = f"a square matrix of at most {_LARGEST_MATRIX} × {_LARGEST_MATRIX}"
            raise InputError(message("covariance", got, allowed, "Or give noise_stds."), name="covariance")
        return _Tilted(*_factor(torch.tensor(rows, dtype=torch.float64)))

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The number of coordinates, d."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """The length in whose multiples points are drawn: the shortest half-axis, up to rounding."""

    @property
    @abstractmethod
    def smallest(self) -> float:
        """The shortest half-axis, √λ_min; rounded down."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The longest half-axis, √λ_max."""

    @property
    @abstractmethod
    def mean_axis(self) -> float:
        """The radius of the ball of the same volume, det(Σ)^{1/2d}."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """The largest coordinate of L·z / scale for |z_i| ≤ 1."""

    @abstractmethod
    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        """Return √(offᵀΣ⁻¹off)."""

    @abstractmethod
    def longest_in(self, order: float) -> float:
        """Return an upper bound of √(δᵀΣ⁻¹δ) over ‖δ‖_p ≤ 1."""

    @abstractmethod
    def stretch_(self, values: Float[Tensor, "rows d"]) -> None:
        """Replace each row z by L·z / scale."""


@final
@dataclass(frozen=True, eq=False)
class _Aligned(Ellipsoid):
    stds: Float64[Tensor, " d"]

    @property
    def dimension(self) -> int:
        return len(self.stds)

    @property
    def scale(self) -> float:
        return float(self.stds.min())

    @property
    def smallest(self) -> float:
        return self.scale

    @property
    def largest(self) -> float:
        return float(self.stds.max())

    @property
    def mean_axis(self) -> float:
        return math.exp(float(self.stds.log().mean()))

    @property
    def reach(self) -> float:
        return self.largest / self.scale

    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        norms: Tensor = torch.linalg.vector_norm(off / self.stds.to(off), dim=1)
        return norms

    def longest_in(self, order: float) -> float:
        """Σ w_i·δ_i² with w = 1/std²: at an axis for p ≤ 2, by Hölder ‖w‖_q, q = p/(p − 2), above."""
        if order <= 2:
            return 1 / self.smallest
        power = 1.0 if order == math.inf else order / (order - 2)
        scaled = (self.smallest / self.stds) ** (2 * power)
        longest: float = float(scaled.sum()) ** (1 / (2 * power))
        return longest / self.smallest

    def stretch_(self, values: Float[Tensor, "rows d"]) -> None:
        values.mul_((self.stds / self.scale).to(values))


@final
@dataclass(frozen=True, eq=False)
class _Tilted(Ellipsoid):
    """L = scale·`drawn`, lower triangular, with exactly the float32 numbers that draws are made with."""

    drawn: Float32[Tensor, "d d"]
    shortest: float

    @property
    def scale(self) -> float:
        return self.shortest

    @property
    def dimension(self) -> int:
        return len(self.lower)

    @cached_property
    def lower(self) -> Float64[Tensor, "d d"]:
        """L in float64."""
        return self.drawn.double() * self.scale

    @cached_property
    def _axes(self) -> Float64[Tensor, " d"]:
        axes: Tensor = torch.linalg.svdvals(self.lower)
        return axes

    @cached_property
    def _inverse(self) -> Float64[Tensor, "d d"]:
        return torch.cholesky_inverse(self.lower)

    @property
    def smallest(self) -> float:
        return float(self._axes[-1]) - self.dimension * 2.0**-52 * self.largest

    @property
    def largest(self) -> float:
        return float(self._axes[0])

    @property
    def mean_axis(self) -> float:
        return math.exp(float(self.lower.diagonal().log().mean()))

    @property
    def reach(self) -> float:
        return float(self.drawn.double().abs().sum(dim=1).max())

    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        white = torch.linalg.solve_triangular(self.lower.to(off), off.T, upper=False)
        norms: Tensor = torch.linalg.vector_norm(white, dim=0)
        return norms

    def longest_in(self, order: float) -> float:
        """Exact at p = 1 (a vertex) and p = 2; at ∞ the least of two bounds, as the exact one is NP-hard.

        Between 1 and 2 that of p = 2 bounds it; above, d^{1/2 − 1/p} times that, or that of ∞.
        """
        if order == 1:
            return math.sqrt(float(self._inverse.diagonal().max()))
        spread: float = self.dimension ** max(0.0, 0.5 - 1 / order) / self.smallest
        return min(spread, math.sqrt(float(self._inverse.abs().sum()))) if order > 2 else spread

    def stretch_(self, values: Float[Tensor, "rows d"]) -> None:
        values.copy_(values @ self.drawn.T.to(values))


def _factor(covariance: Float64[Tensor, "d d"]) -> tuple[Float32[Tensor, "d d"], float]:
    """Return the Cholesky factor, in float32, over √λ_min, and √λ_min. Errors: `InputError` if none."""
    size = float(covariance.abs().max())
    gap = float((covariance - covariance.T).abs().max())
    if gap > _ASYMMETRY * size:
        text = message("covariance", f"entries that differ from their mirror image by {gap:g}", "symmetric")
        raise InputError(text, name="covariance")
    lower, failed = torch.linalg.cholesky_ex((covariance + covariance.T) / 2)
    if int(failed):
        text = message("covariance", "a matrix that is not positive definite", "positive definite", _ADVICE)
        raise InputError(text, name="covariance")
    axes = torch.linalg.svdvals(lower)
    if float(axes[-1]) <= 1e-6 * float(axes[0]):
        got = f"standard deviations from {float(axes[-1]):g} to {float(axes[0]):g}, numerically singular"
        raise InputError(message("covariance", got, "positive definite", _ADVICE), name="covariance")
    scale = float(axes[-1])
    return (lower / scale).float(), scale

"""The checker's own knowledge of noises, from their plain settings: lattice, radius, radii per norm.

Formulas: Gaussian Cohen et al. 2019; uniform Yang et al. 2020; Laplace the integral of |u′| ≤ min(u, 1 −
u)/b; interior diffusion Bok, Su & Altschuler 2024. Written again from them, without the certifier's code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["NOISES", "KnownNoise"]

_NORMAL = NormalDist()


@dataclass(frozen=True)
class KnownNoise:
    """What the checker knows of a noise, as functions of its settings.

    `scale` and `bits` fix its lattice (`own_lattice`: whatever the data's grid); `half_cell(settings, d,
    unit)` and `radius(settings, p_lower, p_upper)` are in its native norm; `factor(settings, norm, d)` takes
    a native radius to another norm.
    """

    scale: Callable[[Mapping[str, Any]], float]
    bits: int
    half_cell: Callable[[Mapping[str, Any], int, float], float]
    radius: Callable[[Mapping[str, Any], float, float], float]
    factor: Callable[[Mapping[str, Any], str, int], float]
    own_lattice: bool = False
    slack: float = 1e-12


def _order(norm: str) -> float:
    """Return p of "lp"; errors for anything else."""
    if not norm.startswith("l"):
        raise ValueError(f"norm {norm!r}")
    order = math.inf if norm == "linf" else float(norm[1:])
    if not order >= 1:
        raise ValueError(f"norm {norm!r}")
    return order


def _gap(p_lower: float, p_upper: float) -> float:
    """Return ½(Φ⁻¹(p_A) − Φ⁻¹(p_B))."""
    if p_lower <= p_upper:
        return 0.0
    if p_lower >= 1 or p_upper <= 0:
        return math.inf
    return (_NORMAL.inv_cdf(p_lower) - _NORMAL.inv_cdf(p_upper)) / 2


def _euclidean(_: Mapping[str, Any], norm: str, dimension: int) -> float:
    """In ℓp, p > 2, the diagonal is the longest vector of the cube: d^{1/p − 1/2}."""
    return float(dimension ** min(0.0, 1 / _order(norm) - 0.5))


def _taxicab(_: Mapping[str, Any], norm: str, dimension: int) -> float:
    return float(dimension ** (1 / _order(norm) - 1))


def _laplace(p_lower: float, p_upper: float) -> float:
    """Return half the length of the path from p_upper to p_lower at speed min(u, 1 − u)."""
    if p_lower <= p_upper:
        return 0.0

    def place(u: float) -> float:
        if u <= 0 or u >= 1:
            return math.copysign(math.inf, u - 0.5)
        return math.log(2 * u) if u < 0.5 else -math.log(2 - 2 * u)

    return (place(p_lower) - place(p_upper)) / 2


@dataclass(frozen=True, eq=False)
class _Axes:
    """Half-axes (ascending) of the ellipsoid of a covariance, inverse (None for a diagonal one), scale."""

    axes: np.ndarray
    inverse: np.ndarray | None
    scale: float

    @property
    def cube(self) -> float:
        """A bound of √(eᵀΣ⁻¹e) over the cube |e_i| ≤ 1."""
        if self.inverse is None:
            return float(np.sqrt(np.sum(self.axes**-2.0)))
        spread = math.sqrt(len(self.axes)) / float(self.axes[0])
        return min(spread, float(np.sqrt(np.abs(self.inverse).sum())))

    def factor(self, norm: str) -> float:
        """Return the radius in `norm` of the largest known ball inside."""
        if norm == "mahalanobis":
            return 1.0
        if norm == "volume":
            return float(np.exp(np.log(self.axes).mean()))
        order = _order(norm)
        if order <= 2:
            if order == 1 and self.inverse is not None:
                return float(1 / np.sqrt(np.diag(self.inverse).max()))
            return float(self.axes[0])
        if self.inverse is None:
            power = 1.0 if order == math.inf else order / (order - 2)
            return float(np.sum(self.axes ** (-2.0 * power)) ** (-1 / (2 * power)))
        return float(max(1 / self.cube, self.axes[0] * len(self.axes) ** (1 / order - 0.5)))


def _ellipsoid(settings: Mapping[str, Any]) -> _Axes:
    return _axes(json.dumps([settings["noise_stds"], settings["covariance"]]))


@lru_cache(maxsize=8)
def _axes(text: str) -> _Axes:
    stds, covariance = json.loads(text)
    if covariance is None:
        axes = np.sort(np.asarray(stds, dtype=np.float64))
        return _Axes(axes, None, float(axes[0]))
    matrix = np.asarray(covariance, dtype=np.float64)
    exact = np.linalg.cholesky((matrix + matrix.T) / 2)
    scale = float(np.linalg.svd(exact, compute_uv=False)[-1])
    lower = scale * (exact / scale).astype(np.float32).astype(
        np.float64
    )  # draws are made with float32 numbers
    return _Axes(np.sort(np.linalg.svd(lower, compute_uv=False)), np.linalg.inv(lower @ lower.T), scale)


def _interior(settings: Mapping[str, Any]) -> float:
    """Return √S, S = Σ s_k²/(Λ_1·…·Λ_k)²."""
    total, product = 0.0, 1.0
    for noise_std, lipschitz in zip(settings["noise_stds"], settings["lipschitz_bounds"], strict=True):
        product *= lipschitz
        total += (noise_std / product) ** 2
    return math.sqrt(total)


NOISES: dict[str, KnownNoise] = {
    "gaussian": KnownNoise(
        scale=lambda one: one["noise_std"],
        bits=14,
        half_cell=lambda _, d, unit: 0.5 * math.sqrt(d) * unit,
        radius=lambda one, low, high: one["noise_std"] * _gap(low, high),
        factor=_euclidean,
    ),
    "anisotropic_gaussian": KnownNoise(
        scale=lambda one: _ellipsoid(one).scale,
        bits=14,
        half_cell=lambda one, _, unit: 0.5 * unit * _ellipsoid(one).cube,
        radius=lambda _, low, high: _gap(low, high),
        factor=lambda one, norm, _: _ellipsoid(one).factor(norm),
        slack=1e-8,
    ),
    "uniform": KnownNoise(
        scale=lambda one: one["half_width"],
        bits=20,
        half_cell=lambda _, d, unit: 0.5 * d * unit,
        radius=lambda one, low, high: one["half_width"] * max(0.0, low - high),
        factor=_taxicab,
        own_lattice=True,
    ),
    "laplace": KnownNoise(
        scale=lambda one: one["noise_scale"],
        bits=20,
        half_cell=lambda _, d, unit: 0.5 * d * unit,
        radius=lambda one, low, high: one["noise_scale"] * _laplace(low, high),
        factor=_taxicab,
        own_lattice=True,
    ),
    "interior": KnownNoise(
        scale=_interior,
        bits=14,
        half_cell=lambda _, d, unit: 0.5 * math.sqrt(d) * unit,
        radius=lambda one, low, high: _interior(one) * _gap(low, high),
        factor=_euclidean,
    ),
}

"""Gaussian noise with another standard deviation in each direction: an ellipsoid.

u(x) = E g(x + ξ), ξ ~ N(0, Σ), Σ symmetric positive definite and the same for all x. In the coordinates
L⁻¹x, Σ = LLᵀ, the noise is isotropic, so the top class stays on top in the ellipsoid δᵀΣ⁻¹δ < r²,

    r = ½(Φ⁻¹(p_A) − Φ⁻¹(p_B))

(Cohen et al. 2019 after a change of variables; Eiras et al. 2022). Tight for half-spaces of any direction.
In input units it is reported as the ℓ2 radius of the largest ball inside, r·√λ_min, and as the ℓ2 radius of
the ball of the same volume, r·det(Σ)^{1/2d}; the latter compares sizes and is *not* a certified ball.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self, final

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import Field, field_validator, model_validator
from scipy.special import ndtr
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.noise._ellipsoid import Ellipsoid
from heatproof.noise._noise import Noise, check_order
from heatproof.noise._normals import normals
from heatproof.noise.gaussian import LARGEST_NORMAL, score_gap

__all__ = ["AnisotropicGaussian"]

Positive = Annotated[float, Field(gt=0)]


@final
class AnisotropicGaussian(Noise):
    """The noise N(0, Σ): certifies the ellipsoid δᵀΣ⁻¹δ < r², and the ℓp balls inside it.

    For inputs of d numbers; Σ = diag(noise_stds²), or the matrix `covariance`. Exactly one of the two is
    given, as nested lists, an array or a tensor; `covariance` is (d, d), symmetric, positive definite, d ≤
    1024, over the flattened input; it is taken to be LLᵀ with L, its Cholesky factor, rounded to float32:
    that is the law drawn, and all radii are of it.
    Cost: O(d²) a draw for a matrix, O(d) for standard deviations. Errors: `InputError`.
    """

    name: Literal["anisotropic_gaussian"] = "anisotropic_gaussian"
    noise_stds: tuple[Positive, ...] | None = None
    covariance: tuple[tuple[float, ...], ...] | None = None

    norm: ClassVar[str] = "mahalanobis"
    resolution_bits: ClassVar[int] = 14

    @field_validator("noise_stds", "covariance", mode="before")
    @classmethod
    def _to_lists(cls, value: Any) -> Any:
        return value.tolist() if isinstance(value, Tensor | np.ndarray) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.noise_stds is None) == (self.covariance is None):
            got = "neither" if self.covariance is None else "both"
            raise InputError(message("noise_stds, covariance", got, "exactly one"), name="covariance")
        if self.ellipsoid.dimension < 1:
            raise InputError(message("noise_stds", "none", "at least one number > 0"), name="noise_stds")
        return self

    @cached_property
    def ellipsoid(self) -> Ellipsoid:
        """The set δᵀΣ⁻¹δ ≤ 1."""
        if self.covariance is not None:
            return Ellipsoid.of_covariance(self.covariance)
        return Ellipsoid.of_diagonal(self.noise_stds or ())

    @property
    def scale(self) -> float:
        """The smallest standard deviation in any direction, √λ_min up to rounding."""
        return self.ellipsoid.scale

    @property
    def largest(self) -> float:
        """The largest normal times the largest absolute row sum of L / scale."""
        return 1.001 * LARGEST_NORMAL * self.ellipsoid.reach

    def check_event(self, event_shape: torch.Size) -> None:
        """Raise `InputError` if inputs of this shape do not have d numbers."""
        if event_shape.numel() != self.ellipsoid.dimension:
            got = f"{self.ellipsoid.dimension} dimensions"
            allowed = f"{event_shape.numel()}, the numbers in an input of shape {tuple(event_shape)}"
            raise InputError(message("noise", got, allowed), name="noise")

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with L·normals / scale, in float32."""
        values.normal_(generator=generator)
        self.ellipsoid.stretch_(values.view(len(values), -1))

    def fill_rounded(
        self, values: Float[Tensor, "rows *drawn"], factor: float, generator: torch.Generator
    ) -> None:
        """Overwrite `values` with round(factor·L·normals/scale)/factor, all in float64 up to the end.

        A coordinate of std σ has its law up to 10⁻⁹·σ/scale in total variation (see `_normals`), at most
        1.2·10⁻⁷: a lattice carries ratios up to 119 (60 on some grids of the data), wider ones are refused.
        """
        codes = normals(values.numel(), generator).view(len(values), -1)
        self.ellipsoid.stretch_(codes)
        values.copy_(codes.mul_(factor).round_().div_(factor).view_as(values))

    def radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return r = ½(Φ⁻¹(p_A) − Φ⁻¹(p_B)), at least 0, the Mahalanobis radius."""
        return score_gap(p_lower, p_upper)

    def _first_guess(self, radius: float) -> float:
        return float(ndtr(radius))

    def radii(self, radius: float, dimension: int) -> dict[str, float]:
        """Return r itself, the radii in ℓ1, ℓ2 and ℓ∞ that it implies, and the volume-equivalent one."""
        orders = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
        found = {name: self.radius_in(order, radius, dimension) for name, order in orders.items()}
        return {**found, "mahalanobis": radius, "volume": radius * self.ellipsoid.mean_axis}

    def radius_in(self, p_norm: float, radius: float, dimension: int) -> float:
        """Return the radius of an ℓp ball inside the ellipsoid: the largest for a diagonal Σ and p = 1, 2."""
        check_number("radius", radius, at_least=0)
        self.check_event(torch.Size([dimension]))
        return radius / self.ellipsoid.longest_in(check_order(p_norm))

    def half_cell(self, dimension: int, unit: float) -> float:
        """Return ½·unit·(a bound of √(eᵀΣ⁻¹e) over |e_i| ≤ 1)."""
        self.check_event(torch.Size([dimension]))
        return 0.5 * unit * self.ellipsoid.longest_in(math.inf)

    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        """Return √(offᵀΣ⁻¹off)."""
        return self.ellipsoid.length(off)

    def describe(self) -> str:
        """Say which noise it is."""
        least, most = self.scale, self.ellipsoid.largest
        return f"Gaussian noise with standard deviations between {least:g} and {most:g} by direction"

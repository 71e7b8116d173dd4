"""Gaussian noise inside a network: what all its layers together certify in ℓ2.

Chain X_0 = x, X_{k+1} = φ_k(X_k) + s_k·ξ_k, ξ_k ~ N(0, I), k = 0 … n−1, each φ_k globally Λ_k-Lipschitz, any
read-out of X_n. With

    S = Σ_k s_k²/(Λ_0·…·Λ_k)²,    R = (√S/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)),

the top class stays on top for all ‖δ‖₂ < R: the laws of X_n from x and from x + δ are no easier to tell apart
than two normals ‖δ‖₂/√S apart (shifted interpolation for Gaussian differential privacy; Bok, Su & Altschuler
2024). Why: let a part a_k of the shift be absorbed by noise k and the rest z_{k+1} = Λ_k z_k − a_k be passed
on, z_0 = ‖δ‖, z_n = 0; the cost is μ² = Σ a_k²/s_k², least ‖δ‖²/S by Cauchy–Schwarz. Exact where every φ_k
is Λ_k times an isometry and the read-out a half-space. One block, the identity, is randomized smoothing.

It asks that each Λ_k is a proved upper bound, that noise is fixed and full-dimensional (dropout, stochastic
depth, multiplicative noise never count), that no path leads round a noise, that it stays on in evaluation.
`heatproof.networks` builds such chains and computes the bounds (`interior_diffusion`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Self, final

import torch
from jaxtyping import Float, Float64, Shaped
from pydantic import Field, model_validator
from torch import Tensor

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.noise._noise import Noise
from heatproof.noise.gaussian import LARGEST_NORMAL, Gaussian, score_gap

__all__ = ["InteriorDiffusion"]

_Positive = Annotated[float, Field(gt=0)]
_Whole = Annotated[int, Field(ge=1, strict=True)]


@final
class InteriorDiffusion(Noise):
    """The noises s_k after blocks of Lipschitz bounds Λ_k: certifies ℓ2 as Gaussian noise of std √S does.

    `noise_stds` and `lipschitz_bounds` have one number a block; `interior_dimension` is D, how many normals
    one draw takes in all, for inputs of `event_shape`. The model gets rows [x flattened | D normals]
    (`heatproof.networks.InteriorClassifier` reads them). x is taken to the lattice, for which the radius
    pays; inside the network sums are rounded, so this certificate is of the network in real arithmetic.

    Errors: `InputError` for numbers that are not > 0, for lists of different lengths, and for inputs of
    another shape.
    """

    name: Literal["interior"] = "interior"
    noise_stds: tuple[_Positive, ...] = Field(min_length=1)
    lipschitz_bounds: tuple[_Positive, ...] = Field(min_length=1)
    event_shape: tuple[_Whole, ...] = Field(min_length=1)
    interior_dimension: _Whole

    norm: ClassVar[str] = "l2"
    resolution_bits: ClassVar[int] = 14

    @model_validator(mode="after")
    def _one_bound_a_block(self) -> Self:
        if len(self.noise_stds) != len(self.lipschitz_bounds):
            got = f"{len(self.lipschitz_bounds)} bounds for {len(self.noise_stds)} noises"
            raise InputError(message("lipschitz_bounds", got, "one a noise"), name="lipschitz_bounds")
        if not 0 < self.variance < math.inf:
            got = f"numbers that give S = {self.variance:g}"
            raise InputError(message("noise_stds", got, "S > 0 and finite", "Rescale."), name="noise_stds")
        return self

    @property
    def variance(self) -> float:
        """S = Σ_k s_k²/(Λ_0·…·Λ_k)², rounded downwards."""
        terms, stretch = [], 1.0
        for noise_std, bound in zip(self.noise_stds, self.lipschitz_bounds, strict=True):
            stretch *= bound
            terms.append((noise_std / stretch) ** 2 if stretch else math.inf)
        return math.fsum(terms) * (1 - 2.0**-52 * (2 * len(terms) + 8))

    @property
    def scale(self) -> float:
        """√S, the standard deviation of the noise at the input that certifies as much."""
        return math.sqrt(self.variance)

    @property
    def largest(self) -> float:
        """The largest normal that PyTorch draws (see `Gaussian.largest`)."""
        return LARGEST_NORMAL

    def check_event(self, event_shape: torch.Size) -> None:
        """Raise `InputError` unless inputs have the shape that the normals were counted for."""
        if tuple(event_shape) != self.event_shape:
            got = f"inputs of shape {tuple(event_shape)}"
            raise InputError(message("event_shape", got, f"{self.event_shape}"), name="event_shape")

    def drawn_shape(self, event_shape: torch.Size) -> torch.Size:
        """Return (D,)."""
        self.check_event(event_shape)
        return torch.Size([self.interior_dimension])

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with standard normals, which the network scales by its own s_k."""
        values.normal_(generator=generator)

    def perturb(
        self,
        codes: Shaped[Tensor, "*event"],
        values: Float[Tensor, "rows *drawn"],
        add: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Return rows [x_L flattened | normals], (rows, d + D); x_L is the lattice point of the input."""
        point = add(codes, values.new_zeros(1, *codes.shape)).reshape(1, -1)
        return torch.cat([point.expand(len(values), -1), values], dim=1)

    def radius(self, p_lower: float, p_upper: float | None = None) -> float:
        """Return the ℓ2 radius (√S/2)·(Φ⁻¹(p_A) − Φ⁻¹(p_B)), at least 0."""
        return self.scale * score_gap(p_lower, p_upper)

    def _first_guess(self, radius: float) -> float:
        return self._alike._first_guess(radius)  # noqa: SLF001 - the same formula

    def radii(self, radius: float, dimension: int) -> dict[str, float]:
        """Return ℓ1: R, ℓ2: R, ℓ∞: R/√d."""
        return self._alike.radii(radius, dimension)

    def radius_in(self, p_norm: float, radius: float, dimension: int) -> float:
        """Return R for p ≤ 2 and d^{1/p − 1/2}·R for p > 2, as between any balls of these norms."""
        return self._alike.radius_in(p_norm, radius, dimension)

    def half_cell(self, dimension: int, unit: float) -> float:
        """Return ½√d·unit."""
        return self._alike.half_cell(dimension, unit)

    def length(self, off: Float64[Tensor, "batch d"]) -> Float64[Tensor, " batch"]:
        """Return ‖off‖₂."""
        return self._alike.length(off)

    def describe(self) -> str:
        """Say which noise it is, and that it is certified in real arithmetic."""
        count = len(self.noise_stds)
        where = "1 layer" if count == 1 else f"{count} layers"
        return f"interior diffusion in {where} (as noise_std {self.scale:g}; in real arithmetic)"

    @property
    def _alike(self) -> Gaussian:
        """The Gaussian noise at the input with the same radius."""
        return Gaussian(noise_std=self.scale)

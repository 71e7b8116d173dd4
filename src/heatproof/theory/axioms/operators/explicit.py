"""Explicit heat flow on a periodic grid, below and above the bound on its step."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.theory.axioms._finding import Axiom
from heatproof.theory.axioms._functions import Function

__all__ = ["ExplicitHeat"]


@final
class ExplicitHeat:
    """u_i ← u_i + ρ(u_{i−1} − 2u_i + u_{i+1}), ρ = τσ²/h², on a periodic grid in one dimension.

    Points between grid points have the linear interpolant. Each step is a convex combination, and the scheme
    satisfies the comparison principle, iff ρ ≤ ½ (Courant, Friedrichs & Lewy 1928). Solvers of the package
    refuse a larger ρ; this one does not, and is the negative control of the axiom. Times are whole numbers of
    steps τ = ρh²/σ², up to rounding. Cost: one evaluation of f at each grid point.
    Errors: `InputError` for sizes that are not positive, points that are not (B, 1), times between steps.
    """

    def __init__(
        self, ratio: float, *, cells: int = 64, length: float = 2.0, diffusivity: float = 0.05
    ) -> None:
        self.ratio = check_number("ratio", ratio, above=0)
        self.cells = check_whole("cells", cells, at_least=3)
        self.length = check_number("length", length, above=0)
        self.diffusivity = check_number("diffusivity", diffusivity, above=0)

    @property
    def time_step(self) -> float:
        """τ = ρh²/σ²."""
        return self.ratio * (self.length / self.cells) ** 2 / self.diffusivity

    @property
    def constructions(self) -> frozenset[Axiom]:
        """Linearity and constants; comparison below the bound."""
        kept: frozenset[Axiom] = frozenset({"linearity", "constants"})
        return kept | {"comparison"} if self.ratio <= 0.5 else kept

    def __call__(
        self, f: Function, x: Float[Tensor, "batch 1"], t: float, r: float | None = None
    ) -> Float[Tensor, "batch values"]:
        """Return (T_{t,r} f)(x), (B, K); r = 0 if left out."""
        steps = (t - (0.0 if r is None else r)) / self.time_step
        if abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
            got = f"{steps:g} steps of {self.time_step:g}"
            raise InputError(message("t", got, "a whole number of steps"), name="t")
        space_step = self.length / self.cells
        grid = space_step * torch.arange(self.cells, dtype=x.dtype, device=x.device)[:, None]
        u = f(grid)
        for _ in range(round(steps)):
            u = u + self.ratio * (u.roll(1, 0) - 2 * u + u.roll(-1, 0))
        place = (x[:, 0] / space_step) % self.cells
        left = place.detach().floor().long() % self.cells
        return torch.lerp(u[left], u[(left + 1) % self.cells], (place - place.detach().floor())[:, None])

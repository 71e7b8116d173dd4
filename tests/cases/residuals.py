"""The residual of the equation at given points, by automatic differentiation in float64."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from heatproof.equation import Diffusion, Velocity

__all__ = ["derivatives", "residual", "terms"]

Solution = Callable[[Tensor, Tensor], Tensor]


def derivatives(u: Solution, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return u_t (B, K), ∇u (B, K, d) and ∇²u (B, K, d, d)."""

    def one(point: Tensor, time: Tensor) -> Tensor:
        return u(point[None], time)[0]

    slope = torch.func.jacrev(one)
    each = [torch.func.jacrev(one, argnums=1), slope, torch.func.jacrev(slope)]
    found = [torch.func.vmap(derivative, in_dims=(0, None))(x, t) for derivative in each]
    return found[0], found[1], found[2]


def terms(
    u: Solution,
    coefficients: tuple[Velocity, Diffusion],
    x: Tensor,
    t: Tensor,
    when: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return u_t, v·∇u and tr(A∇²u), each (B, K), with the coefficients read at `when` (t if left out)."""
    (velocity, diffusion), clock = coefficients, t if when is None else when
    u_t, slope, bend = derivatives(u, x, t)
    drift = torch.einsum("bi,bki->bk", velocity(x, clock), slope)
    return u_t, drift, torch.einsum("bij,bkji->bk", diffusion.matrix(x, clock), bend)


def residual(
    u: Solution,
    coefficients: tuple[Velocity, Diffusion],
    x: Tensor,
    t: Tensor,
    when: Tensor | None = None,
) -> float:
    """Return max |u_t − v·∇u − tr(A∇²u)| in units of the largest term, or of 10⁻³ where all are smaller."""
    u_t, drift, spread = terms(u, coefficients, x, t, when)
    largest = max(1e-3, *(float(term.abs().max()) for term in (u_t, drift, spread)))
    return float((u_t - drift - spread).abs().max()) / largest

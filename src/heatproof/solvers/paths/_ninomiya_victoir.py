"""One step of weak order 2 for noise that depends on the point (Ninomiya and Victoir 2008).

In Stratonovich's form the path is dX = V₀dq + Σ_j V_j ∘ dB_j with V_j(x) = √(2A(x))·e_j and
V₀ = v − ½Σ_j (DV_j)V_j. One step is exp(½τV₀) exp(√τξ₁V₁) … exp(√τξ_rV_r) exp(½τV₀), or with the V_j in the
opposite order, each with probability ½: its operator is exp(τL) + O(τ³), L = V₀ + ½ΣV_j².
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.equation import Problem
from heatproof.solvers.paths.runge_kutta import runge_kutta_step

__all__ = ["ninomiya_victoir_step"]


def ninomiya_victoir_step(
    problem: Problem,
    x: Float[Tensor, "rows *event"],
    t: float,
    duration: float,
    xi: Float[Tensor, "rows normals"],
) -> Float[Tensor, "rows *event"]:
    """Return x after `duration` with coefficients held at time t; the last column of ξ is the coin.

    Flows of the V_j are Runge–Kutta steps of order 4 in √τξ: what they leave, (√τξ)⁵ and on, has mean O(τ³).
    """
    count = xi.shape[1] - 1
    fields = _Fields(problem, t, x, count)
    heads, drawn = xi[:, -1] > 0, math.sqrt(duration) * xi[:, :-1]
    moved = fields.drift_flow(x, duration / 2)
    for place in range(count):
        chosen = torch.where(heads, place, count - 1 - place)
        length = drawn.gather(1, chosen[:, None])
        moved = fields.noise_flow(moved, length * torch.nn.functional.one_hot(chosen, count).to(x.dtype))
    return fields.drift_flow(moved, duration / 2)


@dataclass(frozen=True)
class _Fields:
    """The vector fields V₀ … V_count at time t. A is read at `origin` where a point is not finite."""

    problem: Problem
    t: float
    origin: Tensor
    count: int

    def noise(self, x: Tensor, direction: Tensor) -> Tensor:
        """Return Σ_j direction_j V_j(x); NaN stays NaN, without a complaint of the diffusion about it."""
        diffusion, sane = self.problem.diffusion, torch.where(torch.isfinite(x), x, self.origin)
        xi = direction.view(len(x), *diffusion.normals(x.shape[1:]))
        return diffusion.stretched(sane, self.t, xi) + (x - x)

    def bend(self, x: Tensor, direction: Tensor) -> Tensor:
        """Return (DV)V for V = √(2A)·direction.

        The product with DV is the reverse mode of the reverse mode, which all functions with gradients have.
        """
        along, back = torch.func.vjp(lambda y: self.noise(y, direction), x)[:2]
        forth = torch.func.vjp(lambda w: back(w)[0], torch.zeros_like(x))[1]
        bend: Tensor = forth(along)[0]
        return bend

    def drift(self, x: Tensor) -> Tensor:
        """Return V₀(x) = v − ½Σ_j (DV_j)V_j."""
        drift = self.problem.velocity(x, self.t)
        for unit in torch.eye(self.count, dtype=x.dtype, device=x.device):
            drift = drift - self.bend(x, unit.expand(len(x), self.count)) / 2
        return drift

    def drift_flow(self, x: Tensor, duration: float) -> Tensor:
        """Return x after `duration` along V₀, by one midpoint step."""
        return x + duration * self.drift(x + duration / 2 * self.drift(x))

    def noise_flow(self, x: Tensor, direction: Tensor) -> Tensor:
        """Return the end of the flow along Σ_j direction_j V_j, by one step of order 4."""
        return runge_kutta_step(lambda y, _: self.noise(y, direction), x, 1.0)

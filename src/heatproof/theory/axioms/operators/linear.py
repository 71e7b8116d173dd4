"""The exact evolution of a linear velocity with constant diffusion."""

from __future__ import annotations

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation import FullDiffusion, LinearVelocity
from heatproof.errors import InputError
from heatproof.theory.axioms._finding import Axiom
from heatproof.theory.axioms._functions import Function

__all__ = ["LinearEvolution"]

_MOST = 1_000_000
"""Nodes for one point: more do not fit."""
_WIDEST = 8.5
"""Beyond this lies less than 10⁻¹⁶ of a standard normal."""


@final
class LinearEvolution:
    """T_{t,r} f(x) = E f(m + √Σ·ξ), ξ ~ N(0, I), for v = Mx + c and constant A (Ornstein–Uhlenbeck, heat).

    m = e^{ηM}x + ∫₀^η e^{qM}c dq and Σ = ∫₀^η e^{qM}·2A·e^{qMᵀ} dq, η = t − r, by one matrix exponential
    (Van Loan 1978). The mean is the trapezoidal rule with `nodes` equidistant ξ in [−8.5, 8.5] a coordinate.
    Its error falls like exp(−2πa/δ), δ the spacing and a how far f∘√Σ is analytic off the real line
    (Trefethen and Weideman 2014): about 10⁻¹⁴ where f is smooth at the scale of √Σ, for polynomials too. As
    weights are positive and sum to 1 the rule itself is linear, monotone and keeps constants.
    Cost: nodes^d evaluations of f a point, d ≤ 3, and nodes^2d for the composition that Markov asks for.
    Errors: `InputError` for a matrix A of another size than M, or too many nodes.
    """

    constructions: frozenset[Axiom] = frozenset({"comparison", "linearity", "constants"})

    def __init__(self, velocity: LinearVelocity, diffusion: FullDiffusion, nodes: int = 72) -> None:
        size = len(velocity.matrix)
        self.velocity = velocity
        self.matrix = diffusion.matrix(torch.zeros(1, size, dtype=torch.float64), 0.0)[0]
        if check_whole("nodes", nodes) ** size > _MOST:
            got = f"{nodes} nodes in {size} dimensions"
            raise InputError(message("nodes", got, f"at most {_MOST:,} points together"), name="nodes")
        ends = torch.linspace(-_WIDEST, _WIDEST, nodes, dtype=torch.float64)
        self._nodes = torch.cartesian_prod(*[ends] * size).reshape(-1, size)
        self._weights = torch.softmax(-self._nodes.square().sum(dim=1) / 2, dim=0)

    def __call__(
        self, f: Function, x: Float[Tensor, "batch d"], t: float, r: float | None = None
    ) -> Float[Tensor, "batch values"]:
        """Return (T_{t,r} f)(x), (B, K); r = 0 if left out."""
        duration = t - (0.0 if r is None else r)
        if not math.isfinite(duration) or duration < 0:
            raise InputError(message("t, r", f"{t} and {r}", "0 ≤ r ≤ t"), name="t")
        if duration == 0:
            return f(x)
        steps = self._nodes.to(x) @ self._root(duration).to(x).T
        ends = self.velocity.flow(x, duration)[:, None, :] + steps
        values = f(ends.flatten(0, 1)).unflatten(0, (len(x), len(steps)))
        mean: Tensor = torch.einsum("n,bnk->bk", self._weights.to(x), values)
        return mean

    def _root(self, duration: float) -> Tensor:
        """Return √Σ, symmetric."""
        size = len(self.matrix)
        joint = torch.zeros(2 * size, 2 * size, dtype=torch.float64)
        joint[:size, :size], joint[:size, size:] = -self.velocity.matrix, 2 * self.matrix
        joint[size:, size:] = self.velocity.matrix.T
        moved = torch.linalg.matrix_exp(duration * joint)
        covariance = moved[size:, size:].T @ moved[:size, size:]
        values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
        root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
        return root

"""A trained solution: a function of points and times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs, check_number, message
from heatproof.equation import Domain, Problem
from heatproof.errors import InputError
from heatproof.networks import TimeConditioned
from heatproof.networks.mlp import MLPBackbone
from heatproof.networks.normalise import Normalise
from heatproof.solvers.learned._pool import Pool, at_one_time
from heatproof.solvers.learned._taylor import Jet, propagate

__all__ = ["FittedSolution", "residual_on"]


@dataclass(frozen=True, eq=False)
class FittedSolution:
    """u(x, t) = f(x) + (t − start)·c⊙g(x, (t − start)/(time − start)): exact at the start, g a network.

    c (K,) scales the outputs. Differentiable in x. `box` is where it was trained, and where alone it answers.
    `numbers` holds the residual on fresh points; see `LearnedSolver`.
    """

    problem: Problem
    network: TimeConditioned
    scale: Float[Tensor, " values"]
    box: Domain
    numbers: Mapping[str, float] = field(default_factory=dict)
    success: bool = True
    sentence: str = "solved"

    def __call__(self, x: Float[Tensor, "batch d"], t: float) -> Float[Tensor, "batch values"]:
        """Return u(x, t), in the type and on the device of x.

        Errors: `InputError` for points outside of the box, or t outside [start, time].
        """
        points, elapsed = self._checked(x), self.problem.check_time(t) - self.problem.start
        share = elapsed / (self.problem.time - self.problem.start)
        outputs = self.network(points.double(), share)[:, : len(self.scale)]
        grown: Tensor = elapsed * self.scale * outputs
        return self.problem.initial_values(points) + grown.to(points.dtype)

    def residual(self, x: Float[Tensor, "batch d"], t: float) -> Float[Tensor, "batch values"]:
        """Return u_t − v·∇u − tr(A∇²u), (B, K), float64. Errors: as the call."""
        taken = at_one_time(self.problem, self._checked(x), self.problem.check_time(t))
        with torch.no_grad():
            return residual_on(self.network, self.scale, taken, self.problem.time - self.problem.start)

    def error(
        self,
        exact: Callable[[Tensor, float], Tensor],
        x: Float[Tensor, "batch d"],
        t: float,
    ) -> dict[str, float]:
        """Return the largest and the root mean square difference to a known solution at points x."""
        check_number("t", t)
        with torch.no_grad():
            difference = (self(x, t) - exact(x, t)).double()
        rms = math.sqrt(float(difference.square().mean()))
        return {"error": float(difference.abs().max()), "rms_error": rms}

    def _checked(self, x: Tensor) -> Tensor:
        points = check_inputs("x", x)
        if points.ndim != 2 or points.shape[1] != self.box.dimension:
            got, allowed = f"shape {tuple(points.shape)}", f"(B, {self.box.dimension})"
            raise InputError(message("x", got, allowed), name="x")
        low, high = torch.tensor(self.box.low).to(points), torch.tensor(self.box.high).to(points)
        outside = ((points < low) | (points > high)).any(dim=1)
        if bool(outside.any()):
            got = f"{int(outside.sum())} points outside, the first in row {int(outside.nonzero()[0])}"
            allowed = f"the box that the network was trained in, {self.box.low} to {self.box.high}"
            raise InputError(message("x", got, allowed, "A larger domain or margin."), name="x")
        return points


def residual_on(
    network: TimeConditioned, scale: Tensor, taken: Pool, duration: float
) -> Float[Tensor, "batch values"]:
    """Return the residual of u = f + s·N, s = t − start, (B, K).

    It is N − s·(v·∇N − N_t + tr(A∇²N)) − (v·∇f + tr(A∇²f)).
    """
    normalise, backbone = cast(Normalise, network.normalise), cast(MLPBackbone, network.backbone)
    inside = 1 / normalise.std
    ones = taken.x.new_ones(len(taken.x), 1)
    z = torch.cat([normalise(taken.x), (taken.elapsed / duration)[:, None]], dim=1)
    drift = torch.cat([taken.velocity * inside, -ones / duration], dim=1)
    roots = torch.cat([taken.roots * inside, (0 * ones).expand(len(taken.roots), -1, -1)], dim=2)
    jet = propagate(backbone, Jet(z, roots, drift))
    count = len(scale)
    changed = jet.value[:, :count] - taken.elapsed[:, None] * jet.operated[:, :count]
    return scale * changed - taken.source

"""Points where the residual is taken, with the coefficients there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.equation import Domain, Problem
from heatproof.solvers.learned._initial import applied

__all__ = ["Pool", "at_one_time", "pool", "trained_box"]


@dataclass(frozen=True)
class Pool:
    """Points and the equation there, all float64.

    x (B, d); elapsed, the times since the start (B,); v (B, d); roots, the columns of √(2A) (m, B, d), those
    that are 0 everywhere left out; source, the operator on f: v·∇f + tr(A∇²f), (B, K).
    """

    x: Float[Tensor, "batch d"]
    elapsed: Float[Tensor, " batch"]
    velocity: Float[Tensor, "batch d"]
    roots: Float[Tensor, "directions batch d"]
    source: Float[Tensor, "batch values"]

    def rows(self, chosen: Tensor) -> Pool:
        """Return some of the points."""
        parts = (self.x, self.elapsed, self.velocity)
        x, elapsed, velocity = (part[chosen] for part in parts)
        return Pool(x, elapsed, velocity, self.roots[:, chosen], self.source[chosen])


def at_one_time(problem: Problem, x: Float[Tensor, "batch d"], t: float) -> Pool:
    """Return the points x at one time, coefficients and f taken in the type and on the device of x."""
    points = x.detach().clone()
    with torch.no_grad():
        velocity = problem.velocity(points, t)
        shape = problem.diffusion.normals(points.shape[1:])
        units = torch.eye(math.prod(shape)).to(x)
        columns = [
            problem.diffusion.stretched(points, t, unit.view(1, *shape).expand(len(points), *shape))
            for unit in units
        ]
        roots = torch.stack(columns)
        roots = roots[roots.flatten(1).any(dim=1)]
    with torch.enable_grad():
        source = applied(problem.initial_values, points, velocity, roots)
    elapsed = torch.full((len(x),), t - problem.start, dtype=torch.float64, device=x.device)
    return Pool(points.double(), elapsed, velocity.double(), roots.double(), source.double())


def pool(problem: Problem, box: Domain, times: Tensor, each: Tensor) -> Pool:
    """Return points of the box, (times, B/times, d) places in [0, 1]ᵈ, at each of the times."""
    low, high = torch.tensor(box.low).to(each), torch.tensor(box.high).to(each)
    levels = [
        at_one_time(problem, low + (high - low) * part, float(t)) for t, part in zip(times, each, strict=True)
    ]
    most = max(len(level.roots) for level in levels)
    roots = [
        torch.cat([level.roots, level.roots.new_zeros(most - len(level.roots), *level.x.shape)])
        for level in levels
    ]
    return Pool(
        torch.cat([level.x for level in levels]),
        torch.cat([level.elapsed for level in levels]),
        torch.cat([level.velocity for level in levels]),
        torch.cat(roots, dim=1),
        torch.cat([level.source for level in levels]),
    )


def trained_box(domain: Domain, margin: float) -> Domain:
    """Return the domain with `margin` times each side's length added at both ends."""
    extra = [margin * length for length in domain.lengths]
    low = tuple(edge - more for edge, more in zip(domain.low, extra, strict=True))
    return Domain(low, tuple(edge + more for edge, more in zip(domain.high, extra, strict=True)))

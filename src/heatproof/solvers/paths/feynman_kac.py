"""Feynman–Kac with the scheme of Euler and Maruyama."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.equation import Problem
from heatproof.solvers._properties import Properties
from heatproof.solvers.paths._average import PathAverage, properties_of_average

__all__ = ["FeynmanKac"]


@final
class FeynmanKac(PathAverage):
    """u(x, t) = E f(X(t − start)), dX = v(X, t − q)dq + √(2A(X, t − q))dB, by Euler–Maruyama steps.

    X_{l+1} = X_l + τ·v(X_l, t − lτ) + √(2τA(X_l, t − lτ))·ξ: weak order 1 (Maruyama 1955, Talay and Tubaro
    1990); exact in law for v = 0 and constant A. A residual network with Gaussian noise in its blocks is such
    a path. `standard_error` is that of the mean over paths (over pairs, if antithetic); it knows nothing of
    the error of the step, and is 0 where all draws agree, which proves nothing about rare events.
    The paths are the same for all points and all f: the discrete operator is linear, monotone and keeps
    constants for a fixed seed. They depend neither on `chunk` nor on the device.
    Antithetic pairs (ξ, −ξ) cost the same; for f∘X odd in the noise they leave no error, for even f they
    double the variance (half as many independent draws).
    Cost: paths × steps evaluations of v and A a point. f and v see at most `chunk` rows at once. Sums are in
    float64. Gradients in x are those of the paths: without `torch.no_grad` all steps of all paths
    are kept, paths × steps states a point. An f with jumps has gradient 0 along every path: there the
    gradient of the mean is not that of u.
    Errors: `InputError` for fewer than two paths (pairs), or more than a million steps. Paths that leave the
    finite numbers make a solution without success, NaN at their points.
    """

    name: Literal["feynman_kac"] = "feynman_kac"

    properties: ClassVar[Properties] = properties_of_average(order=1)

    def normals(self, problem: Problem, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the shape that the diffusion takes."""
        return problem.diffusion.normals(event_shape)

    def step(
        self,
        problem: Problem,
        x: Float[Tensor, "rows *event"],
        t: float,
        duration: float,
        xi: Float[Tensor, "rows *normals"],
    ) -> Float[Tensor, "rows *event"]:
        """Return x + τ·v(x, t) + √(2τA(x, t))·ξ."""
        noise = math.sqrt(duration) * problem.diffusion.stretched(x, t, xi)
        return x + duration * problem.velocity(x, t) + noise

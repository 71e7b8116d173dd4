"""Characteristics by Euler's method: a residual network."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from torch import Tensor

from heatproof.equation import Problem
from heatproof.solvers._properties import Properties
from heatproof.solvers.paths._fixed_step import FixedStepCharacteristics, properties_of_flow

__all__ = ["EulerCharacteristics"]


@final
class EulerCharacteristics(FixedStepCharacteristics):
    """u(x, t) = f(x_n) with x_{l+1} = x_l + τ·v(x_l, t − lτ), nτ = t − start: order 1.

    With v of a residual network (`equation.NetworkVelocity`) and `time_step` = its Δt this is the network
    itself, up to rounding (arXiv 2307.12333). Steps are made equal, none longer than `time_step`.
    The discrete operator is f ↦ f∘Φ, so linearity, comparison and constants hold exactly for it, and so does
    the Markov property over whole steps.
    Cost: one evaluation of v a step, one of f; two states (B, *event), with gradients all of them.
    Errors: `InputError` for a problem with diffusion, or more than a million steps. Paths that leave the
    finite numbers make a solution without success, NaN at their points.
    """

    name: Literal["characteristics"] = "characteristics"

    properties: ClassVar[Properties] = properties_of_flow(order=1, markov=True)
    evaluations: ClassVar[int] = 1

    def step(self, problem: Problem, x: Tensor, t: float, duration: float) -> Tensor:
        """Return x + τ·v(x, t)."""
        return x + duration * problem.velocity(x, t)

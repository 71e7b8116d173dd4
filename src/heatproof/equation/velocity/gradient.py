"""The velocity of a gradient flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from heatproof._check import message
from heatproof.equation._numbers import check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.velocity._velocity import Velocity
from heatproof.errors import InputError

__all__ = ["GradientVelocity"]


@final
class GradientVelocity(Velocity):
    """v(x, t) = −∇U(x): paths go down the potential U, from (B, *event) to (B,), each row on its own.

    Where U is convex, no two paths part: the one-sided Lipschitz constant of v is at most 0, and interior
    diffusion loses nothing (`heatproof.equation.interior_variance`). Cost: one evaluation of U and its
    gradient; differentiable again where x asks for it. Errors: `InputError` for a potential of another shape.
    """

    def __init__(self, potential: Callable[[Tensor], Tensor]) -> None:
        if not callable(potential):
            got = f"a {type(potential).__name__}"
            raise InputError(message("potential", got, "a function of x"), name="potential")
        self.potential = potential

    def _at(self, x: Tensor, t: EquationTime) -> Tensor:
        del t

        def total(points: Tensor) -> Tensor:
            values = check_tensor("potential", self.potential(points), "one number for each point")
            if values.shape != points.shape[:1]:
                got, allowed = f"shape {tuple(values.shape)}", f"({len(points)},), one number a point"
                raise InputError(message("potential", got, allowed), name="potential")
            return values.sum()

        slope: Tensor = torch.func.grad(total)(x)
        return -slope

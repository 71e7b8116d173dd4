"""Any function as a velocity field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from torch import Tensor

from heatproof._check import message
from heatproof.equation._time import EquationTime
from heatproof.equation.velocity._velocity import Velocity
from heatproof.errors import InputError

__all__ = ["FunctionVelocity"]


@final
class FunctionVelocity(Velocity):
    """v(x, t) = function(x, t), (B, *event) to (B, *event); each row on its own.

    Say `divergence_free=True` where div v = 0: nobody checks it, and tests of conserved mass rely on it.
    Errors: `InputError` for what cannot be called, or answers in another shape.
    """

    def __init__(
        self, function: Callable[[Tensor, EquationTime], Tensor], *, divergence_free: bool = False
    ) -> None:
        if not callable(function):
            got = f"a {type(function).__name__}"
            raise InputError(message("velocity", got, "a function of (x, t)"), name="velocity")
        self.function, self.divergence_free = function, divergence_free

    def _at(self, x: Tensor, t: EquationTime) -> Any:  # anything, until the caller has checked it
        return self.function(x, t)

"""What every velocity field is: a map from points and a time to vectors, one for each point."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof.equation._numbers import check_tensor
from heatproof.equation._time import EquationTime
from heatproof.errors import InputError

__all__ = ["Velocity"]


class Velocity(ABC):
    """v(x, t), from points (B, *event) and a time to vectors (B, *event), in input units per unit of time.

    u(x, t) is transported against time: the path from (x, t) is X′(r) = v(X, t − r), X(0) = x, and
    u(x, t) = f(X(t)) where nothing diffuses. Each row's velocity depends on that row only.

    Subclasses write `_at`. `divergence_free` is stated where div v = 0 is known: mass is kept there.
    Errors: `InputError` for values of another shape than x.
    """

    divergence_free: bool = False

    @abstractmethod
    def _at(self, x: Tensor, t: EquationTime) -> Tensor:
        """Return v(x, t)."""

    def __call__(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, "batch *event"]:
        """Return v(x, t), checked to have the shape of x."""
        values = check_tensor("velocity", self._at(x, t), "one vector for each point")
        if values.shape != x.shape:
            got, allowed = f"shape {tuple(values.shape)}", f"the shape of x, {tuple(x.shape)}"
            advice = "A velocity gives one vector for each point."
            raise InputError(message("velocity", got, allowed, advice), name="velocity")
        return values

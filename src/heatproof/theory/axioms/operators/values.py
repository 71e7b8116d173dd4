"""A trained network g_θ(x, t) that is passed off as an evolution operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from jaxtyping import Float
from torch import Tensor

from heatproof.theory.axioms._functions import Function

__all__ = ["NetworkValues"]


@final
class NetworkValues:
    """(T_{t,r} f)(x) = g(x, t), whatever f: a negative control.

    A network of input and time is a function, not an operator on functions: it keeps the Markov property and
    comparison for the reason that it does not look at f, and loses linearity and constants. What can be asked
    of it instead is `measure_values`. Its first value is repeated for each column of f.
    """

    def __init__(self, values: Callable[[Tensor, float], Tensor]) -> None:
        self.values = values

    def __call__(
        self, f: Function, x: Float[Tensor, "batch *event"], t: float, r: float | None = None
    ) -> Float[Tensor, "batch values"]:
        """Return g(x, t), as many columns as f has."""
        del r
        return self.values(x, t)[:, :1].expand_as(f(x))

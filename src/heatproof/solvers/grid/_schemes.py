"""One step in time, three ways. Each keeps the range of its values up to its `longest` step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, final

from scipy import sparse
from scipy.sparse import linalg

from heatproof.solvers.grid._mesh import Array
from heatproof.solvers.grid._operator import Operator
from heatproof.solvers.grid._sides import Sides
from heatproof.solvers.grid._stencil import Stencil

__all__ = ["ExplicitEuler", "ImplicitDiffusion", "Scheme", "StrongStability"]


class Scheme(ABC):
    """A one-step method for u_t = v·∇u + tr(A∇²u) with v and A held over the step."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    @abstractmethod
    def longest(self, operator: Operator) -> float:
        """Return the longest step for which the scheme keeps its promises; infinite where any will do."""

    @abstractmethod
    def step(self, u: Array, operator: Operator, t: float, duration: float) -> Array:
        """Return the values (nodes, K) at t + duration for u at t."""

    def slope(self, u: Array, operator: Operator, t: float) -> Array:
        """Return v·∇u + tr(A∇²u) with the side values of time t."""
        at_places = self.sides.at_places(operator.stencil, t)
        return operator.transport(u) + operator.stencil.apply(u, at_places)


@final
class ExplicitEuler(Scheme):
    """u + τ·(v·∇u + tr(A∇²u)): a mean of neighbours for τ·rate ≤ 1."""

    def longest(self, operator: Operator) -> float:
        """Return 1/rate."""
        return _over(1.0, operator.rate)

    def step(self, u: Array, operator: Operator, t: float, duration: float) -> Array:
        """Return one step."""
        return self.sides.put(u + duration * self.slope(u, operator, t), t + duration)


@final
class ImplicitDiffusion(Scheme):
    """(I − τA∇²)⁻¹(u + τv·∇u): the inverse of an M-matrix after a mean of neighbours.

    The matrix is factorised once for each stencil and step. It needs no pivoting, and without pivoting
    nothing is subtracted when it is solved for a right side ≥ 0: signs are exact.
    """

    def __init__(self, sides: Sides) -> None:
        super().__init__(sides)
        self._factors: tuple[Stencil, float, Any] | None = None

    def longest(self, operator: Operator) -> float:
        """Return 1/rate of the transport alone."""
        return _over(1.0, operator.transport_rate)

    def step(self, u: Array, operator: Operator, t: float, duration: float) -> Array:
        """Return one step."""
        stencil, end = operator.stencil, t + duration
        moved = self.sides.put(u + duration * operator.transport(u), end)
        if not stencil.rate.any():
            return moved
        if len(stencil.places):
            moved += duration * (stencil.cut @ self.sides.at_places(stencil, end))
        found: Array = self._factorised(stencil, duration).solve(moved)
        return found

    def _factorised(self, stencil: Stencil, duration: float) -> Any:
        last = self._factors
        if last is None or last[0] is not stencil or not math.isclose(last[1], duration, rel_tol=1e-12):
            matrix = (sparse.eye_array(len(stencil.rate)) - duration * stencil.matrix).tocsc()
            factors = linalg.splu(
                matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
            )
            self._factors = last = (stencil, duration, factors)
        return last[2]


@final
class StrongStability(Scheme):
    """The method of Runge and Kutta of order 2 whose stages are means of explicit Euler steps.

    u⁽⁰⁾ = u, u⁽ⁱ⁺¹⁾ = u⁽ⁱ⁾ + τ/(s − 1)·F(u⁽ⁱ⁾), and u/s + (1 − 1/s)·u⁽ˢ⁾ at the end (Spiteri and Ruuth 2002):
    what Euler keeps up to a step τ_E, this keeps up to (s − 1)·τ_E.
    """

    stages = 3

    def longest(self, operator: Operator) -> float:
        """Return (s − 1)/rate."""
        return _over(self.stages - 1.0, operator.rate)

    def step(self, u: Array, operator: Operator, t: float, duration: float) -> Array:
        """Return one step."""
        part, end, now = duration / (self.stages - 1), t + duration, u
        for number in range(self.stages - 1):
            then = t + number * part
            now = self.sides.put(now + part * self.slope(now, operator, then), then + part)
        now = now + part * self.slope(now, operator, end)
        return self.sides.put(u / self.stages + (1 - 1 / self.stages) * now, end)


def _over(share: float, rate: float) -> float:
    return share / rate if rate > 0 else math.inf

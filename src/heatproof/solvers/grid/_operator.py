"""The right side v·∇u + tr(A∇²u) on a grid, at one time, and its changes in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.solvers.grid._advection import limited_rate, transport, upwind_rate
from heatproof.solvers.grid._ask import Asked, velocity_stands
from heatproof.solvers.grid._faces import face_velocities
from heatproof.solvers.grid._matrices import Directions, directions_of, too_wide
from heatproof.solvers.grid._mesh import Array, Mesh, Whole
from heatproof.solvers.grid._stencil import Stencil, stencil_of

__all__ = ["Operator", "Operators"]


@final
@dataclass(frozen=True)
class Operator:
    """v·∇u + tr(A∇²u), v and A held at one time. Values are (nodes, K)."""

    mesh: Mesh
    faces: tuple[Array, ...]
    stencil: Stencil
    limited: bool
    given: Whole

    def transport(self, u: Array) -> Array:
        """Return v·∇u; 0 at the nodes whose values are given."""
        whole = u.reshape(*self.mesh.shape, u.shape[1])
        found = transport(whole, self.faces, self.mesh, limited=self.limited).reshape(u.shape)
        found[self.given] = 0.0
        return found

    @cached_property
    def transport_rate(self) -> float:
        """The largest share of itself that a node loses to transport in a unit of time."""
        return self._largest(self._transport_rates)

    @cached_property
    def rate(self) -> float:
        """The largest share of itself that a node loses in a unit of time.

        An explicit step is monotone (keeps the range, if limited) where step × rate ≤ 1.
        """
        return self._largest(self._transport_rates + self.stencil.rate)

    @cached_property
    def _transport_rates(self) -> Array:
        of = limited_rate if self.limited else upwind_rate
        return of(self.faces).ravel()

    def _largest(self, rates: Array) -> float:
        return float(np.delete(rates, self.given).max())


@final
@dataclass
class Operators:
    """The operator at any time; the same object for as long as the coefficients do not change.

    `given` are the numbers of the nodes on Dirichlet sides.
    """

    asked: Asked
    mesh: Mesh
    limited: bool
    given: Whole = field(init=False)
    _matrices: Array | None = field(default=None, init=False)
    _stencil: Stencil | None = field(default=None, init=False)
    _last: Operator | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.given = np.flatnonzero(self.mesh.on_side())

    def at(self, t: float) -> Operator:
        """Return the operator. Errors: `InputError` for an A without monotone stencil."""
        stencil, last = self._stencil_at(t), self._last
        if last is not None and velocity_stands(self.asked.problem) and stencil is last.stencil:
            return last
        faces = face_velocities(self.asked, self.mesh, t)
        same = last is not None and stencil is last.stencil
        if last is None or not same or not all(map(np.array_equal, faces, last.faces)):
            self._last = last = Operator(self.mesh, faces, stencil, self.limited, self.given)
        return last

    def _stencil_at(self, t: float) -> Stencil:
        if self._stencil is not None and self.asked.problem.diffusion.constant:
            return self._stencil
        matrices = self.asked.diffusion(self.mesh.points(), t)
        last = self._matrices
        if self._stencil is None or last is None or not np.array_equal(matrices, last):
            self._matrices, self._stencil = matrices, stencil_of(self._directions(matrices), self.mesh)
        return self._stencil

    def _directions(self, matrices: Array) -> Directions:
        directions = directions_of(matrices, self.mesh)
        if not directions.exact.all():
            got = too_wide(matrices, self.mesh)
            raise InputError(message("diffusion", got, "one with a monotone stencil"), name="diffusion")
        return directions

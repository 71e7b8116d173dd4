"""The values at Dirichlet sides: given by the domain, or those of the start, held."""

from __future__ import annotations

from typing import final

import numpy as np

from heatproof.solvers.grid._ask import Asked
from heatproof.solvers.grid._mesh import Array, Mesh
from heatproof.solvers.grid._stencil import Stencil

__all__ = ["Sides"]


@final
class Sides:
    """Values for the nodes on Dirichlet sides, and for the places there where arms are cut."""

    def __init__(self, asked: Asked, mesh: Mesh) -> None:
        domain = asked.problem.domain
        self._asked, self._held = asked, domain is None or domain.values is None
        self._nodes = np.flatnonzero(mesh.on_side())
        self._points = mesh.points()[self._nodes]
        self._last: tuple[Stencil, float, Array] | None = None

    def put(self, u: Array, t: float) -> Array:
        """Return u with the values of time t at its nodes on the sides, written in place."""
        if len(self._nodes) and not self._held:
            u[self._nodes] = self._asked.side(self._points, t)
        return u

    def at_places(self, stencil: Stencil, t: float) -> Array:
        """Return the values at the places of a stencil; held ones are asked for once."""
        if not len(stencil.places):
            return np.zeros((0, 1))
        last = self._last
        if last is None or last[0] is not stencil or (last[1] != t and not self._held):
            self._last = last = (stencil, t, self._asked.side(stencil.places, t))
        return last[2]

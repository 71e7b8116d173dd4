"""The nodes of a grid on a box, and what is beyond its sides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from heatproof.equation import Domain
from heatproof.equation.domain import Boundary

__all__ = ["Array", "Mesh", "Whole"]

Array: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.int64]


@final
@dataclass(frozen=True)
class Mesh:
    """Vertex-centred nodes low_a + i·h_a, i = 0 … cells, numbered in C order; periodic: without the last one.

    The first and last nodes of an axis are on its sides. A periodic grid goes round, a Neumann grid is
    mirrored at its sides, and of a Dirichlet grid nothing is beyond.
    """

    low: tuple[float, ...]
    step: tuple[float, ...]
    cells: int
    boundary: Boundary

    @classmethod
    def of(cls, domain: Domain, cells: int) -> Mesh:
        """Return the mesh with so many cells along each axis."""
        return cls(domain.low, tuple(length / cells for length in domain.lengths), cells, domain.boundary)

    @property
    def dimension(self) -> int:
        """The number of axes."""
        return len(self.low)

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes along each axis."""
        return (self.cells + (self.boundary != "periodic"),) * self.dimension

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return math.prod(self.shape)

    @property
    def axes(self) -> tuple[Array, ...]:
        """The coordinates of the nodes along each axis."""
        pairs = zip(self.low, self.step, strict=True)
        return tuple(low + h * np.arange(self.shape[0], dtype=np.float64) for low, h in pairs)

    def points(self) -> Array:
        """Return the coordinates of all nodes, (nodes, d)."""
        return product(self.axes)

    def at(self, index: Array) -> Array:
        """Return the coordinates of places (…, d) counted in steps from the lower corner."""
        return np.asarray(self.low) + np.asarray(self.step) * index

    def on_side(self) -> npt.NDArray[np.bool_]:
        """Return which nodes are on a Dirichlet side, (nodes,)."""
        if self.boundary != "dirichlet":
            return np.zeros(self.nodes, dtype=bool)
        inner = np.zeros(self.shape, dtype=bool)
        inner[(slice(1, -1),) * self.dimension] = True
        return ~inner.ravel()

    def inside(self, index: Array) -> Array:
        """Return places counted in steps, put back into the box: round, by a mirror, or to the side."""
        if self.boundary == "periodic":
            return np.mod(index, self.cells)
        if self.boundary == "neumann":
            mirrored: Array = self.cells - np.abs(np.mod(index, 2 * self.cells) - self.cells)
            return mirrored
        return np.clip(index, 0, self.cells)

    def number(self, index: Whole) -> Whole:
        """Return the numbers of the nodes at (…, d) whole steps, put back into the box."""
        inner = self.inside(index.astype(np.float64)).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(inner, -1, 0)), self.shape), dtype=np.int64)


def product(axes: tuple[Array, ...]) -> Array:
    """Return all points of a product of axes, (points, d), in C order."""
    return np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)

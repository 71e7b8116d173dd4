"""Velocities on the faces between neighbouring nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from heatproof.solvers.grid._ask import Asked
from heatproof.solvers.grid._matrices import NotFiniteError
from heatproof.solvers.grid._mesh import Array, Mesh, product

__all__ = ["face_velocities"]

_POINTS = 5


@final
@dataclass(frozen=True)
class _Rule:
    """Gauss–Legendre points across a face, in steps of the grid, and weights that sum to 1."""

    places: Array
    weights: Array

    @classmethod
    def across(cls, mesh: Mesh) -> _Rule:
        if mesh.dimension == 1:
            return cls(np.zeros(1), np.ones(1))
        places, weights = np.polynomial.legendre.leggauss(_POINTS)
        return cls(places / 2, weights / 2)


def face_velocities(asked: Asked, mesh: Mesh, t: float) -> tuple[Array, ...]:
    """Return for each axis V/h of the faces across it, (n + 1,) or (n + 1, n), that axis first; 1/time.

    Face k is between nodes k − 1 and k, and V the mean of v·(normal) over it, by five Gauss–Legendre points:
    where div v = 0 the sum of V over the faces of a node is 0 up to the error of that rule, of degree 9.
    Beyond Neumann sides v is mirrored; faces beyond Dirichlet sides are 0, for nothing is computed there.
    """
    found = tuple(_across(asked, mesh, t, axis) for axis in range(mesh.dimension))
    if not all(np.isfinite(faces).all() for faces in found):
        raise NotFiniteError("the velocity is not finite")
    return found


def _across(asked: Asked, mesh: Mesh, t: float, axis: int) -> Array:
    """Return the faces across one axis, which comes first."""
    rule, nodes = _Rule.across(mesh), np.arange(mesh.shape[0])
    total = 0.0
    for place, weight in zip(rule.places, rule.weights, strict=True):
        ticks = [nodes + place] * mesh.dimension
        ticks[axis] = nodes[mesh.boundary != "periodic" :] - 0.5
        points = mesh.at(mesh.inside(product(tuple(ticks))))
        speeds = asked.velocity(points, t)[:, axis].reshape([len(tick) for tick in ticks])
        total = total + weight * np.moveaxis(speeds, axis, 0)
    return _closed(np.asarray(total), mesh) / mesh.step[axis]


def _closed(faces: Array, mesh: Mesh) -> Array:
    """Return the faces between nodes with those at both ends."""
    if mesh.boundary == "periodic":  # the first is between the last node and the first
        return np.concatenate([faces, faces[:1]])
    beyond = -1.0 if mesh.boundary == "neumann" else 0.0
    return np.concatenate([beyond * faces[:1], faces, beyond * faces[-1:]])

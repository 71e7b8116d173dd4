"""Values at any points from values at the nodes."""

from __future__ import annotations

import itertools

import numpy as np

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.solvers.grid._mesh import Array, Mesh, Whole

__all__ = ["check_inside", "limited_cubic", "linear"]

_ROUNDING = 1e-9
"""Points this near to a node, in steps, are on it."""

_ON_SIDE = 1e-6
"""Points this far beyond a side, as a share of its length, are on it: float32 rounds that much."""


def linear(u: Array, mesh: Mesh, points: Array) -> Array:
    """Return (points, K), linear along each axis: means of 2^d nodes, so monotone; error O(h²)."""
    lower, share = _cell(mesh, points)
    weights = np.stack([1 - share, share], axis=1)
    return _product(u, mesh, lower, weights)


def limited_cubic(u: Array, mesh: Mesh, points: Array) -> Array:
    """Return (points, K), cubic along each axis, cut to the range of the 2^d nodes around each point.

    Error O(h⁴) where nothing is cut; cut are extrema between nodes, at most h²/8·max|u″| of each axis.
    At Dirichlet sides the four nodes are the nearest inside; Neumann sides are mirrors.
    """
    lower, share = _cell(mesh, points)
    first = lower - 1
    if mesh.boundary == "dirichlet":
        first = np.clip(first, 0, mesh.cells - 3)
    weights = _lagrange(share + (lower - first))
    corners = itertools.product((0, 1), repeat=mesh.dimension)
    around = np.stack([u[mesh.number(lower + np.asarray(corner))] for corner in corners])
    return np.clip(_product(u, mesh, first, weights), around.min(axis=0), around.max(axis=0))


def _cell(mesh: Mesh, points: Array) -> tuple[Whole, Array]:
    """Return the lower node of the cell around each point, (points, d), and the share of a step beyond it."""
    place = (points - np.asarray(mesh.low)) / np.asarray(mesh.step)
    nearest = np.rint(place)
    place = np.where(np.abs(place - nearest) <= _ROUNDING * (1 + np.abs(nearest)), nearest, place)
    if mesh.boundary != "periodic":
        place = np.clip(place, 0, mesh.cells)
    lower = np.floor(place)
    if mesh.boundary != "periodic":
        lower = np.minimum(lower, mesh.cells - 1)
    return lower.astype(np.int64), place - lower


def check_inside(mesh: Mesh, points: Array) -> None:
    """Raise `InputError` for points outside the box; on periodic grids none are."""
    place = (points - np.asarray(mesh.low)) / np.asarray(mesh.step)
    slack = _ON_SIDE * mesh.cells
    outside = ((place < -slack) | (place > mesh.cells + slack)).any(axis=1)
    if mesh.boundary == "periodic" or not outside.any():
        return
    sides = zip(mesh.low, mesh.step, strict=True)
    box = " × ".join(f"[{low:g}, {low + h * mesh.cells:g}]" for low, h in sides)
    got = f"{int(outside.sum())} points outside, the first is {points[int(outside.argmax())].tolist()}"
    raise InputError(message("x", got, f"points of the problem's domain, {box}"), name="x")


def _lagrange(place: Array) -> Array:
    """Return the weights (points, 4, d) of nodes 0 … 3 for the cubic through them."""
    weights = [
        np.prod([(place - other) / (node - other) for other in range(4) if other != node], axis=0)
        for node in range(4)
    ]
    return np.stack(weights, axis=1)


def _product(u: Array, mesh: Mesh, first: Whole, weights: Array) -> Array:
    """Return Σ Π_a weights[:, i_a, a]·u(first + i), (points, K)."""
    total = np.zeros((len(first), u.shape[1]))
    for offsets in itertools.product(range(weights.shape[1]), repeat=mesh.dimension):
        weight = np.prod([weights[:, offset, axis] for axis, offset in enumerate(offsets)], axis=0)
        total += weight[:, None] * u[mesh.number(first + np.asarray(offsets))]
    return total

"""tr(A∇²u) on a grid: second differences along whole-numbered directions, as a sparse matrix.

At node i, Σ_k w_k·(u(i + e_k) + u(i − e_k) − 2u(i)), w ≥ 0: monotone, and exact on quadratics. Arms go round
periodic grids and are mirrored at Neumann sides. At Dirichlet sides they are cut where they meet the side,
at the shares a, b ≤ 1 of their lengths, with weights 2/(a(a + b)) and 2/(b(a + b)) (Shortley and Weller
1938): still monotone and exact on quadratics, of order 1 at such nodes and 2 in the solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse

from heatproof.solvers.grid._matrices import Directions
from heatproof.solvers.grid._mesh import Array, Mesh, Whole

__all__ = ["Stencil", "stencil_of"]


@final
@dataclass(frozen=True)
class Stencil:
    """`matrix` on the values of the nodes, and `cut` on the values at `places` (m, d) on the sides.

    Rows of nodes on Dirichlet sides are 0. `rate` is the sum of the weights of each node; 1/time.
    """

    matrix: sparse.csr_array
    cut: sparse.csr_array
    places: Array
    rate: Array

    def apply(self, u: Array, at_places: Array) -> Array:
        """Return tr(A∇²u), (nodes, K)."""
        found: Array = self.matrix @ u
        return found + self.cut @ at_places if len(self.places) else found


@final
@dataclass(frozen=True)
class _Arms:
    """All arms: the node they start at, where they end (in steps), their share, and their weight."""

    rows: Whole
    ends: Array
    shares: Array
    weights: Array


def stencil_of(directions: Directions, mesh: Mesh) -> Stencil:
    """Return the stencil. Cost: at most seven numbers a node."""
    arms = _arms(directions, mesh)
    whole = arms.shares == 1
    columns = mesh.number(np.rint(arms.ends[whole]).astype(np.int64))
    rate = np.bincount(arms.rows, arms.weights, minlength=mesh.nodes).astype(np.float64)
    everyone = np.arange(mesh.nodes)
    matrix = _matrix(
        np.concatenate([arms.weights[whole], -rate]),
        np.concatenate([arms.rows[whole], everyone]),
        np.concatenate([columns, everyone]),
        (mesh.nodes, mesh.nodes),
    )
    count = int((~whole).sum())
    cut = _matrix(arms.weights[~whole], arms.rows[~whole], np.arange(count), (mesh.nodes, count))
    return Stencil(matrix, cut, mesh.at(mesh.inside(arms.ends[~whole])), rate)


def _arms(directions: Directions, mesh: Mesh) -> _Arms:
    """Return both arms of every direction of positive weight at every node that is computed."""
    weights = np.broadcast_to(directions.weights, (mesh.nodes, directions.weights.shape[1]))
    rows, which = np.nonzero((weights > 0) & ~mesh.on_side()[:, None])
    chosen = directions.directions[rows if len(directions.directions) > 1 else 0, which]
    start = np.stack(np.unravel_index(rows, mesh.shape), axis=1)
    forth, back = (_share(start, sign * chosen, mesh) for sign in (1, -1))
    weight = 2 * weights[rows, which] / (forth + back)
    ends = [start + forth[:, None] * chosen, start - back[:, None] * chosen]
    return _Arms(
        np.concatenate([rows, rows]),
        np.concatenate(ends),
        np.concatenate([forth, back]),
        np.concatenate([weight / forth, weight / back]),
    )


def _share(start: Whole, arm: Whole, mesh: Mesh) -> Array:
    """Return the share of each arm up to the Dirichlet side that it meets first; 1 where it meets none."""
    if mesh.boundary != "dirichlet":
        return np.ones(len(start))
    room = np.where(arm > 0, mesh.cells - start, start)
    shares = np.where(arm != 0, room / np.maximum(np.abs(arm), 1), 1.0)
    return np.asarray(np.minimum(shares.min(axis=1), 1.0), dtype=np.float64)


def _matrix(values: Array, rows: Whole, columns: Whole, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=shape))

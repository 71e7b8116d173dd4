"""Diffusion matrices, checked, as weights along directions of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.solvers.grid._mesh import Array, Mesh, Whole
from heatproof.solvers.grid._selling import decompose

__all__ = ["Directions", "NotFiniteError", "directions_of", "too_wide", "widest"]

_WIDEST = 16
"""Nodes that the arm of a stencil may reach, along either axis."""

_ROUNDING = 1e-6
"""Asymmetry, and negative eigenvalues, of this share of the largest entry pass for rounding (float32)."""


@final
class NotFiniteError(ArithmeticError):
    """Something on the grid is NaN or infinite; the message says what."""


@final
@dataclass(frozen=True)
class Directions:
    """tr(A∇²u) = Σ_k w_k ∂²u/∂e_k², e in steps of the grid: weights (n, m) ≥ 0, directions (n, m, d).

    n is 1 where A is the same at all nodes. Unit of the weights: 1/time. `exact` says at which nodes this
    is A; at others a wider stencil would be needed.
    """

    weights: Array
    directions: Whole
    exact: npt.NDArray[np.bool_]


def widest(mesh: Mesh) -> int:
    """Return how many nodes an arm may reach along an axis: 16, or an eighth of the grid, at least 1.

    Second differences over longer arms are consistent too, but of no use: their error is that of h·width.
    """
    return max(1, min(_WIDEST, mesh.cells // 8))


def directions_of(matrices: Array, mesh: Mesh) -> Directions:
    """Return A (n, d, d) as weights along directions of the grid.

    Errors: `InputError` for a matrix that is not symmetric or not positive semi-definite, by how much.
    """
    if not np.isfinite(matrices).all():
        raise NotFiniteError("the diffusion is not finite")
    _check(matrices)
    steps = np.asarray(mesh.step)
    scaled = (matrices + matrices.swapaxes(1, 2)) / 2 / np.outer(steps, steps)
    if mesh.dimension == 1:
        ones = np.ones((len(scaled), 1, 1), dtype=np.int64)
        return Directions(np.maximum(scaled[:, 0], 0.0), ones, np.ones(len(scaled), dtype=bool))
    weights, directions, exact = decompose(scaled, widest(mesh))
    used = weights.max(axis=0) > 0
    return Directions(weights[:, used], directions[:, used], exact)


def too_wide(matrices: Array, mesh: Mesh) -> str:
    """Return why A has no monotone stencil on this grid, and what would help; "" where it has one."""
    bad = matrices[~directions_of(matrices, mesh).exact]
    if not len(bad):
        return ""
    return (
        f"a diffusion so close to degenerate, askew to the grid, at {len(bad):,} of {len(matrices):,} nodes "
        f"that a monotone stencil would reach beyond {widest(mesh)} nodes "
        f"(adding {_enough(bad, mesh):.2g} to its diagonal is enough; or use feynman_kac)"
    )


def _enough(matrices: Array, mesh: Mesh) -> float:
    """Return an ε for which A + εI has a stencil: a power of two times the largest entry."""
    largest = float(np.abs(matrices).max())
    for power in range(-20, 1):
        more = largest * 2.0**power
        if directions_of(matrices + more * np.eye(2), mesh).exact.all():
            return more
    return largest * max(mesh.step) ** 2 / min(mesh.step) ** 2


def _check(matrices: Array) -> None:
    scale = _ROUNDING * float(np.abs(matrices).max(initial=0.0))
    skew = float(np.abs(matrices - matrices.swapaxes(1, 2)).max(initial=0.0))
    if skew > scale:
        got = f"entries A_ij and A_ji that differ by up to {skew:.3g}"
        advice = "Use (A + Aᵀ)/2: only the symmetric part diffuses."
        raise InputError(message("diffusion", got, "a symmetric matrix", advice), name="diffusion")
    least = float(np.linalg.eigvalsh(matrices).min(initial=0.0))
    if least < -scale:
        got = f"a smallest eigenvalue of {least:.3g}"
        raise InputError(message("diffusion", got, "no eigenvalue below 0"), name="diffusion")

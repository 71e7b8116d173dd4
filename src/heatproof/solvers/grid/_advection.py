"""v·∇u on a grid, upwinded on the side that v points to, of first order or with a limiter.

In the form of finite volumes, u_t = v·∇u is u_t = div(vu) − u·div v. The cell of node i has faces f with
velocities V_f outwards, and du_i/dt = Σ_f V_f·(û_f − u_i)/h with values û_f at the faces. Constants stay,
whatever û is, and Σu stays where ΣV_f = 0. u_t = +v·u_x carries values against v, so that û_f comes from the
node to which v points: u_neighbour where V_f > 0, u_i where V_f < 0, with half a slope added if limited.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from heatproof.solvers.grid._mesh import Array, Mesh

__all__ = ["ahead", "limited_rate", "transport", "upwind_rate", "van_leer"]


def ahead(faces: Array) -> npt.NDArray[np.bool_]:
    """Return at which faces the value comes from the node with the larger number: where v points up."""
    return faces >= 0


def transport(u: Array, faces: tuple[Array, ...], mesh: Mesh, *, limited: bool) -> Array:
    """Return v·∇u, (*shape, K), for u (*shape, K). What it says at Dirichlet sides has no meaning."""
    total = np.zeros_like(u)
    for axis, speeds in enumerate(faces):
        along = np.moveaxis(total, axis, 0)
        along += _along(np.moveaxis(u, axis, 0), speeds[..., None], mesh, limited=limited)
    return total


def _along(u: Array, speeds: Array, mesh: Mesh, *, limited: bool) -> Array:
    """Return v_a ∂u/∂x_a along the first axis."""
    wide = _extended(u, mesh)
    below, above = wide[1:-2], wide[2:-1]
    if limited:
        jumps = np.diff(wide, axis=0)
        half_slopes = van_leer(jumps[:-1], jumps[1:]) / 2
        below, above = below + half_slopes[:-1], above - half_slopes[1:]
    at_faces = np.where(ahead(speeds), above, below)
    found: Array = speeds[1:] * (at_faces[1:] - u) - speeds[:-1] * (at_faces[:-1] - u)
    return found


def _extended(u: Array, mesh: Mesh) -> Array:
    """Return u with two more nodes at both ends: round, mirrored, or along a line."""
    if mesh.boundary == "periodic":
        return np.concatenate([u[-2:], u, u[:2]])
    if mesh.boundary == "neumann":
        return np.concatenate([u[2:0:-1], u, u[-2:-4:-1]])
    first, last = u[1:2] - u[:1], u[-1:] - u[-2:-1]
    return np.concatenate([u[:1] - 2 * first, u[:1] - first, u, u[-1:] + last, u[-1:] + 2 * last])


def van_leer(left: Array, right: Array) -> Array:
    """Return the harmonic mean of neighbouring differences of one sign, else 0 (van Leer 1974)."""
    product = left * right
    same = product > 0
    return np.where(same, 2 * product / np.where(same, left + right, 1.0), 0.0)


def upwind_rate(faces: tuple[Array, ...]) -> Array:
    """Return Σ|V|/h over the faces through which v points out of a node's cell, (*shape); 1/time."""
    return _sum(faces, lambda speeds: np.maximum(speeds[1:], 0) + np.maximum(-speeds[:-1], 0))


def limited_rate(faces: tuple[Array, ...]) -> Array:
    """Return Σ|V|/h over all faces of a node's cell, (*shape): what limited values may take; 1/time."""
    return _sum(faces, lambda speeds: np.abs(speeds[1:]) + np.abs(speeds[:-1]))


def _sum(faces: tuple[Array, ...], rate: Callable[[Array], Array]) -> Array:
    total: Array = np.sum([np.moveaxis(rate(speeds), 0, axis) for axis, speeds in enumerate(faces)], axis=0)
    return total

"""A symmetric positive semi-definite matrix (2, 2) as a sum of whole-numbered directions, weights ≥ 0.

Selling's reduction (1874): a superbase b₀ + b₁ + b₂ = 0 of the lattice ℤ² with b_i·Ab_j ≤ 0 for all i ≠ j
exists for every positive definite A, and then A = Σ_k w_k e_k e_kᵀ with w_k = −b_i·Ab_j ≥ 0 and e_k = b_k
turned by a quarter, {i, j, k} = {0, 1, 2}. Used for monotone schemes by Bonnans, Ottenwaelter and Zidani
(2004) and Fehrenbach and Mirebeau (2014). The directions grow with the root of the condition of A; for a
degenerate A with an irrational direction there are none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from heatproof.solvers.grid._mesh import Array, Whole

__all__ = ["decompose"]

_ROUNDING = 1e-13
_MOST_TURNS = 1000
_PAIRS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))


def decompose(matrices: Array, widest: int) -> tuple[Array, Whole, npt.NDArray[np.bool_]]:
    """Return weights (n, 3) ≥ 0, directions (n, 3, 2), and where A = Σ w e eᵀ up to rounding, (n,).

    It is not so where a direction with an entry beyond `widest` would be needed.
    """
    base = np.tile(np.array([[-1, -1], [1, 0], [0, 1]], dtype=np.int64), (len(matrices), 1, 1))
    small = _ROUNDING * np.trace(matrices, axis1=1, axis2=2)
    open_rows = np.arange(len(matrices))
    for _ in range(_MOST_TURNS):
        products = _products(base[open_rows], matrices[open_rows])
        worst = products.argmax(axis=1)
        within = np.abs(base[open_rows]).max(axis=(1, 2)) <= widest
        going = (products.max(axis=1) > small[open_rows]) & within
        open_rows, worst = open_rows[going], worst[going]
        if not len(open_rows):
            break
        base[open_rows] = _turned(base[open_rows], worst)
    products = _products(base, matrices)
    weights = np.where(-products > small[:, None], -products, 0.0)
    thirds = base[:, [k for _, _, k in _PAIRS]]
    directions = np.stack([-thirds[..., 1], thirds[..., 0]], axis=-1)
    reach = np.where(weights > 0, np.abs(directions).max(axis=2), 0).max(axis=1)
    return weights, directions, (products.max(axis=1) <= small) & (reach <= widest)


def _products(base: Whole, matrices: Array) -> Array:
    """Return b_i·Ab_j for the three pairs, (n, 3)."""
    grams = np.einsum("nia,nab,njb->nij", base, matrices, base)
    return np.stack([grams[:, i, j] for i, j, _ in _PAIRS], axis=1)


def _turned(base: Whole, worst: Whole) -> Whole:
    """Return the superbases (−b_i, b_j, b_i − b_j), {i, j} being each row's worst pair."""
    rows, pairs = np.arange(len(base)), np.asarray(_PAIRS)[worst]
    first, second = base[rows, pairs[:, 0]], base[rows, pairs[:, 1]]
    turned = base.copy()
    turned[rows, pairs[:, 0]] = -first
    turned[rows, pairs[:, 2]] = first - second
    return turned

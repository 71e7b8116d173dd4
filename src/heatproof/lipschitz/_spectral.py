"""Upper bounds of spectral norms that hold in floating point, without trust in the eigenvalue solver.

`spectral_bound` takes any approximate decomposition A ≈ U·diag(s)·Vᴴ and bounds what is wrong with it:

    ‖A‖₂ ≤ max(s)·‖U‖₂·‖V‖₂ + ‖A − U diag(s) Vᴴ‖_F,    ‖U‖₂² ≤ 1 + ‖UᴴU − I‖_F                        (a)

(the idea of Rump 2011, Verified bounds for singular values). The products are themselves rounded; an inner
product of n terms, real or complex, summed in any order, is off by at most 4(2n + 8)u·Σ|a||b| with
u = 2⁻⁵³ (Higham 2002, section 3.1; a generous constant), which is added. Where (a) is loose by 10⁻⁸ it is
much.

`gram_bound` is Gram iteration (Delattre et al. 2023): ‖A‖₂² = ‖AᵀA‖₂, repeated, ends with ‖·‖₂ ≤ ‖·‖_F.
It costs matrix products only and has gradients. Where we differ: the rounding of each product is carried
through, and the scaling is by powers of two, which is exact.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from heatproof.lipschitz._bound import refused, up

__all__ = ["dot_error", "exact", "gram_bound", "spectral_bound"]

_UNIT = 2.0**-53
_TINY = 2.0**-900
"""More than all that underflow can hide, as matrices are scaled to entries near 1 first."""
_SMALL = 2.0**-400
"""Added to a norm so that a matrix of zeros has a bound, and gradients, too."""


def dot_error(terms: int) -> float:
    """Return e with |computed − exact| ≤ e·Σ|a_i||b_i| for an inner product of so many terms."""
    return 4.0 * (2.0 * terms + 8.0) * _UNIT


def exact(weight: Tensor) -> np.ndarray:
    """Return the weights as float64, which holds every real floating-point type exactly."""
    if not weight.is_floating_point():
        raise refused(f"weights of type {weight.dtype}", "Use real floating-point weights.")
    values: np.ndarray = weight.detach().to("cpu", torch.float64).numpy()
    return values


def spectral_bound(matrices: np.ndarray, error: float = 0.0) -> float:
    """Return an upper bound of the largest ‖A‖₂ in a stack (…, m, n), float64 or complex128.

    `error` bounds ‖computed − meant‖_F of each matrix and is added. Relative excess about
    10⁻¹⁵·(m + n)·min(m, n) at most. Cost: a singular value decomposition of each.
    Errors: `LipschitzError` for entries that are not finite, or where no decomposition is found.
    """
    stack = matrices.reshape(-1, *matrices.shape[-2:])
    largest = float(np.abs(stack).max(initial=0.0))
    if not math.isfinite(largest):
        raise refused("weights with NaN or infinite values", "Clean the weights.")
    if largest == 0:
        return error
    exponent = math.frexp(largest)[1]
    half, rest = exponent // 2, exponent - exponent // 2  # two steps, as 2^±1074 alone is no float
    scaled = stack * 2.0**-half * 2.0**-rest
    try:
        u, s, vh = np.linalg.svd(scaled, full_matrices=False)
    except np.linalg.LinAlgError:
        raise refused("weights whose singular values were not found", "Rescale the weights.") from None
    grown = np.sqrt(_squared_norm(np.conj(np.swapaxes(u, -1, -2))) * _squared_norm(vh))
    bounds = s.max(axis=-1) * grown + _rest(scaled, u, s, vh)
    return up((float(bounds.max()) * (1 + 16 * _UNIT) + _TINY) * 2.0**half * 2.0**rest) + error


def _squared_norm(rows: np.ndarray) -> np.ndarray:
    """Return 1 + ‖RRᴴ − I‖_F, with allowance, for rows (stack, r, n) that are nearly orthonormal."""
    count, length = rows.shape[-2:]
    off = rows @ np.conj(np.swapaxes(rows, -1, -2)) - np.eye(count)
    squares = _frobenius(rows) ** 2
    norm: np.ndarray = 1.0 + _frobenius(off) + (dot_error(length) + 2 * _UNIT) * squares
    return norm


def _rest(a: np.ndarray, u: np.ndarray, s: np.ndarray, vh: np.ndarray) -> np.ndarray:
    """Return ‖A − U diag(s) Vᴴ‖_F with allowance."""
    scaled = u * s[:, None, :]
    size = _frobenius(scaled) * _frobenius(vh)
    rest: np.ndarray = _frobenius(a - scaled @ vh) + (dot_error(s.shape[-1]) + 4 * _UNIT) * size
    return rest


def _frobenius(stack: np.ndarray) -> np.ndarray:
    """Return the Frobenius norms, rounded upwards by more than the sum of squares can lose."""
    norm: np.ndarray = np.sqrt((np.abs(stack) ** 2).sum(axis=(-2, -1)))
    return norm * (1.0 + dot_error(stack.shape[-1] * stack.shape[-2]))


def gram_bound(weight: Tensor, steps: int = 8) -> Tensor:
    """Return an upper bound () of ‖weight‖₂ for a real matrix (m, n), float64 and differentiable.

    A stack (…, m, n) gives a bound (…,) for each matrix. It exceeds ‖W‖₂ by a factor of at most
    r^(2^−(steps+1)), r = min(m, n): 1.014 for 1,000 and 8 steps; rounding adds about 10⁻¹⁵·r·max(m, n).
    Cost: `steps` products of r×r matrices and one of r×n, in float64 whatever the precision of the weights:
    in float32 the allowance alone would be percents.
    """
    a = weight.double()
    a = a if a.shape[-2] >= a.shape[-1] else a.mT
    scales, sizes = [], []
    for step in range(steps + 1):
        size = torch.linalg.matrix_norm(a) * (1 + dot_error(a.shape[-2] * a.shape[-1])) + _SMALL
        scale = _power_of_two(size)
        scales.append(scale)
        sizes.append((size / scale, a.shape[-2]))
        if step < steps:
            a = a / scale[..., None, None]
            a = a.mT @ a
    return _back(scales, sizes)


def _back(scales: list[Tensor], sizes: list[tuple[Tensor, int]]) -> Tensor:
    """Return the bound of the first matrix from the Frobenius norm of the last, through all roundings."""
    bound = sizes[-1][0] * scales[-1]
    for scale, (size, terms) in zip(scales[-2::-1], sizes[-2::-1], strict=True):
        bound = torch.sqrt(bound + dot_error(terms) * size**2) * scale * (1 + 8 * _UNIT)
    return bound


def _power_of_two(size: Tensor) -> Tensor:
    """Return the power of two in (size, 2·size], exactly."""
    plain = size.detach()
    return plain / torch.frexp(plain).mantissa

"""Any symmetric, positive semi-definite matrix: correlated diffusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof.equation._numbers import as_numbers, check_tensor
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion._diffusion import Coefficient, Diffusion, can_be_read, refuse_kernel
from heatproof.equation.diffusion._symmetric_root import symmetric_root
from heatproof.errors import InputError
from heatproof.noise import AnisotropicGaussian

__all__ = ["FullDiffusion"]

_ROUNDING = 1e-6
"""Asymmetry, and negative eigenvalues, of this share of the largest entry pass for rounding (float32)."""


@final
class FullDiffusion(Diffusion):
    """A(x, t), a matrix (d, d) over flattened points, or a function of (x, t) to (B, d, d).

    A given matrix is a constant diffusion, whose heat kernel over τ is N(0, 2Aτ); it is copied, and no
    gradient flows to it. A function of t alone says `varies_in_space=False`; its values may have a batch
    of 1.
    Cost of a draw: O(d²) a point for a constant matrix; for a function, two symmetric eigendecompositions a
    point (the root, and the check that it has one; no check under `torch.func.vmap` and `torch.compile`).
    Errors: `InputError` for a matrix that is not symmetric or not positive semi-definite (says by how much),
    not square, or of another size than the points.
    """

    def __init__(
        self, matrix: Tensor | Sequence[Sequence[float]] | Coefficient, *, varies_in_space: bool = True
    ) -> None:
        self._varies = varies_in_space
        self._function = matrix if callable(matrix) else None
        if not callable(matrix):
            self._numbers = as_numbers("diffusion matrix", matrix)
            self._root = _root(self._numbers[None])[0]

    @property
    def constant(self) -> bool:
        """Whether a matrix was given."""
        return self._function is None

    @property
    def varies_in_space(self) -> bool:
        """Whether A may depend on x."""
        return self._function is not None and self._varies

    @property
    def vanishes(self) -> bool:
        """Whether the given matrix is 0."""
        return self._function is None and not bool(self._numbers.any())

    def matrix(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, "batch d d"]:
        """Return A at each point."""
        size = math.prod(x.shape[1:])
        if self._function is None:
            given = self._numbers.to(x)
        else:
            given = check_tensor("matrix", self._function(x, t), "(d, d) for each point")
        if given.shape[-2:] != (size, size) or given.shape[:-2] not in {(), (1,), (len(x),)}:
            got, allowed = f"shape {tuple(given.shape)}", f"({size}, {size}) for each of {len(x)} points"
            raise InputError(message("matrix", got, allowed), name="matrix")
        return given.expand(len(x), size, size)

    def mean_diffusivity(self, x: Float[Tensor, "batch *event"], t: EquationTime) -> Float[Tensor, " batch"]:
        """Return tr A/d."""
        return self.matrix(x, t).diagonal(dim1=1, dim2=2).mean(dim=1)

    def normals(self, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the event's own shape."""
        return tuple(event_shape)

    def stretched(
        self, x: Float[Tensor, "batch *event"], t: EquationTime, xi: Float[Tensor, "batch *normals"]
    ) -> Float[Tensor, "batch *event"]:
        """Return √(2A)·ξ with the symmetric root."""
        matrix = self.matrix(x, t)
        root = self._root.to(x).expand_as(matrix) if self._function is None else _root(matrix)
        return math.sqrt(2) * torch.einsum("bij,bj->bi", root, xi.flatten(1)).reshape(x.shape)

    def _kernel(self, time: float) -> AnisotropicGaussian:
        least = float(torch.linalg.eigvalsh(self._numbers).min())
        if least <= _ROUNDING * float(self._numbers.abs().max()):
            raise refuse_kernel("one without diffusion in some direction")
        return AnisotropicGaussian(covariance=(2 * time * self._numbers).tolist())

    def __repr__(self) -> str:
        what = self._numbers.tolist() if self._function is None else self._function
        return f"FullDiffusion({what})"


def _root(matrix: Tensor) -> Tensor:
    """Return the symmetric root of each matrix, refused if it has none, where that can be looked at."""
    if can_be_read(matrix):
        _check_symmetric(matrix)
        _check_not_negative(matrix)
    return symmetric_root(matrix)


def _check_not_negative(matrix: Tensor) -> None:
    values = torch.linalg.eigvalsh(matrix.detach())
    least, most = float(values.min()), float(values.abs().max())
    if least < -_ROUNDING * most:
        got = f"a smallest eigenvalue of {least:.3g}"
        raise InputError(message("diffusion matrix", got, "no eigenvalue below 0"), name="diffusion")


def _check_symmetric(matrix: Tensor) -> None:
    allowed = "a finite, symmetric, positive semi-definite matrix (d, d)"
    if matrix.ndim != 3 or matrix.shape[1] != matrix.shape[2] or matrix.numel() == 0:
        got = f"shape {tuple(matrix.shape[1:])}"
        raise InputError(message("diffusion matrix", got, allowed), name="diffusion")
    if not bool(torch.isfinite(matrix).all()):
        raise InputError(message("diffusion matrix", "entries that are not finite", allowed))
    difference = float((matrix - matrix.mT).detach().abs().max())
    if difference > _ROUNDING * float(matrix.detach().abs().max()):
        got = f"entries A_ij and A_ji that differ by up to {difference:.3g}"
        advice = "Use (A + Aᵀ)/2: only the symmetric part diffuses."
        raise InputError(message("diffusion matrix", got, allowed, advice), name="diffusion")

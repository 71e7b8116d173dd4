"""Linear velocity fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof.equation._numbers import as_numbers
from heatproof.equation._time import EquationTime
from heatproof.equation.velocity._velocity import Velocity
from heatproof.errors import InputError

__all__ = ["LinearVelocity"]


@final
class LinearVelocity(Velocity):
    """v(x, t) = M·x + c on flattened points, M (d, d), c (d,) or none. Expansion, contraction, rotation.

    The flow over a time r is X(r) = exp(rM)·x + ∫₀ʳ exp(qM) c dq. M and c are copied: constants, to which no
    gradient flows (`FunctionVelocity` for what is to be learned). Errors: `InputError` for a matrix that is
    not square or not finite, an offset of another length, or points of another dimension.
    """

    def __init__(
        self, matrix: Tensor | Sequence[Sequence[float]], offset: Tensor | Sequence[float] | None = None
    ) -> None:
        self.matrix = _checked(matrix)
        size = len(self.matrix)
        given = torch.zeros(size).double() if offset is None else as_numbers("offset", offset)
        if given.shape != (size,) or not bool(torch.isfinite(given).all()):
            got = f"{given.tolist()}" if size < 10 else f"shape {tuple(given.shape)}, or not finite"
            raise InputError(message("offset", got, f"{size} finite numbers"), name="offset")
        self.offset = given
        self.divergence_free = abs(float(self.matrix.trace())) <= 1e-12 * float(self.matrix.abs().sum())

    @property
    def one_sided_lipschitz(self) -> float:
        """The largest eigenvalue of (M + Mᵀ)/2, Λ with (v(x) − v(y))·(x − y) ≤ Λ‖x − y‖²."""
        return float(torch.linalg.eigvalsh((self.matrix + self.matrix.T) / 2).max())

    def flow(self, x: Float[Tensor, "batch *event"], duration: float) -> Float[Tensor, "batch *event"]:
        """Return the end points of the paths from x after `duration`, exactly (matrix exponential)."""
        size = len(self.matrix)
        joint = torch.zeros(size + 1, size + 1, dtype=torch.float64)
        joint[:size, :size], joint[:size, size] = self.matrix, self.offset
        moved = torch.linalg.matrix_exp(duration * joint).to(x)  # x ↦ e^{rM}x + (∫e^{qM})c
        flat = self._flat(x)
        ends: Tensor = flat @ moved[:size, :size].T + moved[:size, size]
        return ends.reshape(x.shape)

    def _at(self, x: Tensor, t: EquationTime) -> Tensor:
        del t
        moved: Tensor = self._flat(x) @ self.matrix.to(x).T + self.offset.to(x)
        return moved.reshape(x.shape)

    def _flat(self, x: Tensor) -> Tensor:
        if math.prod(x.shape[1:]) != len(self.matrix):
            got, allowed = f"points of shape {tuple(x.shape[1:])}", f"points of {len(self.matrix)} numbers"
            raise InputError(message("x", got, allowed), name="x")
        return x.flatten(1)

    def __repr__(self) -> str:
        return f"LinearVelocity({self.matrix.tolist()}, {self.offset.tolist()})"


def _checked(matrix: object) -> Tensor:
    values = as_numbers("matrix", matrix)
    square = values.ndim == 2 and values.shape[0] == values.shape[1] and len(values) > 0
    if not square or not bool(torch.isfinite(values).all()):
        got = f"shape {tuple(values.shape)}" if not square else "values that are not finite"
        raise InputError(message("matrix", got, "a finite square matrix (d, d)"), name="matrix")
    return values

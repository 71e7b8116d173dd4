"""What draws say of their covariance, all from their Gram matrix: no d × d matrix is made."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["Moments", "held_out", "moments"]

_RANK = 1e-12
"""Eigenvalues of less than this share of the largest are directions of rounding, not of noise."""


@dataclass(frozen=True)
class Moments:
    """Of one state: unbiased estimates of tr C, (tr C)² and tr C², and two estimates of the spectrum of C.

    `from_all` are the eigenvalues of the empirical covariance: sums from the largest on are biased upwards
    (E max_U tr UᵀĈU ≥ max_U tr UᵀCU). `from_halves` are variances of one half of the draws along the
    eigenvectors of the other: sums from the largest on are biased downwards. The truth lies between them in
    expectation.
    """

    trace: float
    squared_trace: float
    trace_of_square: float
    from_all: Float64[Tensor, " number"]
    from_halves: Float64[Tensor, " fewer"]


def moments(y: Float64[Tensor, "draws d"], number: int) -> Moments:
    """Return the moments of draws of empirical mean 0. Cost: draws²·d, and draws³ for the spectra.

    With ordered, distinct draws, tr C² = ¼·E⟨Y₁−Y₂, Y₃−Y₄⟩² and (tr C)² = ¼·E[‖Y₁−Y₂‖²‖Y₃−Y₄‖²]; both are
    averaged over all quadruples, in closed form (U-statistics; Chen, Zhang & Zhong 2010 for the first). The
    second is never below the first, with equality for rank 1: so is (tr C)²/tr C² as estimated.
    """
    gram, number = y @ y.T, min(number, y.shape[1])
    return Moments(
        trace=float(gram.trace()) / (len(y) - 1),
        squared_trace=_squared_trace(gram),
        trace_of_square=_trace_of_square(gram),
        from_all=_first(torch.linalg.eigvalsh(gram).flip(0) / (len(y) - 1), number),
        from_halves=_first(held_out(gram), number),
    )


def _trace_of_square(gram: Tensor) -> float:
    n = len(gram)
    off = gram - torch.diag(gram.diagonal())
    rows = off.sum(dim=1)
    squares, total = off.square().sum(), rows.sum()
    pairs = rows.square().sum() - squares  # one draw in common
    apart = total.square() - 4 * rows.square().sum() + 2 * squares  # none
    two, three = n * (n - 1), n * (n - 1) * (n - 2)
    return float(squares / two - 2 * pairs / three + apart / (three * (n - 3)))


def _squared_trace(gram: Tensor) -> float:
    n, lengths = len(gram), gram.diagonal()
    distances = lengths[:, None] + lengths - 2 * gram
    distances.fill_diagonal_(0)
    rows = distances.sum(dim=1)
    apart = rows.sum().square() - 4 * rows.square().sum() + 2 * distances.square().sum()
    return float(apart / (4 * n * (n - 1) * (n - 2) * (n - 3)))


def held_out(gram: Float64[Tensor, "draws draws"]) -> Float64[Tensor, " half"]:
    """Return the variances of one half of the draws along eigenvectors of the other, averaged both ways."""
    half = len(gram) // 2
    first, second = torch.arange(half), torch.arange(half, 2 * half)
    return (_along(gram, first, second) + _along(gram, second, first)) / 2


def _along(gram: Tensor, from_rows: Tensor, of_rows: Tensor) -> Tensor:
    own = _centred(gram[from_rows][:, from_rows])
    values, vectors = torch.linalg.eigh(own)
    values, vectors = values.flip(0), vectors.flip(1)
    seen = _centred(gram[of_rows][:, from_rows]) @ vectors
    variances = seen.square().sum(dim=0) / (len(of_rows) - 1)
    kept = values > _RANK * values[0].clamp_min(torch.finfo(values.dtype).tiny)
    return torch.where(kept, variances / values.clamp_min(torch.finfo(values.dtype).tiny), 0.0)


def _centred(gram: Tensor) -> Tensor:
    rows = gram - gram.mean(dim=0, keepdim=True)
    return rows - rows.mean(dim=1, keepdim=True)


def _first(values: Tensor, number: int) -> Tensor:
    return values[:number].clamp_min(0)

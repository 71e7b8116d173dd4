"""Layers that take features dense or sparse: word counts are nearly all zeros."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["FeatureLinear", "RowNormalise", "drop"]


class FeatureLinear(nn.Module):
    """x ↦ xW + b, (N, in) to (N, out), x strided or sparse (COO); started as PyTorch's `Linear` is.

    W is kept as (in, out): its product with a sparse x then runs along memory. Cost: N·in·out products, or
    (numbers above 0 in x)·out where x is sparse. There is no gradient to a sparse x.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        limit = 1 / math.sqrt(features)
        self.weight = nn.Parameter(torch.empty(features, width).uniform_(-limit, limit))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-limit, limit))

    def forward(self, x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes width"]:
        """Return xW + b."""
        if x.is_sparse:
            product: Tensor = torch.sparse.mm(x, self.weight)
            return product.add_(self.bias)
        return torch.addmm(self.bias, x, self.weight)

    def extra_repr(self) -> str:
        """Return the sizes for `print(model)`."""
        return f"{self.weight.shape[0]} → {self.weight.shape[1]}"


class RowNormalise(nn.Module):
    """x ↦ x/Σ_j |x_j| a row; a row of zeros stays. Smooth but where a number changes sign, and at 0."""

    def forward(self, x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes features"]:
        """Return the normalised features, sparse if x is."""
        if not x.is_sparse:
            sums = x.abs().sum(dim=1, keepdim=True)
            return x / torch.where(sums > 0, sums, 1)
        x = x.coalesce()
        rows, values = x.indices()[0], x.values()
        sums = torch.zeros(len(x), dtype=x.dtype, device=x.device).index_add(0, rows, values.abs())[rows]
        return _with_values(x, values / torch.where(sums > 0, sums, 1))


def drop(x: Tensor, share: float, *, training: bool) -> Tensor:
    """Return x with each number set to 0 with that probability, the others scaled by 1/(1 − share)."""
    if not training or share == 0:
        return x
    if not x.is_sparse:
        return nn.functional.dropout(x, share)
    x = x.coalesce()
    return _with_values(x, nn.functional.dropout(x.values(), share))


def _with_values(x: Tensor, values: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(x.indices(), values, x.shape, is_coalesced=True, check_invariants=False)

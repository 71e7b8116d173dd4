"""The branches of a transformer block: self-attention and a dense layer for each token, both pre-norm.

Attention is written out as softmax(QKᵀ/√d)V: PyTorch's fused kernels have no second derivatives, which
gradient penalties and attacks inside training need, and no forward ones, which exact Laplacians use.
"""

from __future__ import annotations

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["AttentionBranch", "DenseBranch", "TimeToken"]


@final
class AttentionBranch(nn.Module):
    """F(x) = W_o·concat_h softmax(Q_h K_hᵀ/√(width/heads)) V_h of LayerNorm(x), (B, tokens, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        """Return F(x)."""
        parts = self.inputs(self.norm(x)).unflatten(2, (3, self.heads, -1))  # (B, tokens, 3, heads, size)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, tokens, size)
        scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[3])
        mixed = torch.matmul(torch.softmax(scores, dim=3), value)
        attended: Tensor = self.output(mixed.permute(0, 2, 1, 3).flatten(2))
        return attended


@final
class DenseBranch(nn.Module):
    """F(x) = W₂·GELU(W₁·LayerNorm(x) + b₁) + b₂ for each token, (B, tokens, width)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, hidden)
        self.activation = nn.GELU()
        self.outer = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        """Return F(x)."""
        moved: Tensor = self.outer(self.activation(self.inner(self.norm(x))))
        return moved


@final
class TimeToken(nn.Module):
    """t ↦ W₂·SiLU(w₁·t + b₁) + b₂, (B,) to one token (B, 1, width), smooth in t."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Float[Tensor, " batch"]) -> Float[Tensor, "batch 1 width"]:
        """Return the token."""
        token: Tensor = self.layers(t[:, None])
        return token[:, None]

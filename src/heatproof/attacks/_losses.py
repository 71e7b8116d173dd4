"""What an attack climbs: functions of logits (batch, K) and labels (batch,) that grow towards an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["LOSSES", "cross_entropy", "margin"]


def margin(logits: Float[Tensor, "batch K"], label: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Return max_{j≠y} z_j − z_y: positive exactly where the label does not win; never saturates."""
    own = logits.gather(1, label[:, None])
    others = logits.scatter(1, label[:, None], -torch.inf)
    return others.max(dim=1).values - own[:, 0]


def cross_entropy(
    logits: Float[Tensor, "batch K"], label: Int64[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return −log softmax(z)_y. Its gradient vanishes in float32 once the label leads by about 90."""
    return torch.nn.functional.cross_entropy(logits.double(), label, reduction="none")


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"margin": margin, "cross_entropy": cross_entropy}
)
"""The losses by name."""

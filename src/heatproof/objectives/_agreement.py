"""The loss of several views of an input: their fit, how far they are apart, how unsure their mean is."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from heatproof.objectives._noisy import log_mean
from heatproof.objectives._objective import Losses, cross_entropy

__all__ = ["agreement"]


def agreement(
    logits: Float[Tensor, "views batch classes"],
    y: Int64[Tensor, " batch"],
    weight: float,
    entropy_weight: float,
) -> Losses:
    """Return mean CE(F_j, y) + λ·mean KL(F̂ ‖ F_j) + η·H(F̂), F_j the softmax at view j and F̂ their mean.

    The parts are `cross_entropy`, `consistency` (the mean of KL) and `entropy` (of F̂).
    """
    fit = torch.stack([cross_entropy(view, y) for view in logits]).mean()
    each = logits.log_softmax(dim=-1)
    mean = log_mean(each)
    entropy = -(mean.exp() * mean).sum(dim=-1).mean()
    divergence = -(mean.exp() * each).sum(dim=-1).mean() - entropy
    total = fit + weight * divergence + entropy_weight * entropy
    return Losses(total, {"cross_entropy": fit, "consistency": divergence, "entropy": entropy})

"""How far the predictions at several views of an input are apart, and how unsure their mean is."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from heatproof.objectives._noisy import log_mean

__all__ = ["agreement"]


def agreement(
    logits: Float[Tensor, "views batch classes"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the mean of KL(F̂ ‖ F_j) and of H(F̂), F_j the softmax at view j and F̂ the mean of all F_j."""
    each = logits.log_softmax(dim=-1)
    mean = log_mean(each)
    entropy: Tensor = -(mean.exp() * mean).sum(dim=-1).mean()
    divergence: Tensor = -(mean.exp() * each).sum(dim=-1).mean() - entropy
    return divergence, entropy

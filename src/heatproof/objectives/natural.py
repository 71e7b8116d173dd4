"""Natural training: plain cross-entropy."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof.objectives._objective import Losses, Objective, Passes, cross_entropy, logits_of

__all__ = ["Natural"]


class Natural(Objective):
    """L = CE(model(x), y). Cost: 1 forward, 1 backward pass."""

    name: Literal["natural"] = "natural"

    def passes(self, dimension: int) -> Passes:
        """Return one of each."""
        del dimension
        return Passes(1, 1)

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the cross-entropy; `generator` is not used."""
        del generator
        loss = cross_entropy(logits_of(model(x), len(x)), y)
        return Losses(loss, {"cross_entropy": loss})

"""How long and how fast to train on a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, final

from pydantic import Field

from heatproof._specification import Specification

__all__ = ["GraphTrainingSettings"]


@final
class GraphTrainingSettings(Specification):
    """Adam with weight decay (added to the gradient), and early stopping; the set-up of COIN.

    `epochs` is the most there can be; `patience` how many may pass without a better validation, by `monitor`:
    `loss`, or `accuracy` with ties broken by the loss. Source of the numbers: arXiv 2403.15726, after Kipf &
    Welling 2017.
    """

    epochs: int = Field(1000, ge=1)
    patience: int = Field(50, ge=1)
    learning_rate: float = Field(0.01, gt=0, le=1e9)
    weight_decay: float = Field(5e-4, ge=0, le=1e9)
    monitor: Literal["loss", "accuracy"] = "loss"

    def key(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Return what the best epoch has the least of."""
        loss = values["validation_loss"]
        return (loss, 0.0) if self.monitor == "loss" else (-values["validation_accuracy"], loss)

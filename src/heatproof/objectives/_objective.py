"""The contract of every training loss: settings that can be called."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.errors import ModelError

__all__ = ["Losses", "Objective", "cross_entropy", "logits_of"]


@dataclass(frozen=True)
class Losses:
    """The number to minimise, its named parts (before weighting), and clean logits for the accuracy."""

    total: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]] = field(default_factory=dict)


class Objective(Specification):
    """A training loss: `objective(model, x, y, generator) -> Losses`.

    Training at equal budget divides by `evaluations`. An objective is final: it has no children.
    """

    @abstractmethod
    def evaluations(self, dimension: int) -> int:
        """Return the cost: network evaluations (forward and backward) an input a step."""

    def check(self, model: nn.Module, dimension: int) -> None:
        """Raise or warn, once before training, if this objective cannot serve this model or input."""

    @property
    def smoothing(self) -> float | None:
        """The noise_std that the trained network is meant to be smoothed with, if any."""
        return None

    @abstractmethod
    def __call__(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the losses on one batch; all randomness comes from `generator`."""


def cross_entropy(logits: Float[Tensor, "batch classes"], y: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Return the mean cross-entropy −log softmax(logits)_y over the batch."""
    return nn.functional.cross_entropy(logits, y)


def logits_of(output: object, rows: int) -> Float[Tensor, "rows classes"]:
    """Return a model's output if it is a matrix of logits. Errors: `ModelError`."""
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != rows:
        got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(message("model output", got, f"logits of shape ({rows}, K)"), name="model")
    return output

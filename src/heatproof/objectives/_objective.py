"""The contract of every training loss: settings that can be called."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof._check import check_labels, message
from heatproof._specification import Specification
from heatproof.errors import DataError, InputError, ModelError
from heatproof.noise import Noise

__all__ = ["Losses", "Objective", "Passes", "cross_entropy", "logits_of"]


@dataclass(frozen=True)
class Losses:
    """The number to minimise, and its named parts (before weighting)."""

    total: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]] = field(default_factory=dict)


@dataclass(frozen=True)
class Passes:
    """What a step costs: passes through the network an input, forward and backward.

    A backward pass counts whether its gradient is of the weights, of the input or of both. One of each is an
    *evaluation*, what natural training does with an input in a step.
    """

    forward: float
    backward: float

    @property
    def evaluations(self) -> float:
        """Half of all passes."""
        return (self.forward + self.backward) / 2

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward)


class Objective(Specification):
    """A training loss: `objective(model, x, y, generator) -> Losses`.

    Training at equal budget divides by the evaluations of `passes`. An objective is final.
    """

    name: str

    @abstractmethod
    def passes(self, dimension: int) -> Passes:
        """Return the cost of a step: passes through the network an input."""

    def evaluations(self, dimension: int) -> float:
        """Return the cost as evaluations (one forward and one backward pass) an input a step."""
        return self.passes(dimension).evaluations

    def check(self, model: nn.Module, dimension: int) -> None:
        """Raise or warn, once before training, if this objective cannot serve this model or input."""

    @property
    def smoothing_noise(self) -> Noise | None:
        """The noise that the trained network is meant to be smoothed with, if any."""
        return None

    @property
    def equation_noise_std(self) -> float | None:
        """The noise_std of the heat flow that carries the network at time 0 to time 1, if it is trained so.

        Only then is the smoothed network at time 0 the classifier that was meant: the other objectives train
        at time 1 alone.
        """
        return None

    def likely_knob(self, dimension: int) -> str:
        """Say which setting of this objective most likely made training diverge; "" if none of them."""
        del dimension
        return ""

    def __call__(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the losses on one batch; all randomness comes from `generator`.

        Errors: `InputError` for a batch without rows, `DataError` for labels that are not int64 (B,) or not
        among the model's classes (values are looked at on the CPU only), `ModelError` for an output that is
        no floating-point (B, K); those that an objective names besides.
        """
        _check_batch(x, y)
        return self._losses(model, x, y, generator)

    @abstractmethod
    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the losses on a batch whose shapes and types are right."""


def cross_entropy(logits: Float[Tensor, "batch classes"], y: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Return the mean cross-entropy −log softmax(logits)_y over the batch.

    PyTorch's own function skips labels of −100 and takes floats (B, K) for probabilities: here both are
    refused, with `DataError`. On an accelerator the values of y are not looked at, which would wait for it.
    """
    if y.device.type == "cpu":
        check_labels("y", y, count=len(logits), classes=logits.shape[1])
    return nn.functional.cross_entropy(logits, y)


def _check_batch(x: Float[Tensor, "batch *event"], y: Int64[Tensor, " batch"]) -> None:
    """Refuse what would be broadcast, ignored or taken for something else. Looks at shapes and types only."""
    if x.ndim < 2 or x.numel() == 0 or not x.is_floating_point():
        got, allowed = f"{x.dtype} of shape {tuple(x.shape)}", "floating-point (B, *event) with B ≥ 1"
        raise InputError(message("x", got, allowed), name="x")
    if y.dtype != torch.int64 or tuple(y.shape) != (len(x),):
        got, allowed = f"{y.dtype} of shape {tuple(y.shape)}", f"int64 of shape ({len(x)},)"
        raise DataError(message("y", got, allowed), name="y")


def logits_of(output: object, rows: int) -> Float[Tensor, "rows classes"]:
    """Return a model's output if it is a matrix of logits. Errors: `ModelError`."""
    allowed = f"floating-point logits of shape ({rows}, K)"
    if not isinstance(output, Tensor):
        raise ModelError(message("model output", type(output).__name__, allowed), name="model")
    if output.ndim != 2 or len(output) != rows or not output.is_floating_point():
        got = f"{output.dtype} of shape {tuple(output.shape)}"
        raise ModelError(message("model output", got, allowed), name="model")
    return output

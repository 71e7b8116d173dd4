"""The inner search of adversarial objectives: gradient ascent on the input, with the model lent for it.

During a search the model is in evaluation mode: batch normalisation uses its running statistics and does not
change them, dropout and noise layers are off. Gradients are taken for the input alone, so nothing is added to
the `.grad` of a weight. The training step that follows sees the model in its own mode. The papers say nothing
of modes.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Self

import torch
from jaxtyping import Float, Float64, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn

from heatproof._check import check_labels, message
from heatproof.attacks._budget import Budget
from heatproof.attacks._losses import cross_entropy
from heatproof.attacks._model import input_gradient
from heatproof.attacks._norms import NORMS, per_row
from heatproof.attacks.pgd import STEP
from heatproof.errors import DataError, InputError
from heatproof.objectives._noisy import copies_logits, log_mean
from heatproof.objectives._objective import Objective

__all__ = [
    "BoxObjective",
    "SearchObjective",
    "ascend",
    "label_losses",
    "lent",
    "smoothed_losses",
    "uniform_in_ball",
]


class BoxObjective(Objective, ABC):
    """An objective that moves inputs, within a box where the data have one.

    Fields: `input_range`, (low, high) of every coordinate of the points that are searched (noise may leave
    it); None, the default, for no box. Errors: `InputError`; in a call `DataError` for inputs outside (their
    values are looked at on the CPU only).
    """

    input_range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _check_box(self) -> Self:
        if self.input_range is not None and not self.input_range[0] < self.input_range[1]:
            allowed = "a pair (low, high) with low < high, or nothing"
            raise InputError(message("input_range", self.input_range, allowed), name="input_range")
        return self

    def box(self, x: Float[Tensor, "batch *event"]) -> tuple[float, float] | None:
        """Return the ends of the box as numbers of x's type."""
        if self.input_range is None:
            return None
        low, high = torch.tensor(self.input_range, dtype=x.dtype).tolist()
        if x.device.type == "cpu" and (float(x.min()) < low or float(x.max()) > high):
            got = f"values from {float(x.min()):g} to {float(x.max()):g}"
            advice = "Set input_range to the range of the data, or leave it out."
            raise DataError(message("x", got, f"values from {low:g} to {high:g}", advice), name="x")
        return low, high


class SearchObjective(BoxObjective, ABC):
    """An objective that looks for the worst point of a ball around each input.

    Fields: `norm` ("l2" or "linf") and `radius` of the ball, in the unit of the inputs; `steps` of projected
    gradient ascent, each of length 2.5·radius/steps (Madry et al. 2018), along ∇/‖∇‖₂ or sign ∇; and
    `input_range`.
    """

    norm: Literal["l2", "linf"] = "l2"
    radius: float = Field(gt=0, le=1e9)
    steps: int = Field(10, ge=1, le=10_000)

    def budget(self, x: Float[Tensor, "batch *event"]) -> Budget:
        """Return the ball around each input, cut by the box."""
        radius = torch.full((len(x),), self.radius, dtype=torch.float64, device=x.device)
        return Budget(NORMS[self.norm], x.detach(), radius, self.box(x))


@contextmanager
def lent(model: nn.Module) -> Iterator[nn.Module]:
    """Lend the model for a search: in evaluation mode, gradients on; afterwards every mode is as it was.

    The module inside of DistributedDataParallel is lent without it: a search has nothing to share.
    """
    inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
    modes = [(module, module.training) for module in inner.modules()]
    with torch.enable_grad():
        try:
            yield inner.eval()
        finally:
            inner.train(modes[0][1])  # for modules that do more in `train` than set the flag
            for module, training in modes:
                module.training = training


def ascend(
    gain: Callable[[Tensor], Tensor], start: Float[Tensor, "batch *event"], budget: Budget, steps: int
) -> Float[Tensor, "batch *event"]:
    """Return where `steps` steps of projected ascent of gain (batch, *event) → (batch,) end.

    Cost: one evaluation of the gain and of its gradient a step. Errors: `ModelError` without a gradient.
    """
    points = budget.enforce(start.detach())
    for _ in range(steps):
        points = points.requires_grad_()
        gradient = input_gradient(gain(points), points)
        points = budget.step(points.detach(), gradient, STEP / steps)
    return points


def label_losses(
    logits: Float[Tensor, "batch classes"], y: Int64[Tensor, " batch"]
) -> Float64[Tensor, " batch"]:
    """Return −log softmax(logits)_y of each row, in float64. Errors: `DataError`, looked for on the CPU."""
    if y.device.type == "cpu":
        check_labels("y", y, count=len(logits), classes=logits.shape[1])
    return cross_entropy(logits, y)


def smoothed_losses(
    model: nn.Module, points: Float[Tensor, "copies batch *event"], y: Int64[Tensor, " batch"]
) -> Float64[Tensor, " batch"]:
    """Return −log of the mean probability of y over the copies, each row's loss under the smoothed model."""
    logits = copies_logits(model, points).double()
    return label_losses(log_mean(logits.log_softmax(dim=-1)), y)


def uniform_in_ball(budget: Budget, generator: torch.Generator) -> Float[Tensor, "batch *event"]:
    """Return one point of each ball, uniform in it before the box cuts, drawn on the generator's device."""
    x = budget.centre
    values = torch.empty(x.shape, dtype=torch.float32, device=generator.device)
    if budget.norm.name == "linf":
        unit = values.uniform_(-1, 1, generator=generator)
    else:
        share = torch.rand(len(x), generator=generator, device=generator.device)
        direction = budget.norm.steepest(values.normal_(generator=generator))
        unit = direction * per_row(share ** (1 / x[0].numel()), direction)
    return budget.enforce(x + per_row(budget.radius.to(x.dtype), x) * unit.to(x))

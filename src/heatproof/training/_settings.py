"""How long and how fast to train: one settings class."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.errors import InputError
from heatproof.objectives import Objective

__all__ = ["TrainingSettings", "learning_rate", "steps_within"]

_EPOCHS = 30
_RATES = {
    "sgd": {"learning_rate": 0.1, "weight_decay": 5e-4},
    "adamw": {"learning_rate": 1e-3, "weight_decay": 0.01},
}


class TrainingSettings(Specification):
    """An optimiser with weight decay and a learning-rate schedule.

    The length is one of two: `epochs` counts passes over the training split (30 if neither is given);
    `budget` compares at equal cost: the number of network evaluations (one forward and one backward pass) an
    input, which an objective that takes c of them a step spends in budget/c epochs, to the nearest step; so
    the last epoch may be a part of one. `schedule` scales
    learning_rate by ½(1 + cos πp) (cosine), by `decay` at each of the shares `milestones` of the training
    (step), or not (constant), after a linear warm-up over the share `warmup`; p is the share that is done.

    Fields beside these:
        optimizer: `sgd` (momentum, nesterov; learning_rate 0.1 and weight_decay 5e-4 if left out) or `adamw`
            (Loshchilov & Hutter 2019, what transformers are trained with; momentum is its β₁ and
            second_momentum its β₂; 0.001 and 0.01 if left out). Every weight decays, biases too.
        average: β of a running average of the weights, (1 − β)/(1 − βᵏ)·Σ_j β^(k−j)·w_j over the weights
            after all steps j ≤ k. It is what records measure and what the model has in the end. Running
            statistics of batch normalisation are averaged like weights. Memory: one copy of the weights.
        shares: equal parts that each batch is cut into, one after the other (in less memory) or side by
            side on several processes: see `heatproof.train`. Left out: as many as there are processes.
        measure_rows: rows of each split, from its beginning, on which an epoch's accuracies are measured.
        precision, channels_last, compile: how a step is computed; they change rounding, and speed
            (`benchmarks/training.py`). channels_last is for images; compile takes `torch.compile`, some
            ten seconds before the first step, and a C++ compiler on a CPU.
    """

    epochs: int | None = Field(None, ge=1)
    budget: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.1, gt=0, le=1e9)
    momentum: float = Field(0.9, ge=0, lt=1)
    second_momentum: float = Field(0.999, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(5e-4, ge=0, le=1e9)
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    decay: float = Field(0.1, gt=0, lt=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float | None = Field(5.0, gt=0)
    average: float | None = Field(None, gt=0, lt=1)
    augmentation: Literal["none", "crop", "crop_flip"] = "none"
    shares: int | None = Field(None, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    device: Literal["auto", "cpu"] = "auto"
    checkpoint_every: int = Field(1, ge=1)
    measure_rows: int = Field(2_000, ge=1)
    tensorboard: bool = False

    @model_validator(mode="before")
    @classmethod
    def _fill_length(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("epochs") is None and values.get("budget") is None:
            return {**values, "epochs": _EPOCHS}
        return values

    @model_validator(mode="before")
    @classmethod
    def _fill_rates(cls, values: Any) -> Any:
        chosen = values.get("optimizer") if isinstance(values, dict) else None
        return {**_RATES.get(chosen, {}), **values} if isinstance(chosen, str) else values

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if self.epochs is not None and self.budget is not None:
            advice = "Set the other one to null."
            got = f"epochs {self.epochs} and budget {self.budget}"
            raise InputError(message("epochs or budget", got, "one of the two", advice), name="budget")
        return self


def steps_within(settings: TrainingSettings, objective: Objective, dimension: int, epoch_steps: int) -> int:
    """Return the number of optimiser steps, at `epoch_steps` an epoch.

    Errors: `InputError` if the budget does not pay for one step.
    """
    if settings.budget is None:
        return (settings.epochs or _EPOCHS) * epoch_steps
    cost = objective.evaluations(dimension)
    steps = round(settings.budget * epoch_steps / cost)
    if steps < 1:
        advice = f"One epoch of this objective costs {cost:g} evaluations an input."
        raise InputError(message("budget", settings.budget, "what pays for a step", advice), name="budget")
    return steps


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Return the learning rate of one step: a function of the step alone, so resuming needs no state."""
    progress = step / steps
    if progress < settings.warmup:
        return settings.learning_rate * (step + 1) / (settings.warmup * steps + 1)
    if settings.schedule == "cosine":
        return settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
    if settings.schedule == "step":
        passed = sum(progress >= milestone for milestone in settings.milestones)
        return settings.learning_rate * float(settings.decay**passed)
    return settings.learning_rate

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


class TrainingSettings(Specification):
    """SGD with momentum, weight decay and a learning-rate schedule.

    The length is one of two: `epochs` counts passes over the training split (30 if neither is given);
    `budget` compares at equal cost: the number of network evaluations (one forward and one backward pass) an
    input, which an objective that takes c of them a step spends in budget/c epochs, to the nearest step; so
    the last epoch may be a part of one. `schedule` scales
    learning_rate by ½(1 + cos πp) (cosine), by `decay` at each of the shares `milestones` of the training
    (step), or not (constant), after a linear warm-up over the share `warmup`; p is the share that is done.
    """

    epochs: int | None = Field(None, ge=1)
    budget: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(0.1, gt=0, le=1e9)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(5e-4, ge=0, le=1e9)
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    decay: float = Field(0.1, gt=0, lt=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float | None = Field(5.0, gt=0)
    augmentation: Literal["none", "crop", "crop_flip"] = "none"
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu"] = "auto"
    checkpoint_every: int = Field(1, ge=1)
    tensorboard: bool = False

    @model_validator(mode="before")
    @classmethod
    def _fill_length(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("epochs") is None and values.get("budget") is None:
            return {**values, "epochs": _EPOCHS}
        return values

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

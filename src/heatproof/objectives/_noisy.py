"""What objectives with noise share: which noise, how it is drawn, cross-entropy at noisy copies."""

from __future__ import annotations

import math
from abc import ABC
from functools import cached_property
from typing import Annotated, Self

import torch
from jaxtyping import Float, Int64
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor, nn

from heatproof._check import message
from heatproof._specification import named
from heatproof.errors import InputError
from heatproof.noise import AnyNoise, Gaussian, Noise
from heatproof.noise.additive import check_additive, draw
from heatproof.objectives._objective import Objective, cross_entropy, logits_of

__all__ = ["MaybeNoisyObjective", "NoisyObjective", "copies_cross_entropy", "copies_logits", "log_mean"]


class MaybeNoisyObjective(Objective, ABC):
    """An objective that sees inputs as they are, or under a noise if one is given.

    Fields: `noise_std`, s of Gaussian noise N(0, s²I), or `noise`, any noise that is added to the input
    (uniform and Laplace noise train for ℓ1); at most one of the two. Noise is added in float32, without the
    lattice: good for training, never for a certificate. Errors: `InputError`.
    """

    noise_std: float | None = Field(None, ge=1e-9, le=1e9)
    noise: Annotated[AnyNoise, BeforeValidator(named)] | None = None

    @model_validator(mode="after")
    def _check_one_noise(self) -> Self:
        if self.noise_std is not None and self.noise is not None:
            raise InputError(
                message("noise_std or noise", "both", "at most one of the two"), name="noise_std"
            )
        if self.noise is not None:
            check_additive(self.noise)
        return self

    @cached_property
    def smoothing_noise(self) -> Noise | None:
        """The noise of training, if there is one."""
        return self.noise if self.noise_std is None else Gaussian(noise_std=self.noise_std)

    def noisy(
        self, x: Float[Tensor, "batch *event"], copies: int, generator: torch.Generator
    ) -> Float[Tensor, "copies batch *event"]:
        """Return x + noise, `copies` times with independent draws; copies of x where there is no noise."""
        if self.smoothing_noise is None:
            return x.expand(copies, *x.shape)
        return x + draw(self.smoothing_noise, x, copies, generator)


class NoisyObjective(MaybeNoisyObjective, ABC):
    """An objective that sees inputs under a noise, the one that the network is then smoothed with.

    Exactly one of `noise_std` and `noise` is given. Errors: `InputError`.
    """

    @model_validator(mode="after")
    def _check_some_noise(self) -> Self:
        if self.noise_std is None and self.noise is None:
            raise InputError(
                message("noise_std or noise", "neither", "exactly one of the two"), name="noise_std"
            )
        return self

    @cached_property
    def smoothing_noise(self) -> Noise:
        """The noise of training."""
        return self.noise or Gaussian(noise_std=self.noise_std or 0.0)


def copies_logits(
    model: nn.Module, points: Float[Tensor, "copies batch *event"]
) -> Float[Tensor, "copies batch classes"]:
    """Return the logits at every copy, in one forward pass."""
    copies, rows = points.shape[:2]
    flat = logits_of(model(points.flatten(0, 1)), copies * rows)
    logits: Tensor = flat.unflatten(0, (copies, rows))
    return logits


def copies_cross_entropy(
    logits: Float[Tensor, "copies batch classes"], y: Int64[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy over all copies."""
    return cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)))


def log_mean(
    log_probabilities: Float[Tensor, "copies batch classes"],
) -> Float[Tensor, "batch classes"]:
    """Return the logarithm of the mean probability over the copies, from logarithms."""
    mean: Tensor = log_probabilities.logsumexp(dim=0) - math.log(len(log_probabilities))
    return mean

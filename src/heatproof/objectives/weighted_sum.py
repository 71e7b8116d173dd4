"""Objectives added up: L = Σ_i w_i·L_i."""

from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import Annotated, Literal, Self, final

import torch
from jaxtyping import Float, Int64
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor, nn

from heatproof._check import message
from heatproof._specification import Specification, named
from heatproof.errors import InputError
from heatproof.noise import Gaussian, Noise
from heatproof.objectives._objective import Losses, Objective, Passes
from heatproof.objectives._single import SingleObjective

__all__ = ["Term", "WeightedSum"]


@final
class Term(Specification):
    """One term of a sum: a weight w ≥ 0 and an objective."""

    weight: float = Field(1.0, ge=0, le=1e9)
    objective: Annotated[SingleObjective, BeforeValidator(named)]


@final
class WeightedSum(Objective):
    """L = Σ_i w_i·L_i over `terms`, each an objective with its weight; all see the same batch.

    Terms that smooth must agree on the noise, as the network is smoothed with one. Each term evaluates the
    network for itself: nothing is shared, and the cost is the sum of all. The parts of the losses are named
    `objective.part`, with a number where an objective occurs twice. Errors: `InputError` for terms that name
    different noises or all have weight 0, and those of the terms.
    """

    name: Literal["weighted_sum"] = "weighted_sum"
    terms: tuple[Term, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_terms(self) -> Self:
        if not any(term.weight > 0 for term in self.terms):
            raise InputError(message("terms", "weight 0 in all of them", "a weight > 0"), name="terms")
        noises = self._noises()
        for other in noises[1:]:
            if not _alike(noises[0], other):
                got = " and ".join(_told_apart(noises[0], other))
                advice = "The network is smoothed with one noise: give the terms the same."
                raise InputError(message("terms", got, "the same noise in all of them", advice), name="terms")
        return self

    def _noises(self) -> list[Noise]:
        found = [term.objective.smoothing_noise for term in self.terms]
        return [noise for noise in found if noise is not None]

    def passes(self, dimension: int) -> Passes:
        """Return the sum over all terms."""
        return reduce(add, (term.objective.passes(dimension) for term in self.terms))

    def check(self, model: nn.Module, dimension: int) -> None:
        """Ask every term."""
        for term in self.terms:
            term.objective.check(model, dimension)

    @property
    def smoothing_noise(self) -> Noise | None:
        """The noise of those terms that have one."""
        return next(iter(self._noises()), None)

    @property
    def equation_noise_std(self) -> float | None:
        """That of the first term that trains the network at all times, if any does."""
        stds = (term.objective.equation_noise_std for term in self.terms)
        return next((one for one in stds if one is not None), None)

    def likely_knob(self, dimension: int) -> str:
        """Return what the first term that knows says."""
        return next(filter(None, (term.objective.likely_knob(dimension) for term in self.terms)), "")

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return the weighted sum, and the parts of every term before weighting."""
        total = torch.zeros((), device=x.device)
        parts: dict[str, Tensor] = {}
        for name, term in zip(self.names(), self.terms, strict=True):
            losses = term.objective(model, x, y, generator)
            total = total + term.weight * losses.total
            parts |= {f"{name}.{part}": value for part, value in losses.parts.items()}
        return Losses(total, parts)

    def names(self) -> list[str]:
        """Return what the parts of each term are named by: its objective, numbered where it occurs twice."""
        names = [term.objective.name for term in self.terms]
        return [
            name if names.count(name) == 1 else f"{name}{names[: place + 1].count(name)}"
            for place, name in enumerate(names)
        ]


def _alike(first: Noise, second: Noise) -> bool:
    """Say whether two noises are one, up to the rounding of a diffusivity to a noise_std."""
    if isinstance(first, Gaussian) and isinstance(second, Gaussian):
        return math.isclose(first.noise_std, second.noise_std, rel_tol=1e-9)
    return first == second


def _told_apart(first: Noise, second: Noise) -> tuple[str, str]:
    short = (first.describe(), second.describe())
    return short if short[0] != short[1] else (str(first), str(second))

"""What solvers by Feynman–Kac share: means of f at the ends of random paths, with their standard error.

For a fixed seed the paths are the same for all points, initial values and problems of one shape, so that the
discrete operator f ↦ (1/n)Σ f(X_j) is one fixed average: linear, monotone, constants stay, rows do not depend
on the batch, all up to rounding, not only in the mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Self

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation import Problem
from heatproof.errors import InputError
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.paths._draws import BLOCK, PathNormals
from heatproof.solvers.paths._running_mean import RunningMean
from heatproof.solvers.paths._walk import Steps, answer, end_values, walk

__all__ = ["PathAverage", "properties_of_average"]


def properties_of_average(*, order: float) -> Properties:
    """Return what holds for every mean over fixed random paths, with the weak order of the scheme."""
    return Properties(
        order=order,
        random=True,
        monotone=True,
        keeps_range=True,
        linear=True,
        keeps_constants=True,
        keeps_mass=False,
        markov=False,
        differentiable=True,
    )


class PathAverage(Solver):
    """u(x, t) = mean of f at the ends of `paths` random paths in equal steps of at most `time_step`.

    Subclasses write one step, `step`, from given normals of the shape `normals`.
    """

    time_step: float = Field(default=0.05, gt=0, description="longest step, in units of the equation's time")
    paths: int = Field(default=4096, ge=2, le=10_000_000, description="random paths from each point")
    seed: int = Field(default=0, ge=0, description="names the random paths, the same for all points")
    antithetic: bool = Field(default=False, description="paths in pairs with opposite noise")
    chunk: int = Field(default=16_384, ge=2, description="most paths × points at once: bounds the memory")

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if self.antithetic and (self.paths % 2 or self.paths < 4):
            advice = "The standard error is that of at least two pairs."
            raise InputError(
                message("paths", self.paths, "an even number ≥ 4 with antithetic", advice), name="paths"
            )
        return self

    @abstractmethod
    def normals(self, problem: Problem, event_shape: torch.Size) -> tuple[int, ...]:
        """Return the shape of the standard normals that one step of one path takes."""

    @abstractmethod
    def step(
        self,
        problem: Problem,
        x: Float[Tensor, "rows *event"],
        t: float,
        duration: float,
        xi: Float[Tensor, "rows *normals"],
    ) -> Float[Tensor, "rows *event"]:
        """Return where paths from (x, t) are after `duration`, for given normals."""

    def refined(self, factor: int) -> Self:
        """Return the solver with its step divided by `factor`; the number of paths stays."""
        return self.model_copy(update={"time_step": self.time_step / check_whole("factor", factor)})

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        steps = Steps.between(problem.start, t, self.time_step)
        most = max(1, self.chunk // (len(self._signs) * BLOCK))
        parts = [self._average(problem, part, steps) for part in x.split(most)]
        values, errors, lost = (torch.cat(column) for column in zip(*parts, strict=True))
        numbers = {"steps": float(steps.count), "step": steps.size, "paths": float(self.paths)}
        return answer(values, lost, numbers, errors)

    @property
    def _signs(self) -> tuple[float, ...]:
        """The signs with which every draw of noise is used."""
        return (1.0, -1.0) if self.antithetic else (1.0,)

    def _average(self, problem: Problem, x: Tensor, steps: Steps) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, standard error and whether a path was lost, for points that fit into a pass."""
        mean, lost = RunningMean(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for first, last in self._passes(len(x)):
            samples, gone = self._sample(problem, x, steps, first, last)
            mean.add(samples)
            lost = lost | gone
        return mean.mean().to(x.dtype), mean.standard_error().to(x.dtype), lost

    def _passes(self, points: int) -> Iterator[tuple[int, int]]:
        """Yield the draws of each pass: whole blocks if the chunk holds one."""
        draws, fit = self.paths // len(self._signs), self.chunk // (len(self._signs) * points)
        size = fit // BLOCK * BLOCK or fit
        for first in range(0, draws, size):
            yield first, min(first + size, draws)

    def _sample(
        self, problem: Problem, x: Tensor, steps: Steps, first: int, last: int
    ) -> tuple[Float[Tensor, "draws batch values"], Tensor]:
        """Return f at the ends of these draws' paths from every point (pairs averaged), and lost points."""
        shape = self.normals(problem, x.shape[1:])
        source, signs = PathNormals(self.seed, shape, first, last), self._signs
        starts = x.repeat(len(signs) * (last - first), *(1,) * (x.ndim - 1))

        def move(y: Tensor, time: float) -> Tensor:
            drawn = source.next_step().to(x)
            xi = torch.cat([sign * drawn for sign in signs]).repeat_interleave(len(x), dim=0)
            return self.step(problem, y, time, steps.size, xi)

        ends, lost = walk(starts, steps, move)
        values = end_values(problem, ends, lost).double()
        samples = values.view(len(signs), last - first, len(x), -1).mean(dim=0)
        return samples, lost.view(-1, len(x)).any(dim=0)

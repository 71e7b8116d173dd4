"""What solvers by the method of characteristics share: u(x, t) = f(X(t − start)), X′(q) = v(X, t − q).

Such an operator is f ↦ f∘Φ with one map Φ. Whatever the error of Φ, it is linear, monotone, keeps constants
and the range of f. It does not keep the mass on a grid.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from pydantic import Field
from torch import Tensor

from heatproof._check import check_whole
from heatproof.equation import Problem
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.paths._walk import Steps, answer, end_values, walk

__all__ = ["FixedStepCharacteristics", "properties_of_flow", "refuse_diffusion"]


def properties_of_flow(*, order: float | None, markov: bool) -> Properties:
    """Return what holds for every f ↦ f∘Φ, with the order of Φ and whether steps join exactly."""
    return Properties(
        order=order,
        random=False,
        monotone=True,
        keeps_range=True,
        linear=True,
        keeps_constants=True,
        keeps_mass=False,
        markov=markov,
        differentiable=True,
    )


def refuse_diffusion(problem: Problem) -> str:
    """Return why characteristics cannot solve the problem; "" where A is known to be 0."""
    if problem.diffusion.vanishes:
        return ""
    kind = type(problem.diffusion).__name__
    return f"a diffusion (a {kind}), which no single path follows (use feynman_kac, or a grid)"


class FixedStepCharacteristics(Solver):
    """A one-step method along the path, in equal steps of at most `time_step`."""

    evaluations: ClassVar[int]
    """Evaluations of v a step."""

    time_step: float = Field(default=0.05, gt=0, description="longest step, in units of the equation's time")

    def refusal(self, problem: Problem) -> str:
        """Return that the problem diffuses, if it does."""
        return refuse_diffusion(problem)

    def refined(self, factor: int) -> Self:
        """Return the solver with its step divided by `factor`."""
        return self.model_copy(update={"time_step": self.time_step / check_whole("factor", factor)})

    @abstractmethod
    def step(self, problem: Problem, x: Tensor, t: float, duration: float) -> Tensor:
        """Return where the path from (x, t) is after `duration`."""

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        steps = Steps.between(problem.start, t, self.time_step)
        ends, lost = walk(x, steps, lambda y, time: self.step(problem, y, time, steps.size))
        numbers = {
            "steps": float(steps.count),
            "step": steps.size,
            "evaluations": float(self.evaluations * steps.count),
        }
        return answer(end_values(problem, ends, lost), lost, numbers)

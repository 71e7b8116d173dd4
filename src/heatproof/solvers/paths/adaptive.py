"""Characteristics with steps that the error chooses, through the package torchdiffeq."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar, Literal, Self, final

import torch
from pydantic import Field
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation import Problem
from heatproof.errors import DependencyError
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.paths._fixed_step import properties_of_flow, refuse_diffusion
from heatproof.solvers.paths._walk import answer, end_values

__all__ = ["AdaptiveCharacteristics"]

_COMPLAINTS = ("underflow", "non-finite", "max_num_steps")
"""How torchdiffeq's own assertions about a failed integration begin."""


@final
class AdaptiveCharacteristics(Solver):
    """u(x, t) = f(X(t − start)), X′ = v(X, t − q) by the pair of Dormand and Prince (1980), order 5(4).

    Steps are chosen so that the estimated error of a step, in root mean square over the coordinates, is at
    most absolute_tolerance + relative_tolerance·|x| *for the worst row*: every row meets the tolerance, and
    the batch has its steps in common. So batch and loop agree within the tolerance only, and so do
    solving at once and in two parts (Markov). Linearity, comparison and constants hold exactly for the batch.
    Gradients go through the steps (no adjoint equation, which is unstable for such problems).
    Cost: six evaluations of v a step, at most `most_evaluations`; with gradients all states are kept.
    Errors: `InputError` for a problem with diffusion; `DependencyError` without torchdiffeq (extra `ode`).
    A step that falls below rounding, values that are not finite, or too many evaluations make a solution
    without success, all NaN: kinks and jumps of v cost steps, and float32 cannot meet tolerances below 1e-6.
    """

    name: Literal["adaptive"] = "adaptive"
    relative_tolerance: float = Field(default=1e-5, gt=0, lt=1, description="error of a step over |x|")
    absolute_tolerance: float = Field(default=1e-6, gt=0, description="error of a step, in units of x")
    most_evaluations: int = Field(default=10_000, ge=10, description="evaluations of v before giving up")

    properties: ClassVar[Properties] = properties_of_flow(order=None, markov=False)

    def refusal(self, problem: Problem) -> str:
        """Return that the problem diffuses, if it does."""
        return refuse_diffusion(problem)

    def refined(self, factor: int) -> Self:
        """Return the solver with tolerances divided by factor⁵, which divides steps by about `factor`."""
        shrink = float(check_whole("factor", factor)) ** -5
        tolerances = ("relative_tolerance", "absolute_tolerance")
        return self.model_copy(update={name: getattr(self, name) * shrink for name in tolerances})

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        library, path = _library(), _Path(problem, t, self.most_evaluations)
        try:
            ends = self._integrate(library, path, x, t - problem.start)
        except (_FailedError, AssertionError) as error:
            if not isinstance(error, _FailedError) and not str(error).startswith(_COMPLAINTS):
                raise
            return _failed(problem, x, path, str(error))
        lost = ~torch.isfinite(ends.detach()).flatten(1).all(dim=1)
        return answer(end_values(problem, ends, lost), lost, {"evaluations": float(path.evaluations)})

    def _integrate(self, library: Any, path: _Path, x: Tensor, duration: float) -> Tensor:
        # With `step_t` a step ends where the path ends: the velocity is not read beyond.
        times = torch.tensor([0.0, duration], dtype=torch.float64, device=x.device)
        ends: Tensor = library.odeint(
            path,
            x,
            times,
            rtol=self.relative_tolerance,
            atol=self.absolute_tolerance,
            method="dopri5",
            options={"norm": _worst_row, "step_t": times[1:]},
        )[-1]
        return ends


class _FailedError(Exception):
    """The integration cannot go on."""


class _Path:
    """X′ as a function of (q, X), which counts its evaluations and stops a run that leads nowhere."""

    def __init__(self, problem: Problem, t: float, most: int) -> None:
        self.problem, self.t, self.most = problem, t, most
        self.evaluations, self.finite = 0, True

    def __call__(self, q: Tensor, x: Tensor) -> Tensor:
        self.evaluations += 1
        if self.evaluations > self.most:
            raise _FailedError(f"more than {self.most:,} evaluations of the velocity")
        now = min(self.t, max(self.problem.start, self.t - float(q)))
        values = self.problem.velocity(x, now).to(x.dtype)
        self.finite = self.finite and bool(torch.isfinite(values.detach()).all())
        return values


def _failed(problem: Problem, x: Tensor, path: _Path, complaint: str) -> Solution:
    values = torch.full_like(problem.initial_values(x).to(x.dtype), torch.nan)
    why = complaint.splitlines()[0] if path.finite else "the velocity was not finite on the way"
    sentence = f"the adaptive steps came to no end ({why}); runge_kutta makes fixed steps"
    numbers = {"evaluations": float(path.evaluations)}
    return Solution(values, numbers=numbers, success=False, sentence=sentence)


def _worst_row(values: Tensor) -> Tensor:
    """Return the largest root mean square of a row; the norm that the steps are chosen by."""
    return values.detach().flatten(1).square().mean(dim=1).sqrt().max()


def _library() -> Any:
    try:
        return importlib.import_module("torchdiffeq")
    except ImportError as error:
        advice = "Run: pip install 'heatproof[ode]'"
        text = message("adaptive", "no package 'torchdiffeq'", "torchdiffeq ≥ 0.2.5", advice)
        raise DependencyError(text, name="torchdiffeq") from error

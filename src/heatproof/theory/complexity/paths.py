"""End points of the paths of a problem, by the steps of a solver on paths."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import message
from heatproof.equation import Problem
from heatproof.errors import InputError
from heatproof.solvers import FeynmanKac, SecondOrderFeynmanKac
from heatproof.solvers._solver import step_count
from heatproof.theory.complexity.ends import Ends

__all__ = ["path_ends"]


def path_ends(problem: Problem, solver: FeynmanKac | SecondOrderFeynmanKac | None = None) -> Ends:
    """Return X_T of dX = v(X, T − q)dq + √(2A(X, T − q))dB over the problem's whole time, step by step.

    The scheme and its step are the solver's (Euler–Maruyama if left out), the normals the generator's:
    independent for all inputs and draws. The law has the error of the step (weak order 1 or 2).
    Cost: draws·B·steps evaluations of v and A. Errors: `InputError` for a problem that the
    solver refuses; those of the coefficients.
    """
    scheme = solver or FeynmanKac()
    why = scheme.refusal(problem)
    if why:
        raise InputError(message("problem", why, f"what {scheme.name} can solve"), name="problem")
    duration = problem.time - problem.start
    count = step_count(duration, scheme.time_step)

    def ends(x: Float[Tensor, "rows *event"], draws: int, generator: torch.Generator) -> Tensor:
        state, shape = x.repeat_interleave(draws, dim=0), scheme.normals(problem, x.shape[1:])
        for number in range(count):
            xi = torch.randn((len(state), *shape), generator=generator, dtype=x.dtype).to(x.device)
            t = problem.time - number * duration / count
            state = scheme.step(problem, state, t, duration / count, xi)
        return state.flatten(1).view(len(x), draws, -1)

    return ends

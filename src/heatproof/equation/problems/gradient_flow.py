"""Transport down a potential that is not quadratic: a flow that no linear scheme follows exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof._check import check_number
from heatproof.equation._time import EquationTime
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._setting import Title, exact_time, solved, torus
from heatproof.equation.velocity import GradientVelocity

__all__ = ["sine_transport"]


def sine_transport(*, rate: float = 1.0, time: float = 1.0) -> SolvedProblem:
    """Return u_t = rate·sin(x)·u_x, v = −U′ with U = rate·cos x, f = cos x, periodic on [−π, π].

    tan(X(t)/2) = e^{rate·t}·tan(x/2), so u = cos X(t) = (c − e^{2·rate·t}s)/(c + e^{2·rate·t}s) with
    c = 1 + cos x, s = 1 − cos x. div v ≠ 0: mass is not kept. Nothing diffuses.
    Errors: `InputError` for a rate or time out of |rate|·time ≤ 10.
    """
    slope, end = check_number("rate", rate), check_number("time", time, above=0)
    check_number("rate·time", abs(slope) * end, at_most=10)

    def exact(x: Tensor, t: EquationTime) -> Tensor:
        stretch = torch.exp(2 * slope * exact_time(t).to(x))
        c, s = 1 + torch.cos(x.flatten(1)), stretch * (1 - torch.cos(x.flatten(1)))
        return (c - s) / (c + s)

    velocity = GradientVelocity(lambda x: slope * torch.cos(x).flatten(1).sum(1))
    problem = Problem(lambda x: exact(x, 0.0), velocity, time=end, domain=torus(1))
    title = Title("sine_transport", f"u_t = {slope:g}·sin(x)·u_x, f = cos x", "method of characteristics")
    return solved(title, problem, exact, value_range=(-1.0, 1.0))

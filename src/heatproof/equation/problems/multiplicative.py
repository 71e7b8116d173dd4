"""Diffusion that depends on the point: geometric Brownian motion."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from heatproof._check import check_number
from heatproof.equation._time import EquationTime
from heatproof.equation.diffusion import IsotropicDiffusion
from heatproof.equation.domain import Domain
from heatproof.equation.problem import Problem, SolvedProblem
from heatproof.equation.problems._setting import ExactSolution, Title, exact_time, solved
from heatproof.equation.velocity import LinearVelocity

__all__ = ["geometric_brownian_motion"]


def geometric_brownian_motion(
    *,
    drift: float = 0.3,
    volatility: float = 0.4,
    level: float = 2.0,
    width: float = 0.5,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = μx·u_x + ½s²x²·u_xx on x > 0, what multiplicative noise of std s induces.

    f = Φ(ln(x/b)/w) for a level b, and u = Φ((ln(x/b) + (μ − s²/2)t)/√(w² + s²t)); w = 0 is f = 1{x > b}.
    At x ≤ 0, where no path leads (a scheme's may), f = 0.
    Errors: `InputError` for a volatility, level or time that is not > 0, or a negative width.
    """
    mu, s = check_number("drift", drift), check_number("volatility", volatility, above=0)
    w = check_number("width", width, at_least=0)
    level_log = math.log(check_number("level", level, above=0))
    exact = _exact(mu, s, w, level_log)
    diffusion = IsotropicDiffusion(lambda x, _: 0.5 * s**2 * x.flatten(1)[:, 0].square())
    velocity, domain = LinearVelocity([[mu]]), Domain((0.25,), (4.25,))
    problem = Problem(lambda x: exact(x, 0.0), velocity, diffusion, time=time, domain=domain)
    f = f"Φ(ln(x/{level:g})/{w:g})" if w > 0 else f"1{{x > {level:g}}}"
    equation = f"u_t = {mu:g}·x·u_x + ½·{s:g}²·x²·u_xx, f = {f}"
    title = Title("geometric_brownian_motion", equation, "Black and Scholes (1973)")
    return solved(title, problem, exact, smooth=w > 0)


def _exact(mu: float, s: float, w: float, level_log: float) -> ExactSolution:
    def exact(x: Tensor, t: EquationTime) -> Tensor:
        clock = exact_time(t)
        spread = (w**2 + s**2 * clock).clamp_min(1e-30).sqrt().to(x)
        height = x.flatten(1).clamp_min(1e-30).log() - level_log + ((mu - s**2 / 2) * clock).to(x)
        values: Tensor = torch.special.ndtr(height / spread) * (x.flatten(1) > 0)
        return values

    return exact

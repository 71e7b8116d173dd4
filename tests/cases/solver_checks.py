"""What a solver promises, as checks: each returns by how much the promise is broken, 0 where it is kept.

They know nothing of any one solver: problem, points and solver are arguments, and liars are caught by them
(tests/solvers/test_solver_conformance.py plants some).
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from heatproof.equation import Problem, SolvedProblem
from heatproof.equation.problem import InitialValue
from heatproof.solvers import Solver

__all__ = [
    "batch_excess",
    "comparison_excess",
    "constants_excess",
    "gradient_excess",
    "has_mass",
    "linearity_excess",
    "markov_excess",
    "mass_excess",
    "mean_error",
    "observed_orders",
    "range_excess",
    "wave",
]


def wave(values: int, dimension: int, seed: int) -> InitialValue:
    """Return a smooth function (B, d) to (B, values) within [−1, 1], one of many by its seed."""
    draw = torch.Generator().manual_seed(seed)
    k = torch.randn(dimension, values, generator=draw, dtype=torch.float64)
    phase = torch.randn(values, generator=draw, dtype=torch.float64)
    return lambda x: torch.sin(x.flatten(1) @ k.to(x) + phase.to(x))


def free(problem: Problem) -> Problem:
    """Return the problem without boundary values, so that other initial values can be put in."""
    if problem.domain is None or problem.domain.values is None:
        return problem
    return replace(problem, domain=replace(problem.domain, values=None))


def solved(solver: Solver, problem: Problem, f: InitialValue, x: Tensor, t: float) -> Tensor:
    """Return T_t f at x."""
    return solver.solve(problem.from_values(f), x, t).values


def mean_error(solver: Solver, case: SolvedProblem, x: Tensor) -> float:
    """Return the mean |found − exact| at the problem's end."""
    found = solver.solve(case.problem, x)
    assert found.success, found.sentence
    return float((found.values - case.exact(x, case.problem.time)).abs().mean())


def observed_orders(solver: Solver, case: SolvedProblem, x: Tensor, levels: int) -> list[float]:
    """Return log₂ of the ratio of errors, from each level of refinement to the next."""
    errors = [mean_error(solver.refined(2**level), case, x) for level in range(levels)]
    return [math.log2(errors[i] / errors[i + 1]) for i in range(levels - 1)]


def range_excess(solver: Solver, problem: Problem, x: Tensor, t: float) -> float:
    """Return how far values leave [0, 1] for data that switch between 0 and 1."""
    step = wave(2, x[0].numel(), 3)
    values = solved(solver, free(problem), lambda z: (step(3 * z) > 0).to(z), x, t)
    return float(torch.maximum(-values, values - 1).max().clamp_min(0))


def comparison_excess(solver: Solver, problem: Problem, x: Tensor, t: float) -> float:
    """Return how far T f is above T g for f ≤ g that differ by a narrow bump, at each of three places."""
    worst, base = 0.0, wave(1, x[0].numel(), 5)
    for place in x[:3]:

        def higher(z: Tensor, place: Tensor = place) -> Tensor:
            near = (z - place.to(z)).flatten(1).square().sum(dim=1, keepdim=True)
            return base(z) + torch.exp(-near / 0.02)

        low, high = (solved(solver, free(problem), f, x, t) for f in (base, higher))
        worst = max(worst, float((low - high).max()))
    return worst


def linearity_excess(solver: Solver, problem: Problem, x: Tensor, t: float) -> float:
    """Return |T(2f − 3g) − 2Tf + 3Tg|."""
    f, g = wave(2, x[0].numel(), 1), wave(2, x[0].numel(), 2)
    both = solved(solver, free(problem), lambda z: 2 * f(z) - 3 * g(z), x, t)
    apart = 2 * solved(solver, free(problem), f, x, t) - 3 * solved(solver, free(problem), g, x, t)
    return float((both - apart).abs().max())


def constants_excess(solver: Solver, problem: Problem, x: Tensor, t: float) -> float:
    """Return |T c − c| for c = 0.75."""
    values = solved(solver, free(problem), lambda z: torch.full_like(z.flatten(1)[:, :1], 0.75), x, t)
    return float((values - 0.75).abs().max())


def batch_excess(solver: Solver, problem: Problem, x: Tensor, t: float) -> float:
    """Return the difference between solving for all points at once and for each alone."""
    together = solver.solve(problem, x, t).values
    alone = torch.cat([solver.solve(problem, x[i : i + 1], t).values for i in range(len(x))])
    return float((together - alone).abs().max())


def has_mass(problem: Problem) -> bool:
    """Whether Σu over a periodic grid stays: no divergence, and a diffusion that is the same everywhere."""
    periodic = problem.domain is not None and problem.domain.boundary == "periodic"
    return periodic and problem.velocity.divergence_free and not problem.diffusion.varies_in_space


def mass_excess(solver: Solver, problem: Problem, nodes: Tensor) -> float:
    """Return the change of the mean over all nodes, for data that are not symmetric."""
    f = wave(2, nodes.shape[1], 4)
    values = solved(solver, free(problem), lambda z: torch.exp(f(z)), nodes, problem.time)
    return float((values - torch.exp(f(nodes))).mean(dim=0).abs().max())


def markov_excess(solver: Solver, problem: Problem, x: Tensor) -> float:
    """Return |T_{T,z} T_{z,r} f − T_{T,r} f| for z halfway; steps must divide the half."""
    middle = (problem.start + problem.time) / 2
    first = replace(problem, time=middle)
    later = problem.from_values(lambda z: solver.solve(first, z).values, middle)
    return float((solver.solve(later, x).values - solver.solve(problem, x).values).abs().max())


def gradient_excess(solver: Solver, problem: Problem, x: Tensor, t: float, h: float = 1e-4) -> float:
    """Return the difference between autograd and central differences, along one direction a point."""
    draw = torch.Generator().manual_seed(0)
    points = x.clone().requires_grad_()
    along = torch.randn(x.shape, generator=draw, dtype=x.dtype)
    total = solver.solve(problem, points, t).values.sum()
    (slope,) = torch.autograd.grad(total, points)
    ends = [solver.solve(problem, x + sign * h * along, t).values.sum(dim=1) for sign in (1, -1)]
    differences = (ends[0] - ends[1]) / (2 * h)
    return float(((slope * along).flatten(1).sum(dim=1) - differences).abs().max())

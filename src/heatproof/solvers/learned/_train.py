"""Training of the network on the residual: Adam on part of the points, then L-BFGS on all."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from heatproof.equation import Domain, Problem
from heatproof.networks import TimeConditioned
from heatproof.solvers.learned._pool import Pool, pool
from heatproof.solvers.learned.fitted import residual_on

__all__ = ["measure", "polish", "sample", "scale_of", "walk"]

_TIMES = 32


def sample(
    problem: Problem, box: Domain, points: int, seed: int, like: Tensor, *, ends: bool = False
) -> Pool:
    """Return about `points` points: 32 stratified times, and places of a scrambled Sobol sequence.

    Uniform in the box and in time; with `ends` the first and the last time are those of the problem.
    """
    each = math.ceil(points / _TIMES)
    generator = torch.Generator().manual_seed(seed)
    jitter = torch.rand(_TIMES, generator=generator, dtype=torch.float64)
    shares = (torch.arange(_TIMES) + jitter) / _TIMES
    if ends:
        shares[0], shares[-1] = 0.0, 1.0
    times = problem.start + (problem.time - problem.start) * shares
    sobol = torch.quasirandom.SobolEngine(box.dimension, scramble=True, seed=seed)
    places = sobol.draw(_TIMES * each, dtype=torch.float64).view(_TIMES, each, box.dimension)
    return pool(problem, box, times.clamp(problem.start, problem.time), places.to(like))


def scale_of(taken: Pool) -> Tensor:
    """Return the size of the outputs, (K,): the rms of the operator on f, which is u_t at the start."""
    return taken.source.square().mean(dim=0).sqrt()


def _loss(network: TimeConditioned, scale: Tensor, taken: Pool, duration: float) -> Tensor:
    """Return the mean square residual, each value relative to its scale."""
    relative = residual_on(network, scale, taken, duration) / torch.where(scale > 0, scale, 1)
    return relative.square().mean()


def walk(
    network: TimeConditioned,
    scale: Tensor,
    taken: Pool,
    duration: float,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> int:
    """Take Adam steps with a rate that falls to 0 as a cosine.

    Returns how many were taken: fewer where the loss was not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for step in range(steps):
        adam.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = torch.randint(len(taken.x), (batch,), generator=generator)
        loss = _loss(network, scale, taken.rows(chosen.to(taken.x.device)), duration)
        if not bool(torch.isfinite(loss)):
            return step
        adam.zero_grad()
        loss.backward()
        adam.step()
    return steps


def polish(network: TimeConditioned, scale: Tensor, taken: Pool, duration: float, iterations: int) -> None:
    """Run L-BFGS with a strong Wolfe line search on all points."""
    search = torch.optim.LBFGS(
        network.parameters(),
        max_iter=iterations,
        history_size=50,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        search.zero_grad()
        loss = _loss(network, scale, taken, duration)
        loss.backward()
        return loss

    step: Callable[..., Tensor] = search.step
    step(closure)


def measure(network: TimeConditioned, scale: Tensor, fresh: Pool, duration: float) -> dict[str, float]:
    """Return what is told of the residual on points that training did not see."""
    with torch.no_grad():
        squares = residual_on(network, scale, fresh, duration).square()
    means = squares.mean(dim=1)
    rms = float(means.mean().sqrt())
    deviation = float(means.std()) / math.sqrt(len(means))
    largest = float(squares.max().sqrt())
    return {
        "residual": rms,
        "residual_standard_error": deviation / (2 * rms) if rms > 0 else 0.0,
        "largest_residual": largest,
        "start_residual": float(fresh.source.square().mean().sqrt()),
        "error_estimate": duration * largest,
    }

"""The search for weights of an ℓ1 ball that correlate with given signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["Rho", "climb", "correlations"]

Rho: TypeAlias = Callable[[Tensor], Tensor]
"""ρ, applied to each number on its own; differentiable almost everywhere."""

_RIDGES = (1e-4, 1e-2, 1.0)
"""Weights of the penalty, relative to the mean squared length of the end points."""


def correlations(
    paths: Float64[Tensor, "count draws d"],
    rho: Rho,
    weights: Float64[Tensor, "rows d"],
    signs: Float64[Tensor, "rows count"],
) -> Float64[Tensor, " rows"]:
    """Return (1/N)·Σ ε_i·mean_j ρ(w·X^i_j) for each row of weights and signs."""
    values = rho(torch.einsum("njd,md->mnj", paths, weights))
    means: Tensor = (signs * values.mean(dim=2)).mean(dim=1)
    return means


def climb(
    paths: Float64[Tensor, "count draws d"],
    rho: Rho,
    radius: float,
    signs: Float64[Tensor, "rows count"],
    steps: int,
) -> Float64[Tensor, "rows d"]:
    """Return, for each row of signs, the best weights with ‖w‖₁ ≤ radius that were met.

    From the best start two climbs of `steps` steps: along the gradient, and towards the best corner (Frank &
    Wolfe 1956). Deterministic.
    """
    start, best = _best_start(paths, rho, radius, signs)
    kept = start
    for move in (_along, _to_corner):
        weights = start
        for step in range(steps):
            weights = move(weights, _slope(paths, rho, weights, signs), radius, step)
            now = correlations(paths, rho, weights, signs)
            better = now > best
            best, kept = torch.where(better, now, best), torch.where(better[:, None], weights, kept)
    return kept


def _slope(paths: Tensor, rho: Rho, weights: Tensor, signs: Tensor) -> Tensor:
    """Return the gradient of the correlations in the weights, 0 where ρ is constant."""
    with torch.enable_grad():
        place = weights.clone().requires_grad_()
        total = correlations(paths, rho, place, signs).sum()
        if not total.requires_grad:
            return torch.zeros_like(weights)
        (slope,) = torch.autograd.grad(total, place)
    return slope


def _along(weights: Tensor, slope: Tensor, radius: float, step: int) -> Tensor:
    """Return w moved by a share of its length, falling from 0.3, and back into the ball on a ray from 0."""
    share = 0.3 / (1.0 + step / 5.0) * weights.norm(dim=1, keepdim=True)
    return _inside(weights + share * slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-300), radius)


def _to_corner(weights: Tensor, slope: Tensor, radius: float, step: int) -> Tensor:
    """Return w moved by 2/(step + 3) of the way to the corner that the slope points to most."""
    place = slope.abs().argmax(dim=1, keepdim=True)
    corner = torch.zeros_like(slope).scatter(1, place, radius * slope.gather(1, place).sign())
    return weights + 2.0 / (step + 3.0) * (corner - weights)


def _best_start(paths: Tensor, rho: Rho, radius: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best of all starts for each row of signs, with what it reaches."""
    kept, best = torch.zeros(len(signs), paths.shape[2], dtype=paths.dtype), None
    for weights in _starts(paths, rho, radius, signs):
        now = correlations(paths, rho, weights, signs)
        better = torch.ones_like(now, dtype=torch.bool) if best is None else now > best
        best = now if best is None else torch.where(better, now, best)
        kept = torch.where(better[:, None], weights, kept)
    return kept, correlations(paths, rho, kept, signs)


def _starts(paths: Tensor, rho: Rho, radius: float, signs: Tensor) -> Iterator[Tensor]:
    """Yield the best corner, then ridge regressions of signs on mean end points: as found, and longest."""
    yield _best_corner(paths, rho, radius, signs)
    means = paths.mean(dim=1)
    gram = means @ means.T
    scale = float(gram.diagonal().mean())
    for ridge in _RIDGES if scale > 0 else ():
        penalty = ridge * max(scale, 1e-300) * torch.eye(len(means), dtype=means.dtype)
        weights = torch.linalg.solve(gram + penalty, means).T @ signs.T
        yield _inside(weights.T, radius)
        yield radius * weights.T / weights.T.abs().sum(dim=1, keepdim=True).clamp_min(1e-300)


def _best_corner(paths: Tensor, rho: Rho, radius: float, signs: Tensor) -> Tensor:
    """Return, for each row of signs, the best of the 2d corners ±radius·e_j."""
    values = torch.cat([rho(radius * paths).mean(dim=1), rho(-radius * paths).mean(dim=1)], dim=1)  # (N, 2d)
    place = (signs @ values).argmax(dim=1)
    corners = radius * torch.eye(paths.shape[2], dtype=paths.dtype)
    return torch.cat([corners, -corners])[place]


def _inside(weights: Tensor, radius: float) -> Tensor:
    """Return the weights, shortened to ‖w‖₁ ≤ radius where they are longer."""
    lengths = weights.abs().sum(dim=1, keepdim=True)
    return weights * (radius / lengths.clamp_min(radius))

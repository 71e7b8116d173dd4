"""The operator on the initial value, and whether that is smooth enough for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from heatproof.equation.domain import Domain

__all__ = ["applied", "smoothness_defect"]

_SEGMENTS = 64
_NODES = 48


def applied(
    f: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch d"],
    velocity: Float[Tensor, "batch d"],
    roots: Float[Tensor, "directions batch d"],
) -> Float[Tensor, "batch values"]:
    """Return v·∇f + ½Σ_j s_jᵀ(∇²f)s_j at each row, by reverse over reverse mode. Cost: K·(m + 1) passes."""
    columns = []
    for slope in _gradients(f, x):
        value = (slope * velocity).sum(dim=1).detach()
        for root in roots:
            value = value + 0.5 * (_again(slope, root, x) * root).sum(dim=1)
        columns.append(value)
    x.requires_grad_(False)
    return torch.stack(columns, dim=1).detach()


def _gradients(f: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """Return ∇f_k, (B, d) each, with a graph where there is one."""
    values = f(x.requires_grad_())
    if not values.requires_grad:
        return [torch.zeros_like(x)] * values.shape[1]
    totals = values.sum(dim=0).unbind()
    return [
        torch.autograd.grad(total, x, create_graph=True, allow_unused=True, materialize_grads=True)[0]
        for total in totals
    ]


def _again(slope: Tensor, direction: Tensor, x: Tensor) -> Tensor:
    """Return ∇²f·direction from a gradient with its graph."""
    if not slope.requires_grad:
        return torch.zeros_like(x)
    along = (slope * direction).sum()
    second = torch.autograd.grad(along, x, retain_graph=True, allow_unused=True, materialize_grads=True)
    return second[0].detach()


def smoothness_defect(f: Callable[[Tensor], Tensor], domain: Domain, like: Tensor) -> float:
    """Return how far f is from being the integral of its derivatives as autograd gives them; 0 is smooth.

    Along 64 random segments of the box, by Gauss–Legendre quadrature with 48 nodes: f(b) − f(a) against
    ∫f′, and f′(b) − f′(a) against ∫f″, each relative to what varies; the largest over values. About 1 for a
    step (no slope), for a piecewise-linear network (no bend), and for what is steeper than the nodes see.
    """
    way, weights, points = _segments(domain, like)
    flat = points.reshape(-1, domain.dimension)
    along = way[:, None].expand_as(points).reshape(flat.shape)
    worst = 0.0
    with torch.enable_grad():
        values = f(flat).detach().unflatten(0, points.shape[:2])
        for number, slope in enumerate(_gradients(f, flat)):
            first = (slope * along).sum(dim=1).detach().unflatten(0, points.shape[:2])
            second = (_again(slope, along, flat) * along).sum(dim=1).unflatten(0, points.shape[:2])
            worst = max(worst, _mismatch(values[..., number], first, weights, 0.0))
            steepness = float(values[..., number].std()) + float(first.square().mean().sqrt())
            worst = max(worst, _mismatch(first, second, weights, steepness))
    return worst


def _segments(domain: Domain, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ways (S, d), quadrature weights, and points (S, nodes + 2, d): both ends, then nodes."""
    generator = torch.Generator().manual_seed(0)
    low, high = torch.tensor(domain.low), torch.tensor(domain.high)
    ends = low + (high - low) * torch.rand(2, _SEGMENTS, domain.dimension, generator=generator)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    place = torch.as_tensor(np.concatenate([[0.0, 1.0], (nodes + 1) / 2]))
    start, way = ends[0].to(like), (ends[1] - ends[0]).to(like)
    points = start[:, None] + place.to(like)[None, :, None] * way[:, None]
    return way, torch.as_tensor(weights / 2).to(like), points


def _mismatch(values: Tensor, slopes: Tensor, weights: Tensor, scale: float) -> float:
    """Return rms of (value at b − value at a − ∫slope), relative to the rms of what varies."""
    change, total = values[:, 1] - values[:, 0], slopes[:, 2:] @ weights
    size = float(torch.stack([change, slopes[:, 2:].abs() @ weights]).square().mean().sqrt())
    noise = 1e3 * torch.finfo(values.dtype).eps * (float(values.abs().max()) + scale)
    return float((change - total).square().mean().sqrt()) / max(size, noise, 1e-300)

"""What benchmarks/laplacian.py compares: the estimators, PyTorch's Hessian, collapsed Taylor mode by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from heatproof.equation.laplacian import Autodiff, Axes, Coordinates, Directions, Estimator, estimate

LENGTH = 0.1
"""How far every finite difference steps, on average: h along axes, h·√d along random directions."""

ESTIMATORS: dict[str, Estimator] = {
    "axes": Axes(),
    "directions m = 1": Directions(),
    "directions m = 8": Directions(directions=8),
    "directions m = 8, ±1": Directions(directions=8, distribution="rademacher"),
    "coordinates m = 1": Coordinates(coordinates=1),
    "coordinates m = 8": Coordinates(coordinates=8),
    "autodiff": Autodiff(),
}


def network(dimension: int, values: int) -> nn.Sequential:
    """Return the tanh network 512-512, PyTorch's initial weights of seed 0."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(dimension, 512), nn.Tanh(), nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, values)
    )


def space_step(laplacian: Estimator, dimension: int) -> float:
    """Return the h that makes the step LENGTH long."""
    return LENGTH / math.sqrt(dimension) if isinstance(laplacian, Directions) else LENGTH


def contestants(model: nn.Sequential, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Return everything that is measured on this network and these points, by name."""
    source, dimension = torch.Generator().manual_seed(0), x.shape[1]
    one_by_one = {
        name: (lambda way=way: estimate(way, model, x, space_step(way, dimension), source))
        for name, way in ESTIMATORS.items()
        if not isinstance(way, Coordinates) or way.coordinates <= dimension
    }
    return {
        "forward pass": lambda: model(x),
        **one_by_one,
        "collapsed by hand": lambda: by_hand(model, x),
        "torch.func.hessian": lambda: hessians(model, x).diagonal(dim1=2, dim2=3).sum(dim=-1),
    }


def hessians(model: nn.Module, x: Tensor) -> Tensor:
    """Return the Hessian of each value at each point, (B, K, d, d)."""
    found: Tensor = torch.func.vmap(torch.func.hessian(lambda point: model(point[None])[0]))(x)
    return found


def by_hand(model: nn.Sequential, x: Tensor) -> Tensor:
    """Return Δu by collapsed Taylor mode written out for dense layers and tanh: the reference to reach.

    All d directions at once: value (B, n), slopes (B, d, n) and the sum of second derivatives (B, n); in the
    first layer the slopes are alike for all points.
    """
    value, slopes = x, torch.eye(x.shape[1], dtype=x.dtype)[None]
    curved = torch.zeros_like(x)
    for layer in model:
        if isinstance(layer, nn.Linear):
            value, slopes, curved = layer(value), slopes @ layer.weight.T, curved @ layer.weight.T
        else:
            value = torch.tanh(value)
            first = 1 - value.square()
            curved = first * curved - 2 * value * first * slopes.square().sum(dim=1)
            slopes = first[:, None] * slopes
    return curved


def variance(laplacian: Estimator, hessian: Tensor) -> Tensor:
    """Return the variance that the estimator's class states, for small steps, from Hessians (B, K, d, d)."""
    diagonal = hessian.diagonal(dim1=2, dim2=3)
    if isinstance(laplacian, Directions):
        squares = hessian.square().sum(dim=(2, 3))
        if laplacian.distribution == "rademacher":
            squares = squares - diagonal.square().sum(dim=-1)
        return 2 / laplacian.directions * squares
    if isinstance(laplacian, Coordinates):
        m, d = laplacian.coordinates, diagonal.shape[-1]
        return d**2 / m * (1 - m / d) * diagonal.var(dim=-1)
    return torch.zeros(hessian.shape[:2], dtype=hessian.dtype)

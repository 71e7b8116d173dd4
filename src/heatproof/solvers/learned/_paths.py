"""Whether the paths that bring the solution to the domain stay where the network is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from heatproof.equation import Domain, Problem

__all__ = ["leaving"]

_PATHS = 1024
_STEPS = 32


def leaving(problem: Problem, box: Domain, seed: int, like: Tensor) -> float:
    """Return the share of 1,024 paths from uniform points of the domain that leave the box before the start.

    Euler–Maruyama with 32 steps of dX = v dq + √(2A) dB, time running from `time` down to `start`.
    """
    domain = problem.domain or box
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor(domain.low), torch.tensor(domain.high)
    x = (low + (high - low) * torch.rand(_PATHS, domain.dimension, generator=generator)).to(like)
    edges = torch.tensor(box.low).to(like), torch.tensor(box.high).to(like)
    step = (problem.time - problem.start) / _STEPS
    gone = torch.zeros(_PATHS, dtype=torch.bool, device=x.device)
    with torch.no_grad():
        for number in range(_STEPS):
            t = problem.time - number * step
            x = x + step * problem.velocity(x, t) + problem.diffusion.increments(x, t, step, generator)
            gone |= ((x < edges[0]) | (x > edges[1])).any(dim=1)
    return float(gone.double().mean())

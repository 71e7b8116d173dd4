"""Bounds of the evolved class for a fixed velocity and diffusion: T_T F = {x ↦ E f(X_T) : f ∈ F}.

F = {x ↦ ρ(w·x) : ‖w‖₁ ≤ b_w}, ρ 1-Lipschitz, |ρ| ≤ b; X^i the end of the path from x_i.

1. R_S(T_T F) ≤ E R_{X(S)}(F), whatever the joint law of the paths: a supremum of means is at most the mean
   of suprema. With contraction, ≤ b_w·E‖(1/N)·Σ ε_i X^i‖_∞ (`jensen_bound`).
2. The covering bound (arXiv 2307.12333, Theorem 3.4) holds for T_T F with b_x replaced by
   max_i E‖X^i‖_∞ (`expected_reach`). *Proof.* Cover the weights, not the end points: ‖w − w′‖₁ ≤ δ·b_w
   moves E f(X^i) by at most δ·b_w·E‖X^i‖_∞. Values: |E ρ(w·X^i)| ≤ b, and |E ρ(w·X^i) − ρ(0)| ≤
   b_w·E‖X^i‖_∞; a complexity does not see ρ(0). The rest is as for F. ∎ (1.) alone gives less: the bound is
   concave in b_x, an infimum of concave functions, which leads to E max_i ‖X^i‖_∞ ≥ max_i E‖X^i‖_∞.
3. Massart's bound does not follow in the same form: (1.) needs second moments,
   b_w·√(2·ln(2d)/N)·(mean_i E‖X^i‖²_∞)^½. For ρ linear it is that of the inputs E X^i.

The same b_x as for F is enough where the flow keeps the box: paths leave it in general, and the bound with
the old b_x can then be false (an expanding velocity with a clipped linear base class).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from heatproof._check import check_number, check_whole
from heatproof.theory.complexity.ends import Ends, draw_ends
from heatproof.theory.complexity.estimate import Estimate, concentration, mean_interval
from heatproof.theory.complexity.signs import random_signs, seeded

__all__ = ["expected_reach", "jensen_bound"]

_CHUNK = 64
"""Draws of all paths that are held at once by `jensen_bound`."""


def expected_reach(
    ends: Ends,
    x: Float[Tensor, "rows *event"],
    *,
    draws: int = 256,
    seed: int = 0,
    spread: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Return max_i E‖X^i‖_∞, the b_x of the evolved class; `high` is safe for all inputs at once.

    The interval is a union over inputs. With `spread`, a Lipschitz constant of X_T in the standard normals ξ
    that drive it (ℓ2 to ℓ∞; s for heat flow with noise_std s), Gaussian concentration makes it exact:
    ± spread·√(2·ln(2N/α)/draws) (Tsirelson, Ibragimov & Sudakov 1976). Without, Student's interval, which
    takes the mean for normal. `value` is the largest mean, biased upwards. Cost: draws·N paths. Errors: those
    of `draw_ends`, and `InputError` for fewer than two draws or a number out of range.
    """
    check_whole("draws", draws, at_least=2)
    check_number("confidence", confidence, above=0, below=1)
    norms = draw_ends(ends, x, draws, seeded(seed)).abs().amax(dim=2)
    means, failure = norms.mean(dim=1), (1.0 - confidence) / (2 * len(norms))
    if spread is None:
        quantile = -float(stdtrit(draws - 1, failure))
        half, how = quantile * norms.std(dim=1) / math.sqrt(draws), "Student, union over inputs"
    else:
        proxy = check_number("spread", spread, at_least=0) ** 2
        half = torch.full_like(means, concentration(proxy, draws, failure))
        how = "Gaussian concentration, union over inputs"
    low, high = float((means - half).max()), float((means + half).max())
    return Estimate(float(means.max()), max(0.0, low), high, draws, confidence, how)


def jensen_bound(
    ends: Ends,
    x: Float[Tensor, "rows *event"],
    weight_bound: float,
    *,
    draws: int = 512,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Return b_w·E‖(1/N)·Σ ε_i X^i‖_∞ over signs and independent paths, with Student's interval.

    A bound of R_S(T_T F) for every 1-Lipschitz ρ (1. of the module's text). Cost: draws·N paths. Errors:
    those of `draw_ends`, and `InputError` for fewer than two draws or a number out of range.
    """
    check_number("weight_bound", weight_bound, above=0)
    check_whole("draws", draws, at_least=2)
    generator = seeded(seed)
    values: list[float] = []
    while len(values) < draws:
        rows = min(_CHUNK, draws - len(values))
        paths = draw_ends(ends, x, rows, generator)  # (N, rows, d)
        signs = random_signs(rows, len(paths), generator)
        sums = torch.einsum("mn,nmd->md", signs, paths) / len(paths)
        values += (weight_bound * sums.abs().amax(dim=1)).tolist()
    return mean_interval(values, confidence)

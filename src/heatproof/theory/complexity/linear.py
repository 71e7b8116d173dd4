"""The complexity of the linear class, exactly: a mean over signs."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs, check_number, check_whole
from heatproof.theory.complexity.estimate import Estimate, concentration
from heatproof.theory.complexity.signs import half_of_all_signs, seeded, sign_chunks

__all__ = ["linear_value"]


def linear_value(
    x: Float[Tensor, "rows *event"],
    weight_bound: float,
    *,
    draws: int = 4000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Return R_S = b_w·E‖(1/N)·Σ ε_i x_i‖_∞ of {x ↦ w·x : ‖w‖₁ ≤ b_w} on the inputs x.

    The supremum of w·z over the ℓ1 ball is b_w·‖z‖_∞: no search. Where all 2^(N−1) signs (up to their common
    sign) are no more than `draws`, the mean over them is taken and nothing is random. Else `draws` rows of
    signs are drawn. One sign moves the number by at most 2·b_w·‖x_i‖_∞/N, so the interval
    ± b_w·√(2·ln(2/α)·Σ‖x_i‖²_∞/draws)/N holds without approximation (McDiarmid 1989).

    By contraction it bounds {x ↦ ρ(w·x)} for every 1-Lipschitz ρ. Cost: draws·N·d. Errors: `InputError` for
    empty inputs or a number out of range, `DataError` for inputs that are not finite.
    """
    points = check_inputs("x", x).detach().cpu().flatten(1).double()
    check_number("weight_bound", weight_bound, above=0)
    check_number("confidence", confidence, above=0, below=1)
    count = len(points)
    if 1 << (min(count, 64) - 1) <= check_whole("draws", draws):
        value = weight_bound * _mean(half_of_all_signs(count), points)
        return Estimate(value, value, value, 0, 1.0, "all signs")
    generator = seeded(seed)
    total = sum(len(signs) * _mean(signs, points) for signs in sign_chunks(draws, count, generator))
    value = weight_bound * total / draws
    proxy = float((points.abs().amax(dim=1) ** 2).sum()) * (weight_bound / count) ** 2
    half = concentration(proxy, draws, (1.0 - confidence) / 2)
    return Estimate(value, max(0.0, value - half), value + half, draws, confidence, "McDiarmid")


def _mean(signs: Tensor, points: Tensor) -> float:
    """Return the mean over rows of signs of ‖(1/N)·Σ ε_i x_i‖_∞."""
    return float((signs @ points / len(points)).abs().amax(dim=1).mean())

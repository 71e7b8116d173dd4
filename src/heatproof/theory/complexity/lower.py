"""Estimates of a complexity from below: any members of the class that correlate with the signs.

For every ε, sup_{g∈G} (1/N)·Σ ε_i g(x_i) =: Z(ε) is at least what any g ∈ G reaches, and R_S(G) = E Z. One
sign moves Z by at most 2b/N (|g| ≤ b), so Z is sub-Gaussian with the proxy b²/N, whatever the class
(McDiarmid 1989): from M rows of signs with correlations c_m ≤ Z(ε_m),

    R_S(G) ≥ mean c_m − b·√(2·ln(1/α)/(M·N))   with probability 1 − α.

Where g(x_i) is itself a mean over D draws of an end point, fresh after the search but the same for all rows
of signs, one such draw moves mean c_m by at most 2b/(N·D): 1/(M·N) becomes (1/M + 1/D)/N. Draws that are
shared do not average out over M.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof._check import check_finite, check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.theory.complexity.ends import Ends, draw_ends
from heatproof.theory.complexity.estimate import Estimate, concentration
from heatproof.theory.complexity.search import Rho, climb, correlations
from heatproof.theory.complexity.signs import random_signs, seeded, sign_chunks

__all__ = ["finite_class_value", "from_below", "searched_value"]

_JUDGED = 4
"""Paths that judge, for each one that was searched on."""


def from_below(
    correlations: Float64[Tensor, " draws"],
    count: int,
    value_bound: float,
    *,
    confidence: float = 0.95,
    noise_draws: int | None = None,
) -> Estimate:
    """Return the mean correlation, and the lower limit of R_S that follows; nothing is known from above.

    `noise_draws` is D (see the module's text), or M·D where each row of signs has D draws of its own.
    Errors: `InputError` for no correlations, or one that no function bounded by `value_bound` has.
    """
    number = check_whole("count", count)
    bound = check_number("value_bound", value_bound, above=0)
    check_number("confidence", confidence, above=0, below=1)
    fits = correlations.ndim == 1 and len(correlations) > 0
    if not fits or not bool((correlations.abs() <= bound * (1 + 1e-6)).all()):
        got, allowed = f"shape {tuple(correlations.shape)}", f"(draws,), one or more within ±{bound:g}"
        raise InputError(message("correlations", got, allowed), name="correlations")
    rows = len(correlations)
    shared = rows / check_whole("noise_draws", noise_draws) if noise_draws is not None else 0.0
    half = concentration(bound**2 / number * (1.0 + shared), rows, 1.0 - confidence)
    value = float(correlations.mean())
    return Estimate(value, value - half, None, rows, confidence, "McDiarmid, from below")


def finite_class_value(
    values: Float[Tensor, "members count"],
    *,
    draws: int = 4000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Return E max_g (1/N)·Σ ε_i g(x_i) over the rows g of `values`: the complexity of a finite class.

    It is a lower estimate for every class that contains these members. The interval, two-sided, holds without
    approximation (McDiarmid 1989). Cost: draws·members·N. Errors: `InputError` for no members, `DataError`
    for values that are not finite.
    """
    if values.ndim != 2 or values.numel() == 0:
        raise InputError(message("values", f"shape {tuple(values.shape)}", "one row a member"), name="values")
    check_finite("values", values)
    check_number("confidence", confidence, above=0, below=1)
    members, count = values.detach().cpu().double(), values.shape[1]
    chunks = sign_chunks(check_whole("draws", draws), count, seeded(seed))
    value = sum(float((signs @ members.T / count).amax(dim=1).sum()) for signs in chunks) / draws
    proxy = float((members.abs().amax(dim=0) ** 2).sum()) / count**2
    half = concentration(proxy, draws, (1.0 - confidence) / 2)
    return Estimate(value, value - half, value + half, draws, confidence, "McDiarmid")


def searched_value(
    ends: Ends,
    x: Float[Tensor, "rows *event"],
    rho: Rho,
    weight_bound: float,
    value_bound: float,
    *,
    draws: int = 64,
    path_draws: int = 32,
    steps: int = 30,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Return a lower estimate of R_S(T_T F), F = {x ↦ ρ(w·x) : ‖w‖₁ ≤ b_w}, by search for each row of signs.

    Two climbs from the best of many starts (corners of the ℓ1 ball, ridge regressions on the signs) raise
    (1/N)·Σ ε_i·mean_j ρ(w·X^i_j) over `path_draws` paths an input. What was found is then judged on four
    times as many *fresh* paths: the maximum over noisy values would be biased upwards. `low` is a lower
    confidence limit of R_S(T_T F), with no approximation; how far below it lies depends on the search. For ρ
    linear the best corner is the supremum. Cost: draws·steps·N·path_draws·d, about N³ for the regressions.
    Errors: those of `draw_ends`; `InputError` where |ρ| exceeds `value_bound` or ρ changes shape or dtype.
    """
    check_number("weight_bound", weight_bound, above=0)
    check_number("value_bound", value_bound, above=0)
    check_whole("steps", steps, at_least=0)
    generator, bounded = seeded(seed), _checked(rho, value_bound)
    searched = draw_ends(ends, x, path_draws, generator)
    judged = draw_ends(ends, x, _JUDGED * path_draws, generator)
    signs = random_signs(draws, len(searched), generator)
    weights = climb(searched, bounded, weight_bound, signs, steps)
    found = _judge(judged, bounded, weights, signs)
    still = bool((judged == searched[:, :1]).all())  # no diffusion: nothing was drawn
    noise_draws = None if still else judged.shape[1]
    return from_below(found, len(judged), value_bound, confidence=confidence, noise_draws=noise_draws)


def _judge(judged: Tensor, rho: Rho, weights: Tensor, signs: Tensor) -> Tensor:
    """Return `correlations`, a few rows at a time: there are more paths than in the search."""
    parts = zip(weights.split(8), signs.split(8), strict=True)
    return torch.cat([correlations(judged, rho, some, their) for some, their in parts])


def _checked(rho: Rho, bound: float) -> Rho:
    """Return ρ, which then raises `InputError` for a value beyond its bound, or what is none a number."""

    def bounded(values: Tensor) -> Tensor:
        found: object = rho(values)
        if not isinstance(found, Tensor) or (found.shape, found.dtype) != (values.shape, values.dtype):
            got = f"a {type(found).__name__} of another shape or dtype"
            raise InputError(message("rho", got, "a number of the same dtype for each number"), name="rho")
        if not bool((found.abs() <= bound * (1 + 1e-6)).all()):
            got = f"values up to {float(found.detach().abs().max()):g}"
            raise InputError(message("rho", got, f"|ρ| ≤ value_bound = {bound:g}"), name="rho")
        return found

    return bounded

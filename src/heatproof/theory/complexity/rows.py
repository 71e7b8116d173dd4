"""The table of a class, without and with evolution: every bound, exact number and estimate that is known."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.theory.complexity.constants import ClassConstants, constants_of
from heatproof.theory.complexity.covering import covering_bound
from heatproof.theory.complexity.ends import Ends, draw_ends
from heatproof.theory.complexity.estimate import Estimate
from heatproof.theory.complexity.evolved import expected_reach, jensen_bound
from heatproof.theory.complexity.linear import linear_value
from heatproof.theory.complexity.lower import searched_value
from heatproof.theory.complexity.massart import massart_bound
from heatproof.theory.complexity.search import Rho
from heatproof.theory.complexity.signs import seeded
from heatproof.theory.complexity.table import ComplexityRow, Subject, estimate_row

__all__ = ["base_rows", "evolved_rows", "identity_ends"]


def identity_ends(x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Return x itself for every draw: no evolution (`Ends`)."""
    del generator
    return x.flatten(1)[:, None].expand(-1, draws, -1)


def base_rows(
    x: Float[Tensor, "rows *event"],
    weight_bound: float,
    rho: Rho | None = None,
    value_bound: float | None = None,
    *,
    subject: tuple[str, str],
    draws: int = 4000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[ComplexityRow, ...]:
    """Return the rows of F = {x ↦ ρ(w·x) : ‖w‖₁ ≤ b_w} on the inputs x.

    `subject`: class and sample, in words. ρ left out is the identity: the linear class, whose exact value is
    a row (with the means E X^i for inputs, that of the evolved linear class). For another ρ (1-Lipschitz,
    |ρ| ≤ value_bound; not checked between the inputs) that number is a bound, by contraction, and a search
    gives an estimate from below. Cost: that of `linear_value` and, with ρ, of `searched_value`. Errors:
    `InputError` for ρ without `value_bound` or the other way round, else those of the parts.
    """
    bound = _checked_bound(rho, value_bound)
    constants, about = constants_of(x, weight_bound, bound), Subject(*subject, len(x))
    given = constants.to_mapping()
    exact = linear_value(x, weight_bound, draws=draws, seed=seed, confidence=confidence)
    rows = [*_formulas(constants, about)]
    if rho is None or bound is None:
        return (estimate_row("exact", "exact", about, exact, given), *rows)
    capped = _capped(exact, bound)
    rows.append(estimate_row("bound", "contraction", about, capped, given))
    shift = rho(torch.zeros(1, dtype=torch.float64)) if constants.reach < bound else 0.0
    found = searched_value(
        identity_ends,
        x,
        lambda values: rho(values) - shift,  # a complexity does not see constants
        weight_bound,
        constants.size,
        path_draws=1,
        seed=seed,
        confidence=confidence,
    )
    return (*rows, estimate_row("estimate", "search", about, found, given))


def evolved_rows(
    ends: Ends,
    x: Float[Tensor, "rows *event"],
    weight_bound: float,
    rho: Rho,
    value_bound: float,
    *,
    subject: tuple[str, str],
    spread: float | None = None,
    draws: int = 256,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[ComplexityRow, ...]:
    """Return the rows of T_T F = {x ↦ E ρ(w·X_T) : ‖w‖₁ ≤ b_w} for a fixed velocity and diffusion.

    `subject`: class and sample, in words. The rows: the covering bound with b_x = max_i E‖X^i‖_∞ (its
    interval is that of the measured b_x, exact with `spread`), Jensen's bound, and a search from below.
    Cost: about 2·draws·N paths. Errors: those of `expected_reach`, `jensen_bound` and `searched_value`.
    """
    about, count = Subject(*subject, len(x)), len(x)
    size = draw_ends(ends, x[:1], 1, seeded(seed)).shape[2]
    reach = expected_reach(ends, x, draws=draws, seed=seed, spread=spread, confidence=confidence)
    levels = [
        covering_bound(ClassConstants(weight_bound, max(b_x, 1e-12), size, value_bound), count).value
        for b_x in (reach.low, reach.value, reach.high or reach.value)
    ]
    cover = replace(reach, value=levels[1], low=levels[0], high=levels[2])
    given = ClassConstants(weight_bound, reach.value, size, value_bound).to_mapping()
    jensen = jensen_bound(ends, x, weight_bound, draws=draws, seed=seed + 1, confidence=confidence)
    found = searched_value(ends, x, rho, weight_bound, value_bound, seed=seed + 2, confidence=confidence)
    return (
        estimate_row("bound", "covering", about, cover, given),
        estimate_row("bound", "Jensen", about, _capped(jensen, value_bound), given),
        estimate_row("estimate", "search", about, found, given),
    )


def _formulas(constants: ClassConstants, about: Subject) -> tuple[ComplexityRow, ...]:
    """Return the rows of the two bounds in closed form."""
    cover, given = covering_bound(constants, about.count), constants.to_mapping()
    values = (
        ("covering", cover.value, given | {"mesh": cover.mesh}),
        ("Massart", massart_bound(constants, about.count), given),
    )
    return tuple(
        ComplexityRow("bound", name, about, value, value, value, mapping, "formula")
        for name, value, mapping in values
    )


def _capped(found: Estimate, size: float) -> Estimate:
    """Return a bound that was drawn, or the trivial one where that is smaller."""
    high = None if found.high is None else min(found.high, size)
    return replace(found, value=min(found.value, size), low=min(found.low, size), high=high)


def _checked_bound(rho: Rho | None, value_bound: float | None) -> float | None:
    advice = "A bounded ρ needs its bound; leave both out for the linear class."
    if rho is None and value_bound is not None:
        raise InputError(message("value_bound", value_bound, "none without ρ", advice), name="value_bound")
    return None if rho is None else check_number("value_bound", value_bound, above=0, advice=advice)

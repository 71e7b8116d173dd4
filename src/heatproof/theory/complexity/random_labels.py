"""The complexity of trained networks from below: how well training fits random labels.

No bound here speaks of the supremum over velocities, that is over weights. But a network g trained on random
signs ε is a member of the class, so (1/N)·Σ ε_i g(x_i) ≤ sup: its mean over signs is a lower estimate of
R_S(G) for every class G that contains all that the training may return, for instance all networks of the
architecture, or those that this objective, budget and initial weights lead to (Zhang et al. 2017, whose test
this is, without the limit).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.errors import InputError
from heatproof.theory.complexity.estimate import Estimate
from heatproof.theory.complexity.lower import from_below
from heatproof.theory.complexity.signs import random_signs

__all__ = ["Fit", "correlation", "label_signs", "random_label_value"]

Fit = Callable[[Tensor, int], Tensor]
"""`fit(signs, number)` trains on the labels `signs` (N,) ±1, with all else keyed by `number`, and returns the
values g(x_i), (N,), |g| ≤ b."""


def label_signs(count: int, seed: int, number: int) -> Float64[Tensor, " count"]:
    """Return the random labels of draw `number`, the same for every training they are given to."""
    check_whole("seed", seed, at_least=0)
    text = f"{seed}/{check_whole('number', number, at_least=0)}/labels".encode()
    word = int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big")
    return random_signs(1, count, torch.Generator().manual_seed(word))[0]


def correlation(signs: Float64[Tensor, " count"], values: Tensor) -> float:
    """Return (1/N)·Σ ε_i g(x_i). Errors: `InputError` for values that are not N finite numbers."""
    fits = isinstance(values, Tensor) and values.shape == signs.shape
    if not fits or not bool(torch.isfinite(values).all()):
        got = f"shape {tuple(values.shape)}, or not finite" if isinstance(values, Tensor) else type(values)
        raise InputError(message("values", got, f"{len(signs)} finite numbers"), name="values")
    return float((signs * values.detach().cpu().double()).mean())


def random_label_value(
    fit: Fit,
    count: int,
    *,
    draws: int,
    seed: int = 0,
    value_bound: float = 1.0,
    confidence: float = 0.95,
) -> tuple[Estimate, Sequence[float]]:
    """Return the lower estimate for N = `count` labels over `draws` trainings, and each correlation.

    `low` is a lower confidence limit of R_S(G), b·√(2·ln(1/α)/(draws·N)) below the mean, with no
    approximation (McDiarmid on the supremum, see `lower`); the labels must be the only thing that the signs
    decide. Give two trainings the same `seed` to compare them label by label. Cost: `draws` trainings.
    Errors: `InputError` for values that are no N finite numbers within ±value_bound.
    """
    found = []
    for number in range(check_whole("draws", draws)):
        signs = label_signs(count, seed, number)
        found.append(correlation(signs, fit(signs, number)))
    values = torch.tensor(found, dtype=torch.float64)
    return from_below(values, count, value_bound, confidence=confidence), found

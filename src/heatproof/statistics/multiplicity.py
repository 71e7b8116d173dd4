"""Many inputs: what a level α speaks of, each input or the whole table.

"input": each certificate on its own is wrong with probability ≤ α, so of N inputs αN may be.
"table": all N at once are right with probability ≥ 1 − α, by the union bound: each is made at level α/N.
"holm": the same promise for one radius, with more certificates (Holm 1979, step-down). Its p-values are
exact tails of the binomial distribution at a number of draws that was fixed beforehand; nothing is asked of
the dependence between inputs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.special import betainc

from heatproof._check import check_choice, check_number, check_whole, message
from heatproof.errors import InputError

__all__ = ["MULTIPLICITIES", "Multiplicity", "binomial_p_values", "holm", "level_of_one"]

Multiplicity = Literal["input", "table", "holm"]
MULTIPLICITIES: tuple[Multiplicity, ...] = ("input", "table", "holm")


def level_of_one(alpha: float, inputs: int, multiplicity: str, *, sequential: bool = False) -> float:
    """Return the level of the bound of one of `inputs` inputs: α for "input", else α/inputs.

    With "holm" the bound p_lower of one input still has the level of the union; `holm` decides who is
    certified. Errors: `InputError` for "holm" with a sequential mode (its tails belong to a fixed number of
    draws), `UnknownNameError` for another word.
    """
    check_number("alpha", alpha, above=0, below=1)
    check_whole("inputs", inputs)
    check_choice("multiplicity", multiplicity, MULTIPLICITIES)
    if multiplicity == "holm" and sequential:
        advice = 'Take "table", or the fixed mode.'
        allowed = "input, table with a sequential mode; holm with a number of draws fixed beforehand"
        raise InputError(message("multiplicity", "'holm'", allowed, advice), name="multiplicity")
    return alpha if multiplicity == "input" else alpha / inputs


def binomial_p_values(
    successes: Int64[np.ndarray, " inputs"], trials: int, threshold: float
) -> Float64[np.ndarray, " inputs"]:
    """Return P(Bin(trials, threshold) ≥ successes), the exact p-value of "p ≤ threshold", for each input."""
    k = np.asarray(successes, dtype=np.float64)
    tails = betainc(np.maximum(k, 1.0), trials - k + 1.0, threshold)
    return np.where(k == 0, 1.0, tails)


def holm(
    successes: Int64[np.ndarray, " inputs"], trials: int, threshold: float, alpha: float
) -> Bool[np.ndarray, " inputs"]:
    """Return who is certified to have p > threshold, all of them right with probability ≥ 1 − alpha.

    With p-values P₁ ≤ … ≤ P_N the inputs 1…i are certified for the largest i with P_j ≤ alpha/(N − j + 1)
    for all j ≤ i. `threshold` is the least probability that gives the radius; it was chosen beforehand, and
    another radius is another statement with its own alpha. Cost: a sort. Errors: `InputError` unless 0 ≤
    successes ≤ trials, 0 < threshold < 1, 0 < alpha < 1.
    """
    check_number("alpha", alpha, above=0, below=1)
    check_number("threshold", threshold, above=0, below=1)
    check_whole("trials", trials)
    if np.any((successes < 0) | (successes > trials)):
        raise InputError(message("successes", "counts outside", f"0…{trials}"), name="successes")
    values = binomial_p_values(successes, trials, threshold)
    order = np.argsort(values, kind="stable")
    small = values[order] <= alpha / np.arange(len(values), 0, -1)
    certified = np.zeros(len(values), dtype=np.bool_)
    certified[order] = np.logical_and.accumulate(small)
    return certified

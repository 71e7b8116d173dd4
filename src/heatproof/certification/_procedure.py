"""From what a user asks (radii, the average radius, a number of samples) to a procedure with its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from heatproof._check import check_choice, check_number, message
from heatproof.certification._norms import norm_factor
from heatproof.errors import InputError
from heatproof.noise import Noise
from heatproof.statistics import check_draws
from heatproof.statistics import selection_samples as selection_samples_for

__all__ = ["METHODS", "procedure"]

METHODS = ("fixed", "decision", "radius")
_SAMPLES = {"fixed": 10_000, "decision": 100_000, "radius": 100_000}
_SELECTION = {"fixed": 100, "radius": 32}
_ALMOST_ONE = 1.0 - 2.0**-40
_TOLERANCE = 0.08
"""Of the noise's scale: what radius mode may lose at an input, in the noise's own norm."""


def procedure(
    noise: Noise,
    dimension: int,
    *,
    norm: str | None = None,
    method: str | None = None,
    radii: Iterable[float] | float | None = None,
    alpha: float = 0.001,
    alpha_scope: str = "per input",
    inputs: int = 1,
    estimation_samples: int | None = None,
    selection_samples: int | None = None,
    tolerance: float | None = None,
    price: float = 0.0,
    vote: str = "hard",
    runner_up: str = "complement",
) -> dict[str, Any]:
    """Return the fields of `CertificationSettings` that say how it is certified.

    `radii` (one or several) alone mean method "decision"; without a method it is "fixed". Errors:
    `InputError`.
    """
    wanted = () if radii is None else _increasing(radii)
    if method is None:
        method = "decision" if radii is not None else "fixed"
    check_choice("method", method, METHODS)
    check_number("alpha", alpha, above=0, below=1)
    check_choice("alpha_scope", alpha_scope, ("per input", "table"))
    if method == "decision" and not wanted:
        raise InputError(message("radii", repr(radii), "one or more numbers ≥ 0 to decide on"), name="radii")
    if method != "decision" and wanted:
        advice = "Other methods find the radius themselves: leave radii out."
        raise InputError(message("method", f"{method!r} with radii", "'decision'", advice), name="radii")
    samples = check_draws(
        "estimation_samples", _SAMPLES[method] if estimation_samples is None else estimation_samples
    )
    norm = norm or ("l2" if noise.norm == "mahalanobis" else noise.norm)
    if selection_samples is None:
        selection_samples = _SELECTION.get(method, 0)
        if wanted:  # what is cheapest for the smallest radius
            edge = noise.threshold(wanted[0] / norm_factor(noise, norm, dimension))
            selection_samples = selection_samples_for(min(max(edge, 0.5), _ALMOST_ONE), samples)
    if method == "radius" and tolerance is None:
        tolerance = _TOLERANCE * noise.scale
    return {
        "norm": norm,
        "method": method,
        "radii": wanted,
        "alpha": alpha,
        "alpha_scope": alpha_scope,
        "inputs": inputs if alpha_scope == "table" else None,
        "estimation_samples": samples,
        "selection_samples": check_draws("selection_samples", selection_samples),
        "tolerance": tolerance,
        "price": price,
        "vote": vote,
        "runner_up": runner_up,
    }


def _increasing(radii: Iterable[float] | float) -> tuple[float, ...]:
    several = radii if isinstance(radii, Iterable) else (radii,)
    return tuple(sorted({check_number("radii", radius, at_least=0) for radius in several}))

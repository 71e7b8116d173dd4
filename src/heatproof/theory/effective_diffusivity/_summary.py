"""From the states of all inputs to the numbers of one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from heatproof.theory.effective_diffusivity._calls import Call
from heatproof.theory.effective_diffusivity._estimate import Estimate, mean_over_inputs, ratio_over_inputs
from heatproof.theory.effective_diffusivity._formula import Expected
from heatproof.theory.effective_diffusivity._point import Point
from heatproof.theory.effective_diffusivity._result import FormulaComparison, LayerDiffusivity

__all__ = ["halves_of_variance", "layer_of"]

_ROUNDING = 1e-5


def halves_of_variance(points: Sequence[Point]) -> Float64[np.ndarray, " inputs"]:
    """Return ½·tr C/d for each input."""
    return np.asarray([point.measured.trace / (2 * point.dimension) for point in points])


def layer_of(
    call: Call,
    points: Sequence[Point],
    accumulated: Float64[np.ndarray, " inputs"],
    *,
    block_time: float,
    confidence: float,
    alpha: float,
) -> LayerDiffusivity:
    """Return the numbers of one layer; `accumulated` is the sum of ½·tr C/d up to it, for each input.

    `alpha` is the probability with which a right formula may be said to differ.
    """
    measured = [point.measured for point in points]
    top = np.asarray([one.squared_trace for one in measured])
    bottom = np.asarray([one.trace_of_square for one in measured])
    noisy = any(one.trace > 0 for one in measured)
    scale = 1 / (2 * block_time)
    return LayerDiffusivity(
        name=call.label,
        kind=type(call.layer).__name__,
        dimension=points[0].dimension,
        keeps_shape=call.keeps_shape,
        noisy=noisy,
        mean_diffusivity=mean_over_inputs(halves_of_variance(points) / block_time, confidence),
        effective_rank=ratio_over_inputs(top, bottom, confidence) if noisy else None,
        accumulated=mean_over_inputs(accumulated, confidence),
        eigenvalues=_mean_spectrum([one.from_all.tolist() for one in measured], scale),
        held_out=_mean_spectrum([one.from_halves.tolist() for one in measured], scale),
        formula=_comparison(points, block_time, alpha),
    )


def _mean_spectrum(spectra: Sequence[Sequence[float]], scale: float) -> tuple[float, ...]:
    return tuple(float(value) * scale for value in np.mean(spectra, axis=0))


def _comparison(points: Sequence[Point], block_time: float, alpha: float) -> FormulaComparison | None:
    said = [point.formula for point in points if point.formula is not None]
    if not said:
        return None
    scale = 1 / (2 * block_time * points[0].dimension)
    trace = _column(said, lambda one: one.trace)
    squares = _column(said, lambda one: one.trace_of_square)
    measured = np.asarray([point.measured.trace for point in points])
    difference = mean_over_inputs((measured - trace) * scale, 1 - alpha / 2)
    distance = _distance(points, said, 1 - alpha) if squares.sum() > 0 else None
    mean = float(trace.mean()) * scale
    near = difference.low <= _ROUNDING * mean and difference.high >= -_ROUNDING * mean
    return FormulaComparison(
        mean_diffusivity=mean,
        effective_rank=float((trace**2).sum() / squares.sum()) if squares.sum() > 0 else None,
        eigenvalues=_mean_spectrum([one.eigenvalues.tolist() for one in said], 1 / (2 * block_time)),
        difference=difference,
        squared_distance=distance,
        agrees=near and (distance is None or distance.low <= _ROUNDING),
    )


def _distance(points: Sequence[Point], said: Sequence[Expected], confidence: float) -> Estimate:
    """Return ‖C − C_formula‖² relative to ‖C_formula‖²; its lower end alone has half of alpha."""
    squares = _column(said, lambda one: one.trace_of_square)
    products = _column(said, lambda one: one.product)
    own = np.asarray([point.measured.trace_of_square for point in points])
    return mean_over_inputs((own - 2 * products + squares) / float(squares.mean()), confidence)


def _column(said: Sequence[Expected], number: Callable[[Expected], float]) -> Float64[np.ndarray, " inputs"]:
    return np.asarray([number(one) for one in said], dtype=np.float64)

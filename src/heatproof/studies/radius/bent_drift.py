"""Drifts that are not linear, on a 1-D grid: u_t = v·u_x + σ²·u_xx by Crank–Nicolson, on two grids.

The difference of the two grids bounds the error of the finer one about three times over, as the scheme is of
second order: an estimate, not a proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.linalg import solve_banded

from heatproof.studies.radius.formulas import accumulated_variance, drift_radius

__all__ = ["DRIFTS", "BentDrift", "compare"]

_Field = Callable[[Float64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]
_EDGES = (-2.0, -1.25, -0.75, 0.0, 0.5, 1.5)
"""The target is [−2, −1.25] ∪ [−0.75, 0] ∪ [0.5, 1.5]; the grid has a point on each end."""


@dataclass(frozen=True)
class BentDrift:
    """A drift v with v′ ≤ `rate` everywhere, solved on [−half_width, half_width]."""

    text: str
    field: _Field
    rate: float
    half_width: float


DRIFTS = {
    "tanh": BentDrift("v = tanh x", np.tanh, 1.0, 8.0),
    "double-well": BentDrift("v = x − x³", lambda x: x - x**3, 1.0, 3.0),
    "contracting": BentDrift("v = sin x − 2x", lambda x: np.sin(x) - 2 * x, -1.0, 6.0),
}


def compare(drift: BentDrift, sigma: float, time: float, cells: int) -> tuple[list[dict[str, Any]], float]:
    """Return rows (claimed radius, enclosure of the true one) at grid points, and the error of the grid.

    `cells` is the number of grid cells a unit of length, a multiple of 4; the finer grid has twice as many.
    """
    coarse = _solve(drift, sigma, time, cells)
    fine = _solve(drift, sigma, time, 2 * cells)
    error = float(np.abs(fine[1][::2] - coarse[1]).max())
    variance = accumulated_variance(sigma, drift.rate, time)
    inner = [i for i, x in enumerate(fine[0]) if abs(x) <= 2.5 and i % (cells // 4) == 0]
    rows = [_row(fine, error, variance, place, 1.0 / (2 * cells)) for place in inner]
    return [row for row in rows if row is not None], error


def _row(
    solution: tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]],
    error: float,
    variance: float,
    place: int,
    step: float,
) -> dict[str, Any] | None:
    """Compare at one grid point; None where the answer is not clear of the error, or never changes."""
    x, u = solution
    inside = u[place] > 0.5
    margin = 2 * u - 1 if inside else 1 - 2 * u
    maybe = np.abs(x - x[place])[margin <= 2 * error]
    surely = np.abs(x - x[place])[margin <= -2 * error]
    p_a = 0.5 + 0.5 * float(margin[place])
    if not 0.5 + error < p_a < 1 - error or not len(surely) or maybe.min() <= step:
        return None
    return {
        "x": float(x[place]),
        "p_a": p_a,
        "claimed": drift_radius(variance, p_a, 1 - p_a),
        "most": drift_radius(variance, p_a + error, 1 - p_a - error),
        "low": float(maybe.min()) - step,
        "high": float(surely.min()),
    }


def _solve(
    drift: BentDrift, sigma: float, time: float, cells: int
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return the grid and u(·, time); half-steps of implicit Euler first, as the data have jumps."""
    count = round(2 * drift.half_width * cells)
    x = np.linspace(-drift.half_width, drift.half_width, count + 1)
    bands = _generator(drift.field(x), sigma, 1.0 / cells)
    u = _indicator(x)
    steps = max(8, math.ceil(time * cells))
    dt = time / steps
    for _ in range(4):
        u = solve_banded((1, 1), _shifted(bands, -dt / 2), u)
    for _ in range(steps - 2):
        u = solve_banded((1, 1), _shifted(bands, -dt / 2), u + dt / 2 * _apply(bands, u))
    return x, u


def _indicator(x: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return 1 inside the target, ½ on its ends."""
    sign = np.sign(np.round(x[:, None] - np.array(_EDGES), 9))
    inside: Float64[np.ndarray, " n"] = 0.5 * (sign[:, ::2] - sign[:, 1::2]).sum(axis=1)
    return inside


def _generator(v: Float64[np.ndarray, " n"], sigma: float, step: float) -> Float64[np.ndarray, "3 n"]:
    """Return v·∂x + σ²·∂xx as bands; no slope at the ends."""
    diffusion, advection = sigma**2 / step**2, v / (2 * step)
    up, down = diffusion + advection, diffusion - advection
    bands = np.zeros((3, len(v)))
    bands[0, 1:], bands[1], bands[2, :-1] = up[:-1], -2 * diffusion, down[1:]
    bands[0, 1], bands[2, -2] = 2 * diffusion, 2 * diffusion
    return bands


def _shifted(bands: Float64[np.ndarray, "3 n"], factor: float) -> Float64[np.ndarray, "3 n"]:
    """Return the bands of 1 + factor·generator."""
    shifted = factor * bands
    shifted[1] += 1.0
    return shifted


def _apply(bands: Float64[np.ndarray, "3 n"], u: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    result: Float64[np.ndarray, " n"] = bands[1] * u
    result[:-1] += bands[0, 1:] * u[1:]
    result[1:] += bands[2, :-1] * u[:-1]
    return result

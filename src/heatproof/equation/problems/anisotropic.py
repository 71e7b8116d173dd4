"""Heat flow with another diffusivity in each direction, u_t = tr(A∇²u): diagonal and correlated."""

from __future__ import annotations

from collections.abc import Sequence

from heatproof._check import check_number, message
from heatproof.equation._numbers import as_numbers
from heatproof.equation.diffusion import DiagonalDiffusion, Diffusion, FullDiffusion
from heatproof.equation.problem import SolvedProblem
from heatproof.equation.problems._linear import linear_problem
from heatproof.equation.problems._setting import Title, check_numbers, cube, torus, whole_wave
from heatproof.equation.problems._values import Bump, HalfSpace, Wave
from heatproof.equation.velocity import ZeroVelocity
from heatproof.errors import InputError

__all__ = [
    "correlated_cosine",
    "correlated_gaussian",
    "correlated_half_space",
    "diagonal_cosine",
    "diagonal_gaussian",
]

_SOURCE = "Evans (2010), section 2.3, in the coordinates A^{−1/2}x"
_CORRELATED = ((0.2, 0.12), (0.12, 0.3))
_DIAGONAL = (0.3, 0.05)

Matrix = Sequence[Sequence[float]]


def diagonal_cosine(
    *, diffusivities: Sequence[float] = _DIAGONAL, wave: Sequence[float] = (1, 2), time: float = 1.0
) -> SolvedProblem:
    """Return u_t = Σ a_i ∂²u/∂x_i², periodic on [−π, π]^d: u = exp(−Σ a_i k_i² t)·cos(k·x).

    Errors: `InputError` for a negative diffusivity, or a wave of another length or not of whole numbers.
    """
    k = whole_wave(wave)
    a = check_numbers("diffusivities", diffusivities, length=len(k))
    equation = f"u_t = Σ a_i ∂²u/∂x_i², a = {a}, f = cos(k·x), k = {k}"
    return _wave(Title("diagonal_cosine", equation, _SOURCE), k, DiagonalDiffusion(a), time)


def diagonal_gaussian(
    *, diffusivities: Sequence[float] = _DIAGONAL, width: float = 0.5, time: float = 1.0
) -> SolvedProblem:
    """Return u_t = Σ a_i ∂²u/∂x_i², f = exp(−‖x‖²/2w²): a product of one-dimensional bumps.

    Errors: `InputError` for a negative diffusivity, or a width or time that is not > 0.
    """
    a = check_numbers("diffusivities", diffusivities)
    values = _bump(len(a), width)
    equation = f"u_t = Σ a_i ∂²u/∂x_i², a = {a}, f = exp(−‖x‖²/(2·{width:g}²))"
    title = Title("diagonal_gaussian", equation, _SOURCE)
    coefficients = (ZeroVelocity(), DiagonalDiffusion(a))
    return linear_problem(title, values, coefficients, cube(len(a), 4.0), time)


def correlated_cosine(
    *, matrix: Matrix = _CORRELATED, wave: Sequence[float] = (1, 1), time: float = 1.0
) -> SolvedProblem:
    """Return u_t = tr(A∇²u), periodic on [−π, π]^d: u = exp(−kᵀAk·t)·cos(k·x).

    Errors: `InputError` for an A that is not symmetric positive semi-definite, or a wave that does not fit.
    """
    flow, rows = FullDiffusion(matrix), _rows(matrix)
    k = whole_wave(wave, length=len(rows))
    equation = f"u_t = tr(A∇²u), A = {rows}, f = cos(k·x), k = {k}"
    return _wave(Title("correlated_cosine", equation, _SOURCE), k, flow, time)


def correlated_gaussian(
    *, matrix: Matrix = _CORRELATED, width: float = 0.5, time: float = 1.0
) -> SolvedProblem:
    """Return u_t = tr(A∇²u), f = exp(−‖x‖²/2w²): a bump with covariance w²I + 2At.

    Errors: `InputError` for an A that is not symmetric positive semi-definite, or a width not > 0.
    """
    flow, rows = FullDiffusion(matrix), _rows(matrix)
    values = _bump(len(rows), width)
    equation = f"u_t = tr(A∇²u), A = {rows}, f = exp(−‖x‖²/(2·{width:g}²))"
    title = Title("correlated_gaussian", equation, _SOURCE)
    return linear_problem(title, values, (ZeroVelocity(), flow), cube(len(rows), 4.0), time)


def correlated_half_space(
    *,
    matrix: Matrix = _CORRELATED,
    normal: Sequence[float] = (1.0, 0.5),
    offset: float = 0.2,
    time: float = 1.0,
) -> SolvedProblem:
    """Return u_t = tr(A∇²u), f = 1{n·x > b}: u = Φ((n·x − b)/√(2t·nᵀAn)), n scaled to length 1.

    For it the certified ellipsoid touches the half-space's boundary. Errors: `InputError` for an A that is
    not symmetric positive semi-definite, or a normal of another length.
    """
    flow, rows = FullDiffusion(matrix), _rows(matrix)
    n = check_numbers("normal", normal, length=len(rows))
    if not any(n):
        raise InputError(message("normal", repr(n), "a vector ≠ 0"), name="normal")
    values = HalfSpace(n, check_number("offset", offset))
    equation = f"u_t = tr(A∇²u), A = {rows}, f = 1{{n·x > {offset:g}}}, n ∝ {n}"
    title = Title("correlated_half_space", equation, _SOURCE)
    return linear_problem(title, values, (ZeroVelocity(), flow), cube(len(n), 3.0), time)


def _wave(title: Title, k: tuple[int, ...], diffusion: Diffusion, time: float) -> SolvedProblem:
    return linear_problem(title, Wave(k), (ZeroVelocity(), diffusion), torus(len(k)), time)


def _bump(size: int, width: float) -> Bump:
    return Bump((0.0,) * size, (check_number("width", width, above=0),) * size)


def _rows(matrix: Matrix) -> list[list[float]]:
    rows: list[list[float]] = as_numbers("matrix", matrix).tolist()
    return rows

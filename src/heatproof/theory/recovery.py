"""Coefficients of the equation from a black-box evolution operator.

Theorem 2.2 of arXiv 2307.12333 turned round: the axioms force u_t = v·∇u + tr(A∇²u), and v and A can be read
off what T_{t+η,t} does to linear and quadratic functions. With functions centred at the point x,

    v_i = lim m_i/η,   A_ij = ½ lim (T((y_i − x_i)(y_j − x_j))(x) − m_i m_j)/η,   m = T(y − x)(x).

The form A_ij = ½ lim (T(y_i y_j) − x_i x_j − ηv_i x_j − ηv_j x_i)/η, with ηv = m, is ½T((y − x)(y − x)ᵀ)/η.
It has the same limit, but an error ½ηvvᵀ that subtracting m mᵀ removes, and loses the digits of |x|²/η that
centring keeps. The covariance form is exact at any η for one step of Euler–Maruyama, that is, for a residual
block with noise: there A = C/(2Δt).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from heatproof._check import check_inputs, check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.theory.axioms import EvolutionOperator, Function, check_operator, is_sampled, reseeded

__all__ = ["Recovered", "equation_residual", "recover", "recover_sampled"]


@dataclass(frozen=True)
class Recovered:
    """v (B, *event) and A (B, d, d) at the points, each with an error of the same shape, or None.

    The errors are those that the method can see: of the limit η → 0 (`recover`: the last change of the
    extrapolation) or of the draws (`recover_sampled`: standard errors of the mean over seeds).
    """

    velocity: Float[Tensor, "batch *event"]
    matrix: Float[Tensor, "batch d d"]
    velocity_error: Float[Tensor, "batch *event"] | None = None
    matrix_error: Float[Tensor, "batch d d"] | None = None


def recover(
    operator: EvolutionOperator,
    x: Float[Tensor, "batch *event"],
    t: float = 0.0,
    *,
    step: float = 0.02,
    levels: int = 3,
) -> Recovered:
    """Return v(x, t) and A(x, t) of an operator T_{t+η,t}, η = step/2^j, j < levels.

    Errors are O(step^levels) for smooth coefficients: the values at halved η are extrapolated to 0
    (Richardson; their error is a series in η). With `levels` = 1 the values at η = `step` are returned as
    they are: that is what a block of a network has, step = Δt. Cost: for each point and level one call of
    the operator with d + d(d+1)/2 functions.
    Errors: `InputError` for points that are not finite, a step that is not positive, or an operator with
    draws where `levels` > 1: its error is not that of the limit (`recover_sampled`).
    """
    check_inputs("x", x)
    check_operator(operator)
    if is_sampled(operator) and levels > 1:
        advice = "Use recover_sampled, whose errors are those of the draws; levels=1 claims no error."
        allowed = "one without draws, for which the limit is the only error"
        raise InputError(message("operator", "one whose values are drawn", allowed, advice), name="operator")
    return _recovered(operator, x, t, step, levels)


def _recovered(operator: EvolutionOperator, x: Tensor, t: float, step: float, levels: int) -> Recovered:
    check_number("step", step, above=0)
    etas = [step / 2**level for level in range(check_whole("levels", levels))]
    parts = [_moments(operator, x, t, eta) for eta in etas]
    velocity, matrix = (_extrapolated([part[kind] for part in parts]) for kind in (0, 1))
    d = x[0].numel()
    return Recovered(
        velocity[0].reshape(x.shape),
        matrix[0].reshape(len(x), d, d),
        None if velocity[1] is None else velocity[1].reshape(x.shape),
        matrix[1],
    )


def recover_sampled(
    operator: EvolutionOperator,
    x: Float[Tensor, "batch *event"],
    t: float = 0.0,
    *,
    seeds: Sequence[int],
    step: float = 0.02,
    levels: int = 1,
) -> Recovered:
    """Return the mean of `recover` over fresh seeds of an operator with draws, with standard errors.

    For n draws a seed A is n/(n − 1) too small in the mean (a covariance around a mean of draws).
    Errors: `InputError` for fewer than two seeds.
    """
    if len(set(seeds)) < 2:
        raise InputError(message("seeds", f"{list(seeds)}", "at least two different ones"), name="seeds")
    check_operator(operator)
    parts = [_recovered(reseeded(operator, seed), x, t, step, levels) for seed in seeds]
    velocities = torch.stack([part.velocity for part in parts])
    matrices = torch.stack([part.matrix for part in parts])
    root = len(parts) ** 0.5
    return Recovered(
        velocities.mean(dim=0),
        matrices.mean(dim=0),
        velocities.std(dim=0) / root,
        matrices.std(dim=0) / root,
    )


def equation_residual(
    operator: EvolutionOperator,
    f: Function,
    x: Float[Tensor, "batch *event"],
    recovered: Recovered,
    t: float = 0.0,
    *,
    step: float = 0.02,
    levels: int = 3,
) -> tuple[Float[Tensor, "batch values"], Float[Tensor, "batch values"]]:
    """Return ∂_t T f at η → 0 minus v·∇f + tr(A∇²f), and ∂_t T f itself, for smooth f, (B, K).

    This is the check that the operator is one of the equation at all: jumps have v and A, too, but leave a
    residual that does not vanish. Cost: K Hessians a point, d·K rows.
    f is made of PyTorch operations that `torch.func` differentiates twice.
    """
    etas = [step / 2**level for level in range(check_whole("levels", levels))]
    start = f(x)
    slopes = [((operator(f, x, t + eta, t) - start) / eta).detach() for eta in etas]
    slope, _ = _extrapolated(slopes)

    def at(y: Tensor) -> Tensor:
        values: Tensor = f(y[None])[0]
        return values

    gradient = torch.func.vmap(torch.func.jacrev(at))(x).flatten(2)
    hessian = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(at)))(x)
    d = x[0].numel()
    bend = torch.einsum("bkij,bij->bk", hessian.reshape(*gradient.shape[:2], d, d), recovered.matrix)
    drift = torch.einsum("bki,bi->bk", gradient, recovered.velocity.flatten(1))
    return slope - (drift + bend).detach(), slope


def _moments(operator: EvolutionOperator, x: Tensor, t: float, eta: float) -> tuple[Tensor, Tensor]:
    """Return T(y − x)/η, (B, d), and half the covariance over η, (B, d, d), each point on its own."""
    d = x[0].numel()
    upper, right = torch.triu_indices(d, d)
    velocities, matrices = [], []
    for point in x.detach().split(1):
        centre = point.flatten(1)

        def functions(y: Tensor, centre: Tensor = centre) -> Tensor:
            moved = y.flatten(1) - centre
            return torch.cat([moved, moved[:, upper] * moved[:, right]], dim=1)

        with torch.no_grad():
            values = operator(functions, point, t + eta, t)[0]
        mean, second = values[:d], values.new_zeros(d, d)
        second[upper, right] = values[d:]
        second[right, upper] = values[d:]
        velocities.append(mean / eta)
        matrices.append((second - torch.outer(mean, mean)) / (2 * eta))
    return torch.stack(velocities), torch.stack(matrices)


def _extrapolated(values: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the limit of values at η, η/2, η/4 …, whose errors are a series in η, and its last change.

    The change is that from the limit without the largest η, one order less: larger than the error that is
    left where steps are small.
    """
    row = list(values)
    for order in range(1, len(values)):
        row = [fine + (fine - coarse) / (2**order - 1) for coarse, fine in itertools.pairwise(row)]
    if len(values) == 1:
        return row[0], None
    return row[0], (row[0] - _extrapolated(values[1:])[0]).abs()
